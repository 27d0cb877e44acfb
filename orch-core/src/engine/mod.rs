//! DO, in Rust: runs plans on tokio.
//!
//! An [`Engine`] has an executor and runs any number of plans with it. [`run`](Engine::run) answers the report;
//! [`start`](Engine::start) answers a [`Run`] that tells its events while it goes on. Dropping either cancels the run. Both
//! need a tokio runtime with time enabled; without one, use [`blocking::run`].
//!
//! What the driver does not do: decide. It begins what the [`Session`](crate::session::Session) names, stops what it names,
//! and sleeps.
//!
//! ```
//! use orch_core::{Engine, Graph, Plan, PlanOptions, Result, RunOptions, Task, TaskContext};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let graph = Graph::builder("greet").task(Task::new("hello")).task(Task::new("world").after("hello")).build()?;
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! let engine = Engine::builder().executor(async |task: TaskContext| format!("{}!", task.id())).build()?;
//! let report = engine.run(&plan, RunOptions { max_parallel: 8, ..RunOptions::default() }).await?;
//! assert_eq!(report.find("world").unwrap().output().json().unwrap(), "world!");
//! report.into_result()
//! # }
//! ```

pub mod blocking;
mod builder;
mod driver;
mod inbox;
#[cfg(shuttle)]
#[cfg(test)]
mod models;
mod options;
mod place;
mod run;

pub use builder::{Engine, EngineBuilder};
pub use options::{Inline, RunOptions};
pub use run::Run;
