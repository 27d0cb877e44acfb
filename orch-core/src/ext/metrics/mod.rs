//! METRICS: what orchestration costs and saves, from the history and the store.
//!
//! [`collect`] reads the history by git, commit by commit, and adds it up beside what the store knows ([`Facts`]): an [`Aggregate`] by month, week,
//! worktree and author. What "orchestrated" means is a [`Policy`]. What was *measured* (charges of the ledger, values that were found in a cache, each with
//! what it had really cost to make) and what is *modelled* (by the constants of a [`Model`], which are assumptions) is never added up or mixed.
//!
//! An aggregate becomes `aggregated_metrics.json` ([`Aggregate::file_text`]), a report in Markdown or HTML ([`report_markdown`], [`report_html`]), or JSON for
//! programs. [`Records`] rotates the files that hooks of the scripts left behind.
//!
//! What it does not do: nothing that git tracks is written by a hook, so worktrees side by side cannot conflict. It draws no badges: those are
//! `ext::badges`, and the command line joins the two.
//!
//! ```
//! use orch_core::ext::metrics::{Facts, MetricsOptions, Policy, Tally};
//! use orch_core::git::LogEntry;
//!
//! let options = MetricsOptions { policy: Policy::Message, ..MetricsOptions::at("2025-07-05T18:36:09Z".parse()?) };
//! let facts = Facts::default();
//! let mut tally = Tally::new(options, &facts)?;
//! for message in ["feat: a worktree for each task", "docs: badges"] {
//!     let (hash, at) = (message.len().to_string().into(), "2025-07-02T09:00:00Z".parse()?);
//!     tally.add(&LogEntry { hash, at, message: message.into(), ..LogEntry::default() });
//! }
//! let aggregate = tally.finish();
//! let form = aggregate.file_form();
//! assert_eq!(form["current_month"]["commits"]["orchestration_rate"], 50.0);
//! assert_eq!((&form["current_month"]["costs"]["saved_usd"], &form["measured"]["saved_usd"]), (&0.3.into(), &0.0.into()));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod aggregate;
mod chart;
mod collect;
mod facts;
mod files;
mod form;
mod legacy;
mod model;
mod months;
mod page;
mod parse;
mod policy;
mod projection;
mod report;
mod rotate;
mod tally;
mod targets;
mod update;

pub use aggregate::{Aggregate, AuthorUse, Measured, MetricsOptions, Part, WorktreeUse};
pub use collect::collect;
pub use facts::{Facts, Paid, RunFact};
pub use files::write_whole;
pub use form::SCHEMA;
pub use legacy::{CommitMetrics, record_month};
pub use model::{Count, Model, Modelled};
pub use page::report_html;
pub use parse::{AggregatedFile, AllTime, FileCosts, FileMonth, conflict};
pub use policy::{COMPAT_PATHS, Policy, Rules};
pub use projection::Projection;
pub use report::report_markdown;
pub use rotate::{Records, Rotated, Rotation, Step};
pub use tally::Tally;
pub use targets::{Missed, Targets};
pub use update::Updated;
