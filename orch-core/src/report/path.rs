//! The chain of tasks that decided how long a run took, and the chain that none could beat.

use std::{cmp::Reverse, time::Duration};

use super::{model::Report, row::Row};
use crate::id::TaskIx;

/// One task on the way that decided how long a run took. Times are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathStep {
    /// Which task.
    pub task: TaskIx,
    /// From the end of the step before (or the start of the run) to its start: it waited for a place, or for the engine.
    pub waited: Duration,
    /// When its first attempt started.
    pub started: Duration,
    /// When it ended; for a task under way the time of the last event.
    pub finished: Duration,
    /// How much of the time from its start to its end an attempt was under way; the rest it waited for the next one.
    pub worked: Duration,
}

impl Report {
    /// The critical path as it really was, first task first: from the task that ended last back to the dependency that
    /// ended last, and so on. Waits and steps fill the time from the start of the run to that end without a gap. Tasks
    /// that did not run are passed over.
    ///
    /// ```
    /// use orch_core::{Graph, Plan, PlanOptions, Report};
    ///
    /// let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
    /// assert!(report.critical_path().is_empty());
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn critical_path(&self) -> Vec<PathStep> {
        // Of several that ended at once, one that ran explains more than one that was skipped.
        let key = |ix: TaskIx, row: &Row| (self.end_of(row), row.ran, Reverse(ix));
        let ran = (0..).map(TaskIx).zip(self.rows()).filter(|(_, row)| row.ran);
        let mut next = ran.max_by_key(|&(ix, row)| key(ix, row));
        let mut path: Vec<PathStep> = Vec::new();
        while let Some((ix, row)) = next {
            if row.ran {
                let started = Duration::from_nanos(self.tries(row).started);
                let finished = Duration::from_nanos(self.end_of(row));
                let worked = Duration::from_nanos(self.busy_of(row));
                path.push(PathStep { task: ix, waited: Duration::ZERO, started, finished, worked });
            }
            let parents =
                self.graph().parents(ix).filter_map(|parent| Some((parent, self.rows().get(parent.index())?)));
            next = parents.max_by_key(|&(ix, row)| key(ix, row));
        }
        path.reverse();
        let mut before = Duration::ZERO;
        for step in &mut path {
            step.waited = step.started.saturating_sub(before);
            before = step.finished;
        }
        path
    }

    /// The longest chain of dependent tasks, by what each really took.
    pub(super) fn longest_chain(&self) -> Duration {
        let mut ends = vec![0u64; self.rows().len()];
        let mut longest = 0;
        for ix in self.graph().topological() {
            let before = self.graph().parents(ix).filter_map(|parent| ends.get(parent.index())).max().copied();
            let Some(row) = self.rows().get(ix.index()) else { continue };
            let end = before.unwrap_or(0).saturating_add(self.busy_of(row));
            longest = longest.max(end);
            if let Some(slot) = ends.get_mut(ix.index()) {
                *slot = end;
            }
        }
        Duration::from_nanos(longest)
    }

    /// When a task ended, in nanoseconds; under way: now; not begun: zero.
    fn end_of(&self, row: &Row) -> u64 {
        if row.state.is_final() {
            row.until
        } else if row.ran {
            super::model::nanos(self.makespan())
        } else {
            0
        }
    }
}
