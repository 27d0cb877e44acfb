//! Hooks of git: where a commit is made, whether it may be, and what is recorded of it.

mod install;
mod policy;
mod script;
mod scripts;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::{
    install::{GitHooks, HookState, HookStatus},
    policy::{Action, GitPolicy, GitRule, Place, Side, Told},
    script::GitHook,
};
use crate::{
    clock::WallTime,
    error::Result,
    git::{Git, GitOptions, Oid},
    session::CommitRecord,
};

/// Who is at work, as far as somebody said so: what is not known here is looked up in the worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitWorker {
    /// The run.
    pub run: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// What kind of task it is.
    pub kind: Option<String>,
}

/// Where git calls a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitPlace {
    /// The top of the worktree.
    pub top: PathBuf,
    /// Git's folder for the worktree.
    pub own: PathBuf,
    /// The folder that all worktrees share.
    pub common: PathBuf,
    /// The commit of `HEAD`, where there is one.
    pub commit: Option<Oid>,
    /// The branch of `HEAD`, where it is on one.
    pub branch: Option<String>,
    /// Who is at work.
    pub worker: GitWorker,
    /// When the worktree was made, where that is known.
    made: Option<WallTime>,
}

/// What orch notes of its worktrees in git's own folder for them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Noted {
    run: Option<String>,
    task: Option<String>,
    agent: Option<String>,
    made: WallTime,
}

impl GitPlace {
    /// Looks at the worktree of that folder: in one call of git, where `HEAD` has a commit.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) outside of worktrees; those of [`Call::run`](crate::git::Call::run).
    pub fn look(here: &Path, worker: GitWorker) -> Result<Self> {
        let git = Git::new(here, GitOptions::default());
        let folders = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir"];
        let all = git.call(folders).arg("HEAD").arg("--symbolic-full-name").arg("HEAD").answer()?;
        let text = String::from_utf8(all.stdout).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let place = match (all.code, lines.as_slice()) {
            (0, [top, own, common, commit, head]) => {
                let [top, own, common] = [top, own, common].map(PathBuf::from);
                let branch = head.strip_prefix("refs/heads/").map(str::to_owned);
                Self { top, own, common, commit: Some(commit.parse()?), branch, worker, made: None }
            }
            // No commit yet, or a path of several lines or of other bytes than text.
            _ => {
                let head = git.call(["symbolic-ref", "--quiet", "HEAD"]).answer()?.text();
                let branch = head.trim_end().strip_prefix("refs/heads/").map(str::to_owned);
                let (top, own, common) = (git.top()?, git.own_dir()?, git.common_dir()?);
                Self { top, own, common, commit: git.reference("HEAD")?, branch, worker, made: None }
            }
        };
        Ok(place.noted())
    }

    /// With what orch notes of a worktree that it made.
    fn noted(mut self) -> Self {
        let read = || serde_json::from_str(&std::fs::read_to_string(self.own.join("orch.json")).ok()?).ok();
        let Some(noted) = read() else { return self };
        let Noted { run, task, agent, made } = noted;
        self.made = Some(made);
        let GitWorker { run: said_run, task: said_task, agent: said_agent, .. } = &mut self.worker;
        if said_run.is_none() && said_task.is_none() {
            (*said_run, *said_task) = (run, task);
            *said_agent = said_agent.take().or(agent);
        }
        self
    }

    /// Whether it is the main worktree.
    pub fn is_main(&self) -> bool {
        self.own == self.common
    }

    /// What a [policy](GitPolicy) looks at.
    pub fn judged(&self) -> Place<'_> {
        let GitWorker { task, agent, kind, .. } = &self.worker;
        let branch = self.branch.as_deref().and_then(|branch| branch.split_once('/')).map(|(kind, _)| kind);
        let words = [kind.as_deref(), task.as_deref(), agent.as_deref(), branch].into_iter().flatten().collect();
        Place { branch: self.branch.as_deref(), words, is_main: self.is_main() }
    }

    /// What is recorded, and from when on money counts for the first commit here: since the worktree was made, as far as orch made it or a task
    /// works there. `None`: there is no commit.
    pub fn record(&self, hook: GitHook, at: WallTime) -> Option<(CommitRecord, Option<WallTime>)> {
        let GitWorker { run, task, agent, .. } = self.worker.clone();
        let begun = self.made.or_else(|| task.is_some().then_some(WallTime(0)));
        let record = CommitRecord {
            at,
            hook: hook.name().to_owned(),
            commit: self.commit.as_ref()?.as_str().to_owned(),
            worktree: self.top.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path: self.top.to_string_lossy().into_owned(),
            managed: self.made.is_some(),
            branch: self.branch.clone(),
            run,
            task,
            agent,
            ..CommitRecord::default()
        };
        Some((record, begun))
    }
}
