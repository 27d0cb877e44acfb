//! Does nothing, at once.

use super::{Body, Executor, TaskContext};
use crate::event::{Outcome, Output};

/// Answers every task as done, without running anything and without an output: what `--dry-run` runs.
///
/// ```
/// use orch_core::{DryRun, Executor};
///
/// fn takes_executor(_: impl Executor) {}
/// takes_executor(DryRun);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DryRun;

impl Executor for DryRun {
    fn run(&self, _: TaskContext) -> Body {
        Box::pin(std::future::ready(Outcome::done(Output::NOTHING)))
    }
}
