//! A pool of worktrees that are lent to tasks, one after the other.

use std::{fs, path::Path};

use super::{
    create::{Base, Made, New, taken},
    guard::unfinished,
    lease::{Holder, Lease},
    lock::{FileLock, private_folder},
    moves::{identity, move_folder},
    place::Worktrees,
    record::own_folder,
    trash::{Remove, Removed},
};
use crate::{
    error::{Error, ErrorKind, Result},
    git::{BranchName, Git, Oid, Worktree},
};

/// How many worktrees a pool has, and what stays in them. Public fields and `Default`.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// At most so many, over all processes that use the repository. Default: 6.
    pub max: u32,
    /// What git ignores and stays between two tasks, by patterns as in `.gitignore`: dependencies that are slow to install. Default: nothing; all
    /// else that is ignored goes.
    pub warm: Vec<String>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { max: 6, warm: Vec::new() }
    }
}

/// What a task wants of a pool.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The commit that it begins at.
    pub base: Oid,
    /// Its branch: made, or set to `base` where it is there. Nobody else may have it checked out.
    pub branch: BranchName,
    /// Who wants it.
    pub holder: Holder,
}

/// What was in a worktree when its task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What the branch stands on.
    pub head: Oid,
    /// Changes that were not committed, as a commit on top of it; the same as `head` where there were none.
    pub all: Oid,
}

/// Lends worktrees. Cheap enough to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    worktrees: Worktrees,
    options: PoolOptions,
}

impl Pool {
    /// The pool of that repository.
    pub fn new(worktrees: Worktrees, options: PoolOptions) -> Self {
        Self { worktrees, options }
    }

    /// The worktrees.
    pub fn worktrees(&self) -> &Worktrees {
        &self.worktrees
    }

    /// How many it has at most.
    pub fn max(&self) -> u32 {
        self.options.max
    }

    /// Lends a worktree that stands on `wanted.base`, on the branch; `None` if all are lent. It is clean but for what is kept [warm](PoolOptions::warm) and
    /// what the set-up made.
    ///
    /// # Errors
    ///
    /// Those of [`Worktrees::create`]; [`Conflict`](ErrorKind::Conflict) if the branch is checked out elsewhere.
    pub fn lend(&self, wanted: &Wanted) -> Result<Option<Lease>> {
        let root = self.worktrees.real_root()?;
        // First those that are there: they are warm.
        let slots = (1..=self.options.max).map(|slot| (slot, root.join(format!("pool-{slot}"))));
        let (warm, cold): (Vec<_>, Vec<_>) = slots.partition(|(_, path)| fs::symlink_metadata(path).is_ok());
        for (slot, path) in warm.into_iter().chain(cold) {
            let lease = self.worktrees.lease_file(&path);
            let Some(lock) = FileLock::try_take(&lease)? else { continue };
            let is_there = fs::symlink_metadata(&path).is_ok();
            if is_there && own_folder(&path, &self.worktrees.common).is_some() {
                let mut lease = self.worktrees.leased(&path, lock, wanted.holder.clone())?;
                self.ready(&mut lease, wanted)?;
                return Ok(Some(lease));
            }
            if is_there {
                // Somebody else's folder; the next place, then.
                continue;
            }
            // The lock is kept while it is made: were it let go of, somebody who only tries it could make this fail.
            if let Some(lease) = self.make(slot, &path, lock, wanted)? {
                return Ok(Some(lease));
            }
        }
        Ok(None)
    }

    fn make(&self, slot: u32, path: &Path, lock: FileLock, wanted: &Wanted) -> Result<Option<Lease>> {
        // Its folder is gone, and git still knows it: what it has of it goes to the trash.
        if let Some(known) = self.worktrees.all()?.into_iter().find(|known| known.git.path == path)
            && let Removed::Refused(_) =
                self.worktrees.remove_held(&known, &Remove { force: true, ..Remove::default() }, true)?
        {
            // Something is at its place by now that is none of the pool's.
            return Ok(None);
        }
        let new = New {
            name: format!("pool-{slot}"),
            detached: true,
            base: Base::Commit(wanted.base.clone()),
            slot: Some(slot),
            ..New::default()
        };
        let (made, lock) = match self.worktrees.create_held(&new, Some(lock)) {
            // Somebody put something there who did not ask.
            Err(error) if error.kind() == ErrorKind::Conflict && fs::symlink_metadata(path).is_ok() => return Ok(None),
            made => made?,
        };
        let mut lease = self.worktrees.leased(&made.path, lock, wanted.holder.clone())?;
        let mut record = made.record;
        record.fresh = true;
        lease.note(&record)?;
        self.ready(&mut lease, wanted)?;
        Ok(Some(lease))
    }

    /// Brings a worktree that one has to where the task begins.
    fn ready(&self, lease: &mut Lease, wanted: &Wanted) -> Result<()> {
        let git = self.worktrees.git.at(&lease.path);
        let mut record = lease.record();
        // Also where somebody worked in it who did not ask: looked at by what is there, not by what is noted.
        let is_as_left = || {
            let status = git.status()?;
            Ok::<bool, Error>(record.base.is_some() && record.base == status.head && status.is_clean())
        };
        if !record.fresh || record.making || !is_as_left()? {
            // What they left is kept, then it is cleaned.
            let left = self.look(lease, "what a task left that did not end")?;
            self.keep(&left.all, &format!("lost/{}", record.name))?;
            self.clean(lease, &left.head)?;
            record = lease.record();
        }
        record.fresh = false;
        record.used = self.worktrees.options.clock.wall();
        (record.run, record.task) = (wanted.holder.run.clone(), wanted.holder.task.clone());
        record.agent = wanted.holder.agent.clone();
        lease.note(&record)?;
        self.take_branch(lease, wanted, &git)?;
        // It is clean, and stands there: to look at each file once more would take as long as all the rest.
        if record.base.as_ref() == Some(&wanted.base) && unfinished(&lease.own).is_none() {
            return Ok(());
        }
        git.call(["reset", "--hard", "--quiet", "--no-recurse-submodules"]).writes().run().map(drop)
    }

    /// Puts the branch at the base, and `HEAD` on it. Under the lock: git before 2.43 lets two worktrees have one branch.
    fn take_branch(&self, lease: &Lease, wanted: &Wanted, git: &Git) -> Result<()> {
        let _lock = self.worktrees.lock()?;
        let has_it =
            |other: &Worktree| other.path != lease.path && other.branch.as_deref() == Some(wanted.branch.as_str());
        if let Some(other) = git.worktrees()?.into_iter().find(has_it) {
            let next = format!("it is checked out in `{}`", other.path.display());
            return Err(taken("the branch", wanted.branch.as_str(), &next));
        }
        let full = wanted.branch.full();
        let there = git.reference(&full)?;
        if let Some(there) = there.as_ref().filter(|there| **there != wanted.base) {
            // Another try of the same task begins afresh; what the one before committed stays to be found.
            self.keep(there, &format!("before/{}", wanted.branch))?;
        }
        git.set_reference(&full, &wanted.base, there.as_ref())?;
        git.call(["symbolic-ref", "-m", "orch", "HEAD", &full]).patient().run().map(drop)
    }

    /// What is in a worktree that one has; nothing changes.
    ///
    /// # Errors
    ///
    /// Those of [`Git::snapshot`].
    pub fn look(&self, lease: &Lease, message: &str) -> Result<Left> {
        let git = self.worktrees.git.at(&lease.path);
        let head = git.commit("HEAD")?;
        let all =
            if git.status()?.is_clean() { head.clone() } else { git.snapshot(&lease.own.join("orch.index"), message)? };
        Ok(Left { head, all })
    }

    /// Keeps a commit under a name of its own below `refs/orch/`: `<name>/1`, or the next number that is free.
    ///
    /// # Errors
    ///
    /// Those of [`Git::set_reference`].
    pub fn keep(&self, commit: &Oid, name: &str) -> Result<String> {
        let git: &Git = &self.worktrees.git;
        for nth in 1..1000 {
            let full = format!("refs/orch/{name}/{nth}");
            match git.reference(&full)? {
                Some(there) if there == *commit => return Ok(full),
                Some(_) => {}
                None => return git.set_reference(&full, commit, None).map(|()| full),
            }
        }
        Err(Error::new(ErrorKind::TooLarge, format!("there are a thousand commits kept as `refs/orch/{name}`")))
    }

    /// Takes a worktree back: what is not committed goes, and what is ignored but not kept warm. Call [`look`](Pool::look) before, and keep what it
    /// answers. A worktree that cannot be cleaned is cleaned by who has it next.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](crate::git::Call::run).
    pub fn give_back(&self, lease: Lease, left: &Left) -> Result<()> {
        self.clean(&lease, &left.head)
    }

    fn clean(&self, lease: &Lease, head: &Oid) -> Result<()> {
        let git = self.worktrees.git.at(&lease.path);
        git.call(["checkout", "--quiet", "--force", "--detach", "--no-recurse-submodules", head.as_str(), "--"])
            .patient()
            .run()?;
        let mut call = git.call(["clean", "--quiet", "-fdx"]);
        for pattern in &self.options.warm {
            call = call.arg(format!("--exclude={pattern}"));
        }
        call.writes().run()?;
        self.put_away(lease)?;
        let mut record = lease.record();
        let made = Made {
            path: lease.path.clone(),
            own: lease.own.clone(),
            record: record.clone(),
            branch: None,
            head: head.clone(),
        };
        self.worktrees.set_up(&made)?;
        (record.fresh, record.making, record.base) = (true, false, Some(head.clone()));
        record.used = self.worktrees.options.clock.wall();
        lease.note(&record)
    }

    /// Repositories that a task made inside, which no commit holds: they are moved away whole, into orch's folder `lost` in the common one.
    fn put_away(&self, lease: &Lease) -> Result<()> {
        let git = self.worktrees.git.at(&lease.path);
        for path in git.inner_repositories(false)? {
            let is_warm = self.options.warm.iter().any(|warm| path.starts_with(warm.trim_matches('/')));
            let inner = lease.path.join(&path);
            if is_warm {
                continue;
            }
            let Some(is) = identity(&inner) else { continue };
            let stamp = format!("{}-{}", self.worktrees.options.clock.wall().0, lease.record().name);
            let lost = self.worktrees.folder("lost").join(stamp).join(&path);
            private_folder(lost.parent().unwrap_or(&lost))?;
            move_folder(&inner, is, &lost)?;
        }
        Ok(())
    }
}
