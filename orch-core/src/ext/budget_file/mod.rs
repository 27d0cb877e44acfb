//! The budget files of the scripts that orch replaces: read, brought into a ledger, written back in their own form.
//!
//! Four systems kept `token_budget.json` (two forms of one name), `cumulative_budget.json` and `budget-DATE.json`. Which one a file is,
//! its keys say. A file that is damaged, that was left with the marks of a merge conflict, or that says something impossible is an error
//! and stays as it is; it never becomes a fresh budget. What a file has beside the known keys is kept.
//!
//! Nothing here reserves: [`limits`](BudgetFile::limits) and [`charges`](BudgetFile::charges) are for a
//! [`Ledger`](crate::session::Ledger), which does. [`Tracker`] does what the scripts did with the first form, for those that go on
//! using the file.
//!
//! ```
//! use orch_core::{Usd, ext::budget_file::BudgetFile};
//!
//! let text = r#"{"version": "1.0", "current_month": "2026-02", "total_spent": 5.004, "executions": 160, "prs_generated": 160,
//!     "tokens_used": {"claude_input": 0, "claude_output": 0, "openai_input": 0, "openai_output": 0},
//!     "milestones_reached": [5.0], "last_reset": "2026-02-01T00:00:00Z", "history": []}"#;
//! let mut file = BudgetFile::parse(text)?;
//! assert_eq!((file.form(), file.spent()), ("monthly", "5.004".parse::<Usd>()?));
//! let BudgetFile::Monthly(month) = &mut file else { panic!("it is monthly") };
//! month.total_spent = "5.035275".parse()?;
//! assert!(file.render().contains("\"total_spent\": 5.035275"));
//! assert!(BudgetFile::parse("<<<<<<< HEAD\n{}").is_err());
//! # Ok::<(), orch_core::Error>(())
//! ```

mod batch;
mod file;
mod model;
mod month;
mod times;
mod tracker;

pub use batch::{BatchCosts, TaskRan};
pub use model::{Block, BudgetFile, Cumulative, Daily, Month, Monthly, Sprint, TokensUsed};
pub use month::{MonthlyOptions, Recorded};
pub use times::BatchTimes;
pub use tracker::{Checked, TokenFile, Tracker};
