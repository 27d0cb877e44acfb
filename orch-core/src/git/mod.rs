//! GIT: the only caller of the `git` program.
//!
//! A [`Git`] stands in a folder; a [`Call`] is one command there. Every call has the same habits: arguments as a vector and no shell; none of the
//! caller's `GIT_DIR`, `GIT_INDEX_FILE` and the like, so that it also works in a hook; messages in English; no pager, no prompt, no
//! maintenance in the background; an end after a while, with all that it started; and a bound on what it may answer. What a
//! person named goes behind `--end-of-options` once, in [`Git::commit`], and is a hash from there on. Names of branches are
//! [checked](BranchName) before git sees them.
//!
//! Hooks of the repository are not run, because the repository may be somebody else's, unless [`GitOptions::hooks`] says so. Filters that the
//! user's settings name (Git LFS, say) are.
//!
//! Git 2.39 and newer. What it does not do: it knows no network, changes no settings, and decides nothing about worktrees.
//!
//! ```
//! use orch_core::git::{BranchName, Worktree};
//!
//! assert!(BranchName::new("feature/login").is_ok());
//! for bad in ["-f", "a..b", "a\nb", "HEAD", "x.lock", "m\u{430}in"] {
//!     assert!(BranchName::new(bad).is_err(), "{bad}");
//! }
//! let listed = b"worktree /src/app\0HEAD 0123456789012345678901234567890123456789\0branch refs/heads/main\0\0";
//! assert_eq!(Worktree::parse_list(listed)?[0].branch.as_deref(), Some("main"));
//! # Ok::<(), orch_core::Error>(())
//! ```

mod call;
mod log;
mod merge;
mod name;
mod parse;
mod records;
#[cfg(test)]
mod tests;
mod work;

pub use call::{Answer, Call, Git, GitOptions};
pub use log::LogEntry;
pub use merge::{Merged, Mergings};
pub use name::{BranchName, Oid};
pub use parse::{Status, Worktree};
