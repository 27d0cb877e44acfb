//! WORKTREE: a checkout of its own for each task, and nothing lost with it.
//!
//! [`Worktrees`] makes, finds, moves and removes the worktrees of a repository. Many processes may do so at once: what git notes of worktrees
//! changes under one lock in the repository's common folder, the files come outside of it. A [`Pool`] lends worktrees to tasks, and
//! [`InWorktrees`] runs each task of an executor in one of them.
//!
//! What is removed goes to a trash inside the common folder, with its index, its branch and what was not finished, until somebody prunes that. What would be lost
//! ([`Hindrance`]) is looked at under the lock, at the moment of the removal. A [`Lease`] is a lock on a file: it is over when its process is,
//! however that ended.
//!
//! What it does not do: it fetches and pushes nothing, never checks out or discards anything in a worktree that it does not lend, and
//! decides nothing about runs. It is not a sandbox: a program may leave its folder.
//!
//! ```
//! use std::process::Command;
//! use orch_core::ext::worktree::{New, Remove, Removed, Worktrees, WorktreeOptions};
//!
//! # let folder = tempfile::tempdir()?;
//! # let repository = folder.path().join("app");
//! # std::fs::create_dir(&repository)?;
//! # for words in ["init -q -b main", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m one"] {
//! #     assert!(Command::new("git").args(words.split(' ')).current_dir(&repository).status()?.success());
//! # }
//! let worktrees = Worktrees::open(&repository, WorktreeOptions::default())?;
//! let made = worktrees.create(&New { name: "login".into(), ..New::default() })?;
//! std::fs::write(made.path.join("notes.txt"), "not committed")?;
//!
//! let login = worktrees.find("login")?;
//! assert!(matches!(worktrees.remove(&login, &Remove::default())?, Removed::Refused(_)));
//! assert!(matches!(worktrees.remove(&login, &Remove { force: true, ..Remove::default() })?, Removed::Done(_)));
//! worktrees.restore("login")?;
//! assert_eq!(std::fs::read_to_string(made.path.join("notes.txt"))?, "not committed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alert;
mod command;
mod create;
mod executor;
mod forecast;
mod form;
mod guard;
mod lease;
mod lock;
mod manage;
mod merge;
mod monitor;
mod moves;
mod name;
mod named;
mod place;
mod pool;
mod record;
mod route;
mod runs;
mod setup;
mod sync;
mod trash;
mod words;

pub use alert::{Alert, AlertKind};
pub use create::{Base, Made, New};
pub use executor::{GATE_AGENT, InWorktrees, InWorktreesOptions};
pub use forecast::{Conflict, conflicts, merge_order};
pub use guard::Hindrance;
pub use lease::{Holder, Lease};
pub use manage::{Pruned, Repaired};
pub use merge::{Came, Candidate, Gate, GateReport, How, Stayed};
pub use monitor::{Commit, Look, Overview, Row, State};
pub use name::{branch_name, folder_name};
pub use named::{Named, Taken};
pub use place::{Known, WorktreeOptions, Worktrees};
pub use pool::{Left, Pool, PoolOptions, Wanted};
pub use record::Record;
pub use route::{RouteQuery, Routed, Routes, Way, Why};
pub use runs::{ForgottenRun, KeptRun};
pub use setup::Setup;
pub use sync::Synced;
pub use trash::{Remove, Removed, Trashed};
