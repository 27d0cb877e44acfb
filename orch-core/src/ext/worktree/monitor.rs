//! How each worktree is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::resume_unwind,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde::Serialize;

use super::{
    forecast::{Conflict, conflicts},
    guard::unfinished,
    lease::Holder,
    place::{Known, Worktrees},
};
use crate::{
    clock::WallTime,
    error::Result,
    git::{BranchName, Oid, Status},
};

/// What is looked at. Public fields and `Default`.
#[derive(Debug, Clone)]
pub struct Look {
    /// Whether worktrees are compared with each other, with what is not committed in them. Default: yes, if there are at most 32.
    pub conflicts: Option<bool>,
    /// Whether the space on the disk is added up, which takes as long as reading all folders. Default: no.
    pub size: bool,
    /// A worktree that nobody used for longer is stale. Default: 7 days.
    pub stale_after: Duration,
}

impl Default for Look {
    fn default() -> Self {
        Self { conflicts: None, size: false, stale_after: Duration::from_secs(7 * 86_400) }
    }
}

/// Up to how many worktrees are compared with each other when nobody says.
const COMPARED: usize = 32;

/// What can be said of a worktree; several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Nobody has it.
    Idle,
    /// Somebody works in it.
    Active,
    /// Somebody has it, and waits.
    Waiting,
    /// Nobody used it for long.
    Stale,
    /// Something in it is not committed.
    Dirty,
    /// It has commits that the default branch does not have.
    Ahead,
    /// The default branch has commits that it does not have.
    Behind,
    /// It cannot be merged into the default branch, or with another worktree, without a person.
    Conflicting,
    /// Its folder is gone.
    Prunable,
}

impl State {
    /// The stable name, for example `idle`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Stale => "stale",
            Self::Dirty => "dirty",
            Self::Ahead => "ahead",
            Self::Behind => "behind",
            Self::Conflicting => "conflicting",
            Self::Prunable => "prunable",
        }
    }
}

/// A commit, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its hash.
    pub sha: Oid,
    /// The first line of its message.
    pub message: String,
    /// When it was made, in seconds since 1970.
    pub timestamp: u64,
    /// The same, as git says it: `3 days ago`.
    #[serde(skip)]
    pub relative: String,
}

/// How a worktree is.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which.
    pub known: Known,
    /// All that can be said of it, in the order of [`State`].
    pub states: Vec<State>,
    /// Its commit.
    pub commit: Option<Commit>,
    /// Its files; `None` where they cannot be looked at.
    pub status: Option<Status>,
    /// What git is in the middle of.
    pub operation: Option<&'static str>,
    /// Commits that only it has, and that only the default branch has.
    pub apart: Option<(u32, u32)>,
    /// How it stands to the default branch.
    pub main_state: &'static str,
    /// Why nothing would be lost with its commits.
    pub integration: Option<&'static str>,
    /// Who has it.
    pub holder: Option<Holder>,
    /// With which other worktrees it conflicts.
    pub conflicts_with: Vec<String>,
    /// The bytes that its files take.
    pub bytes: Option<u64>,
    /// When it was last used: by a task, or by a commit.
    pub used: Option<WallTime>,
}

/// How all worktrees of a repository are.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The branch that work is brought into.
    pub default_branch: Option<BranchName>,
    /// The worktrees, the main one first.
    pub rows: Vec<Row>,
    /// Those that get in each other's way.
    pub conflicts: Vec<Conflict>,
    /// When it was looked at.
    pub at: WallTime,
}

impl Worktrees {
    /// How all of them are. Nothing is changed.
    ///
    /// # Errors
    ///
    /// Those of [`all`](Worktrees::all) and [`Git::merges`](crate::git::Git::merges). A worktree that cannot be read is a row without a status.
    pub fn look(&self, look: &Look) -> Result<Overview> {
        let at = self.options.clock.wall();
        let all = self.all()?;
        let default_branch = self.default_branch()?;
        let default = default_branch.as_ref().map(|branch| self.git.reference(&branch.full())).transpose()?.flatten();
        let commits = self.commits_of(&all)?;
        let mut rows: Vec<Row> = self.rows(&all, default.as_ref(), look);
        for row in &mut rows {
            row.commit = row.known.git.head.as_ref().and_then(|head| commits.get(head).cloned());
            let noted = row.known.record.as_ref().map(|record| record.used);
            let committed = row.commit.as_ref().map(|commit| WallTime(commit.timestamp.saturating_mul(1000)));
            row.used = noted.max(committed);
        }
        self.compare_with_default(&mut rows, default_branch.as_ref(), default.as_ref())?;
        let pairs = look.conflicts.unwrap_or(all.len() <= COMPARED);
        let conflicts = if pairs { self.compare(&mut rows)? } else { Vec::new() };
        for row in &mut rows {
            row.states = states(row, at, look.stale_after);
        }
        Ok(Overview { default_branch, rows, conflicts, at })
    }

    fn rows(&self, all: &[Known], default: Option<&Oid>, look: &Look) -> Vec<Row> {
        // Many stand on the same commit: that is counted once.
        let heads: BTreeSet<&Oid> = all.iter().filter_map(|known| known.git.head.as_ref()).collect();
        let heads: Vec<&Oid> = heads.into_iter().collect();
        let apart = side_by_side(&heads, |head| default.and_then(|default| self.git.apart(head, default).ok()));
        let apart: BTreeMap<&Oid, Option<(u32, u32)>> = heads.into_iter().zip(apart).collect();
        side_by_side(all, |known| {
            let apart = known.git.head.as_ref().and_then(|head| apart.get(head).copied().flatten());
            self.row(known, apart, look)
        })
    }

    fn row(&self, known: &Known, apart: Option<(u32, u32)>, look: &Look) -> Row {
        let path = &known.git.path;
        let is_there = known.is_main || known.own.is_some() && path.is_dir();
        let status = (is_there && !known.git.bare).then(|| self.git.at(path).status().ok()).flatten();
        let own = known.own.clone().or_else(|| known.is_main.then(|| self.common.clone()));
        Row {
            states: Vec::new(),
            commit: None,
            status,
            operation: own.as_deref().and_then(unfinished),
            apart,
            main_state: "",
            integration: None,
            holder: self.holder(path),
            conflicts_with: Vec::new(),
            bytes: (look.size && is_there).then(|| bytes(path)),
            used: None,
            known: known.clone(),
        }
    }

    fn commits_of(&self, all: &[Known]) -> Result<BTreeMap<Oid, Commit>> {
        let input: String = all.iter().filter_map(|known| Some(format!("{}\n", known.git.head.as_ref()?))).collect();
        if input.is_empty() {
            return Ok(BTreeMap::new());
        }
        let call = self.git.call(["log", "--no-walk=unsorted", "--stdin", "-z", "--format=%H%n%ct%n%cr%n%s"]);
        let answer = call.stdin(input).run()?;
        let read = |record: &[u8]| {
            let text = String::from_utf8_lossy(record).into_owned();
            let mut lines = text.splitn(4, '\n');
            let sha: Oid = lines.next()?.parse().ok()?;
            let timestamp = lines.next()?.parse().unwrap_or_default();
            let relative = lines.next()?.to_owned();
            let message = lines.next().unwrap_or_default().to_owned();
            Some((sha.clone(), Commit { sha, message, timestamp, relative }))
        };
        Ok(answer.records().filter_map(read).collect())
    }

    fn compare_with_default(&self, rows: &mut [Row], branch: Option<&BranchName>, default: Option<&Oid>) -> Result<()> {
        let mut apart: Vec<&mut Row> = Vec::new();
        for row in rows {
            let is_default = branch.is_some() && row.known.git.branch.as_deref() == branch.map(BranchName::as_str);
            let clean = row.status.as_ref().is_none_or(Status::is_clean);
            (row.main_state, row.integration) = match row.apart {
                _ if is_default => ("is_main", None),
                None => ("orphan", None),
                Some((0, 0)) if clean => ("empty", Some("same_commit")),
                Some((0, 0)) => ("same_commit", Some("same_commit")),
                Some((0, _)) => ("behind", Some("ancestor")),
                Some((_, 0)) => ("ahead", None),
                Some(_) => ("diverged", None),
            };
            if row.main_state == "diverged" {
                apart.push(row);
            }
        }
        let Some(default) = default else { return Ok(()) };
        let tree = self.git.tree(default)?;
        let pairs: Vec<(&Oid, &Oid)> =
            apart.iter().filter_map(|row| Some((default, row.known.git.head.as_ref()?))).collect();
        // Without a common commit there is no answer for all of them.
        let Ok(merged) = self.git.merges(&pairs) else { return Ok(()) };
        for (row, merged) in apart.into_iter().zip(merged) {
            if !merged.conflicts.is_empty() {
                row.main_state = "would_conflict";
            } else if merged.tree == tree {
                (row.main_state, row.integration) = ("integrated", Some("merge_adds_nothing"));
            }
        }
        Ok(())
    }

    /// Compares what the worktrees would bring, also what is not committed in them.
    fn compare(&self, rows: &mut [Row]) -> Result<Vec<Conflict>> {
        let brings = |row: &&Row| {
            let dirty = row.status.as_ref().is_some_and(|status| !status.is_clean());
            !row.known.is_main
                && (dirty || row.apart.is_some_and(|(ahead, _)| ahead > 0))
                && row.integration != Some("merge_adds_nothing")
        };
        let live: Vec<_> = rows.iter().filter(brings).map(|row| (row.known.clone(), row.status.clone())).collect();
        let results = self.results_of(&live)?;
        let Ok(found) = conflicts(&self.git, &results) else { return Ok(Vec::new()) };
        for row in rows {
            let name = row.known.name();
            row.conflicts_with = found
                .iter()
                .filter_map(|it| match (it.one == name, it.other == name) {
                    (true, _) => Some(it.other.clone()),
                    (_, true) => Some(it.one.clone()),
                    _ => None,
                })
                .collect();
        }
        Ok(found)
    }
}

/// The same for each of them, some at once: one after the other they would take as long as git takes to start, times their number. In order;
/// who is done takes the next.
pub(super) fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = thread::available_parallelism().map_or(2, usize::from).saturating_mul(2).min(all.len());
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let turns = || {
            let mut done = Vec::new();
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                match all.get(nth) {
                    Some(one) => done.push((nth, work(one))),
                    None => return done,
                }
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(turns)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    done.sort_unstable_by_key(|(nth, _)| *nth);
    done.into_iter().map(|(_, done)| done).collect()
}

fn states(row: &Row, now: WallTime, stale_after: Duration) -> Vec<State> {
    let is_used = row.holder.is_some();
    let mut states = vec![match &row.holder {
        None => State::Idle,
        Some(holder) if holder.waiting => State::Waiting,
        Some(_) => State::Active,
    }];
    let is_stale = !row.known.is_main && !is_used && row.used.is_some_and(|used| used.after(stale_after) < now);
    let (ahead, behind) = row.apart.unwrap_or_default();
    let conflicting = row.main_state == "would_conflict"
        || !row.conflicts_with.is_empty()
        || row.status.as_ref().is_some_and(|status| status.conflicted > 0);
    let more = [
        (is_stale, State::Stale),
        (row.status.as_ref().is_some_and(|status| !status.is_clean()), State::Dirty),
        (ahead > 0, State::Ahead),
        (behind > 0, State::Behind),
        (conflicting, State::Conflicting),
        (row.known.git.prunable.is_some(), State::Prunable),
    ];
    states.extend(more.into_iter().filter(|(is, _)| *is).map(|(_, state)| state));
    states
}

/// What the files in a folder take, links not followed; what cannot be read counts nothing.
fn bytes(folder: &Path) -> u64 {
    let mut left = vec![folder.to_owned()];
    let mut sum = 0u64;
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(about) if about.is_dir() => left.push(entry.path()),
                Ok(about) => sum = sum.saturating_add(about.len()),
                Err(_) => {}
            }
        }
    }
    sum
}
