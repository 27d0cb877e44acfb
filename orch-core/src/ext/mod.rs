//! EXTRAS: optional parts, each behind a feature of its own, that use only what any program could use.
//!
//! They decide nothing about runs, and none knows another: what one has to tell another goes through the store.
//!
//! ```
//! # #[cfg(feature = "budget-files")] {
//! let file = orch_core::ext::budget_file::BudgetFile::parse(r#"{"date": "2026-02-16", "spent": 1, "limit": 25, "tasks": [], "cycles": 1}"#)?;
//! assert_eq!(file.form(), "daily");
//! # }
//! # Ok::<(), orch_core::Error>(())
//! ```

#[cfg(feature = "actions")]
pub mod actions;
#[cfg(feature = "badges")]
pub mod badges;
#[cfg(feature = "budget-files")]
pub mod budget_file;
#[cfg(feature = "hooks")]
pub mod hooks;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "notify")]
pub mod notify;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "worktrees")]
pub mod worktree;
