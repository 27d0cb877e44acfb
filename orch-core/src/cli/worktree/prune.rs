//! `orch worktree prune`: what is gone is forgotten.

use std::{path::Path, time::Duration};

use serde_json::json;

use crate::{
    Clock,
    cli::{store, streams::Console},
    error::Result,
    ext::worktree::{ForgottenRun, Pruned, Worktrees},
    id::Printable,
    store::{SqliteOptions, SqliteStore, Store as _},
};

/// Forgets what runs kept that are gone: which the store does not have, and which began so long ago that none goes on that was never in it.
pub(super) fn runs(
    worktrees: &Worktrees,
    named: Option<&Path>,
    here: &Path,
    older_than: Duration,
) -> Result<Vec<ForgottenRun>> {
    let kept = worktrees.kept_runs()?;
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let path = store::path(named, here)?;
    let store = if path.exists() { Some(SqliteStore::open(path, SqliteOptions::default())?) } else { None };
    let now = Clock::system().wall();
    let mut forgotten = Vec::new();
    for one in kept.iter().filter(|one| !one.in_use && one.run.wall().after(older_than) < now) {
        let is_known = match &store {
            Some(store) => store.run(one.run)?.is_some(),
            None => false,
        };
        if !is_known {
            forgotten.push(worktrees.forget_run(one)?);
        }
    }
    Ok(forgotten)
}

/// Says what was forgotten, and what stays of it.
pub(super) fn show(pruned: &Pruned, runs: &[ForgottenRun], json: bool, console: &mut Console<'_>) {
    if json {
        console.json(&json!({"version": 1, "gone": pruned.gone, "runs": runs}));
        return;
    }
    super::trash(&pruned.gone, "gone", false, console);
    for ForgottenRun { run, dropped, left } in runs {
        if *dropped > 0 {
            let plural = if *dropped == 1 { "" } else { "s" };
            console.note(format_args!("forgot {dropped} result{plural} of the run {}", Printable(run)));
        }
        for name in left {
            console.note(format_args!("{} stays: what it stands on is on no branch", Printable(name)));
        }
    }
}
