//! WHAT to do: tasks, the checked graph of them, and the files that define both.
//!
//! Plain data. Nothing here runs a task, opens a file or reads a clock; text comes in as text. What is wrong with a
//! definition is told all at once, each [`Problem`](crate::Problem) with its place.
//!
//! ```
//! use orch_core::{Graph, Task};
//!
//! let graph = Graph::builder("release")
//!     .task(Task::new("test"))
//!     .task(Task::new("build"))
//!     .task(Task::new("publish").after("test").after("build"))
//!     .build()?;
//! assert_eq!((graph.len(), graph.edges()), (3, 2));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod breaker;
mod builder;
mod check;
mod claim;
pub mod command;
mod csr;
mod expand;
pub mod export;
mod form;
mod graph;
mod optimize;
mod prefix;
mod redundant;
mod sources;
mod task;
mod undo;
mod work;

pub use breaker::{BreakerOptions, WhenOpen};
pub use builder::GraphBuilder;
pub(crate) use check::nearest;
pub use claim::{Claim, ClaimMode, Resource, ResourceKind};
pub use command::{Command, GraphOptions, PhaseOrder};
pub use expand::expand;
pub use graph::{Graph, GraphHash};
pub use optimize::{Change, Edit, Optimized};
pub use prefix::{Prefix, PrefixKept};
pub use redundant::{RedundantEdge, RedundantEdges};
pub use sources::Sources;
pub(crate) use task::millis;
pub use task::{Backoff, Expand, Input, OutputSpec, Retry, Task, TaskOptions};
pub use undo::{Rollback, Undo, UndoOn, UndoScope};
pub use work::WorkHash;

#[cfg(test)]
mod tests;
