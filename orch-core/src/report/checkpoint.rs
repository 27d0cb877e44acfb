//! The checkpoints of a run.

use std::{sync::Arc, time::Duration};

use super::{model::Report, short::Short};
use crate::{
    event::{Event, EventKind},
    id::{Printable, TaskIx},
};

/// That a run made a checkpoint. What its tasks had made then is in the report too:
/// [`Checkpoint::of`](crate::recovery::checkpoint::Checkpoint::of) puts both together.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Event, EventKind, Graph, Plan, PlanOptions, Report, Task};
///
/// let graph = Graph::builder("release").task(Task::new("build")).build()?;
/// let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
/// let kind = EventKind::CheckpointMade { name: "built".into(), tasks: [0.into()].into() };
/// report.on(&Event { seq: 0, at: Duration::from_secs(2), kind });
/// assert_eq!(report.checkpoints()[0].to_string(), "built after 2.0 s, 1 task done");
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MadeCheckpoint {
    /// Its name. As given: show it through [`Printable`].
    pub name: Arc<str>,
    /// When, since the start of the run.
    pub at: Duration,
    /// The tasks that had ended by then so that their dependents may go on, in the order of definition.
    pub tasks: Arc<[TaskIx]>,
}

/// `built after 2.0 s, 3 tasks done`.
impl std::fmt::Display for MadeCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (done, plural) = (self.tasks.len(), if self.tasks.len() == 1 { "" } else { "s" });
        write!(f, "{} after {}, {done} task{plural} done", Printable(&self.name), Short(self.at))
    }
}

impl Report {
    /// The checkpoints that the run made, in order. Of several with the same name the latest counts.
    pub fn checkpoints(&self) -> &[MadeCheckpoint] {
        &self.checkpoints
    }

    /// Takes the event of a checkpoint.
    pub(super) fn on_checkpoint(&mut self, event: &Event) {
        if let EventKind::CheckpointMade { name, tasks } = &event.kind {
            let known = self.graph().len();
            let tasks = if tasks.iter().all(|task| task.index() < known) {
                tasks.clone()
            } else {
                tasks.iter().copied().filter(|task| task.index() < known).collect()
            };
            self.checkpoints.push(MadeCheckpoint { name: name.clone(), at: event.at, tasks });
        }
    }
}
