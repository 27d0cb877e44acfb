//! Locks, moves, prunes and repairs worktrees.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::{
    create::{MAKING, taken},
    guard::Hindrance,
    lock::FileLock,
    place::{Known, Worktrees},
    trash::{Remove, Removed, Trashed},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What a [repair](Worktrees::repair) did.
#[derive(Debug, Default)]
pub struct Repaired {
    /// Worktrees whose maker had died; they are in the trash.
    pub half_made: Vec<Trashed>,
    /// What git said that it mended.
    pub mended: Vec<String>,
}

/// What a [prune](Worktrees::prune) did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// What is in the trash now.
    pub gone: Vec<Trashed>,
    /// What stays, and why.
    pub left: Vec<(Known, Vec<Hindrance>)>,
}

impl Worktrees {
    /// Locks a worktree: nobody removes or moves it by mistake.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it is locked already.
    pub fn keep(&self, known: &Known, reason: &str) -> Result<()> {
        if known.git.locked.is_some() {
            return Err(taken("the worktree", &known.name(), "it is locked already"));
        }
        let reason = format!("--reason={}", reason.replace(['\0', '\n'], " "));
        self.git.call(["worktree", "lock", &reason, "--end-of-options"]).arg(&known.git.path).patient().run().map(drop)
    }

    /// Takes that lock away.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it is not locked, or is being made.
    pub fn let_go(&self, known: &Known) -> Result<()> {
        match known.git.locked.as_deref() {
            None => Err(taken("the worktree", &known.name(), "it is not locked")),
            Some(MAKING) => Err(taken("the worktree", &known.name(), "it is being made")),
            Some(_) => {
                self.git.call(["worktree", "unlock", "--end-of-options"]).arg(&known.git.path).patient().run().map(drop)
            }
        }
    }

    /// Moves a worktree to another place, where nothing may be. Not one that is locked or in use, nor one with submodules.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if it cannot be moved, or something is there.
    pub fn move_to(&self, known: &Known, to: &Path) -> Result<Known> {
        let _lock = self.lock()?;
        let Some(lease) = FileLock::try_take(&self.lease_file(&known.git.path))? else {
            return Err(taken("the worktree", &known.name(), "somebody uses it"));
        };
        if known.is_main || known.git.locked.is_some() {
            return Err(taken("the worktree", &known.name(), "it is the main one, or locked"));
        }
        if fs::symlink_metadata(to).is_ok() {
            return Err(taken("the place", &to.display().to_string(), "something is there"));
        }
        let parent = to.parent().and_then(|parent| fs::canonicalize(parent).ok());
        let Some((parent, name)) = parent.zip(to.file_name()) else {
            let message = format!("there is no folder for `{}`", to.display());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let to = parent.join(name);
        self.git.call(["worktree", "move", "--end-of-options"]).arg(&known.git.path).arg(&to).writes().run()?;
        drop(lease);
        let moved = self.all()?.into_iter().find(|known| known.git.path == to);
        moved.ok_or_else(|| Error::new(ErrorKind::Corrupt, "git does not know the worktree that it moved"))
    }

    /// Forgets worktrees whose folder is gone; what git still has of them goes to the trash. What nobody else has, what is locked and what is in
    /// use stays, and is answered too.
    ///
    /// # Errors
    ///
    /// Those of [`remove`](Worktrees::remove).
    pub fn prune(&self) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let is_gone = |known: &Known| !known.is_main && known.git.prunable.is_some();
        for known in self.all()?.into_iter().filter(is_gone) {
            // Whatever git's reason: what is there is not pruned.
            if fs::symlink_metadata(&known.git.path).is_ok() {
                continue;
            }
            match self.remove(&known, &Remove::default())? {
                Removed::Done(trashed) => pruned.gone.push(trashed),
                Removed::Refused(why) => pruned.left.push((known, why)),
            }
        }
        Ok(pruned)
    }

    /// Keeps what fits a pattern of `.gitignore` out of what git shows as new, in all worktrees: by a line in the repository's own
    /// `info/exclude`, which nobody commits. Once more does nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for what is no one line; [`Io`](ErrorKind::Io) where the file cannot be read or written.
    pub fn exclude(&self, pattern: &str) -> Result<()> {
        if pattern.trim().is_empty() || pattern.chars().any(char::is_control) {
            let message = format!("`{}` is no pattern of files; give one line", Printable(pattern));
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        let path = self.common.join("info").join("exclude");
        let write = || {
            let known = match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                known => known?,
            };
            if known.split(|&byte| byte == b'\n').any(|line| line == pattern.as_bytes()) {
                return Ok(());
            }
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let begin = if known.last().is_none_or(|&last| last == b'\n') { "" } else { "\n" };
            let mut file = fs::OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(format!("{begin}{pattern}\n").as_bytes())
        };
        write().map_err(|error| {
            let message = format!("could not write `{}`", Printable(&path.display().to_string()));
            Error::new(ErrorKind::Io, message).caused_by(error)
        })
    }

    /// Mends what a process that was killed, or somebody who moved a folder by hand, left behind. `moved` are folders whose place git does not
    /// know.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](crate::git::Call::run).
    pub fn repair(&self, moved: &[&Path]) -> Result<Repaired> {
        let lock = self.lock()?;
        let mut repaired = Repaired::default();
        let mut call = self.git.call(["worktree", "repair", "--end-of-options"]);
        for path in moved {
            call = call.arg(path);
        }
        let answer = call.writes().answer()?;
        let said = answer.text();
        repaired.mended = said.lines().chain(answer.stderr.lines()).map(str::to_owned).collect();
        drop(lock);
        let is_half = |known: &Known| {
            let noted =
                known.record.as_ref().map_or(known.git.locked.as_deref() == Some(MAKING), |record| record.making);
            // Its maker holds the lease as long as it lives.
            noted && !known.is_main && !FileLock::is_held(&self.lease_file(&known.git.path))
        };
        for known in self.all()?.into_iter().filter(is_half) {
            if let Removed::Done(trashed) = self.remove(&known, &Remove { force: true, ..Remove::default() })? {
                repaired.half_made.push(trashed);
            }
        }
        Ok(repaired)
    }
}
