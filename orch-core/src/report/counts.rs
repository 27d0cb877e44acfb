//! How many tasks stand where.

use crate::event::TaskState;

/// How many tasks are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks that wait.
    pub pending: usize,
    /// Tasks with an attempt under way.
    pub running: usize,
    /// Tasks that worked.
    pub succeeded: usize,
    /// Tasks that failed for good, forgiven ones included.
    pub failed: usize,
    /// Tasks whose condition did not hold.
    pub skipped: usize,
    /// Tasks that were stopped or never started because of another.
    pub cancelled: usize,
    /// Tasks that worked and were undone.
    pub undone: usize,
}

impl Counts {
    /// All tasks.
    pub fn total(&self) -> usize {
        self.pending + self.running + self.finished()
    }

    /// Tasks that are over; some may still be undone.
    pub fn finished(&self) -> usize {
        self.succeeded + self.failed + self.skipped + self.cancelled + self.undone
    }

    /// How much is done, in percent: what succeeded, and what did not have to run. 100 where there is nothing to do.
    ///
    /// What failed or was stopped is over and not done.
    pub fn percent_done(&self) -> f64 {
        match self.total() {
            0 => 100.0,
            total => (self.succeeded + self.skipped) as f64 * 100.0 / total as f64,
        }
    }

    /// Tasks in that state.
    pub fn of(&self, state: TaskState) -> usize {
        match state {
            TaskState::Pending => self.pending,
            TaskState::Running => self.running,
            TaskState::Succeeded => self.succeeded,
            TaskState::Failed => self.failed,
            TaskState::Skipped => self.skipped,
            TaskState::Cancelled => self.cancelled,
            TaskState::Undone => self.undone,
        }
    }

    /// Counts one more task.
    pub(super) fn add(&mut self, state: TaskState) {
        *self.slot(state) += 1;
    }

    /// Moves one task.
    #[inline]
    pub(super) fn shift(&mut self, from: TaskState, to: TaskState) {
        *self.slot(from) -= 1;
        *self.slot(to) += 1;
    }

    #[inline]
    fn slot(&mut self, state: TaskState) -> &mut usize {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running => &mut self.running,
            TaskState::Succeeded => &mut self.succeeded,
            TaskState::Failed => &mut self.failed,
            TaskState::Skipped => &mut self.skipped,
            TaskState::Cancelled => &mut self.cancelled,
            TaskState::Undone => &mut self.undone,
        }
    }
}
