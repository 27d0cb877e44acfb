//! Reports: folds over the events of a run.

use std::time::Duration;

use orch_core::{
    TaskIx, TaskResult, Usage, Usd,
    recovery::checkpoint::Checkpoint,
    report::render::{chrome_trace, github_summary, html, json, junit, text},
};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
};

/// What a run did.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Report(pub(crate) orch_core::Report);

/// Of one task: state, attempts, first start, end, duration, wait for a place (in seconds), and why it failed.
type Row = (&'static str, u32, Option<f64>, Option<f64>, f64, f64, Option<String>);

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl Report {
    fn find(&self, ix: u32) -> Option<TaskResult<'_>> {
        ((ix as usize) < self.0.graph().len()).then(|| self.0.task(TaskIx::from(ix)))
    }
}

#[pymethods]
impl Report {
    #[getter]
    fn graph(&self) -> &str {
        self.0.graph().name()
    }

    #[getter]
    fn run(&self) -> Option<String> {
        self.0.run().map(|run| run.to_string())
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.0.state().name()
    }

    #[getter]
    fn stopped(&self) -> Option<&str> {
        self.0.stopped()
    }

    #[getter]
    fn makespan(&self) -> f64 {
        seconds(self.0.makespan())
    }

    #[getter]
    fn serial(&self) -> f64 {
        seconds(self.0.serial())
    }

    #[getter]
    fn lower_bound(&self) -> f64 {
        seconds(self.0.lower_bound())
    }

    #[getter]
    fn speedup(&self) -> Option<f64> {
        self.0.speedup()
    }

    #[getter]
    fn utilisation(&self) -> Option<f64> {
        self.0.utilisation()
    }

    #[getter]
    fn peak(&self) -> usize {
        self.0.peak()
    }

    #[getter]
    fn warnings(&self) -> Vec<&str> {
        self.0.warnings().iter().map(|warning| warning.message.as_str()).collect()
    }

    /// What was used of models; of the run, or of one task with what it cost.
    #[pyo3(signature = (ix=None))]
    fn usage<'py>(&self, py: Python<'py>, ix: Option<u32>) -> PyResult<(Bound<'py, PyAny>, Option<f64>)> {
        let (usage, cost) = match ix {
            None => (Some(self.0.usage()), self.0.cost()),
            Some(ix) => self.find(ix).map(|task| (task.usage(), task.cost())).unwrap_or_default(),
        };
        Ok((convert::shown(py, &usage.map(Usage::models).unwrap_or_default())?, cost.map(Usd::dollars)))
    }

    /// The names of the checkpoints, in the order in which they were made.
    fn checkpoints(&self) -> Vec<&str> {
        self.0.checkpoints().iter().map(|made| &*made.name).collect()
    }

    /// What is left of a checkpoint, as data.
    fn checkpoint<'py>(&self, py: Python<'py>, name: Text) -> PyResult<Option<Bound<'py, PyAny>>> {
        Checkpoint::left(&self.0, &name.0).map(|left| convert::shown(py, &left)).transpose()
    }

    /// Succeeded, failed, skipped, cancelled, undone, running, pending.
    fn counts(&self) -> [usize; 7] {
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
    }

    fn ids(&self) -> Vec<&str> {
        self.0.graph().tasks().iter().map(|task| task.id().as_str()).collect()
    }

    fn row(&self, ix: u32) -> Option<Row> {
        let task = self.find(ix)?;
        Some((
            task.state().name(),
            task.attempts(),
            task.started().map(seconds),
            task.finished().map(seconds),
            seconds(task.duration()),
            seconds(task.queued()),
            task.remark().map(|why| why.into_owned()),
        ))
    }

    /// The JSON that a task made or was known to make, where it has crossed to the core.
    fn output<'py>(&self, py: Python<'py>, ix: u32) -> PyResult<Option<Bound<'py, PyAny>>> {
        let output = self.find(ix).map(|task| task.output().clone()).unwrap_or_default();
        output.json().map(|value| convert::to_python(py, value)).transpose()
    }

    /// Whether a failed task did not fail the run.
    fn is_forgiven(&self, ix: u32) -> bool {
        self.find(ix).is_some_and(|task| task.is_forgiven())
    }

    /// Nothing for a run that succeeded; else code and message of the error.
    fn error(&self) -> Option<(&'static str, String)> {
        self.0.clone().into_result().err().map(|error| (error.kind().code(), error.to_string()))
    }

    fn text(&self, width: usize) -> String {
        text(&self.0, width)
    }

    fn summary(&self) -> String {
        self.0.to_string()
    }

    fn json(&self) -> String {
        json(&self.0)
    }

    /// As `html`, `junit`, `trace` or `github`.
    fn render(&self, py: Python<'_>, form: &str) -> PyResult<String> {
        Ok(match form {
            "html" => html::report(&self.0),
            "junit" => junit(&self.0),
            "trace" => chrome_trace(&self.0),
            "github" => github_summary(&self.0),
            _ => {
                let message = format!("`{form}` is no form of a report; use html, junit, trace or github");
                return Err(orch_core::Error::new(orch_core::ErrorKind::InvalidValue, message)).raised(py);
            }
        })
    }
}
