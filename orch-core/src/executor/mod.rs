//! WHO does the work: the seam between the engine and what a task really is.
//!
//! An [`Executor`] turns a [`TaskContext`] into an [`Outcome`](crate::Outcome). Any async function from one to the other
//! is an executor; feature `process` adds one that runs programs, feature `agents` one that
//! asks models by HTTP.
//!
//! ```
//! use orch_core::{Executor, TaskContext};
//!
//! fn takes_executor(_: impl Executor) {}
//! takes_executor(async |task: TaskContext| format!("{} finished", task.id()));
//! ```

mod context;
mod dry_run;
#[cfg(any(feature = "notify", feature = "agents"))]
mod http;
#[cfg(feature = "agents")]
pub mod models;
#[cfg(feature = "process")]
pub mod process;
mod redact;
mod seam;
mod trace;
mod usage;

#[cfg(any(test, feature = "testing"))]
pub use context::Controls;
pub(crate) use context::{Grant, Hold, Meter, News, Note, RunShared, Slot, idempotency_key};
pub use context::{Inputs, Place, TaskContext, ToUndo};
pub use dry_run::DryRun;
#[cfg(any(feature = "notify", feature = "agents"))]
pub use http::{HttpClient, HttpPost, HttpReply, HttpTrouble};
#[cfg(feature = "agents")]
pub use models::AgentExecutor;
#[cfg(feature = "process")]
pub use process::{
    Agent, Agents, Doers, ExitMeaning, OutputForm, ProcessExecutor, ProcessOptions, StdinForm, UsageForm,
};
pub use redact::Redactor;
pub use seam::{Body, Executor, OutcomeFuture};
pub use trace::Trace;
pub use usage::ClaudeResult;
