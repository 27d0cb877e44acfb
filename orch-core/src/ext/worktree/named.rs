//! Worktrees by name, that tasks share one after the other.

use super::{
    create::{Base, New, taken},
    lease::{Holder, Lease},
    name::folder_name,
    place::{Known, Worktrees},
};
use crate::{
    error::{Error, ErrorKind, Result},
    git::{BranchName, Oid},
    id::Printable,
};

/// A worktree by name, and who wants it. Public fields and `Default`.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// What it is called: a name that could be that of a folder.
    pub name: String,
    /// Its branch, where it is made; also one that is there and nobody has checked out. Default: by
    /// [`WorktreeOptions::branch`](super::WorktreeOptions::branch).
    pub branch: Option<BranchName>,
    /// Where it begins when it is made, and what it follows if it [does](Named::follow).
    pub base: Base,
    /// Whether one that is there is moved on to the base, where nothing of its own is in the way. Worktrees that orch did not make are not moved.
    pub follow: bool,
    /// What it is for, in words. One that is there for something else is not given.
    pub purpose: Option<String>,
    /// Who wants it.
    pub holder: Holder,
}

/// A worktree that one has, and how it was found.
#[derive(Debug)]
pub struct Taken {
    /// It is given back when this is dropped.
    pub lease: Lease,
    /// The commit that it stands on.
    pub head: Oid,
    /// Whether nothing in it is changed: what runs in it sees that commit, and what is ignored.
    pub clean: bool,
    /// Commits that only it has, and that only the base has, where somebody asked for it to follow.
    pub apart: Option<(u32, u32)>,
}

impl Worktrees {
    /// Takes the worktree of that name, and makes it if it is not there; `None` if somebody has it: ask again.
    ///
    /// Nothing in it is discarded: it is as who had it last left it.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Worktrees::create) and [`lease`](Worktrees::lease). [`InvalidValue`](ErrorKind::InvalidValue) for the main worktree;
    /// [`Conflict`](ErrorKind::Conflict) for one that is there for something else.
    pub fn take(&self, named: &Named) -> Result<Option<Taken>> {
        let Some(known) = self.named(&named.name)? else { return self.take_new(named) };
        if known.is_main {
            let message = format!("`{}` is the main worktree, in which no task runs", Printable(&named.name));
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        let noted = known.record.as_ref().and_then(|record| record.purpose.as_deref());
        if let (Some(noted), Some(wanted)) = (noted, named.purpose.as_deref())
            && noted != wanted
        {
            let next = format!("it is there for {}, and not for {}", Printable(noted), Printable(wanted));
            return Err(taken("the worktree", &named.name, &next));
        }
        let Some(lease) = self.lease(&known.git.path, named.holder.clone())? else { return Ok(None) };
        self.taken(lease, named, known.record.is_some()).map(Some)
    }

    fn named(&self, name: &str) -> Result<Option<Known>> {
        let folder = folder_name(name)?;
        let is_it = |known: &Known| [name, &folder].contains(&known.name().as_str());
        let mut found: Vec<Known> = self.all()?.into_iter().filter(is_it).collect();
        match (found.len(), found.pop()) {
            (0 | 1, known) => Ok(known),
            _ => {
                let message = format!("several worktrees are called `{}`; tasks need one by name", Printable(name));
                Err(Error::new(ErrorKind::InvalidValue, message))
            }
        }
    }

    fn take_new(&self, named: &Named) -> Result<Option<Taken>> {
        let is_there = |branch: &BranchName| Ok::<bool, Error>(self.git.reference(&branch.full())?.is_some());
        // A branch that is there stays where it stands: somebody's work may be on it.
        let stands = named.branch.as_ref().map(is_there).transpose()? == Some(true);
        let new = New {
            name: named.name.clone(),
            branch: named.branch.clone(),
            base: if stands { Base::Head } else { named.base.clone() },
            purpose: named.purpose.clone(),
            ..New::default()
        };
        let (made, lock) = match self.create_held(&new, None) {
            // Another task has just made it.
            Err(error) if error.kind() == ErrorKind::Conflict && self.named(&named.name)?.is_some() => return Ok(None),
            made => made?,
        };
        let lease = self.leased(&made.path, lock, named.holder.clone())?;
        self.taken(lease, named, true).map(Some)
    }

    fn taken(&self, lease: Lease, named: &Named, is_ours: bool) -> Result<Taken> {
        let git = self.git.at(&lease.path);
        let mut head = git.commit("HEAD")?;
        let clean = git.status()?.is_clean();
        let mut apart = None;
        if named.follow {
            let target = self.base(&named.base)?;
            let mut is = self.git.apart(&head, &target)?;
            let on_branch = || Ok::<bool, Error>(git.call(["symbolic-ref", "--quiet", "HEAD"]).answer()?.code == 0);
            if is_ours && clean && matches!(is, (0, 1..)) && on_branch()? {
                git.call(["merge", "--quiet", "--ff-only", "--no-stat", target.as_str()]).patient().run()?;
                (head, is) = (target, (0, 0));
            }
            apart = Some(is);
        }
        if is_ours {
            let mut record = lease.record();
            record.used = self.options.clock.wall();
            let Holder { run, task, agent, .. } = lease.holder().clone();
            (record.run, record.task, record.agent) = (run, task, agent);
            lease.note(&record)?;
        }
        Ok(Taken { lease, head, clean, apart })
    }
}
