//! The arguments of the commands about hooks.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::Place;
use crate::units::Usd;

pub(super) const HOOK_EXAMPLES: &str = "\
Claude Code calls this, by what `orch hooks install claude` wrote. It reads the hook's JSON on stdin and answers on stdout.

  echo '{\"hook_event_name\": \"PreToolUse\", \"session_id\": \"s\"}' | orch hook claude

Exits with 0 and an answer, if there is one; with 1 and one line on stderr if it cannot answer, which does not stop the
session. It never exits with 2, which would.";

/// `orch hook`: what others call.
#[derive(Debug, Subcommand)]
pub(super) enum Hook {
    /// Answer a hook of Claude Code: budgets, usage, task list
    #[command(after_help = HOOK_EXAMPLES)]
    Claude(HookClaude),
    /// Answer a hook of git: may the commit be made, and what is recorded of it
    #[command(after_help = HOOK_GIT_EXAMPLES)]
    Git(HookGit),
}

pub(super) const HOOK_GIT_EXAMPLES: &str = "\
Git calls this, by what `orch hooks install git` wrote.

Exits with 3 if `[hooks.git]` of orch.toml refuses the commit; else with 0, also where something goes wrong, which is one
line on stderr.";

/// `orch hook git`.
#[derive(Debug, Args)]
pub(super) struct HookGit {
    #[command(flatten)]
    pub(super) place: Place,
    /// Which hook
    #[arg(value_name = "HOOK")]
    pub(super) which: WhichGit,
    /// What git says to the hook
    #[arg(value_name = "ARGUMENT")]
    pub(super) more: Vec<String>,
}

/// A hook of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum WhichGit {
    /// Before a commit
    PreCommit,
    /// After a commit
    PostCommit,
    /// After a merge
    PostMerge,
}

/// `orch hook claude`.
#[derive(Debug, Args)]
pub(super) struct HookClaude {
    #[command(flatten)]
    pub(super) place: Place,
    /// Settings, with budgets and prices [default: the nearest orch.toml upwards of the project]
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Read no orch.toml
    #[arg(long)]
    pub(super) no_config: bool,
    /// Each session may spend so much, in dollars, besides the budgets of orch.toml
    #[arg(long, value_name = "USD", value_parser = str::parse::<Usd>)]
    pub(super) budget: Option<Usd>,
    /// Deny, or stop the session, where the budget cannot be looked at
    #[arg(long)]
    pub(super) fail_closed: bool,
}

pub(super) const HOOKS_EXAMPLES: &str = "\
Examples:
  orch hooks install claude                         for you, in this project
  orch hooks install claude --user --budget 5       in all projects; a session may spend $5
  orch hooks status claude
  orch hooks tasks                                  the task lists of the sessions
  orch hooks uninstall claude
  orch hooks install git                            in this repository and all its worktrees
  orch hooks uninstall git                          what was there before is there again

With the hooks of git each commit and merge is recorded with its worktree, task, agent and cost. Which commits are refused
is written in orch.toml; the first rule that fits counts:
  [[hooks.git.rule]]
  branch = \"main\"             patterns, or a list; HEAD: no branch
  task = [\"feat\", \"fix\"]     of the task, its agent, ORCH_TASK_TYPE, or the branch up to its first slash
  worktree = \"main\"           only in the main one; or \"linked\"
  action = \"block\"            or \"warn\", \"allow\"
  run = \"orch worktree new {task}\"

Budgets are written in orch.toml: `[[budget]]`, `usd = 15`, `per = \"month\"`.
`orch cost` has what sessions spent, `orch budget` how the budgets stand.";

/// `orch hooks`: to put hooks in and take them out.
#[derive(Debug, Subcommand)]
pub(super) enum Hooks {
    /// Put hooks into the settings of a program; everything else in them stays as it is
    #[command(subcommand)]
    Install(Install),
    /// Take out what was put in, and nothing else
    #[command(subcommand)]
    Uninstall(Uninstall),
    /// Say which hooks there are
    #[command(subcommand)]
    Status(Status),
    /// The task lists of the sessions, the latest first
    Tasks(Tasks),
}

/// For which program.
#[derive(Debug, Subcommand)]
pub(super) enum Install {
    /// Claude Code
    Claude(InstallClaude),
    /// Git, in this repository
    Git(InstallGit),
}

/// From which program.
#[derive(Debug, Subcommand)]
pub(super) enum Uninstall {
    /// Claude Code
    Claude(UninstallClaude),
    /// Git, in this repository
    Git(UninstallGit),
}

/// Of which program.
#[derive(Debug, Subcommand)]
pub(super) enum Status {
    /// Claude Code
    Claude(StatusClaude),
    /// Git, in this repository
    Git(StatusGit),
}

/// Which settings file of Claude Code.
#[derive(Debug, Args)]
pub(super) struct Scope {
    /// Those of the user, for all projects: ~/.claude/settings.json
    #[arg(long, group = "scope")]
    pub(super) user: bool,
    /// Those of the project, for everybody: .claude/settings.json
    #[arg(long, group = "scope")]
    pub(super) project: bool,
    /// Those of the user in this project: .claude/settings.local.json [the default]
    #[arg(long, group = "scope")]
    pub(super) local: bool,
}

/// `orch hooks install claude`.
#[derive(Debug, Args)]
pub(super) struct InstallClaude {
    #[command(flatten)]
    pub(super) scope: Scope,
    /// What is called
    #[arg(long, value_name = "PATH", default_value = "orch")]
    pub(super) program: String,
    /// Each session may spend so much, in dollars, besides the budgets of orch.toml
    #[arg(long, value_name = "USD", value_parser = str::parse::<Usd>)]
    pub(super) budget: Option<Usd>,
    /// Deny, or stop the session, where the budget cannot be looked at
    #[arg(long)]
    pub(super) fail_closed: bool,
    /// The store that the hooks write into [default: that of the repository, else the user's]
    #[arg(long, value_name = "PATH")]
    pub(super) store: Option<PathBuf>,
    /// What was done as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch hooks uninstall claude`.
#[derive(Debug, Args)]
pub(super) struct UninstallClaude {
    #[command(flatten)]
    pub(super) scope: Scope,
    /// What was done as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch hooks status claude`.
#[derive(Debug, Args)]
pub(super) struct StatusClaude {
    /// What there is as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch hooks install git`.
#[derive(Debug, Args)]
pub(super) struct InstallGit {
    /// What is called [default: this program]
    #[arg(long, value_name = "PATH")]
    pub(super) program: Option<PathBuf>,
    /// Also where the hooks are not the repository's own, and over hooks of orch that somebody has changed
    #[arg(long)]
    pub(super) force: bool,
    /// What was done as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch hooks uninstall git`.
#[derive(Debug, Args)]
pub(super) struct UninstallGit {
    /// Also where the hooks are not the repository's own, and hooks of orch that somebody has changed
    #[arg(long)]
    pub(super) force: bool,
    /// What was done as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch hooks status git`.
#[derive(Debug, Args)]
pub(super) struct StatusGit {
    /// What there is as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch hooks tasks`.
#[derive(Debug, Args)]
pub(super) struct Tasks {
    #[command(flatten)]
    pub(super) place: Place,
    /// At most so many sessions
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) limit: usize,
    /// The lists as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}
