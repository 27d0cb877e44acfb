//! Progress that is told from outside: who runs a graph by other means says what happened, and the core's folds say what it means.

use std::time::Duration;

use napi_derive::napi;
use orch_core::{
    Clock, Error, ErrorKind, Event, EventKind, Failure, FailureKind, Graph, Output, Plan, PlanOptions, Progress,
    Report, RunId, RunState, SkipReason, TaskIx, TaskState,
    report::todo::{TodoLayout, TodoMode, todo_list_in},
};
use serde_json::json;

use crate::{
    convert::{self, duration, millis},
    error::Raised,
};

/// The progress of one run.
#[napi]
pub struct Tracker {
    report: Report,
    progress: Progress,
    seq: u64,
    at: Duration,
}

#[napi]
impl Tracker {
    /// Of a graph in its JSON form that at most so many tasks of run at once.
    #[napi(constructor)]
    pub fn new(graph: String, max_parallel: Option<u32>) -> napi::Result<Self> {
        let graph = Graph::parse(&graph).raised()?;
        let plan = Plan::new(&graph, &PlanOptions::default()).raised()?;
        let (report, progress) = (Report::new(&plan), Progress::new(&plan));
        let mut tracker = Self { report, progress, seq: 0, at: Duration::ZERO };
        let run = RunId::new(&Clock::system());
        tracker.tell(0.0, EventKind::RunStarted { run, graph: Box::new(graph.hash()), max_parallel })?;
        Ok(tracker)
    }

    /// A task began. `false`: it has begun already.
    #[napi]
    pub fn start(&mut self, task: String, at_ms: f64) -> napi::Result<bool> {
        let ix = self.find(&task)?;
        if self.report.task(ix).state() != TaskState::Pending {
            return Ok(false);
        }
        let attempt = self.report.task(ix).attempts() + 1;
        self.tell(at_ms, EventKind::TaskStarted { task: ix, attempt, queued: Duration::ZERO })?;
        Ok(true)
    }

    /// A task ended; without a message it worked. `false`: it has ended already.
    #[napi]
    pub fn finish(&mut self, task: String, at_ms: f64, failure: Option<String>) -> napi::Result<bool> {
        self.start(task.clone(), at_ms)?;
        let ix = self.find(&task)?;
        if self.report.task(ix).state().is_final() {
            return Ok(false);
        }
        let result = match failure {
            None => Ok(Output::NOTHING),
            Some(message) => Err(Box::new(Failure { kind: FailureKind::Error, message })),
        };
        let attempt = self.report.task(ix).attempts();
        self.tell(at_ms, EventKind::TaskFinished { task: ix, attempt, result, usage: None })?;
        Ok(true)
    }

    /// A task is not run: its condition does not hold, or, `stopped`, something before it failed.
    #[napi]
    pub fn skip(&mut self, task: String, at_ms: f64, stopped: bool) -> napi::Result<bool> {
        let ix = self.find(&task)?;
        if self.report.task(ix).state().is_final() {
            return Ok(false);
        }
        let reason = if stopped { SkipReason::Stopped } else { SkipReason::Condition(String::new()) };
        self.tell(at_ms, EventKind::TaskSkipped { task: ix, reason })?;
        Ok(true)
    }

    /// The run is over: it succeeded, or not.
    #[napi]
    pub fn end(&mut self, succeeded: bool, at_ms: f64) -> napi::Result<()> {
        let state = if succeeded { RunState::Succeeded } else { RunState::Failed };
        self.tell(at_ms, EventKind::RunFinished { state })
    }

    /// Counts, percent and the estimate of the rest, as JSON.
    #[napi]
    pub fn stats(&self, at_ms: f64) -> napi::Result<String> {
        let counts = self.progress.counts();
        let rest = match self.progress.state() {
            RunState::Running => self.progress.rest(duration(at_ms)?),
            _ => Duration::ZERO,
        };
        convert::shown(&json!({
            "total": counts.total(),
            "pending": counts.pending,
            "running": counts.running,
            "succeeded": counts.succeeded,
            "skipped": counts.skipped,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
            "percent": counts.percent_done(),
            "rest_ms": millis(rest),
        }))
    }

    /// The list of the TodoWrite tool, as JSON.
    #[napi]
    pub fn todos(&self, mode: String, layout: String) -> napi::Result<String> {
        let mode: TodoMode = convert::read(&format!("{mode:?}"), "the mode of the list")?;
        let layout: TodoLayout = convert::read(&format!("{layout:?}"), "the layout of the list")?;
        convert::shown(&todo_list_in(&self.report, mode, layout).todos)
    }
}

impl Tracker {
    fn find(&self, task: &str) -> napi::Result<TaskIx> {
        let found = self.report.graph().find(task);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no task `{task}`"))).raised()
    }

    fn tell(&mut self, at_ms: f64, kind: EventKind) -> napi::Result<()> {
        self.at = duration(at_ms)?.max(self.at);
        let event = Event { seq: self.seq, at: self.at, kind };
        self.seq += 1;
        self.progress.on(&event);
        self.report.on(&event);
        Ok(())
    }
}
