//! What orch knows of a worktree, beside what git knows.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::write_whole;
use crate::{clock::WallTime, error::Result, git::Oid};

/// The name of the file in git's folder for the worktree: it goes when that goes, and nobody commits it.
const FILE: &str = "orch.json";

/// What orch knows of a worktree. Kept in git's own folder for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The version of the form: 1.
    pub version: u32,
    /// What it is called.
    pub name: String,
    /// Whether it is still being made.
    pub making: bool,
    /// When it was made.
    pub made: WallTime,
    /// When it was last given to somebody, or given back.
    pub used: WallTime,
    /// The commit that it began at.
    pub base: Option<Oid>,
    /// Whether its branch was made with it.
    pub own_branch: bool,
    /// What it is for, in words.
    pub purpose: Option<String>,
    /// Its place in the pool, from 1, if it belongs there.
    pub slot: Option<u32>,
    /// Whether it is as the pool gives it out: nobody has changed anything since it was cleaned.
    pub fresh: bool,
    /// The last run that used it.
    pub run: Option<String>,
    /// The last task that used it.
    pub task: Option<String>,
    /// The agent of that task.
    pub agent: Option<String>,
    /// The first of its ports, and how many there are.
    pub ports: Option<(u16, u16)>,
}

impl Record {
    /// What is kept in that folder of git; `None` for worktrees that orch did not make.
    pub(super) fn read(own: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(own.join(FILE)).ok()?).ok()
    }

    /// Keeps it.
    pub(super) fn write(&self, own: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        write_whole(&own.join(FILE), &text)
    }
}

/// Git's folder for the worktree at `path`, where the two name each other and it lies in that common folder; else `None`. No link is followed.
pub(super) fn own_folder(path: &Path, common: &Path) -> Option<PathBuf> {
    let link = path.join(".git");
    if !std::fs::symlink_metadata(&link).ok()?.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(&link).ok()?;
    let named = Path::new(text.strip_prefix("gitdir:")?.trim());
    let own = std::fs::canonicalize(path.join(named)).ok()?;
    if own.parent()? != common.join("worktrees") {
        return None;
    }
    let back = std::fs::read_to_string(own.join("gitdir")).ok()?;
    let back = own.join(back.trim_end_matches(['\n', '\r']));
    (back.parent()? == path).then_some(own)
}

/// Git's folder for a worktree whose own folder may be gone: the one that names it.
pub(super) fn own_folder_of(path: &Path, common: &Path) -> Option<PathBuf> {
    own_folder(path, common).or_else(|| {
        let names = |own: &Path| {
            let back = std::fs::read_to_string(own.join("gitdir")).ok()?;
            Some(own.join(back.trim_end_matches(['\n', '\r'])).parent()? == path)
        };
        let entries = std::fs::read_dir(common.join("worktrees")).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|own| names(own) == Some(true))
    })
}
