//! Worktrees of git, for the scripts that orch replaces.

use std::{path::PathBuf, sync::Mutex, time::Duration};

use orch_core::{
    Clock,
    ext::{
        budget_file::{BatchCosts, BatchTimes, TaskRan, TokenFile},
        worktree::{self, Base, Hindrance, Holder, Known, Look, Named, RouteQuery, WorktreeOptions, branch_name},
    },
    git::BranchName,
};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
};

/// The worktrees of a repository.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Worktrees(worktree::Worktrees);

#[pymethods]
impl Worktrees {
    /// Those of the repository that the folder lies in; new ones are made in `root`, which a relative path names from there.
    #[new]
    #[pyo3(signature = (directory, root = None))]
    fn new(py: Python<'_>, directory: PathBuf, root: Option<PathBuf>) -> PyResult<Self> {
        let options = WorktreeOptions { root, ..WorktreeOptions::default() };
        py.detach(|| worktree::Worktrees::open(&directory, options)).map(Self).raised(py)
    }

    /// The main one.
    #[getter]
    fn main(&self) -> PathBuf {
        self.0.main().to_owned()
    }

    /// What they are called, the main one first.
    fn names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(py.detach(|| self.0.all()).raised(py)?.iter().map(Known::name).collect())
    }

    /// Takes the worktree of that name, on a branch of its own (`own`, else `worktree/NAME`) that follows `branch`: without one
    /// `main`, or what the repository has instead. `worker`: its task and agent. `None` if somebody has it.
    #[pyo3(signature = (name, branch = None, purpose = None, worker = None, own = None))]
    fn take(
        &self,
        py: Python<'_>,
        name: Text,
        branch: Option<Text>,
        purpose: Option<Text>,
        worker: Option<(Text, Text)>,
        own: Option<Text>,
    ) -> PyResult<Option<Lease>> {
        let take = || {
            let main = BranchName::new("main")?;
            let base = match branch {
                Some(branch) => Base::Branch(BranchName::new(&branch.0)?),
                None if self.0.git().reference(&main.full())?.is_some() => Base::Branch(main),
                None => Base::DefaultBranch,
            };
            let own = match own {
                Some(own) => BranchName::new(&own.0)?,
                None => branch_name("worktree/{name}", &[("name", &name.0)])?,
            };
            let (task, agent) = worker.map(|(task, agent)| (task.0, agent.0)).unzip();
            let holder = Holder { task, agent, ..Holder::default() };
            let (name, purpose) = (name.0, purpose.map(|text| text.0));
            self.0.take(&Named { name, branch: Some(own), base, follow: true, purpose, holder })
        };
        Ok(py.detach(take).raised(py)?.map(Lease::of))
    }

    /// Forgets those whose folder is gone: what they were called, and, of those that stay, why.
    fn prune(&self, py: Python<'_>) -> PyResult<(Vec<String>, Vec<Left>)> {
        let pruned = py.detach(|| self.0.prune()).raised(py)?;
        let why = |(known, why): (Known, Vec<Hindrance>)| (known.name(), why.iter().map(ToString::to_string).collect());
        let gone = pruned.gone.into_iter().map(|trashed| trashed.name).collect();
        Ok((gone, pruned.left.into_iter().map(why).collect()))
    }

    /// Keeps what fits that pattern out of what git shows as new, in all of them.
    fn exclude(&self, py: Python<'_>, pattern: Text) -> PyResult<()> {
        py.detach(|| self.0.exclude(&pattern.0)).raised(py)
    }

    /// `worktree_health.json`.
    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &py.detach(|| self.0.look(&Look::default())).raised(py)?.health())
    }

    /// How all of them are, as `orch worktree list --json` says it.
    fn overview<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &py.detach(|| self.0.look(&Look::default())).raised(py)?.json())
    }
}

/// What a worktree that stays is called, and why it stays.
type Left = (String, Vec<String>);

/// A worktree that one has alone, until it is ended.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Lease {
    lease: Mutex<Option<worktree::Lease>>,
    #[pyo3(get)]
    path: PathBuf,
    #[pyo3(get)]
    name: String,
    #[pyo3(get)]
    head: String,
    #[pyo3(get)]
    clean: bool,
}

impl Lease {
    fn of(taken: worktree::Taken) -> Self {
        let worktree::Taken { lease, head, clean, .. } = taken;
        let name = lease.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { path: lease.path.clone(), name, head: head.as_str().to_owned(), clean, lease: Mutex::new(Some(lease)) }
    }
}

#[pymethods]
impl Lease {
    /// Gives it back. Once more does nothing.
    fn end(&self) {
        if let Ok(mut lease) = self.lease.lock() {
            lease.take();
        }
    }
}

/// Where tasks belong, by the configuration files of the scripts.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Routes {
    routes: worktree::Routes,
    #[pyo3(get)]
    files: Vec<PathBuf>,
}

#[pymethods]
impl Routes {
    /// By the files that a repository has, whose top that is.
    #[new]
    fn new(py: Python<'_>, top: PathBuf) -> PyResult<Self> {
        let files = worktree::Routes::files(&top);
        let routes = py.detach(|| worktree::Routes::load(&files)).raised(py)?;
        Ok(Self { routes, files })
    }

    /// The worktrees that the files name, in their order.
    fn ways<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, self.routes.ways())
    }

    /// Where tasks go by type and text, and why: one answer a task. `turn`: the turn of the first that nothing places.
    #[pyo3(signature = (tasks, turn = None))]
    fn of<'py>(&self, py: Python<'py>, tasks: Vec<(Text, Text)>, turn: Option<u64>) -> PyResult<Bound<'py, PyAny>> {
        let (mut turn, mut forms) = (turn, Vec::new());
        for (kind, text) in tasks {
            let routed = self.routes.route(&RouteQuery { kind: kind.0, text: text.0, branch: None, turn });
            turn = routed.next_turn;
            forms.push(routed.form());
        }
        convert::shown(py, &forms)
    }
}

/// Adds to the tokens that `token_usage.json` has; how many there are then.
#[pyfunction]
pub(crate) fn tokens_add(py: Python<'_>, path: PathBuf, tokens: u64) -> PyResult<u64> {
    py.detach(|| TokenFile::new(path).add(tokens)).raised(py)
}

/// The tokens that a program says it used.
#[pyfunction]
pub(crate) fn tokens_said(py: Python<'_>, output: Text) -> u64 {
    py.detach(|| TaskRan::tokens_said(&output.0))
}

/// What a batch of tasks cost: whether each worked, and its tokens.
#[pyfunction]
pub(crate) fn batch_costs<'py>(py: Python<'py>, ran: Vec<(bool, u64)>, seconds: f64) -> PyResult<Bound<'py, PyAny>> {
    let ran: Vec<TaskRan> = ran.into_iter().map(|(success, tokens)| TaskRan { success, tokens }).collect();
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    convert::shown(py, &BatchCosts::of(&ran, duration))
}

/// What follows from such metrics.
#[pyfunction]
pub(crate) fn batch_advice<'py>(py: Python<'py>, metrics: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    convert::shown(py, &BatchCosts::advice(&convert::to_json(metrics)?).raised(py)?)
}

/// `cost_report.json` of such metrics.
#[pyfunction]
pub(crate) fn batch_report<'py>(py: Python<'py>, metrics: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let at = Clock::system().wall();
    convert::shown(py, &BatchCosts::report(&convert::to_json(metrics)?, at).raised(py)?)
}

/// What tasks gained that ran side by side, by when each began and ended in seconds.
#[pyfunction]
pub(crate) fn batch_times<'py>(py: Python<'py>, spans: Vec<(f64, f64)>) -> PyResult<Bound<'py, PyAny>> {
    convert::shown(py, &BatchTimes::of(&spans).form())
}
