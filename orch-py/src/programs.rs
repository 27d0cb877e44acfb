//! Agents that are programs: run by the core, never seen by the driver in Python.

use std::{path::PathBuf, sync::Arc};

use orch_core::{
    Agents, Executor, PriceTable, ProcessExecutor, ProcessOptions,
    executor::Doers,
    plan::{Assigned, Candidate},
    session::{self, find_run},
};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
    graph::Graph,
    store::Store,
};

/// Which agents are programs, and which are functions of Python.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Programs {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) doers: Doers,
}

#[pymethods]
impl Programs {
    /// `agents` is a table of agents, as in TOML; `flags` are agents as the command line gives them, `NAME=ARGV`; `functions` says of
    /// each function what it can do and how many at once.
    #[new]
    fn new(
        py: Python<'_>,
        agents: &Bound<'_, PyAny>,
        flags: Vec<Text>,
        functions: &Bound<'_, PyAny>,
        directory: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut agents: Agents = convert::read(agents, "the programs of agents")?;
        let functions: Vec<Candidate> = convert::read(functions, "the functions of agents")?;
        for flag in &flags {
            agents = agents.with_flag(&flag.0).raised(py)?;
        }
        let options = ProcessOptions { cwd: directory, ..ProcessOptions::default() };
        let executor = Arc::new(ProcessExecutor::new(agents.clone(), options));
        Ok(Self { executor, doers: Doers::new(agents, functions) })
    }

    /// Refuses a graph some of whose agents are neither.
    fn check(&self, py: Python<'_>, graph: &Graph) -> PyResult<()> {
        let problems = self.doers.problems(&graph.0);
        if problems.is_empty() {
            return Ok(());
        }
        let message = "some agents are neither functions nor programs; give them as `agents` or as `programs`";
        Err(orch_core::Error::invalid_definition(message, problems)).raised(py)
    }

    /// The graph in which each task has an agent that asks for what one can do, and who was chosen and why, for programs and for people.
    /// By what is in that store; `resumes` is the run that goes on: its name, else its source.
    fn deal<'py>(
        &self,
        py: Python<'py>,
        graph: &Graph,
        store: Option<PyRef<'_, Store>>,
        resumes: Option<(Option<Text>, Option<Text>)>,
    ) -> PyResult<(Graph, Bound<'py, PyAny>)> {
        let store = store.map(|store| store.native.clone());
        let deal = || {
            let store = store.as_ref().map(|store| store as &dyn orch_core::store::Store);
            let named = |text: Option<Text>| text.map(|text| text.0);
            let find = |(run, source), store| find_run(store, named(run).as_deref(), named(source).as_deref());
            let run = resumes.zip(store).map(|(resumes, store)| find(resumes, store)).transpose()?.map(|row| row.run);
            session::deal(&graph.0, self.doers.candidates(), store, run, &PriceTable::bundled())
        };
        let (dealt, assigned) = py.detach(deal).raised(py)?;
        let told: Vec<(&Assigned, String)> = assigned.iter().map(|one| (one, one.to_string())).collect();
        Ok((Graph(dealt), convert::shown(py, &told)?))
    }
}
