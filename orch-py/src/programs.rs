//! Agents that are programs: run by the core, never seen by the driver in Python.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use orch_core::{Agents, Executor, Graph, ProcessExecutor, ProcessOptions, TaskIx};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
    graph,
};

/// Which agents are programs, and which are functions of Python.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Programs {
    pub(crate) executor: Arc<dyn Executor>,
    agents: Agents,
    functions: HashSet<String>,
}

#[pymethods]
impl Programs {
    /// `agents` is a table of agents, as in TOML; `flags` are agents as the command line gives them, `NAME=ARGV`.
    #[new]
    fn new(
        py: Python<'_>,
        agents: &Bound<'_, PyAny>,
        flags: Vec<Text>,
        functions: HashSet<String>,
        directory: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut agents: Agents = convert::read(agents, "the programs of agents")?;
        for flag in &flags {
            agents = agents.with_flag(&flag.0).raised(py)?;
        }
        let options = ProcessOptions { cwd: directory, ..ProcessOptions::default() };
        let executor = Arc::new(ProcessExecutor::new(agents.clone(), options));
        Ok(Self { executor, agents, functions })
    }

    /// Refuses a graph some of whose agents are neither.
    fn check(&self, py: Python<'_>, graph: &graph::Graph) -> PyResult<()> {
        let mut problems = self.agents.problems(&graph.0);
        let known = |agent: Option<&str>| self.is_function(agent);
        problems.retain(|problem| {
            let path = problem.path.strip_prefix("tasks.").unwrap_or(&problem.path);
            let (id, undo) = path.strip_suffix(".undo").map_or((path, false), |id| (id, true));
            let Some(ix) = graph.0.find(id) else { return true };
            !known(agent_of(&graph.0, ix, undo))
        });
        if problems.is_empty() {
            return Ok(());
        }
        let message = "some agents are neither functions nor programs; give them as `agents` or as `programs`";
        Err(orch_core::Error::invalid_definition(message, problems)).raised(py)
    }
}

impl Programs {
    /// Whether that attempt is a program's.
    pub(crate) fn runs(&self, graph: &Graph, task: TaskIx, undo: bool) -> bool {
        !self.is_function(agent_of(graph, task, undo))
    }

    /// A function of that name goes first, then a program of that name, then whoever stands for all others.
    fn is_function(&self, agent: Option<&str>) -> bool {
        if agent.is_some_and(|agent| self.functions.contains(agent)) {
            return true;
        }
        let own_program = agent.is_some_and(|agent| self.agents.iter().any(|(name, _)| name == agent));
        !own_program && self.functions.contains(Agents::DEFAULT)
    }
}

/// Who does it.
fn agent_of(graph: &Graph, task: TaskIx, undo: bool) -> Option<&str> {
    let options = graph.task(task).options();
    let to_undo = || options.undo.as_ref()?.agent.as_deref();
    undo.then(to_undo).flatten().or(options.agent.as_deref())
}
