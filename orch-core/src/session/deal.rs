//! Who does the tasks that ask for a capability, by how they did before.

use std::collections::BTreeMap;

use super::kept::{performance, read_graph};
use crate::{
    cost::PriceSource,
    definition::{Graph, Task},
    error::Result,
    id::{RunId, TaskId},
    plan::{Assigned, Candidate, History, assign, limit_agents},
    store::Store,
};

/// Gives every task that asks for a capability to one of these agents, as [`assign`] chooses, and lets no agent do more at once than it
/// says, as [`limit_agents`] does. What agents did is looked up in the latest runs of the store, with costs by these prices; who has a
/// [`past`](Candidate::past) already keeps it where there is none.
///
/// `resumes` is the run that goes on: agents keep the tasks that they had there. Where nobody says who can what, those who had the
/// tasks then can do them. Blocks, where a task asks for a capability: to look at every run takes a while.
///
/// ```
/// use orch_core::{Graph, PriceTable, Task, plan::Candidate, session::deal};
///
/// let graph = Graph::builder("g").task(Task::new("look").capability("security")).build()?;
/// let able = Candidate { name: "sam".into(), capabilities: vec!["security".into()], at_once: Some(2), ..Candidate::default() };
/// let (graph, assigned) = deal(&graph, vec![able], None, None, &PriceTable::default())?;
/// assert_eq!(assigned[0].agent, "sam");
/// assert_eq!(graph.task(0.into()).options().claims.len(), 1, "of two at once it is one");
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`assign`], [`limit_agents`] and of the store.
pub fn deal(
    graph: &Graph,
    mut agents: Vec<Candidate>,
    store: Option<&dyn Store>,
    resumes: Option<RunId>,
    prices: &dyn PriceSource,
) -> Result<(Graph, Vec<Assigned>)> {
    if !graph.tasks().iter().any(asks) {
        return Ok((limit_agents(graph, &agents)?, Vec::new()));
    }
    let mut before = BTreeMap::new();
    if let Some(store) = store {
        let past = performance(store, History::KEPT, prices)?;
        for agent in &mut agents {
            agent.past = past.get(&agent.name).cloned().unwrap_or_default();
        }
        if let Some(row) = resumes.map(|run| store.run(run)).transpose()?.flatten() {
            before = agents_of(&read_graph(store, &row)?);
        }
    }
    if agents.is_empty() {
        let had = |task: &Task| Some((before.get(task.id())?.clone(), task.options().capability.clone()?));
        let had = graph.tasks().iter().filter_map(had);
        agents.extend(had.map(|(name, can)| Candidate { name, capabilities: vec![can], ..Candidate::default() }));
    }
    let (graph, assigned) = assign(graph, &agents, &before)?;
    Ok((limit_agents(&graph, &agents)?, assigned))
}

/// Whether it asks for a capability, and names no agent.
fn asks(task: &Task) -> bool {
    task.options().agent.is_none() && task.options().capability.is_some()
}

/// Who has which task.
fn agents_of(graph: &Graph) -> BTreeMap<TaskId, String> {
    let had = |task: &Task| Some((task.id().clone(), task.options().agent.clone()?));
    graph.tasks().iter().filter_map(had).collect()
}
