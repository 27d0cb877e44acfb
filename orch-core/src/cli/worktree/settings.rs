//! `[worktrees]` of orch.toml, and what `orch run --worktrees` makes of it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;

use crate::{
    AgentExecutor,
    cli::{config::Config, trust},
    error::{Error, ErrorKind, Result},
    ext::worktree::{InWorktrees, InWorktreesOptions, Pool, PoolOptions, Setup, WorktreeOptions, Worktrees},
    git::{BranchName, Git, GitOptions},
    id::Printable,
    report::Report,
};

/// `[worktrees]`.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli) struct Settings {
    /// How many a run uses at once.
    pub(in crate::cli) max: Option<u32>,
    /// The folder that they lie in, seen from the file.
    root: Option<PathBuf>,
    /// The branch that work is brought into.
    default_branch: Option<String>,
    /// The branch of a task of a run.
    branch: Option<String>,
    warm: Vec<String>,
    copy: Vec<String>,
    env: std::collections::BTreeMap<String, String>,
    ports: u16,
    /// The programs that set up a worktree.
    pub(in crate::cli) commands: Vec<Vec<String>>,
}

/// Reads it.
pub(in crate::cli) fn parse(value: &Value) -> Result<Settings> {
    let settings: Settings = value.clone().try_into().map_err(|error: toml::de::Error| {
        Error::new(ErrorKind::InvalidFormat, format!("`worktrees`: {}", Printable(error.message())))
    })?;
    if settings.max == Some(0) {
        return Err(Error::new(ErrorKind::InvalidValue, "`worktrees.max` is 0; it must be at least 1"));
    }
    settings.default_branch.as_deref().map(BranchName::new).transpose()?;
    Ok(settings)
}

/// How worktrees are made by these settings.
pub(super) fn options(config: &Config, yes: bool, hooks: bool) -> WorktreeOptions {
    let settings = &config.worktrees;
    let setup = Setup {
        copy: settings.copy.clone(),
        env: settings.env.clone(),
        ports: settings.ports,
        commands: settings.commands.clone(),
        ..Setup::default()
    };
    let approved = (yes || trust::is_trusted(config)).then(|| setup.hash());
    let beside =
        |root: &PathBuf| config.path.as_deref().and_then(Path::parent).map_or_else(|| root.clone(), |at| at.join(root));
    WorktreeOptions {
        git: GitOptions { hooks, ..GitOptions::default() },
        root: settings.root.as_ref().map(beside),
        setup: Setup { approved, ..setup },
        default_branch: settings.default_branch.as_deref().and_then(|name| BranchName::new(name).ok()),
        ..WorktreeOptions::default()
    }
}

/// An executor whose programs run in worktrees.
pub(in crate::cli) fn pool(
    programs: AgentExecutor,
    max: Option<u32>,
    config: &Config,
    yes: bool,
    here: &Path,
) -> Result<InWorktrees<AgentExecutor>> {
    let worktrees = Worktrees::open(here, options(config, yes, false))?;
    // Found now and not by the first task: without a commit there is nothing to begin at.
    worktrees.git().commit("HEAD")?;
    let top = Git::new(here, GitOptions::default()).top()?;
    let inside = std::fs::canonicalize(here).ok().and_then(|here| Some(here.strip_prefix(top).ok()?.to_owned()));
    let settings = &config.worktrees;
    let defaults = PoolOptions::default();
    let max = max.or(settings.max).unwrap_or(defaults.max);
    let base = Git::new(here, GitOptions::default()).commit("HEAD")?;
    let options = InWorktreesOptions {
        base: base.as_str().to_owned(),
        subfolder: inside.unwrap_or_default(),
        approved: yes,
        ..in_worktrees(config)
    };
    let pool = Pool::new(worktrees, PoolOptions { max, warm: settings.warm.clone() });
    Ok(InWorktrees::new(programs, pool, options))
}

fn in_worktrees(config: &Config) -> InWorktreesOptions {
    let defaults = InWorktreesOptions::default();
    InWorktreesOptions { branch: config.worktrees.branch.clone().unwrap_or(defaults.branch), ..defaults }
}

/// How what a run did is brought in: on which branches its last tasks left something. A gate has none.
pub(in crate::cli) fn how_to_bring_in(report: &Report, config: &Config, here: &Path) -> Option<String> {
    let (run, graph) = (report.run()?, report.graph());
    let (git, options) = (Git::new(here, GitOptions::default()), in_worktrees(config));
    let head = git.commit("HEAD").ok()?;
    let last = report.tasks().filter(|task| graph.children(task.ix()).len() == 0);
    let branches: Vec<String> = last
        .filter_map(|task| {
            let agent = graph.task(task.ix()).options().agent.clone().unwrap_or_default();
            let branch = options.branch_of(run, task.id().as_str(), &agent).ok()?;
            let commit = git.reference(&format!("refs/heads/{}", branch.as_str())).ok()??;
            (commit != head).then(|| branch.as_str().to_owned())
        })
        .collect();
    (!branches.is_empty()).then(|| format!("`orch worktree merge {}`", branches.join(" ")))
}
