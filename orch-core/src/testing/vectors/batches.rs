//! What batches of tasks in worktrees cost, as vectors.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read};
use crate::{
    Result, WallTime,
    ext::budget_file::{BatchCosts, BatchTimes, TaskRan},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Input {
    /// What they cost, and what the scripts said of that.
    Batches(Vec<Batch>),
    /// Their metrics, as scripts make them.
    Metrics(Vec<Value>),
    /// When their tasks began and ended, in seconds.
    Times(Vec<Vec<(f64, f64)>>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    ran: Vec<TaskRan>,
    #[serde(default)]
    ms: u64,
}

pub(super) fn run(input: Value) -> Result<Value> {
    Ok(match read(input)? {
        Input::Batches(batches) => batches.iter().map(|batch| report(&costs(batch))).collect(),
        Input::Metrics(metrics) => metrics.iter().map(report).collect(),
        Input::Times(batches) => batches.iter().map(|spans| BatchTimes::of(spans).form()).collect(),
    })
}

fn costs(Batch { ran, ms }: &Batch) -> Value {
    json!(BatchCosts::of(ran, Duration::from_millis(*ms)))
}

fn report(metrics: &Value) -> Value {
    BatchCosts::report(metrics, WallTime(0)).unwrap_or_else(|error| failed(&error))
}
