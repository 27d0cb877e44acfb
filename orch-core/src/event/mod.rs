//! WHAT happened: the only thing a run says.
//!
//! A run answers a list of [`Event`]s, numbered from 0 without gaps. Progress, reports, recordings and notices are folds
//! over them; nothing else leaves the engine. Events name tasks by place ([`TaskIx`](crate::TaskIx)): small to keep, quick
//! to fold; the graph has the names.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Event, EventKind, TaskIx};
//!
//! let event = Event { seq: 3, at: Duration::from_millis(20), kind: EventKind::Heartbeat { task: TaskIx::from(1) } };
//! assert_eq!(event.kind.name(), "heartbeat");
//! ```

mod missed;
mod model;
mod named;
mod outcome;
mod sink;
pub(crate) mod stored;

pub use missed::{Change, Miss, Part};
pub use model::{BreakerState, Event, EventKind, Kept, RunState, SkipReason, Stream, TaskState};
pub(crate) use named::CostForm;
pub use named::Named;
pub use outcome::{Failure, FailureKind, IntoOutcome, Outcome, Output};
pub use sink::EventSink;
