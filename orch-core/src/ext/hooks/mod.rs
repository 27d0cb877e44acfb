//! HOOKS: keeps interactive agents within the budgets, and commits where they belong, by the programs that agents and git call at each step.
//!
//! [`Claude`] answers the hooks of Claude Code: it books what a session and its subagents used, as its transcripts say, denies the
//! next call of a tool when a budget is used up, and keeps the task list. [`Settings`] puts the calls into a settings file
//! and takes them out again, and leaves every other byte of it as it is.
//!
//! [`GitHooks`] puts small programs into a repository that git calls around commits, runs what was there before first, and takes them
//! out again; [`GitPolicy`] says which commits are refused, and [`GitPlace`] what is
//! [recorded](crate::session::record_commit) of the others.
//!
//! What it does not do: it starts no program but git, asks no network, and knows no settings of its own; limits and prices are given to it.
//! What is under way when a budget ends is not stopped: each agent may pass it by the one answer that it waits for.
//!
//! ```
//! use std::sync::Arc;
//! use orch_core::{Clock, PriceTable, Usd, cost::budget::{Labels, Limit, Limits}, session::{Charge, Ledger}, store::MemoryStore};
//! use orch_core::ext::hooks::{Claude, HookInput};
//!
//! let limits = Limits::new(vec![Limit::new("all", Usd::from_cents(100))])?;
//! let ledger = Ledger::new(Arc::new(MemoryStore::default()), limits, Clock::system());
//! let hooks = Claude::new(ledger.clone(), PriceTable::default());
//! let input = HookInput::read(r#"{"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Bash"}"#)?;
//! assert_eq!(hooks.answer(&input)?, None, "nothing is in the way");
//!
//! ledger.charge(&[Charge::new(Labels::default(), Usd::from_cents(100))])?;
//! let answer = hooks.answer(&input)?.unwrap();
//! assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "deny");
//! # Ok::<(), orch_core::Error>(())
//! ```

mod claude;
mod git;
mod input;
mod json_text;
mod record;
mod settings;
mod tasks;
mod transcript;

pub use claude::Claude;
pub use git::{
    Action, GitHook, GitHooks, GitPlace, GitPolicy, GitRule, GitWorker, HookState, HookStatus, Place, Side, Told,
};
pub use input::HookInput;
pub use settings::{Installed, Settings};
pub use tasks::{TaskItem, TaskList};
