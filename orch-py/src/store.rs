//! The store: runs and results that outlive their process.

use std::{
    collections::HashMap,
    env,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use orch_core::{
    Error, ErrorKind,
    locks::Locks,
    session::{self, RunForm, StoreLocks, StoreLocksOptions, StoredRun},
    store::{RunRow, SqliteOptions, SqliteStore, Store as _, Synchronous, Wish, sqlite::store_path},
};
use pyo3::prelude::*;
use serde_json::Value;

use crate::{
    convert::{self, Text},
    error::Raised,
    graph::Graph,
    plan::Plan,
    report::Report,
};

/// A file with runs and results. The class that users see, in Python, is made of it.
#[pyclass(subclass, frozen, module = "orch._orch")]
pub(crate) struct Store {
    pub(crate) native: SqliteStore,
    synchronous: Synchronous,
    /// What tasks of kept runs claim by, however those are written: from the first run on.
    locks: Arc<OnceLock<Locks>>,
}

impl Store {
    /// Locks that hold between processes, the same for all its runs.
    pub(crate) fn locks(&self) -> Locks {
        let make = || Locks::new(StoreLocks::new(Arc::new(self.native.clone()), StoreLocksOptions::default()));
        self.locks.get_or_init(make).clone()
    }
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (path=None, *, sync="normal"))]
    fn new(py: Python<'_>, path: Option<PathBuf>, sync: &str) -> PyResult<Self> {
        let synchronous = synchronous(sync).raised(py)?;
        let open = || {
            let here = env::current_dir().map_err(|error| {
                Error::new(ErrorKind::Io, "the working directory cannot be told; name the store's whole path")
                    .caused_by(error)
            })?;
            open(store_path(path.as_deref(), &here, |name| env::var_os(name))?, synchronous)
        };
        Ok(Self { native: py.detach(open).raised(py)?, synchronous, locks: Arc::default() })
    }

    /// The same file, written with that care.
    fn synced(&self, py: Python<'_>, sync: &str) -> PyResult<Self> {
        let synchronous = synchronous(sync).raised(py)?;
        let native = if synchronous == self.synchronous {
            self.native.clone()
        } else {
            py.detach(|| open(self.native.path().to_owned(), synchronous)).raised(py)?
        };
        Ok(Self { native, synchronous, locks: self.locks.clone() })
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.native.path().to_owned()
    }

    #[getter]
    fn sync(&self) -> &'static str {
        match self.synchronous {
            Synchronous::Normal => "normal",
            Synchronous::Full => "full",
        }
    }

    /// The runs as lists show them, the latest first.
    fn rows<'py>(&self, py: Python<'py>, source: Option<Text>, limit: usize) -> PyResult<Bound<'py, PyAny>> {
        let source = source.map(|source| source.0);
        let forms = py.detach(|| {
            let rows = self.native.runs(source.as_deref(), limit)?;
            rows.iter().map(|row| self.form(row)).collect::<orch_core::Result<Vec<Value>>>()
        });
        convert::shown(py, &forms.raised(py)?)
    }

    /// The run that was named, by its name or how that ends; without a name, the latest of that source.
    fn row<'py>(&self, py: Python<'py>, run: Option<Text>, source: Option<Text>) -> PyResult<Bound<'py, PyAny>> {
        let form = py.detach(|| self.form(&self.find(run, source)?));
        convert::shown(py, &form.raised(py)?)
    }

    /// What a run did, as its events tell it.
    fn report_of(&self, py: Python<'_>, run: Option<Text>, source: Option<Text>) -> PyResult<Report> {
        py.detach(|| self.load(run, source)).raised(py).map(|stored| Report(stored.report))
    }

    /// A run with its inputs and the events of its latest part, as data.
    fn story<'py>(&self, py: Python<'py>, run: Text) -> PyResult<Bound<'py, PyAny>> {
        let stored = py.detach(|| self.load(Some(run), None)).raised(py)?;
        convert::shown(py, &stored.form())
    }

    /// How a run goes on with that graph.
    #[pyo3(signature = (run, source, graph, inputs, functions))]
    fn resumption(
        &self,
        py: Python<'_>,
        run: Option<Text>,
        source: Option<Text>,
        graph: &Graph,
        inputs: Option<&Bound<'_, PyAny>>,
        functions: bool,
    ) -> PyResult<Resume> {
        let inputs = inputs.map(|inputs| convert::read(inputs, "the inputs of the run")).transpose()?;
        let load = || {
            let run = self.find(run, source)?.run;
            let load = if functions {
                session::Resume::load_functions(&self.native, run, &graph.0, inputs.as_ref(), None)
            } else {
                session::Resume::load(&self.native, run, Some(&graph.0), inputs.as_ref(), None)
            };
            load.map(Resume)
        };
        py.detach(load).raised(py)
    }

    /// Leaves word for the owner of a run: `cancel`, with a reason, `pause` or `unpause`.
    fn leave_wish(&self, py: Python<'_>, run: Option<Text>, wish: &str, reason: Text) -> PyResult<String> {
        let wish = match wish {
            "cancel" => Wish::Cancel { reason: reason.0 },
            "pause" => Wish::Pause,
            _ => Wish::Resume,
        };
        let leave = || {
            let row = self.find(run, None)?;
            session::leave_wish(&self.native, &row, &wish).map(|()| row.run.to_string())
        };
        py.detach(leave).raised(py)
    }

    /// Reads everything and compares the hashes.
    fn checked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let found = py.detach(|| self.native.check()).raised(py)?;
        convert::shown(py, &found)
    }

    /// Makes the file smaller; what it did.
    fn compacted<'py>(&self, py: Python<'py>, older_than: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let older_than = older_than.map(Duration::try_from_secs_f64).transpose()?;
        let done = py.detach(|| self.native.compact(older_than)).raised(py)?;
        convert::shown(py, &done)
    }

    /// Writes a copy.
    fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.native.export(&path)).raised(py)
    }
}

impl Store {
    /// A run as lists have it.
    fn form(&self, row: &RunRow) -> orch_core::Result<Value> {
        let form = RunForm::of(&self.native, row)?;
        serde_json::to_value(form)
            .map_err(|error| Error::new(ErrorKind::Misuse, "a run has no JSON form").caused_by(error))
    }

    fn find(&self, run: Option<Text>, source: Option<Text>) -> orch_core::Result<RunRow> {
        let (run, source) = (run.map(|run| run.0), source.map(|source| source.0));
        session::find_run(&self.native, run.as_deref(), source.as_deref())
    }

    fn load(&self, run: Option<Text>, source: Option<Text>) -> orch_core::Result<StoredRun> {
        StoredRun::load(&self.native, self.find(run, source)?.run)
    }
}

fn open(path: PathBuf, synchronous: Synchronous) -> orch_core::Result<SqliteStore> {
    SqliteStore::open(path, SqliteOptions { synchronous, ..SqliteOptions::default() })
}

fn synchronous(sync: &str) -> orch_core::Result<Synchronous> {
    match sync {
        "normal" => Ok(Synchronous::Normal),
        "full" => Ok(Synchronous::Full),
        _ => Err(Error::new(ErrorKind::InvalidValue, format!("`sync` is {sync:?}; give 'normal' or 'full'"))),
    }
}

/// What a run of that file is found by again.
#[pyfunction]
pub(crate) fn source_of(file: PathBuf) -> String {
    session::run_source(&file)
}

/// How a stored run goes on.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Resume(pub(crate) session::Resume);

#[pymethods]
impl Resume {
    #[getter]
    fn run(&self) -> String {
        self.0.run().to_string()
    }

    /// What is run: with the tasks that were added then, where they are kept.
    fn plan(&self, py: Python<'_>) -> PyResult<Plan> {
        Plan::of(py, self.0.graph(), None, None, None)
    }

    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, self.0.inputs())
    }

    /// The places of the tasks that are kept, and what they made.
    fn kept(&self, py: Python<'_>) -> PyResult<HashMap<usize, Py<PyAny>>> {
        let made = self.0.restore().iter().filter_map(|it| Some((it.task.index(), it.output.json()?)));
        made.map(|(place, value)| Ok((place, convert::to_python(py, value)?.unbind()))).collect()
    }

    /// The same for people: the tasks that are kept, by name, and those that are run, and why.
    fn form<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &self.0.form())
    }
}
