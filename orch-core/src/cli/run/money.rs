//! What a run may spend.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Result,
    cli::{args, config::Config, store},
    clock::Clock,
    cost::budget::{Column, Labels, Limit, Limits},
    session::{Budget, Ledger},
    store::{MemoryStore, SqliteStore, Store, Synchronous},
};

/// The budget of the run: the limits of the settings and of `--budget`, in the store that keeps the run. Limits of the settings are for
/// many runs, so they are kept in the default place where no store is named. Without limits, and without a store, nobody asks.
pub(super) fn budget(
    args: &args::Run,
    config: &Config,
    kept: Option<&SqliteStore>,
    here: &Path,
) -> Result<Option<Budget>> {
    let mut limits: Vec<Limit> = config.budget.iter().cloned().collect();
    let store: Arc<dyn Store> = match kept {
        Some(store) => Arc::new(store.clone()),
        None if !limits.is_empty() => Arc::new(store::open(None, Synchronous::Full, here)?),
        None if args.budget.is_some() => Arc::new(MemoryStore::new(Clock::system())),
        None => return Ok(None),
    };
    limits.extend(args.budget.map(|usd| Limit::new("--budget", usd).each(Column::Run)));
    let ledger = Ledger::new(store, Limits::new(limits)?, Clock::system());
    Ok(Some(Budget { labels: labels(here), ..Budget::new(ledger) }))
}

/// The worktree and the branch, where it is one.
fn labels(here: &Path) -> Labels {
    let labels = Labels::default();
    let Some((folder, git)) = here.ancestors().find_map(|folder| Some((folder, git_folder(folder)?))) else {
        return labels;
    };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let head = fs::read_to_string(git.join("HEAD")).unwrap_or_default();
    let branch = head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned);
    let known = [(Column::Worktree, name), (Column::Branch, branch)];
    known.into_iter().fold(labels, |labels, (column, value)| match value {
        Some(value) => labels.with(column, value),
        None => labels,
    })
}

/// Where the metadata of the worktree in that folder are: `.git`, or what that file names.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(git).ok()?;
    Some(folder.join(text.trim().strip_prefix("gitdir: ")?))
}
