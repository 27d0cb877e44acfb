//! Events, as the core has them; what Python asks of one is made when it asks.

use orch_core::{EventKind, Graph};
use pyo3::prelude::*;

use crate::convert;

/// One thing that happened in a run.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Event {
    event: orch_core::Event,
    /// The graph as it was then, which has the names.
    graph: Graph,
}

impl Event {
    pub(crate) fn new(event: orch_core::Event, graph: Graph) -> Self {
        Self { event, graph }
    }
}

#[pymethods]
impl Event {
    /// Its number in the run, from 0.
    #[getter]
    fn seq(&self) -> u64 {
        self.event.seq
    }

    /// Seconds since the start of the run.
    #[getter]
    fn at(&self) -> f64 {
        self.event.at.as_secs_f64()
    }

    /// What happened, by its stable name: `task_started`.
    #[getter]
    fn name(&self) -> &'static str {
        self.event.kind.name()
    }

    /// The place of the task that it says ended with a result.
    #[getter]
    fn place(&self) -> Option<usize> {
        match &self.event.kind {
            EventKind::TaskFinished { task, .. } | EventKind::TaskCached { task, .. } => Some(task.index()),
            _ => None,
        }
    }

    /// The JSON form, with the names of tasks.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &self.event.named(&self.graph))
    }
}
