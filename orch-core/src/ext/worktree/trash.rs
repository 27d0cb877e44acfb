//! Removes worktrees into the trash, and brings them back.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    create::{MAKING, taken},
    guard::Hindrance,
    lock::{FileLock, private_folder, write_whole},
    moves::{identity, move_folder},
    place::{Known, Worktrees},
};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    git::{BranchName, Oid},
    id::Printable,
};

/// How a worktree is removed. Public fields and `Default`.
#[derive(Debug, Clone, Default)]
pub struct Remove {
    /// Also with work that is nowhere else. It goes to the trash like all that is removed.
    pub force: bool,
    /// Also drops its branch, if that has nothing of its own; with force, in any case. The trash keeps it.
    pub branch: bool,
    /// Where who asks stands, who must not be in it.
    pub here: Option<PathBuf>,
}

/// What came of a removal.
#[derive(Debug, Clone)]
pub enum Removed {
    /// It is in the trash.
    Done(Trashed),
    /// Nothing was changed.
    Refused(Vec<Hindrance>),
}

/// A worktree in the trash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trashed {
    /// What it is restored by.
    pub id: String,
    /// What it was called.
    pub name: String,
    /// Where it was.
    pub path: PathBuf,
    /// The name of git's folder for it.
    pub own: Option<String>,
    /// Where its files are; `None` where there were none.
    pub files: Option<PathBuf>,
    /// Its branch.
    pub branch: Option<String>,
    /// Whether the branch was dropped with it.
    pub dropped_branch: bool,
    /// The commit that it stood on.
    pub head: Option<Oid>,
    /// When it was removed.
    pub at: WallTime,
    /// Why, in words.
    pub why: String,
}

impl Trashed {
    fn reference(&self, what: &str) -> String {
        format!("refs/orch/trash/{}/{what}", self.id)
    }
}

impl Worktrees {
    /// Removes a worktree: all of it goes to the trash, where it stays until it is [pruned](Worktrees::prune_trash). What would be lost is looked at
    /// at that moment, under the lock under which worktrees are made and removed.
    ///
    /// # Errors
    ///
    /// Those of [`hindrances`](Worktrees::hindrances); [`Conflict`](ErrorKind::Conflict) if something else is at its path by then.
    pub fn remove(&self, known: &Known, how: &Remove) -> Result<Removed> {
        self.remove_held(known, how, false)
    }

    /// Removes it; `held` says that the caller has its lease.
    pub(super) fn remove_held(&self, known: &Known, how: &Remove, held: bool) -> Result<Removed> {
        let _lock = self.lock()?;
        let path = known.git.path.clone();
        let Some(known) = self.all()?.into_iter().find(|known| known.git.path == path) else {
            let message = format!("there is no worktree at `{}` any more", path.display());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        // Before the look: what is moved must be what was looked at.
        let is = identity(&path);
        let lease = if held { None } else { FileLock::try_take(&self.lease_file(&path))? };
        let mut found = self.hindrances_but_mine(&known, how.here.as_deref(), held || lease.is_some())?;
        if how.force {
            found.retain(Hindrance::is_final);
        }
        if !found.is_empty() {
            return Ok(Removed::Refused(found));
        }
        let why = if how.force { "removed by force" } else { "removed" };
        let mut trashed = self.put(&known.git.path, known.own.as_deref(), is, &known, why)?;
        if how.branch {
            self.drop_branch(&known, how.force, &mut trashed)?;
        }
        Ok(Removed::Done(trashed))
    }

    /// The lease that this removal itself holds is none of somebody else.
    fn hindrances_but_mine(&self, known: &Known, here: Option<&Path>, mine: bool) -> Result<Vec<Hindrance>> {
        let mut found = self.hindrances(known, here)?;
        found.retain(|hindrance| !(mine && matches!(hindrance, Hindrance::InUse { .. })));
        // What was left behind half made is locked by nobody who lives.
        let left = mine && known.record.as_ref().is_some_and(|record| record.making);
        found.retain(|hindrance| !(left && matches!(hindrance, Hindrance::Locked { reason } if reason == MAKING)));
        Ok(found)
    }

    /// Puts what was never finished into the trash. Under the lock.
    pub(super) fn throw_away(&self, path: &Path, own: Option<&Path>, why: &str, _forced: bool) -> Result<()> {
        let Some(known) = self.all()?.into_iter().find(|known| known.git.path == path) else { return Ok(()) };
        self.put(path, own, identity(path), &known, why).map(drop)
    }

    fn put(
        &self,
        path: &Path,
        own: Option<&Path>,
        is: Option<super::moves::Identity>,
        known: &Known,
        why: &str,
    ) -> Result<Trashed> {
        let at = self.options.clock.wall();
        let id = self.new_id(&known.name(), at)?;
        let place = self.folder("trash").join(&id);
        private_folder(&place)?;
        let mut trashed = Trashed {
            name: known.name(),
            path: path.to_owned(),
            own: own.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()),
            files: is.map(|_| place.join("files")),
            branch: known.git.branch.clone(),
            dropped_branch: false,
            head: known.git.head.clone(),
            at,
            why: why.to_owned(),
            id,
        };
        self.protect(path, &trashed)?;
        self.write(&trashed)?;
        if let (Some(is), Some(files)) = (is, trashed.files.clone())
            && let Err(error) = move_folder(path, is, &files)
        {
            // Another disk: the trash is beside it then.
            let beside = path.parent().unwrap_or(path).join(".orch-trash");
            let retry = error.kind() == ErrorKind::Io && fs::symlink_metadata(&files).is_err();
            if !retry || private_folder(&beside).is_err() {
                self.forget(&trashed)?;
                return Err(error);
            }
            trashed.files = Some(beside.join(&trashed.id));
            self.write(&trashed)?;
            if let Err(error) = move_folder(path, is, &beside.join(&trashed.id)) {
                self.forget(&trashed)?;
                return Err(error);
            }
        }
        if let Some(own) = own
            && let Some(is) = identity(own)
        {
            move_folder(own, is, &place.join("own"))?;
        }
        Ok(trashed)
    }

    /// References to what would else be dropped by git in time: the commit, and what is staged.
    fn protect(&self, path: &Path, trashed: &Trashed) -> Result<()> {
        if let Some(head) = &trashed.head {
            self.git.set_reference(&trashed.reference("head"), head, None)?;
        }
        if trashed.files.is_some()
            && let Ok(tree) = self.git.at(path).call(["write-tree"]).writes().line().and_then(|line| line.parse())
        {
            let staged = self.git.commit_tree(&tree, &[], "what was staged in a worktree that was removed\n")?;
            self.git.set_reference(&trashed.reference("staged"), &staged, None)?;
        }
        Ok(())
    }

    fn drop_branch(&self, known: &Known, force: bool, trashed: &mut Trashed) -> Result<()> {
        let (Some(branch), Some(head)) = (&known.git.branch, &known.git.head) else { return Ok(()) };
        let default = self.default_branch()?;
        if default.as_ref().is_some_and(|default| default.as_str() == branch) {
            return Ok(());
        }
        let into = default.map(|default| self.git.reference(&default.full())).transpose()?.flatten();
        let others: Vec<&Oid> = into.iter().collect();
        let is_in = self.git.only_in(head, &others)? == 0
            || into.as_ref().is_some_and(|into| self.adds_nothing(into, head).unwrap_or(false));
        if is_in || force {
            self.git.drop_reference(&format!("refs/heads/{branch}"), head)?;
            trashed.dropped_branch = true;
            self.write(trashed)?;
        }
        Ok(())
    }

    fn new_id(&self, name: &str, at: WallTime) -> Result<String> {
        let stamp: String = at.to_string().chars().filter(char::is_ascii_digit).take(17).collect();
        let ids =
            (0..1000).map(|nth| if nth == 0 { format!("{stamp}-{name}") } else { format!("{stamp}-{nth}-{name}") });
        let mut free = ids.filter(|id| fs::symlink_metadata(self.folder("trash").join(id)).is_err());
        free.next()
            .ok_or_else(|| Error::new(ErrorKind::Conflict, "the trash is full of worktrees of that name and moment"))
    }

    fn write(&self, trashed: &Trashed) -> Result<()> {
        let text = serde_json::to_string_pretty(trashed).unwrap_or_default();
        write_whole(&self.folder("trash").join(&trashed.id).join("trash.json"), &text)
    }

    /// What is in the trash, the latest first. What cannot be read is left out, and stays.
    ///
    /// # Errors
    ///
    /// None yet.
    pub fn trash(&self) -> Result<Vec<Trashed>> {
        let Ok(entries) = fs::read_dir(self.folder("trash")) else { return Ok(Vec::new()) };
        let read = |entry: fs::DirEntry| {
            let text = fs::read_to_string(entry.path().join("trash.json")).ok()?;
            let trashed: Trashed = serde_json::from_str(&text).ok()?;
            (entry.file_name() == trashed.id.as_str()).then_some(trashed)
        };
        let mut all: Vec<Trashed> = entries.flatten().filter_map(read).collect();
        all.sort_by(|one, other| (other.at, &other.id).cmp(&(one.at, &one.id)));
        Ok(all)
    }

    /// Brings a worktree back as it was: files, index, branch, and what was not finished. It is found by its id, its name or its path; of
    /// several, the latest.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if it is not in the trash; [`Conflict`](ErrorKind::Conflict) if its place or its branch is taken by now.
    pub fn restore(&self, named: &str) -> Result<Known> {
        let _lock = self.lock()?;
        let is_it =
            |trashed: &Trashed| trashed.id == named || trashed.name == named || trashed.path == Path::new(named);
        let missing = || {
            let message =
                format!("there is no `{}` in the trash; `orch worktree restore` shows what is", Printable(named));
            Error::new(ErrorKind::NotFound, message)
        };
        let trashed = self.trash()?.into_iter().find(is_it).ok_or_else(missing)?;
        let place = self.folder("trash").join(&trashed.id);
        if fs::symlink_metadata(&trashed.path).is_ok() {
            return Err(taken("the folder", &trashed.path.display().to_string(), "move away what is there"));
        }
        let branch = trashed.branch.as_deref().map(BranchName::new).transpose()?;
        if let Some(branch) = &branch {
            let all = self.git.worktrees()?;
            if all.iter().any(|other| other.path != trashed.path && other.branch.as_deref() == Some(branch.as_str())) {
                return Err(taken("the branch", branch.as_str(), "it is checked out elsewhere by now"));
            }
            if let (None, Some(head)) = (self.git.reference(&branch.full())?, &trashed.head) {
                self.git.set_reference(&branch.full(), head, None)?;
            }
        }
        let own = trashed.own.as_ref().map(|name| self.common.join("worktrees").join(name));
        if let (Some(own), Some(is)) = (&own, identity(&place.join("own"))) {
            fs::create_dir_all(self.common.join("worktrees")).map_err(|error| {
                Error::new(ErrorKind::Io, "could not make git's folder of worktrees").caused_by(error)
            })?;
            move_folder(&place.join("own"), is, own)?;
        }
        if let Some((files, is)) = trashed.files.as_ref().and_then(|files| Some((files, identity(files)?))) {
            let parent = trashed.path.parent().map_or(Ok(()), fs::create_dir_all);
            let moved = parent.map_err(|error| Error::new(ErrorKind::Io, "its folder cannot be made").caused_by(error));
            if let Err(error) = moved.and_then(|()| move_folder(files, is, &trashed.path)) {
                if let Some((own, is)) = own.as_ref().and_then(|own| Some((own, identity(own)?))) {
                    move_folder(own, is, &place.join("own"))?;
                }
                return Err(error);
            }
        }
        let known = self.all()?.into_iter().find(|known| known.git.path == trashed.path);
        let known = known.ok_or_else(|| Error::new(ErrorKind::Corrupt, "git does not know the restored worktree"))?;
        self.forget(&trashed)?;
        Ok(known)
    }

    /// Drops for good what has been in the trash for longer than that.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where something cannot be deleted.
    pub fn prune_trash(&self, older_than: Duration) -> Result<Vec<Trashed>> {
        let _lock = self.lock()?;
        let now = self.options.clock.wall();
        let old: Vec<Trashed> =
            self.trash()?.into_iter().filter(|trashed| trashed.at.after(older_than) <= now).collect();
        for trashed in &old {
            // Only what lies in a folder of that name, made by orch; no link is followed into anything.
            let is_ours = |files: &PathBuf| files.ends_with(Path::new(".orch-trash").join(&trashed.id));
            if let Some(files) = trashed.files.as_ref().filter(|files| is_ours(files) && identity(files).is_some()) {
                fs::remove_dir_all(files).map_err(|error| {
                    Error::new(ErrorKind::Io, format!("could not delete `{}`", files.display())).caused_by(error)
                })?;
            }
            self.forget(trashed)?;
        }
        Ok(old)
    }

    /// Deletes what the trash has of it.
    pub(super) fn forget(&self, trashed: &Trashed) -> Result<()> {
        let place = self.folder("trash").join(&trashed.id);
        if identity(&place).is_some() {
            fs::remove_dir_all(&place).map_err(|error| {
                Error::new(ErrorKind::Io, format!("could not delete `{}`", place.display())).caused_by(error)
            })?;
        }
        for (name, oid) in self.git.references(&format!("refs/orch/trash/{}/", trashed.id))? {
            self.git.drop_reference(&name, &oid)?;
        }
        Ok(())
    }
}
