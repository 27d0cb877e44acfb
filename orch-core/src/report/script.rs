//! Plays a run by hand: what happened when, without an engine.

use std::time::Duration;

use serde_json::Value;

use super::Report;
use crate::{
    definition::{Graph, GraphHash},
    event::{Event, EventKind, Failure, FailureKind, Kept, Output, RunState, SkipReason},
    id::{RunId, TaskIx},
    plan::{Plan, PlanOptions},
    units::Usage,
};

/// The events of a run, written down in milliseconds.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) plan: Plan,
    pub(crate) events: Vec<Event>,
}

impl Script {
    pub(crate) fn new(graph: &Graph, max_parallel: Option<u32>) -> Self {
        let plan = Plan::new(graph, &PlanOptions::default()).unwrap();
        let run = RunId::from_parts(1, 2);
        let script = Self { plan, events: Vec::new() };
        script.push(0, EventKind::RunStarted { run, graph: Box::new(GraphHash([0; 32])), max_parallel })
    }

    /// An event at that many milliseconds.
    pub(crate) fn push(mut self, at: u64, kind: EventKind) -> Self {
        self.events.push(Event { seq: self.events.len() as u64, at: Duration::from_millis(at), kind });
        self
    }

    fn ix(&self, task: &str) -> TaskIx {
        self.plan.graph().find(task).unwrap()
    }

    pub(crate) fn start(self, at: u64, task: &str) -> Self {
        self.start_after(at, task, 1, 0)
    }

    pub(crate) fn start_after(self, at: u64, task: &str, attempt: u32, queued: u64) -> Self {
        let task = self.ix(task);
        self.push(at, EventKind::TaskStarted { task, attempt, queued: Duration::from_millis(queued) })
    }

    pub(crate) fn done(self, at: u64, task: &str) -> Self {
        self.done_with(at, task, Value::Null, None)
    }

    pub(crate) fn done_with(self, at: u64, task: &str, output: Value, usage: Option<Usage>) -> Self {
        let (task, usage) = (self.ix(task), usage.map(Box::new));
        self.push(at, EventKind::TaskFinished { task, attempt: 1, result: Ok(Output::from(output)), usage })
    }

    pub(crate) fn fail(self, at: u64, task: &str, kind: FailureKind, message: &str) -> Self {
        let task = self.ix(task);
        let failure = Box::new(Failure { kind, message: message.to_owned() });
        self.push(at, EventKind::TaskFinished { task, attempt: 1, result: Err(failure), usage: None })
    }

    pub(crate) fn retry(self, at: u64, task: &str, message: &str, usage: Option<Usage>) -> Self {
        let (task, failure) = (self.ix(task), Box::new(Failure::error(message)));
        let (delay, usage) = (Duration::from_secs(1), usage.map(Box::new));
        self.push(at, EventKind::TaskRetrying { task, attempt: 1, failure, delay, usage })
    }

    pub(crate) fn skip(self, at: u64, task: &str, reason: SkipReason) -> Self {
        let task = self.ix(task);
        self.push(at, EventKind::TaskSkipped { task, reason })
    }

    /// Everything of the run has ended; those tasks are to be undone, and those are kept.
    pub(crate) fn undo(self, at: u64, order: &[&str], kept: &[(&str, Kept)]) -> Self {
        let order = order.iter().map(|task| self.ix(task)).collect();
        let kept = kept.iter().map(|&(task, why)| (self.ix(task), why)).collect();
        self.push(at, EventKind::UndoPlanned { order, kept })
    }

    /// An attempt to undo, from then to then; it fails with that message, or works. Attempt 0 did not begin.
    pub(crate) fn undoing(self, (from, to): (u64, u64), task: &str, attempt: u32, failed: Option<&str>) -> Self {
        let task = self.ix(task);
        let result = failed.map_or(Ok(Output::NOTHING), |message| Err(Box::new(Failure::error(message))));
        let begun = if attempt > 0 { self.push(from, EventKind::UndoStarted { task, attempt }) } else { self };
        begun.push(to, EventKind::UndoFinished { task, attempt, result, usage: None })
    }

    pub(crate) fn undo_again(self, (from, to): (u64, u64), task: &str, attempt: u32, message: &str) -> Self {
        let (task, failure) = (self.ix(task), Box::new(Failure::error(message)));
        let delay = Duration::from_secs(1);
        self.push(from, EventKind::UndoStarted { task, attempt })
            .push(to, EventKind::UndoRetrying { task, attempt, failure, delay, usage: None })
    }

    pub(crate) fn end(self, at: u64, state: RunState) -> Self {
        self.push(at, EventKind::RunFinished { state })
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = Report::new(&self.plan);
        self.events.iter().for_each(|event| report.on(event));
        report
    }
}
