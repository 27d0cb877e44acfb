//! A report in a few lines.

use std::fmt;

use crate::{
    event::TaskState,
    id::Printable,
    report::{Report, Short, UndoState, width::cut_chars},
};

/// The most failed tasks that the summary names.
const NAMED: usize = 8;
/// The longest name or message in it, in characters.
const LONGEST: usize = 500;

/// A short summary: how it ended and how long it took, then what failed, a few lines in all.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Headline(self).fmt(f)?;
        for task in self.tasks().filter(|task| task.state() == TaskState::Failed).take(NAMED) {
            let failed = if task.is_forgiven() { "failed, as it may" } else { "failed" };
            write!(f, "\n{failed}: `{}`", task.id())?;
            if let Some(failure) = task.failure() {
                write!(f, ": {}", cut_chars(failure.to_string(), LONGEST))?;
            }
        }
        let failed = self.counts().failed;
        if failed > NAMED {
            write!(f, "\nand {} more failed", failed - NAMED)?;
        }
        let steps = self.undo().map(|undo| undo.steps.as_slice()).unwrap_or_default();
        for step in steps.iter().filter(|step| step.state == UndoState::Failed).take(NAMED) {
            write!(f, "\nnot undone: `{}`", self.graph().id(step.task))?;
            if let Some(failure) = &step.failure {
                write!(f, ": {}", cut_chars(failure.to_string(), LONGEST))?;
            }
        }
        Ok(())
    }
}

/// How the run ended, how long it took and what it used. No line break at the end.
pub(super) struct Headline<'a>(pub(super) &'a Report);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let name = cut_chars(Printable(report.graph().name()).to_string(), LONGEST);
        write!(f, "{name}: {} in {}", report.state(), Short(report.makespan()))?;
        let counts = report.counts();
        write!(f, "\n{} task{}", counts.total(), if counts.total() == 1 { "" } else { "s" })?;
        let mut separator = ": ";
        for state in [
            TaskState::Succeeded,
            TaskState::Undone,
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
        if let Some(speedup) = report.speedup() {
            write!(f, "\n{} of work, {speedup:.1} × as fast as one after the other", Short(report.serial()))?;
        }
        if !report.usage().is_empty() {
            write!(f, "\n{} tokens", report.usage().total_tokens())?;
            if let Some(cost) = report.cost() {
                write!(f, ", {cost}")?;
            }
            match report.unpriced() {
                0 => {}
                tasks if report.cost().is_some() => write!(f, " and what {tasks} tasks without a known price cost")?,
                _ => write!(f, ", no known price")?,
            }
        }
        let context = report.context();
        if !context.is_empty() {
            write!(f, "\ncontext: {}", context.headline())?;
        }
        if let Some(reason) = report.stopped() {
            write!(f, "\nstopped: {}", cut_chars(Printable(reason).to_string(), LONGEST))?;
        }
        if let Some(undo) = report.undo_summary() {
            write!(f, "\nundo: {undo}")?;
        }
        Ok(())
    }
}
