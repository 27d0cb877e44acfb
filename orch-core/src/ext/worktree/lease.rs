//! Who has a worktree.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    lock::FileLock,
    place::Worktrees,
    record::{Record, own_folder},
};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
};

/// Who has a worktree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// The process.
    pub process: u32,
    /// Since when.
    pub since: WallTime,
    /// The run.
    pub run: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// Whether it only waits: for a set-up, for another task, or for a person.
    pub waiting: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some(task) => write!(f, "the task {task} (process {})", self.process),
            None => write!(f, "process {}", self.process),
        }
    }
}

/// A worktree that one has alone, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lease {
    /// Where it is.
    pub path: PathBuf,
    /// Git's folder for it.
    pub own: PathBuf,
    lock: FileLock,
    holder: Holder,
}

impl Lease {
    pub(super) fn new(path: PathBuf, own: PathBuf, lock: FileLock, holder: Holder) -> Self {
        let mut lease = Self { path, own, lock, holder };
        lease.say();
        lease
    }

    /// Who has it.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Says whether it is worked in, or only waited for something.
    pub fn waits(&mut self, waiting: bool) {
        self.holder.waiting = waiting;
        self.say();
    }

    /// What is known of it.
    pub fn record(&self) -> Record {
        Record::read(&self.own).unwrap_or_default()
    }

    /// Keeps what is known of it.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io).
    pub fn note(&self, record: &Record) -> Result<()> {
        record.write(&self.own)
    }

    fn say(&mut self) {
        // Only for people: the lock itself is what counts.
        let text = serde_json::to_string(&self.holder).unwrap_or_default();
        drop(self.lock.say(&text));
    }
}

impl Worktrees {
    /// Who has the worktree at that path; `None`: nobody.
    pub fn holder(&self, path: &Path) -> Option<Holder> {
        let file = self.lease_file(path);
        if !FileLock::is_held(&file) {
            return None;
        }
        // Between the lock and the words there is a moment.
        Some(FileLock::said(&file).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Takes that worktree, if nobody has it: `None` if somebody does.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if it is not there, or not in order.
    pub fn lease(&self, path: &Path, holder: Holder) -> Result<Option<Lease>> {
        let Some(lock) = FileLock::try_take(&self.lease_file(path))? else { return Ok(None) };
        self.leased(path, lock, holder).map(Some)
    }

    pub(super) fn leased(&self, path: &Path, lock: FileLock, holder: Holder) -> Result<Lease> {
        let own = own_folder(path, &self.common).ok_or_else(|| {
            let message = format!("the worktree at `{}` is not in order; see `git worktree repair`", path.display());
            Error::new(ErrorKind::NotFound, message)
        })?;
        let holder = Holder { process: std::process::id(), since: self.options.clock.wall(), ..holder };
        Ok(Lease::new(path.to_owned(), own, lock, holder))
    }
}
