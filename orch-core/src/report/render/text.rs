//! A report for the terminal.

use std::fmt;

use crate::{
    event::TaskState,
    id::Printable,
    report::{Report, Short},
};

/// The most failed tasks, and tasks of the critical path, that the summary names.
const NAMED: usize = 8;

/// A short summary: how it ended and how long it took, then what failed, a few lines in all.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in {}", Printable(self.graph().name()), self.state(), Short(self.makespan()))?;
        let counts = self.counts();
        write!(f, "\n{} task{}", counts.total(), if counts.total() == 1 { "" } else { "s" })?;
        let mut separator = ": ";
        for state in [
            TaskState::Succeeded,
            TaskState::Failed,
            TaskState::Skipped,
            TaskState::Cancelled,
            TaskState::Running,
            TaskState::Pending,
        ] {
            if counts.of(state) > 0 {
                write!(f, "{separator}{} {state}", counts.of(state))?;
                separator = ", ";
            }
        }
        if let Some(speedup) = self.speedup() {
            write!(f, "\n{} of work, {speedup:.1} × as fast as one after the other", Short(self.serial()))?;
        }
        if !self.usage().is_empty() {
            write!(f, "\n{} tokens", self.usage().total_tokens())?;
            if let Some(cost) = self.cost() {
                write!(f, ", {cost}")?;
            }
        }
        if let Some(reason) = self.stopped() {
            write!(f, "\nstopped: {}", Printable(reason))?;
        }
        for task in self.tasks().filter(|task| task.state() == TaskState::Failed).take(NAMED) {
            write!(f, "\nfailed: `{}`", task.id())?;
            if let Some(failure) = task.failure() {
                write!(f, ": {failure}")?;
            }
        }
        if counts.failed > NAMED {
            write!(f, "\nand {} more failed", counts.failed - NAMED)?;
        }
        Ok(())
    }
}
