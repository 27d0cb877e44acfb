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
mod dry_run;
#[cfg(feature = "process")]
pub mod process;
mod redact;
mod seam;
mod trace;
mod usage;

#[cfg(any(test, feature = "testing"))]
pub use context::Controls;
pub(crate) use context::{Grant, Hold, Meter, News, Note, RunShared, Slot, idempotency_key};
pub use context::{Inputs, TaskContext, ToUndo};
pub use dry_run::DryRun;
#[cfg(feature = "process")]
pub use process::{Agent, Agents, ExitMeaning, OutputForm, ProcessExecutor, ProcessOptions, StdinForm};
pub use redact::Redactor;
pub use seam::{Body, Executor};
pub use trace::Trace;
pub use usage::ClaudeResult;
