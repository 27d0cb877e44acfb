//! Makes worktrees: many at once, or not at all.

use std::{fs, path::PathBuf};

use super::{
    lock::FileLock,
    name::{branch_name, folder_name},
    place::{Known, Worktrees},
    record::{Record, own_folder},
};
use crate::{
    error::{Error, ErrorKind, Result},
    git::{BranchName, Git, GitOptions, Oid},
    id::Printable,
};

/// Why git shows a worktree as locked while it is made.
pub(super) const MAKING: &str = "orch is making it";

/// Where a new worktree begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Base {
    /// At the commit of the main worktree. What is not committed there does not come along.
    #[default]
    Head,
    /// At the branch that work is brought into.
    DefaultBranch,
    /// At what a person named: a branch, a tag, a hash.
    Named(String),
    /// At that branch, or where there is none of that name, at the one of `origin` as it was fetched last.
    Branch(BranchName),
    /// At that commit: the result of another task, say.
    Commit(Oid),
}

/// A worktree to make. Public fields and `Default`.
#[derive(Debug, Clone, Default)]
pub struct New {
    /// What it is called. Its folder is the [plain form](folder_name) of it. Default: that of the branch.
    pub name: String,
    /// Its branch, which is made unless it is there. Default: by [`WorktreeOptions::branch`](super::WorktreeOptions::branch).
    pub branch: Option<BranchName>,
    /// Without a branch.
    pub detached: bool,
    /// Where it begins. For a branch that is there already, that must be where it stands, or [`Base::Head`].
    pub base: Base,
    /// What it is for, in words.
    pub purpose: Option<String>,
    /// Its place in the pool.
    pub slot: Option<u32>,
    /// Without the set-up steps.
    pub bare: bool,
}

/// A worktree that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// Git's folder for it.
    pub own: PathBuf,
    /// What is known of it.
    pub record: Record,
    /// Its branch.
    pub branch: Option<BranchName>,
    /// The commit that it stands on.
    pub head: Oid,
}

/// What is decided before anything is made.
struct Wanted {
    name: String,
    branch: Option<BranchName>,
    head: Oid,
    is_new_branch: bool,
}

impl Worktrees {
    /// Makes a worktree. As many at once as one likes, from as many processes: only what git notes of it is done one after the other, the
    /// files come outside of the lock. What could not be finished is not there.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for names that cannot be used, [`Conflict`](ErrorKind::Conflict) where the name or the branch
    /// is taken, [`NotFound`](ErrorKind::NotFound) for a base that is not there, [`Misuse`](ErrorKind::Misuse) for set-up commands that nobody
    /// approved, [`LockTimeout`](ErrorKind::LockTimeout) where others did not let go of the list of worktrees in time.
    pub fn create(&self, new: &New) -> Result<Made> {
        self.create_held(new, None).map(|(made, _)| made)
    }

    /// Makes it, and answers it with the lock of its lease: the one that was given, where the caller has it already.
    pub(super) fn create_held(&self, new: &New, lease: Option<FileLock>) -> Result<(Made, FileLock)> {
        if !new.bare {
            self.options.setup.check()?;
        }
        let lock = self.lock()?;
        let known = self.all()?;
        let wanted = self.wanted(new, &known)?;
        let path = self.real_root()?.join(&wanted.name);
        if fs::symlink_metadata(&path).is_ok() || known.iter().any(|known| known.git.path == path) {
            return Err(taken("the folder", &path.display().to_string(), "remove it, or choose another name"));
        }
        // Held while it is made, so that nobody takes it for something that was left behind.
        let lease = match lease {
            None => FileLock::try_take(&self.lease_file(&path))?,
            given => given,
        };
        let lease = lease.ok_or_else(|| taken("the worktree", &wanted.name, "somebody is making it"))?;
        let (own, record) = self.note(new, &wanted, &path, &known)?;
        drop(lock);
        let made = Made { path, own, record, branch: wanted.branch, head: wanted.head };
        match self.fill(new, made.clone()) {
            Ok(made) => Ok((made, lease)),
            Err(error) => {
                // Nobody had it yet; what is in it came from git and from the set-up.
                drop(lease);
                let gone = self.lock().and_then(|_lock| self.discard(&made, wanted.is_new_branch));
                Err(match gone {
                    Ok(()) => error,
                    Err(left) => error.with("left behind", left.to_string()),
                })
            }
        }
    }

    fn wanted(&self, new: &New, known: &[Known]) -> Result<Wanted> {
        let named = if new.name.is_empty() { new.branch.as_ref().map_or("", BranchName::as_str) } else { &new.name };
        let name = folder_name(named)?;
        let base = self.base(&new.base)?;
        if new.detached {
            return Ok(Wanted { name, branch: None, head: base, is_new_branch: false });
        }
        let branch = match &new.branch {
            Some(branch) => branch.clone(),
            // What can be a branch as it is keeps its slashes; only the folder has none.
            None => match BranchName::new(named) {
                Ok(branch) if self.options.branch == "{name}" => branch,
                _ => branch_name(&self.options.branch, &[("name", named)])?,
            },
        };
        if let Some(other) = known.iter().find(|known| known.git.branch.as_deref() == Some(branch.as_str())) {
            let next = format!("it is checked out in `{}`; work there, or name another branch", other.name());
            return Err(taken("the branch", branch.as_str(), &next));
        }
        let (head, is_new_branch) = match self.git.reference(&branch.full())? {
            None => (base, true),
            Some(there) if new.branch.is_some() && (new.base == Base::Head || there == base) => (there, false),
            Some(_) => {
                let next =
                    format!("give it as the branch (`--branch {branch}`) to check it out, or choose another name");
                return Err(taken("the branch", branch.as_str(), &next));
            }
        };
        Ok(Wanted { name, branch: Some(branch), head, is_new_branch })
    }

    /// The commit that it stands for now.
    pub(super) fn base(&self, base: &Base) -> Result<Oid> {
        match base {
            Base::Head => self.git.commit("HEAD"),
            Base::Named(named) => self.git.commit(named),
            Base::Commit(oid) => Ok(oid.clone()),
            Base::Branch(branch) => {
                let origin = format!("refs/remotes/origin/{branch}");
                let there = self.git.reference(&branch.full())?;
                let there = there.map_or_else(|| self.git.reference(&origin), |there| Ok(Some(there)))?;
                there.ok_or_else(|| {
                    let message = format!(
                        "there is no branch `{branch}`, here or fetched from `origin`; `git fetch` brings new ones"
                    );
                    Error::new(ErrorKind::NotFound, message)
                })
            }
            Base::DefaultBranch => {
                let none = || Error::new(ErrorKind::NotFound, "the repository has no default branch; name the base");
                self.git.commit(&self.default_branch()?.ok_or_else(none)?.full())
            }
        }
    }

    /// What git notes of it. Under the lock.
    fn note(&self, new: &New, wanted: &Wanted, path: &std::path::Path, known: &[Known]) -> Result<(PathBuf, Record)> {
        if let (Some(branch), true) = (&wanted.branch, wanted.is_new_branch) {
            self.git.set_reference(&branch.full(), &wanted.head, None)?;
        }
        let call =
            self.git.call(["worktree", "add", "--quiet", "--no-checkout", "--lock", "--reason", MAKING]).patient();
        let call = if wanted.branch.is_none() { call.arg("--detach") } else { call };
        let target = wanted.branch.as_ref().map_or(wanted.head.as_str(), BranchName::as_str);
        let made = call.arg("--end-of-options").arg(path).arg(target).run().and_then(|_| {
            let own = own_folder(path, &self.common);
            own.ok_or_else(|| Error::new(ErrorKind::Corrupt, "git made a worktree that is not in order"))
        });
        let ports: Vec<(u16, u16)> =
            known.iter().filter_map(|known| known.record.as_ref()).filter_map(|record| record.ports).collect();
        let noted = made.and_then(|own| {
            let now = self.options.clock.wall();
            let ports = if new.bare { None } else { self.options.setup.first_port(&wanted.name, &ports)? };
            let (purpose, slot) = (new.purpose.clone(), new.slot);
            let record = Record {
                version: 1,
                name: wanted.name.clone(),
                making: true,
                made: now,
                used: now,
                base: Some(wanted.head.clone()),
                own_branch: wanted.is_new_branch,
                purpose,
                slot,
                ports,
                ..Record::default()
            };
            record.write(&own)?;
            Ok((own, record))
        });
        if noted.is_err()
            && let (Some(branch), true) = (&wanted.branch, wanted.is_new_branch)
        {
            // The next try finds no half of this one.
            drop(self.git.drop_reference(&branch.full(), &wanted.head));
        }
        noted
    }

    /// The files, and the set-up. Outside of the lock.
    fn fill(&self, new: &New, mut made: Made) -> Result<Made> {
        let here = self.git.at(&made.path);
        here.call(["reset", "--hard", "--quiet", "--no-recurse-submodules"]).writes().run()?;
        // Files as young as the index are read as a whole by each look at the worktree, until the index is written once more.
        drop(here.call(["status", "--porcelain", "--untracked-files=no"]).writes().run());
        if !new.bare {
            self.set_up(&made)?;
        }
        if self.options.git.hooks {
            let git = Git::new(&made.path, GitOptions { hooks: true, ..self.options.git.clone() });
            let call = git.call(["hook", "run", "--ignore-missing", "post-checkout", "--", &made.head.zero_hash()]);
            call.arg(made.head.as_str()).arg("1").writes().run()?;
        }
        made.record.making = false;
        made.record.write(&made.own)?;
        self.git.call(["worktree", "unlock", "--end-of-options"]).arg(&made.path).patient().run()?;
        Ok(made)
    }

    /// Runs the set-up steps in a worktree.
    pub(super) fn set_up(&self, made: &Made) -> Result<()> {
        let path = made.path.display().to_string();
        let port = made.record.ports.map(|(first, _)| first.to_string()).unwrap_or_default();
        let branch = made.branch.as_ref().map_or("", BranchName::as_str);
        let values = [("name", made.record.name.as_str()), ("branch", branch), ("path", &path), ("port", &port)];
        self.options.setup.run(&self.main, &made.path, &made.own, &self.git, &values)
    }

    /// Takes away what was just made and that nobody had. Under the lock.
    fn discard(&self, made: &Made, drop_branch: bool) -> Result<()> {
        self.throw_away(&made.path, Some(&made.own), "it could not be finished", false)?;
        match &made.branch {
            Some(branch) if drop_branch => self.git.drop_reference(&branch.full(), &made.head),
            _ => Ok(()),
        }
    }
}

pub(super) fn taken(what: &str, name: &str, next: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{what} `{}` is taken: {next}", Printable(name)))
}
