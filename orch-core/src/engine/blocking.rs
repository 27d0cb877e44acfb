//! Runs for callers without async: `block_on`, nothing else.
//!
//! ```
//! use orch_core::{Engine, Graph, Plan, PlanOptions, RunOptions, Task, TaskContext, blocking};
//!
//! let graph = Graph::builder("one").task(Task::new("a")).build()?;
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! let engine = Engine::builder().executor(async |_: TaskContext| "done").build()?;
//! blocking::run(&engine, &plan, RunOptions::default())?.into_result()?;
//! # Ok::<(), orch_core::Error>(())
//! ```

use super::{builder::Engine, options::RunOptions};
use crate::{
    error::{Error, ErrorKind, Result},
    plan::Plan,
    report::Report,
};

/// Runs the plan to its end on a runtime of its own.
///
/// # Errors
///
/// [`Misuse`](ErrorKind::Misuse) inside a tokio runtime (there, await [`Engine::run`]); [`Io`](ErrorKind::Io) if no
/// runtime can be started; those of [`Engine::run`].
pub fn run(engine: &Engine, plan: &Plan, options: RunOptions) -> Result<Report> {
    if tokio::runtime::Handle::try_current().is_ok() {
        let message = "this thread already runs a tokio runtime, which must not block: await `engine.run(..)` instead";
        return Err(Error::new(ErrorKind::Misuse, message));
    }
    #[cfg(feature = "process")]
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    #[cfg(not(feature = "process"))]
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, "the runtime could not be started").caused_by(error))?;
    runtime.block_on(engine.run(plan, options))
}
