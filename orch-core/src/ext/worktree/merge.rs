//! The gate through which results come into a branch.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    command,
    create::{Base, New},
    forecast::{conflicts, merge_order},
    place::Worktrees,
    trash::{Remove, Removed},
};
use crate::{
    error::{Error, ErrorKind, Result},
    git::{BranchName, Oid},
    id::Printable,
};

/// How a result comes into a branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The branch is moved on; refused where it has anything that the result does not have.
    Ff,
    /// One commit of all that the result changes.
    Squash,
    /// A commit with both as its parents; where the branch has nothing of its own, too.
    #[default]
    Merge,
}

/// What a gate does. Public fields and `Default`.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// Into which branch. Default: [the default branch](Worktrees::default_branch).
    pub into: Option<BranchName>,
    /// How.
    pub how: How,
    /// A program with its arguments that must end with 0 on each merged tree before it comes in; empty: none.
    pub check: Vec<String>,
    /// The longest that the check may take. 0 stands for 30 minutes.
    pub check_timeout: Duration,
    /// Stop before anything changes: only say what would come in.
    pub dry: bool,
}

/// A result that wants to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called: a task, or a branch.
    pub name: String,
    /// Its commit.
    pub commit: Oid,
}

/// What came in, and what did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateReport {
    /// The branch.
    pub into: String,
    /// Where it stood.
    pub before: Oid,
    /// Where it stands.
    pub after: Oid,
    /// What came in, in that order.
    pub merged: Vec<Came>,
    /// What did not.
    pub refused: Vec<Stayed>,
}

/// A result that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Came {
    /// What it is called.
    pub name: String,
    /// Its commit.
    pub commit: Oid,
    /// The commit of the branch with it; the one before where there was nothing to bring.
    pub as_commit: Oid,
}

/// A result that did not come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stayed {
    /// What it is called.
    pub name: String,
    /// Its commit.
    pub commit: Oid,
    /// Why, in words.
    pub why: String,
    /// The paths in conflict.
    pub paths: Vec<String>,
}

impl Worktrees {
    /// Brings results into a branch, one after the other, in the order of [`merge_order`]: each is merged with what came in before it, checked in a worktree
    /// of its own, and only then the branch moves. What conflicts or fails its check stays out, and is reported; what builds on it stays out too.
    ///
    /// Where the branch is checked out, its files follow, unless somebody changed one of them: then nothing comes in.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such branch; [`Conflict`](ErrorKind::Conflict) if it moved meanwhile, or cannot move where it
    /// is checked out.
    pub fn gate(&self, results: &[Candidate], gate: &Gate) -> Result<GateReport> {
        let into = match &gate.into {
            Some(into) => into.clone(),
            None => self
                .default_branch()?
                .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no branch to merge into; name it"))?,
        };
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no branch `{into}`"));
        let before = self.git.reference(&into.full())?.ok_or_else(missing)?;
        let names: Vec<String> = results.iter().map(|result| result.name.clone()).collect();
        let commits: Vec<(String, Oid)> = results.iter().map(|it| (it.name.clone(), it.commit.clone())).collect();
        let clashes = conflicts(&self.git, &commits)?;
        let mut builds_on = BTreeMap::new();
        for (one, first) in results.iter().enumerate() {
            for (other, second) in results.iter().enumerate() {
                let is = one != other
                    && first.commit != second.commit
                    && self.git.is_ancestor(&second.commit, &first.commit)?;
                builds_on.insert((one, other), is);
            }
        }
        let order = merge_order(&names, &clashes, |one, other| builds_on.get(&(one, other)) == Some(&true));
        let mut report = GateReport {
            into: into.as_str().to_owned(),
            before: before.clone(),
            after: before,
            merged: Vec::new(),
            refused: Vec::new(),
        };
        let mut bench = Bench { worktrees: self, path: None };
        for nth in order {
            let Some(result) = results.get(nth) else { continue };
            self.bring(result, gate, &mut report, &mut bench)?;
        }
        bench.close();
        if !gate.dry && report.after != report.before {
            self.advance(&into, &report.before, &report.after)?;
        }
        Ok(report)
    }

    fn bring(&self, result: &Candidate, gate: &Gate, report: &mut GateReport, bench: &mut Bench<'_>) -> Result<()> {
        let (name, commit) = (result.name.clone(), result.commit.clone());
        let stay = |why: String, paths: Vec<String>| Stayed { name: name.clone(), commit: commit.clone(), why, paths };
        let built_on = |stayed: &&Stayed| self.git.is_ancestor(&stayed.commit, &result.commit).unwrap_or(true);
        if let Some(stayed) = report.refused.iter().find(built_on) {
            let why = format!("it builds on `{}`, which did not come in", Printable(&stayed.name));
            report.refused.push(stay(why, Vec::new()));
            return Ok(());
        }
        if self.git.is_ancestor(&result.commit, &report.after)? {
            report.merged.push(Came { name, commit, as_commit: report.after.clone() });
            return Ok(());
        }
        let merged = self.git.merge(&report.after, &result.commit)?;
        if !merged.conflicts.is_empty() {
            let with: Vec<&str> = report.merged.iter().map(|came| came.name.as_str()).collect();
            let with =
                if with.is_empty() { report.into.clone() } else { format!("{} with {}", report.into, with.join(", ")) };
            report.refused.push(stay(format!("it conflicts with {}", Printable(&with)), merged.conflicts));
            return Ok(());
        }
        let title = format!("{} into {}", Printable(&result.name), report.into);
        let after = match gate.how {
            How::Ff if self.git.is_ancestor(&report.after, &result.commit)? => result.commit.clone(),
            How::Ff => {
                report.refused.push(stay(format!("{} has commits that it does not have", report.into), Vec::new()));
                return Ok(());
            }
            How::Merge => {
                self.git.commit_tree(&merged.tree, &[&report.after, &result.commit], &format!("Merge {title}\n"))?
            }
            How::Squash => {
                let message = self.squashed(&report.after, &result.commit, &title)?;
                self.git.commit_tree(&merged.tree, &[&report.after], &message)?
            }
        };
        if !gate.check.is_empty()
            && let Some(why) = bench.check(&after, gate)?
        {
            report.refused.push(stay(why, Vec::new()));
            return Ok(());
        }
        report.after = after.clone();
        report.merged.push(Came { name, commit, as_commit: after });
        Ok(())
    }

    /// The messages of all commits that become one.
    fn squashed(&self, onto: &Oid, commit: &Oid, title: &str) -> Result<String> {
        let range = format!("{onto}..{commit}");
        let log = self.git.call(["log", "--reverse", "--no-merges", "--format=* %s", &range, "--"]).run()?.text();
        Ok(format!("Bring {title}\n\n{log}"))
    }

    /// Moves the branch on, with the files of the worktree that has it.
    fn advance(&self, into: &BranchName, before: &Oid, after: &Oid) -> Result<()> {
        let _lock = self.lock()?;
        let all = self.git.worktrees()?;
        let Some(there) = all.iter().find(|it| it.branch.as_deref() == Some(into.as_str())) else {
            return self.git.set_reference(&into.full(), after, Some(before));
        };
        if self.git.reference(&into.full())?.as_ref() != Some(before) {
            return Err(Error::new(ErrorKind::Conflict, format!("the branch `{into}` moved meanwhile; try again")));
        }
        // It refuses where a file that changes has changes that are not committed, and then changes nothing.
        let here = self.git.at(&there.path);
        let call = here.call(["merge", "--quiet", "--ff-only", "--no-stat", after.as_str()]).patient();
        let answer = call.answer()?;
        if answer.code == 0 {
            return Ok(());
        }
        let message = format!("`{into}` cannot move where it is checked out, in `{}`", there.path.display());
        Err(Error::new(ErrorKind::Conflict, message).caused_by(call.refused(&answer)))
    }
}

/// A worktree in which merged trees are checked. It is made when first needed.
struct Bench<'a> {
    worktrees: &'a Worktrees,
    path: Option<PathBuf>,
}

impl Bench<'_> {
    /// Why the check does not hold on that commit; `None`: it holds.
    fn check(&mut self, commit: &Oid, gate: &Gate) -> Result<Option<String>> {
        let path = match &self.path {
            Some(path) => path.clone(),
            None => {
                let base = Base::Commit(commit.clone());
                let name = format!("gate-{}-{}", std::process::id(), commit.short());
                let new = New { name, detached: true, base, purpose: Some("checks merges".into()), ..New::default() };
                self.path.insert(self.worktrees.create(&new)?.path).clone()
            }
        };
        let git = self.worktrees.git.at(&path);
        git.call(["checkout", "--quiet", "--force", "--detach", commit.as_str(), "--"]).patient().run()?;
        let timeout = if gate.check_timeout.is_zero() { Duration::from_secs(1800) } else { gate.check_timeout };
        let scratch = self.worktrees.folder("tmp");
        super::lock::private_folder(&scratch)?;
        let ran = command::run(&gate.check, &path, &scratch, &BTreeMap::new(), timeout)?;
        if ran.code == Some(0) {
            return Ok(None);
        }
        let last = ran.said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message").to_owned();
        Ok(Some(format!("the check failed on it: {}", Printable(&last))))
    }

    fn close(&mut self) {
        let Some(path) = self.path.take() else { return };
        // What a check leaves there is of no use; if it cannot go now, `prune` and the list show it.
        let known = self.worktrees.all().ok().and_then(|all| all.into_iter().find(|known| known.git.path == path));
        if let Some(known) = known
            && let Ok(Removed::Done(trashed)) =
                self.worktrees.remove(&known, &Remove { force: true, ..Remove::default() })
        {
            drop(self.worktrees.forget(&trashed));
        }
        drop(fs::remove_dir(self.worktrees.folder("tmp")));
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
