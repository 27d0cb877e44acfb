//! ACTIONS: workflows of GitHub Actions that burn minutes: what each finding costs, and edits that are proved to change nothing else.
//!
//! [`audit`] looks at workflow files and says what is wrong, where, why, and what it costs in 30 days at the prices of a day ([`Runner::price`]).
//! [`fix`] edits what is safe: it adds keys and never rewrites a file, parses the result again, and keeps an edit only where the intended key is the
//! only difference. [`History`] makes measured numbers of assumed ones, from runs that [`read_runs`] reads.
//!
//! What it does not do: it asks GitHub nothing, starts nothing, does not run expressions, and does not judge what a workflow is for. Whether two files
//! mean the same it decides for files without anchors, aliases and tags only; others it leaves alone.
//!
//! ```
//! use orch_core::ext::actions::{AuditOptions, FixOptions, Rule, WorkflowFile, audit, fix};
//!
//! let text = "\
//! on: [pull_request]
//! jobs:
//!   test:
//!     runs-on: ubuntu-latest
//!     steps:
//!       - run: cargo test
//! ";
//! let file = WorkflowFile::new("tests.yml", text);
//! let found = audit(std::slice::from_ref(&file), &AuditOptions::default());
//! assert!(found.findings.iter().any(|finding| finding.rule == Rule::MissingConcurrency && finding.line == 1));
//!
//! let fixed = fix(&file, &FixOptions::default());
//! let paths: Vec<&str> = fixed.repairs.iter().map(|repair| repair.path.as_str()).collect();
//! assert_eq!(paths, ["concurrency", "jobs.test.timeout-minutes"]);
//! let again = fix(&WorkflowFile::new("tests.yml", fixed.text.unwrap()), &FixOptions::default());
//! assert_eq!(again.text, None);
//! ```

mod audit;
mod cost;
mod cron;
mod dashboard;
mod diff;
mod due;
mod edit;
mod fix;
mod folder;
mod form;
mod history;
mod price;
mod prove;
mod rules;
mod runs;
mod sarif;
mod schedule;
mod template;
#[cfg(test)]
mod tests;
mod workflow;
mod yaml;

pub use audit::{Assumptions, Audit, AuditOptions, Basis, Finding, Scheduled, WorkflowFile, audit};
pub use cron::Cron;
pub use dashboard::{Dashboard, WorkflowStats};
pub use diff::unified_diff;
pub use due::{Answered, Due, Slot, Table, due};
pub use fix::{FixOptions, Fixed, Refusal, Repair, fix};
pub use folder::Folder;
pub use history::History;
pub use price::{Machine, PRICES_CHECKED, Runner, billed_minutes};
pub use rules::{Fixing, Level, Rule};
pub use runs::{Bill, RunJob, WorkflowRun, read_runs};
pub use schedule::{Left, Schedule, ScheduleOptions, TABLE_PATH, Taken, schedule};
pub use template::template;
