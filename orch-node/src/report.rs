//! Reports: folds over the events of a run.

use std::sync::Arc;

use napi_derive::napi;
use orch_core::{
    TaskIx, TaskResult,
    report::render::{chrome_trace, github_summary, html, json, junit, text},
};

use crate::{
    convert::{self, millis},
    error::Raised,
};

/// What a run did.
#[napi]
pub struct Report(pub(crate) Arc<orch_core::Report>);

/// What became of one task. Times in milliseconds since the start of the run.
#[napi(object, object_from_js = false)]
pub struct Row {
    /// Where it stands.
    pub state: &'static str,
    /// How many attempts began.
    pub attempts: u32,
    /// When the first began.
    pub started_ms: Option<f64>,
    /// When it ended.
    pub finished_ms: Option<f64>,
    /// How long its attempts ran.
    pub duration_ms: f64,
    /// How long it waited for a place.
    pub queued_ms: f64,
    /// Why it failed, was skipped or was cancelled.
    pub message: Option<String>,
}

impl Report {
    fn find(&self, place: u32) -> Option<TaskResult<'_>> {
        ((place as usize) < self.0.graph().len()).then(|| self.0.task(TaskIx::from(place)))
    }
}

#[napi]
impl Report {
    /// The name of the graph.
    #[napi(getter)]
    pub fn graph(&self) -> &str {
        self.0.graph().name()
    }

    /// The name of the run.
    #[napi(getter)]
    pub fn run(&self) -> Option<String> {
        self.0.run().map(|run| run.to_string())
    }

    /// How it ended.
    #[napi(getter)]
    pub fn state(&self) -> &'static str {
        self.0.state().name()
    }

    /// Why it ended before its time.
    #[napi(getter)]
    pub fn stopped(&self) -> Option<&str> {
        self.0.stopped()
    }

    /// From the start to the last event.
    #[napi(getter)]
    pub fn makespan_ms(&self) -> f64 {
        millis(self.0.makespan())
    }

    /// What the tasks took, one after the other.
    #[napi(getter)]
    pub fn serial_ms(&self) -> f64 {
        millis(self.0.serial())
    }

    /// The least that any order could have reached.
    #[napi(getter)]
    pub fn lower_bound_ms(&self) -> f64 {
        millis(self.0.lower_bound())
    }

    /// How often faster it was than one task after the other.
    #[napi(getter)]
    pub fn speedup(&self) -> Option<f64> {
        self.0.speedup()
    }

    /// What share of its workers' time it used.
    #[napi(getter)]
    pub fn utilisation(&self) -> Option<f64> {
        self.0.utilisation()
    }

    /// The most tasks that ran at once.
    #[napi(getter)]
    pub fn peak(&self) -> u32 {
        self.0.peak() as u32
    }

    /// Tokens of models.
    #[napi(getter)]
    pub fn tokens(&self) -> f64 {
        self.0.usage().total_tokens() as f64
    }

    /// What they cost, where the price is known.
    #[napi(getter)]
    pub fn cost_usd(&self) -> Option<f64> {
        self.0.cost().map(|cost| cost.dollars())
    }

    /// What was odd.
    #[napi]
    pub fn warnings(&self) -> Vec<&str> {
        self.0.warnings().iter().map(|warning| warning.message.as_str()).collect()
    }

    /// Succeeded, failed, skipped, cancelled, undone, running, pending.
    #[napi]
    pub fn counts(&self) -> Vec<u32> {
        let counts = self.0.counts();
        [
            counts.succeeded,
            counts.failed,
            counts.skipped,
            counts.cancelled,
            counts.undone,
            counts.running,
            counts.pending,
        ]
        .map(|count| count as u32)
        .to_vec()
    }

    /// The names of the tasks, those that the run added among them.
    #[napi]
    pub fn ids(&self) -> Vec<&str> {
        self.0.graph().tasks().iter().map(|task| task.id().as_str()).collect()
    }

    /// What became of the task at that place.
    #[napi]
    pub fn row(&self, place: u32) -> Option<Row> {
        let task = self.find(place)?;
        Some(Row {
            state: task.state().name(),
            attempts: task.attempts(),
            started_ms: task.started().map(millis),
            finished_ms: task.finished().map(millis),
            duration_ms: millis(task.duration()),
            queued_ms: millis(task.queued()),
            message: task.remark().map(|why| why.into_owned()),
        })
    }

    /// The JSON that a task made or was known to make, where it has crossed to the core.
    #[napi]
    pub fn output(&self, place: u32) -> napi::Result<Option<String>> {
        let output = self.find(place).map(|task| task.output().clone()).unwrap_or_default();
        output.json().map(convert::shown).transpose()
    }

    /// Whether a failed task did not fail the run.
    #[napi]
    pub fn is_forgiven(&self, place: u32) -> bool {
        self.find(place).is_some_and(|task| task.is_forgiven())
    }

    /// Fails as the run did.
    #[napi]
    pub fn check(&self) -> napi::Result<()> {
        orch_core::Report::clone(&self.0).into_result().map(drop).raised()
    }

    /// As text, with a table of the tasks.
    #[napi]
    pub fn text(&self, width: u32) -> String {
        text(&self.0, width as usize)
    }

    /// As a few lines of text.
    #[napi]
    pub fn summary(&self) -> String {
        self.0.to_string()
    }

    /// As JSON.
    #[napi]
    pub fn json(&self) -> String {
        json(&self.0)
    }

    /// As `html`, `junit`, `trace` or `github`.
    #[napi]
    pub fn render(&self, form: String) -> napi::Result<String> {
        Ok(match form.as_str() {
            "html" => html::report(&self.0),
            "junit" => junit(&self.0),
            "trace" => chrome_trace(&self.0),
            "github" => github_summary(&self.0),
            _ => {
                let message = format!("`{form}` is no form of a report; use html, junit, trace or github");
                return Err(orch_core::Error::new(orch_core::ErrorKind::InvalidValue, message)).raised();
            }
        })
    }
}
