//! The command line, `orch`: the only place that prints, reads the environment, or knows a home folder.
//!
//! [`main`] is the whole program. `src/bin/orch.rs` calls it, and so can any other language's launcher. It decides
//! nothing about graphs or runs: it reads arguments and files, calls the same public functions that any Rust program
//! calls, and shows what they answer.
//!
//! What scripts can rely on: results are on stdout and messages on stderr; the exit codes (0 done, 1 the run failed or a
//! result could not be written, 2 bad input or usage, 130 interrupted, 143 terminated, 129 hung up); the JSON forms, each
//! with a `version`, documented in [the guide](crate::guide::cli).
//!
//! ```
//! use orch_core::cli;
//!
//! let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
//! cli::main(["orch", "--version"], &mut stdout, &mut stderr);
//! assert_eq!(String::from_utf8(stdout)?, format!("orch {}\n", orch_core::VERSION));
//! # Ok::<(), std::string::FromUtf8Error>(())
//! ```

mod actions;
mod args;
mod args_actions;
mod args_definition;
mod args_hooks;
mod args_metrics;
mod args_money;
mod args_worktree;
mod badges;
mod budget;
mod check;
mod config;
mod convert;
mod cost;
mod demo;
mod exit;
mod hooks;
mod hooks_git;
mod metrics;
mod notify;
mod optimize;
mod otel;
mod pair;
mod plan;
mod program;
mod run;
mod runs;
#[cfg(unix)]
mod screen;
mod serve;
mod source;
mod store;
mod streams;
mod trust;
mod view;
mod worktree;

pub use self::{program::main, streams::Stream};
