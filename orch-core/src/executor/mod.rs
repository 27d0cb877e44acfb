//! WHO does the work: the seam between the engine and what a task really is.
//!
//! An [`Executor`] turns a [`TaskContext`] into an [`Outcome`](crate::Outcome). Any async function from one to the other
//! is an executor; feature `process` adds one that runs programs.
//!
//! ```
//! use orch_core::{Executor, TaskContext};
//!
//! fn takes_executor(_: impl Executor) {}
//! takes_executor(async |task: TaskContext| format!("{} finished", task.id()));
//! ```

mod context;
mod redact;
mod seam;

pub use context::{Inputs, TaskContext};
pub(crate) use context::{News, Note, RunShared, Slot};
pub use redact::Redactor;
pub use seam::{Body, Executor};
