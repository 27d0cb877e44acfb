//! Who does what, as vectors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read};
use crate::{
    Graph, Result, Task, TaskId,
    plan::{Candidate, assign},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    tasks: Vec<Task>,
    candidates: Vec<Candidate>,
    /// Who had which task in an earlier part of the run.
    #[serde(default)]
    before: BTreeMap<TaskId, String>,
}

pub(super) fn run(input: Value) -> Result<Value> {
    let Input { tasks, candidates, before } = read(input)?;
    let graph = Graph::builder("vector").tasks(tasks).build()?;
    Ok(match assign(&graph, &candidates, &before) {
        Ok((graph, assigned)) => {
            let agents: Vec<_> = graph.tasks().iter().map(|task| &task.options().agent).collect();
            let says: Vec<String> = assigned.iter().map(ToString::to_string).collect();
            json!({"agents": agents, "assigned": assigned, "says": says})
        }
        Err(error) => failed(&error),
    })
}
