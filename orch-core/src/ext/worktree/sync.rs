//! Brings worktrees up to date, where nothing can get lost by it.

use serde::Serialize;

use super::{
    lease::Holder,
    place::{Known, Worktrees},
};
use crate::{error::Result, git::Oid};

/// What became of one worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// Its name.
    pub name: String,
    /// Its branch.
    pub branch: Option<String>,
    /// What it was to follow: the upstream of its branch, else the default branch.
    pub target: Option<String>,
    /// Where it stood.
    pub before: Option<Oid>,
    /// Where it stands.
    pub after: Option<Oid>,
    /// Whether it is where the target is now.
    pub current: bool,
    /// Why it is not.
    pub why: Option<String>,
}

impl Worktrees {
    /// Moves the branch of each of these worktrees on to what it follows, with its files, where that is all there is to do: it has no commits of its own, and
    /// nothing in it is changed. Nothing is fetched, checked out or discarded; all else is reported.
    ///
    /// # Errors
    ///
    /// Those of [`Git::reference`](crate::git::Git::reference).
    pub fn sync(&self, known: &[Known]) -> Result<Vec<Synced>> {
        let default = self.default_branch()?;
        known.iter().map(|known| self.sync_one(known, default.as_ref().map(|branch| branch.as_str()))).collect()
    }

    fn sync_one(&self, known: &Known, default: Option<&str>) -> Result<Synced> {
        let git = &known.git;
        let (branch, before) = (git.branch.clone(), git.head.clone());
        let mut synced = Synced {
            name: known.name(),
            branch,
            target: None,
            after: before.clone(),
            before,
            current: false,
            why: None,
        };
        synced.why = self.forward(known, default, &mut synced)?;
        synced.current = synced.why.is_none();
        Ok(synced)
    }

    /// Why not; `None`: it is where it belongs.
    fn forward(&self, known: &Known, default: Option<&str>, synced: &mut Synced) -> Result<Option<String>> {
        let no = |why: &str| Ok(Some(why.to_owned()));
        let (Some(branch), Some(head)) = (&known.git.branch, &known.git.head) else {
            return no("it is on no branch, or has no commit");
        };
        if !known.git.path.is_dir() {
            return no("its folder is gone");
        }
        let here = self.git.at(&known.git.path);
        let upstream =
            here.call(["rev-parse", "--symbolic-full-name", "--verify", "--quiet", "@{upstream}"]).answer()?;
        let followed = match upstream.code {
            0 => upstream.text().trim_end().to_owned(),
            _ if default == Some(branch) => {
                synced.target = None;
                return Ok(None);
            }
            _ => match default {
                Some(default) => format!("refs/heads/{default}"),
                None => return no("there is nothing that it follows"),
            },
        };
        synced.target = Some(followed.trim_start_matches("refs/heads/").trim_start_matches("refs/remotes/").to_owned());
        let Some(target) = self.git.reference(&followed)? else { return no("what it follows is gone") };
        match self.git.apart(head, &target)? {
            (_, 0) => return Ok(None),
            (0, _) => {}
            (ahead, behind) => return Ok(Some(format!("it has {ahead} commits of its own, and lacks {behind}"))),
        }
        if known.git.locked.is_some() {
            return no("it is locked");
        }
        let lease = if known.is_main { None } else { self.lease(&known.git.path, Holder::default()).ok().flatten() };
        if !known.is_main && lease.is_none() {
            return no("it is in use");
        }
        if !here.status()?.is_clean() {
            return no("something in it is not committed");
        }
        let call = here.call(["merge", "--quiet", "--ff-only", "--no-stat", target.as_str()]).patient();
        let answer = call.answer()?;
        if answer.code != 0 {
            return Ok(Some(call.refused(&answer).to_string()));
        }
        synced.after = Some(target);
        Ok(None)
    }
}
