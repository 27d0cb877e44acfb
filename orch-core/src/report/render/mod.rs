//! Shows a [`Report`](super::Report): every form is a function from a report to text.
//!
//! Nothing here prints or writes files; what a form cannot hold is escaped as that form asks, so that names and messages
//! of tasks can be any text.
//!
//! ```
//! use orch_core::{Graph, Plan, PlanOptions, Report};
//!
//! let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
//! assert!(report.to_string().starts_with("none: running"));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod json;
mod summary;
mod text;
mod width;

pub use json::{json, json_line, pretty_json};
pub use text::text;
pub(crate) use width::cut_chars;
