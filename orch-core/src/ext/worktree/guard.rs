//! What would be lost with a worktree.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    lock::FileLock,
    place::{Known, Worktrees},
    record::own_folder,
};
use crate::{
    error::Result,
    git::{Git, Oid, Status},
    id::Printable,
};

/// Why a worktree is not removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hindrance {
    /// It is the main worktree, which is no other worktree's copy.
    Main,
    /// Its path, or a folder above it, is a symbolic link: what is behind it may be anything.
    Symlink,
    /// The folder at its path is not the worktree that git knows: the two do not name each other.
    Foreign,
    /// Other worktrees lie inside.
    Nests {
        /// The first of them.
        inside: String,
    },
    /// A task or another process has it.
    InUse {
        /// Who, for people.
        holder: String,
    },
    /// A process stands in it.
    CurrentDirectory {
        /// Its number; `None`: who asks.
        process: Option<u32>,
    },
    /// Changes that are not committed.
    Uncommitted {
        /// Paths that differ in the index.
        staged: u32,
        /// Paths that differ from the index.
        modified: u32,
        /// Paths that a merge left undecided.
        conflicted: u32,
    },
    /// Files that git does not know and does not ignore.
    Untracked {
        /// How many; a folder counts once.
        paths: u32,
    },
    /// Changes that git is told not to look at (`assume-unchanged`, `skip-worktree`) may be there.
    Hidden {
        /// How many paths.
        paths: u32,
    },
    /// Stashes that were made on its branch.
    Stashed {
        /// How many.
        stashes: u32,
    },
    /// Commits of its branch that no remote and not the default branch has.
    Unmerged {
        /// How many.
        commits: u32,
    },
    /// Commits that no branch, no tag and no remote has.
    Detached {
        /// How many.
        commits: u32,
    },
    /// Somebody locked it.
    Locked {
        /// Why, in their words.
        reason: String,
    },
    /// Submodules that are checked out in it, with repositories of their own.
    Submodules {
        /// How many.
        count: u32,
    },
    /// A merge, a rebase or the like is not finished.
    Unfinished {
        /// Which.
        operation: String,
    },
    /// Git cannot say how it is.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Hindrance {
    /// Whether not even force removes it.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Main
                | Self::Symlink
                | Self::Foreign
                | Self::Nests { .. }
                | Self::InUse { .. }
                | Self::CurrentDirectory { process: None }
        )
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: u32| if count == 1 { "" } else { "s" };
        match self {
            Self::Main => f.write_str("it is the main worktree"),
            Self::Symlink => f.write_str("its path is, or lies behind, a symbolic link"),
            Self::Foreign => {
                f.write_str("the folder there is not the worktree that git knows; see `git worktree repair`")
            }
            Self::Nests { inside } => write!(f, "the worktree `{}` lies inside", Printable(inside)),
            Self::InUse { holder } => write!(f, "it is in use by {}", Printable(holder)),
            Self::CurrentDirectory { process: None } => f.write_str("you are in it; go somewhere else first"),
            Self::CurrentDirectory { process: Some(id) } => write!(f, "the process {id} is in it"),
            Self::Uncommitted { staged, modified, conflicted } => {
                write!(f, "changes are not committed: {staged} staged, {modified} modified, {conflicted} in conflict")
            }
            Self::Untracked { paths } => write!(f, "{paths} path{} not known to git", s(*paths)),
            Self::Hidden { paths } => write!(f, "{paths} path{} that git is told not to look at", s(*paths)),
            Self::Stashed { stashes } => {
                write!(f, "{stashes} stash{} of its branch", if *stashes == 1 { "" } else { "es" })
            }
            Self::Unmerged { commits } => write!(f, "{commits} commit{} neither pushed nor merged", s(*commits)),
            Self::Detached { commits } => write!(f, "{commits} commit{} on no branch", s(*commits)),
            Self::Locked { reason } if reason.is_empty() => f.write_str("it is locked"),
            Self::Locked { reason } => write!(f, "it is locked: {}", Printable(reason)),
            Self::Submodules { count } => write!(f, "{count} submodule{} with repositories of their own", s(*count)),
            Self::Unfinished { operation } => write!(f, "a {operation} is not finished"),
            Self::Unknown { reason } => write!(f, "git cannot say how it is: {}", Printable(reason)),
        }
    }
}

impl Worktrees {
    /// What would be lost, or broken, if that worktree were removed now. `here` is where who asks stands.
    ///
    /// # Errors
    ///
    /// Those of [`Call::answer`](crate::git::Call::answer) for the repository. What cannot be read of the worktree is a hindrance.
    pub fn hindrances(&self, known: &Known, here: Option<&Path>) -> Result<Vec<Hindrance>> {
        if known.is_main || known.git.bare {
            return Ok(vec![Hindrance::Main]);
        }
        let path = &known.git.path;
        let mut found = Vec::new();
        if let Some(inside) =
            self.git.worktrees()?.iter().find(|other| other.path != *path && other.path.starts_with(path))
        {
            found.push(Hindrance::Nests { inside: inside.path.display().to_string() });
        }
        if FileLock::is_held(&self.lease_file(path)) {
            found.push(Hindrance::InUse {
                holder: self.holder(path).map_or_else(|| "somebody".into(), |it| it.to_string()),
            });
        }
        if let Some(reason) = &known.git.locked {
            found.push(Hindrance::Locked { reason: reason.clone() });
        }
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => found.push(Hindrance::Unknown { reason: error.to_string() }),
            Ok(about) if about.is_symlink() || fs::canonicalize(path).ok().as_ref() != Some(path) => {
                found.push(Hindrance::Symlink);
                return Ok(found);
            }
            Ok(_) => match own_folder(path, &self.common) {
                None => {
                    found.push(Hindrance::Foreign);
                    return Ok(found);
                }
                Some(own) => self.inside(path, &own, here, &mut found),
            },
        }
        if let Err(error) = self.commits(known, &mut found) {
            found.push(Hindrance::Unknown { reason: error.to_string() });
        }
        Ok(found)
    }

    /// What is in its folder.
    fn inside(&self, path: &Path, own: &Path, here: Option<&Path>, found: &mut Vec<Hindrance>) {
        if here.and_then(|here| fs::canonicalize(here).ok()).is_some_and(|here| here.starts_with(path)) {
            found.push(Hindrance::CurrentDirectory { process: None });
        } else if let Some(process) = process_inside(path) {
            found.push(Hindrance::CurrentDirectory { process: Some(process) });
        }
        let git = self.git.at(path);
        match git.status() {
            Ok(status) => uncommitted(&status, found),
            Err(error) => found.push(Hindrance::Unknown { reason: error.to_string() }),
        }
        match index(&git, path) {
            Ok((hidden, submodules)) => {
                let modules = fs::read_dir(own.join("modules")).map_or(0, |entries| entries.flatten().count());
                let submodules = submodules.max(u32::try_from(modules).unwrap_or(u32::MAX));
                found.extend((hidden > 0).then_some(Hindrance::Hidden { paths: hidden }));
                found.extend((submodules > 0).then_some(Hindrance::Submodules { count: submodules }));
            }
            Err(error) => found.push(Hindrance::Unknown { reason: error.to_string() }),
        }
        found.extend(unfinished(own).map(|operation| Hindrance::Unfinished { operation: operation.to_owned() }));
    }

    /// What only its branch, or only its `HEAD`, has.
    fn commits(&self, known: &Known, found: &mut Vec<Hindrance>) -> Result<()> {
        let Some(head) = &known.git.head else { return Ok(()) };
        let Some(branch) = &known.git.branch else {
            let line = self.git.call([
                "rev-list",
                "--count",
                head.as_str(),
                "--not",
                "--branches",
                "--tags",
                "--remotes",
                "--",
            ]);
            let commits = line.line()?.parse().unwrap_or(u32::MAX);
            found.extend((commits > 0).then_some(Hindrance::Detached { commits }));
            return Ok(());
        };
        let stashes = self.stashes(branch)?;
        found.extend((stashes > 0).then_some(Hindrance::Stashed { stashes }));
        let default = self.default_branch()?.filter(|default| default.as_str() != branch);
        let default = default.map(|default| self.git.reference(&default.full())).transpose()?.flatten();
        let others: Vec<&Oid> = default.iter().collect();
        let commits = self.git.only_in(head, &others)?;
        // Brought in as one commit, they are in the default branch under other names.
        let is_in = || default.as_ref().is_some_and(|default| self.adds_nothing(default, head).unwrap_or(false));
        if commits > 0 && !is_in() {
            found.push(Hindrance::Unmerged { commits });
        }
        Ok(())
    }

    /// Whether a merge of `head` into `into` would change nothing: it was brought in already, whatever its commits are called there.
    pub(super) fn adds_nothing(&self, into: &Oid, head: &Oid) -> Result<bool> {
        let merged = self.git.merge(into, head)?;
        Ok(merged.conflicts.is_empty() && merged.tree == self.git.tree(into)?)
    }

    fn stashes(&self, branch: &str) -> Result<u32> {
        if self.git.reference("refs/stash")?.is_none() {
            return Ok(0);
        }
        let answer = self.git.call(["stash", "list", "-z", "--format=%gs"]).run()?;
        let (with, without) = (format!("On {branch}: "), format!("WIP on {branch}: "));
        let is_its = |text: &&[u8]| text.starts_with(with.as_bytes()) || text.starts_with(without.as_bytes());
        Ok(u32::try_from(answer.records().filter(is_its).count()).unwrap_or(u32::MAX))
    }
}

fn uncommitted(status: &Status, found: &mut Vec<Hindrance>) {
    let Status { staged, modified, conflicted, untracked, .. } = *status;
    if staged + modified + conflicted > 0 {
        found.push(Hindrance::Uncommitted { staged, modified, conflicted });
    }
    found.extend((untracked > 0).then_some(Hindrance::Untracked { paths: untracked }));
}

/// How many paths of the index git does not look at, and how many submodules have a repository there.
fn index(git: &Git, path: &Path) -> Result<(u32, u32)> {
    let answer = git.call(["ls-files", "-z", "-v", "--stage"]).run()?;
    let (mut hidden, mut submodules) = (0, 0);
    for record in answer.records() {
        let text = String::from_utf8_lossy(record);
        // `h 100644 hash 0<TAB>path`
        let tag = text.chars().next().unwrap_or(' ');
        hidden += u32::from(tag.is_ascii_lowercase() || tag == 'S');
        if let Some((about, name)) = text.split_once('\t')
            && about.split(' ').nth(1) == Some("160000")
        {
            submodules += u32::from(fs::symlink_metadata(path.join(name).join(".git")).is_ok());
        }
    }
    Ok((hidden, submodules))
}

/// What git is in the middle of.
pub(super) fn unfinished(own: &Path) -> Option<&'static str> {
    const SIGNS: [(&str, &str); 6] = [
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("BISECT_LOG", "bisect"),
    ];
    SIGNS.iter().find(|(sign, _)| own.join(sign).exists()).map(|(_, operation)| *operation)
}

/// A process whose current directory is in there. Only on Linux, and only those that we may look at.
fn process_inside(path: &Path) -> Option<u32> {
    let inside = |folder: PathBuf| {
        let id = folder.file_name()?.to_str()?.parse::<u32>().ok()?;
        fs::read_link(folder.join("cwd")).ok()?.starts_with(path).then_some(id)
    };
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| inside(entry.path()))
}
