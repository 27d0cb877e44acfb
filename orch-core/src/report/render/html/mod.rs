//! One self-contained HTML file, of a run or of a plan.
//!
//! The file needs no network and forbids itself one: its content security policy lets in only its own style and, by a
//! nonce, its own script. It is drawn here, as HTML and SVG, so that it reads without a script, on paper and with a
//! screen reader; the script adds details on hover and tap, sorting, a filter and zoom. Its size is bounded: above some
//! thousand tasks the timeline joins neighbours, the graph becomes levels, and the table says what it leaves out.
//!
//! What it does not do: follow a run while it goes on, and show every output in full; the JSON form has those.
//!
//! ```
//! use orch_core::{Graph, Plan, PlanOptions, Task, report::render::html};
//!
//! let graph = Graph::builder("notes").task(Task::new("draft")).task(Task::new("print").after("draft")).build()?;
//! let page = html::plan(&Plan::new(&graph, &PlanOptions::default())?);
//! assert!(page.starts_with("<!doctype html>"));
//! assert!(page.contains("2 tasks with 1 dependency on 2 levels"));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod drawing;
mod from_plan;
mod from_report;
mod lanes;
mod layered;
mod page;
mod scene;
mod table;
mod text;
mod ticks;
mod timeline;

pub use page::{plan, report};

#[cfg(test)]
mod tests;
