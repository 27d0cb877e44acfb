//! What runs keep of their tasks' results, and what goes with them.

use serde::Serialize;

use super::place::Worktrees;
use crate::{error::Result, git::Oid, id::RunId};

/// Where the results of tasks are kept, so that the tasks after them can begin there, also when the run goes on another day.
const RUNS: &str = "refs/orch/runs/";

/// How many commits are asked for in one call.
const AT_ONCE: usize = 500;

/// What a run keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    /// The run.
    pub run: RunId,
    /// Whether one of its tasks has a worktree now.
    pub in_use: bool,
    /// The whole names of its references, and what they stand on.
    pub references: Vec<(String, Oid)>,
}

/// What went with a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForgottenRun {
    /// The run.
    pub run: String,
    /// How many references went.
    pub dropped: usize,
    /// Those that stay: what they stand on is on no branch, tag or remote nor merged, and would be lost.
    pub left: Vec<String>,
}

impl Worktrees {
    /// What runs keep in this repository, the oldest run first.
    ///
    /// # Errors
    ///
    /// Those of [`Call::run`](crate::git::Call::run).
    pub fn kept_runs(&self) -> Result<Vec<KeptRun>> {
        let answer = self.git.call(["for-each-ref", "--format=%(objectname) %(refname)", RUNS]).run()?.text();
        let mut kept: Vec<KeptRun> = Vec::new();
        for line in answer.lines() {
            let Some((oid, name)) = line.split_once(' ') else { continue };
            // Names are in order, so those of a run stand together. What is no run's is somebody else's.
            let run = name.strip_prefix(RUNS).and_then(|rest| rest.split('/').next()).map(str::parse::<RunId>);
            let (Ok(oid), Some(Ok(run))) = (oid.parse::<Oid>(), run) else { continue };
            match kept.last_mut() {
                Some(last) if last.run == run => last.references.push((name.to_owned(), oid)),
                _ => kept.push(KeptRun { run, in_use: false, references: vec![(name.to_owned(), oid)] }),
            }
        }
        if kept.is_empty() {
            return Ok(kept);
        }
        let holders: Vec<String> = self.all()?.iter().filter_map(|known| self.holder(&known.git.path)?.run).collect();
        for one in &mut kept {
            one.in_use = holders.contains(&one.run.to_string());
        }
        kept.sort_by_key(|one| one.run);
        Ok(kept)
    }

    /// Forgets what a run keeps, but for commits that nothing else holds. A run that goes on without it fails; it is the caller who knows
    /// that it does not.
    ///
    /// # Errors
    ///
    /// Those of [`Git::drop_reference`](crate::git::Git::drop_reference).
    pub fn forget_run(&self, kept: &KeptRun) -> Result<ForgottenRun> {
        let default = self.default_branch()?.map(|branch| self.git.reference(&branch.full())).transpose()?.flatten();
        // Brought in as one commit, it is in the default branch under another name.
        let is_in = |oid: &Oid| default.as_ref().is_some_and(|into| self.adds_nothing(into, oid).unwrap_or(false));
        let mut forgotten = ForgottenRun { run: kept.run.to_string(), dropped: 0, left: Vec::new() };
        for part in kept.references.chunks(AT_ONCE) {
            let oids: Vec<&Oid> = part.iter().map(|(_, oid)| oid).collect();
            let all_held = self.is_held_elsewhere(&oids)?;
            for (name, oid) in part {
                if all_held || self.is_held_elsewhere(&[oid])? || is_in(oid) {
                    self.git.drop_reference(name, oid)?;
                    forgotten.dropped += 1;
                } else {
                    forgotten.left.push(name.clone());
                }
            }
        }
        Ok(forgotten)
    }

    /// Whether all of these commits can be reached from branches, tags or remotes.
    fn is_held_elsewhere(&self, oids: &[&Oid]) -> Result<bool> {
        let oids = oids.iter().map(|oid| oid.as_str());
        let others = ["--not", "--branches", "--tags", "--remotes", "--"];
        let call = self.git.call(["rev-list", "--max-count=1"].into_iter().chain(oids).chain(others));
        Ok(call.line()?.is_empty())
    }
}
