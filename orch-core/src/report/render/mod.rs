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

mod github;
#[cfg(feature = "html")]
pub mod html;
mod json;
mod junit;
mod markup;
mod summary;
mod text;
mod trace;
#[cfg(test)]
mod undone;

pub use github::{github_annotations, github_summary};
pub use json::{json, json_line, pretty_json};
pub use junit::junit;
pub use markup::escape_markup;
pub use text::text;
pub use trace::chrome_trace;
#[cfg(test)]
pub(super) use trace::slices;
