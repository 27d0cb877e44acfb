//! All worktrees, looked at again and again, as `orch serve` shows them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    settings,
    spend::{Spending, with_spent},
};
use crate::{
    cli::config::Config,
    error::{ErrorKind, Result},
    ext::worktree::{Look, WorktreeOptions, Worktrees},
};

/// Looks at the worktrees of a folder's repository.
pub(in crate::cli) struct Overviews {
    here: PathBuf,
    options: WorktreeOptions,
    worktrees: Option<Worktrees>,
    spending: Spending,
}

impl Overviews {
    /// Of the repository of that folder, which may still be made; with what is in that store.
    pub(in crate::cli) fn new(store: Option<&Path>, config: &Config, here: &Path) -> Result<Self> {
        let options = settings::options(config, false, false);
        Ok(Self { here: here.to_owned(), options, worktrees: None, spending: Spending::new(store, here)? })
    }

    /// What `orch worktree list --json` has, without the time; `{"absent": true}` outside of repositories.
    pub(in crate::cli) fn next(&mut self) -> Result<Value> {
        let worktrees = match &self.worktrees {
            Some(worktrees) => worktrees,
            None => match Worktrees::open(&self.here, self.options.clone()) {
                Ok(worktrees) => self.worktrees.insert(worktrees),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(json!({"absent": true})),
                Err(error) => return Err(error),
            },
        };
        let overview = worktrees.look(&Look::default())?;
        let spent = self.spending.of(&overview)?;
        let mut form = with_spent(overview.json(), &spent);
        // Else it would be new at each look.
        form.as_object_mut().map(|form| form.remove("at"));
        Ok(form)
    }
}
