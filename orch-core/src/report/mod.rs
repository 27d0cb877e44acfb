//! WHAT it means: folds over a plan and its events. Pure; no clock, no I/O.
//!
//! A [`Report`] is made from a [`Plan`](crate::Plan) and then hears every event: `Report::new(&plan)`, `.on(&event)`. It
//! can be asked at any time, also while the run goes on or after a stored run is replayed, and it knows nothing that was
//! not in an event. [`render`] shows it: as text, JSON, JUnit, Chrome trace, GitHub summary and HTML.
//!
//! What it does not do: keep the lines that programs wrote (a sink may), and price tokens by itself
//! ([`Report::price_with`] takes the prices from outside).
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Event, EventKind, Graph, Output, Plan, PlanOptions, Report, RunState, Task, TaskState};
//!
//! let graph = Graph::builder("notes").task(Task::new("draft")).build()?;
//! let draft = graph.find("draft").unwrap();
//! let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
//! let events = [
//!     EventKind::TaskStarted { task: draft, attempt: 1, queued: Duration::ZERO },
//!     EventKind::TaskFinished { task: draft, attempt: 1, result: Ok(Output::NOTHING), usage: None },
//!     EventKind::RunFinished { state: RunState::Succeeded },
//! ];
//! for (seq, kind) in (0..).zip(events) {
//!     report.on(&Event { seq, at: Duration::from_secs(seq), kind });
//! }
//! assert_eq!(report.task(draft).state(), TaskState::Succeeded);
//! assert_eq!(report.task(draft).duration(), Duration::from_secs(1));
//! assert_eq!(report.makespan(), Duration::from_secs(2));
//! report.into_result()?;
//! # Ok::<(), orch_core::Error>(())
//! ```

mod agents;
mod checkpoint;
mod context;
mod counts;
mod earlier;
mod lanes;
mod model;
mod path;
mod progress;
#[cfg(test)]
mod properties;
pub mod render;
mod row;
#[cfg(test)]
mod script;
mod short;
mod task;
mod teach;
pub mod todo;
mod undo;
mod width;
#[cfg(test)]
mod xml;

pub use agents::AgentCost;
pub use checkpoint::MadeCheckpoint;
pub use context::{ContextRead, ContextUse, ShortCost};
pub use counts::Counts;
pub use earlier::Earlier;
pub use model::{Report, Warning};
pub use path::PathStep;
pub use progress::{Progress, RunningTask, Undoing};
pub use short::Short;
pub use task::{Attempt, LockWait, TaskResult};
pub use undo::{UndoReport, UndoState, UndoStep};
