//! Who does the tasks that ask for a capability.

use std::collections::BTreeMap;

use super::{config::Config, store::LEARNS_FROM};
use crate::{
    Agents,
    definition::{Graph, Task},
    error::Result,
    id::{RunId, TaskId},
    plan::{self, Assigned, Candidate},
    session::{self, StoredRun},
    store::SqliteStore,
};

/// The graph in which every task has an agent that asks for what one can do; by how they did in the runs of that store.
pub(super) fn assign(
    graph: &Graph,
    agents: &Agents,
    before: &BTreeMap<TaskId, String>,
    store: Option<&SqliteStore>,
    config: &Config,
) -> Result<(Graph, Vec<Assigned>)> {
    // To look at every run takes a while, and most graphs name their agents.
    if !asks(graph) {
        return Ok((graph.clone(), Vec::new()));
    }
    let mut past = match store {
        Some(store) => session::performance(store, LEARNS_FROM, &config.prices)?,
        None => BTreeMap::new(),
    };
    let candidate = |(name, agent): (&str, &crate::Agent)| Candidate {
        name: name.to_owned(),
        capabilities: agent.capabilities.clone(),
        at_once: agent.at_once.map(std::num::NonZeroU32::get),
        past: past.remove(name).unwrap_or_default(),
    };
    let mut candidates: Vec<Candidate> = agents.iter().map(candidate).collect();
    if candidates.is_empty() {
        // Whoever only looks at a run need not say again who can what.
        let had = |task: &Task| Some((before.get(task.id())?.clone(), task.options().capability.clone()?));
        let had = graph.tasks().iter().filter_map(had);
        candidates.extend(had.map(|(name, can)| Candidate { name, capabilities: vec![can], ..Candidate::default() }));
    }
    plan::assign(graph, &candidates, before)
}

/// Who had which task in that run.
pub(super) fn before(store: &SqliteStore, run: RunId) -> Result<BTreeMap<TaskId, String>> {
    let graph = StoredRun::load(store, run)?.graph;
    let had = |task: &Task| Some((task.id().clone(), task.options().agent.clone()?));
    Ok(graph.tasks().iter().filter_map(had).collect())
}

/// Whether a task asks for a capability.
pub(super) fn asks(graph: &Graph) -> bool {
    graph
        .tasks()
        .iter()
        .map(|task| task.options())
        .any(|options| options.agent.is_none() && options.capability.is_some())
}
