//! Agents that are programs: run by the core, never seen by the driver in JavaScript.

use std::sync::Arc;

use napi_derive::napi;
use orch_core::{
    Agents, Executor, PriceTable, ProcessExecutor, ProcessOptions,
    executor::Doers,
    plan::{Assigned, Candidate},
    session::{self, find_run},
    store::Store,
};

use crate::{convert, error::Raised, graph::Graph, store::NativeStore};

/// Which agents are programs, and which are functions.
#[napi]
pub struct Programs {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) doers: Arc<Doers>,
}

/// A graph in which each task has an agent that asks for what one can do.
#[napi(object, object_from_js = false)]
pub struct Dealt {
    /// The graph.
    pub graph: Graph,
    /// Who was chosen, and why, as JSON: a list of pairs, for programs and for people.
    pub assigned: String,
}

#[napi]
impl Programs {
    /// `agents` is a table of agents, as in TOML; `flags` are agents as the command line gives them, `NAME=ARGV`; `functions` says of
    /// each function what it can do and how many at once, as JSON.
    #[napi(constructor)]
    pub fn new(agents: String, flags: Vec<String>, functions: String, directory: Option<String>) -> napi::Result<Self> {
        let mut agents: Agents = convert::read(&agents, "the programs of agents")?;
        let functions: Vec<Candidate> = convert::read(&functions, "the functions of agents")?;
        for flag in &flags {
            agents = agents.with_flag(flag).raised()?;
        }
        let options = ProcessOptions { cwd: directory.map(Into::into), ..ProcessOptions::default() };
        let executor = Arc::new(ProcessExecutor::new(agents.clone(), options));
        Ok(Self { executor, doers: Arc::new(Doers::new(agents, functions)) })
    }

    /// Refuses a graph some of whose agents are neither.
    #[napi]
    pub fn check(&self, graph: &Graph) -> napi::Result<()> {
        let problems = self.doers.problems(&graph.0);
        if problems.is_empty() {
            return Ok(());
        }
        let message = "some agents are neither functions nor programs; give them as `agents` or as `programs`";
        Err(orch_core::Error::invalid_definition(message, problems)).raised()
    }

    /// Deals the tasks, by what is in that store. Of the run that goes on it is the name, else the source.
    #[napi]
    pub fn deal(
        &self,
        graph: &Graph,
        store: Option<&NativeStore>,
        run: Option<String>,
        source: Option<String>,
    ) -> napi::Result<Dealt> {
        let store = store.map(NativeStore::open).transpose()?;
        let store = store.as_ref().map(|store| store as &dyn Store);
        let goes_on = store.filter(|_| run.is_some() || source.is_some());
        let row = goes_on.map(|store| find_run(store, run.as_deref(), source.as_deref())).transpose().raised()?;
        let (resumes, able) = (row.map(|row| row.run), self.doers.candidates());
        let (graph, assigned) = session::deal(&graph.0, able, store, resumes, &PriceTable::bundled()).raised()?;
        let told: Vec<(&Assigned, String)> = assigned.iter().map(|one| (one, one.to_string())).collect();
        Ok(Dealt { graph: Graph(graph), assigned: convert::shown(&told)? })
    }
}
