//! IN WHICH ORDER: what follows from a graph alone. Pure functions; no clock, no I/O.
//!
//! A [`Plan`] says how tasks would run with unlimited workers and their estimated durations: levels, the critical path,
//! how much slack each task has, and the order in which ready tasks are started. Levels are for showing: nothing waits
//! for a level. What past runs took is a better estimate than what a definition says: see [`History`].
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Graph, Plan, PlanOptions, Task};
//!
//! let seconds = |s| Duration::from_secs(s);
//! let graph = Graph::builder("g")
//!     .task(Task::new("a").estimate(seconds(1)))
//!     .task(Task::new("b").after("a").estimate(seconds(5)))
//!     .task(Task::new("c").after("a").estimate(seconds(2)))
//!     .build()?;
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! assert_eq!((plan.levels(), plan.widest()), (2, 2));
//! assert_eq!((plan.serial(), plan.critical()), (seconds(8), seconds(6)));
//! let path: Vec<&str> = plan.critical_path().iter().map(|&ix| graph.id(ix).as_str()).collect();
//! assert_eq!(path, ["a", "b"]);
//! # Ok::<(), orch_core::Error>(())
//! ```

mod assign;
mod history;
mod model;
mod order;
mod select;

pub use assign::{Assigned, Candidate, Other, Performance, assign, limit_agents};
pub use history::{History, Learned, LearnedBy, LearnedCost, Sample};
pub use model::{Plan, PlanOptions, Step};
pub use select::select;

#[cfg(test)]
mod tests;
