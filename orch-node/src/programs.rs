//! Agents that are programs: run by the core, never seen by the driver in JavaScript.

use std::{collections::HashSet, sync::Arc};

use napi_derive::napi;
use orch_core::{Agents, Executor, ProcessExecutor, ProcessOptions, TaskIx};

use crate::{convert, error::Raised, graph::Graph};

/// Which agents are programs, and which are functions.
#[napi]
pub struct Programs {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) known: Arc<Known>,
}

/// The names.
pub(crate) struct Known {
    agents: Agents,
    functions: HashSet<String>,
}

#[napi]
impl Programs {
    /// `agents` is a table of agents, as in TOML; `flags` are agents as the command line gives them, `NAME=ARGV`.
    #[napi(constructor)]
    pub fn new(
        agents: String,
        flags: Vec<String>,
        functions: Vec<String>,
        directory: Option<String>,
    ) -> napi::Result<Self> {
        let mut agents: Agents = convert::read(&agents, "the programs of agents")?;
        for flag in &flags {
            agents = agents.with_flag(flag).raised()?;
        }
        let options = ProcessOptions { cwd: directory.map(Into::into), ..ProcessOptions::default() };
        let executor = Arc::new(ProcessExecutor::new(agents.clone(), options));
        let known = Arc::new(Known { agents, functions: functions.into_iter().collect() });
        Ok(Self { executor, known })
    }

    /// Refuses a graph some of whose agents are neither.
    #[napi]
    pub fn check(&self, graph: &Graph) -> napi::Result<()> {
        let (graph, known) = (&graph.0, &self.known);
        let mut problems = known.agents.problems(graph);
        problems.retain(|problem| {
            let path = problem.path.strip_prefix("tasks.").unwrap_or(&problem.path);
            let (id, undo) = path.strip_suffix(".undo").map_or((path, false), |id| (id, true));
            let Some(ix) = graph.find(id) else { return true };
            !known.is_function(agent_of(graph, ix, undo))
        });
        if problems.is_empty() {
            return Ok(());
        }
        let message = "some agents are neither functions nor programs; give them as `agents` or as `programs`";
        Err(orch_core::Error::invalid_definition(message, problems)).raised()
    }
}

impl Known {
    /// Whether that attempt is a program's.
    pub(crate) fn runs(&self, graph: &orch_core::Graph, task: TaskIx, undo: bool) -> bool {
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
fn agent_of(graph: &orch_core::Graph, task: TaskIx, undo: bool) -> Option<&str> {
    let options = graph.task(task).options();
    let to_undo = || options.undo.as_ref()?.agent.as_deref();
    undo.then(to_undo).flatten().or(options.agent.as_deref())
}
