//! A graph in the formats of others: Mermaid and DOT for pictures, WfFormat for benchmarks.
//!
//! Text in, text out: nothing here opens a file or runs a program. Names are text from outside, so no format gets them as
//! identifiers: identifiers are made up, and names are escaped labels. Times that were measured, and values that tasks
//! exchanged, are not part of a graph and so not of these formats; they are in the report.
//!
//! ```
//! use orch_core::{Graph, Task, definition::export};
//!
//! let graph = Graph::builder("release").task(Task::new("test")).task(Task::new("publish").after("test")).build()?;
//! assert_eq!(export::mermaid(&graph, &[]), "\
//! flowchart TD
//!     n0[\"test\"]
//!     n1[\"publish\"]
//!     n0 --> n1
//! ");
//! # Ok::<(), orch_core::Error>(())
//! ```

mod dot;
mod mermaid;
mod palette;
mod wfformat;

pub use dot::dot;
pub use mermaid::mermaid;
pub use wfformat::{from_wfformat, wfformat};
