//! The arguments of `orch actions`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    clock::WallTime,
    ext::actions::{Level, Rule},
};

pub(super) const ACTIONS_EXAMPLES: &str = "\
Examples:
  orch actions audit                                what .github/workflows here waste, and what it costs
  orch actions audit --runs runs.json --json        with measured numbers:
      gh run list --limit 1000 --json databaseId,workflowName,event,headBranch,status,conclusion,createdAt,startedAt,updatedAt > runs.json
  orch actions fix                                  what would be edited, as a diff
  orch actions fix --write                          edits, each proved to change nothing else
  orch actions rules                                what is looked for, and what is done about it

A comment silences a rule: `# orch: ignore[missing-timeout]` on the line or the line before it, or
`# orch: ignore-file[unpinned-action]` anywhere for the whole file.";

pub(super) const AUDIT_EXAMPLES: &str = "\
Exit codes: 0 nothing as bad as --fail-on (error); 1 there is; 2 bad input.

The JSON form (\"version\": 1) has files, scheduled, crons, fires_per_30_days, with_concurrency, firing,
invalid, dead, totals, assumptions, prices and
findings[{rule, severity, file, line, column, reason, minutes, usd, basis, fix}].";

/// `orch actions`.
#[derive(Debug, Args)]
pub(super) struct Actions {
    #[command(subcommand)]
    pub(super) command: ActionsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ActionsCommand {
    /// Say what workflows waste: file, line, reason, minutes and money
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(Audit),
    /// Repair what is safe; a diff, unless --write
    Fix(Fix),
    /// Put all schedules into one dispatcher that makes up for late ticks; what it would do, unless --write
    Schedule(Schedule),
    /// Say what a dispatcher's table has due, and start it with --dispatch
    Due(Due),
    /// Show what runs were and cost: success, durations, minutes, money, trend
    Report(Report),
    /// Print a workflow that wastes little, for the languages that the repository has
    Template {
        /// A repository
        #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
        path: PathBuf,
        /// The branch whose pushes are tested
        #[arg(long, value_name = "BRANCH", default_value = "main")]
        branch: String,
    },
    /// List the rules
    Rules {
        /// As JSON on stdout
        #[arg(long)]
        json: bool,
    },
}

impl Actions {
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            ActionsCommand::Audit(args) => args.json || args.sarif,
            ActionsCommand::Fix(args) => args.json,
            ActionsCommand::Schedule(args) => args.json,
            ActionsCommand::Due(args) => args.json,
            ActionsCommand::Report(args) => args.json,
            ActionsCommand::Template { .. } => false,
            ActionsCommand::Rules { json } => *json,
        }
    }
}

/// What is looked at, and what is known of it.
#[derive(Debug, Args)]
pub(super) struct Looking {
    /// A repository, a folder of workflows, or one file
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(super) path: PathBuf,
    /// Runs to measure by: what `gh run list --json ..` and the API say, also of jobs; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "Numbers")]
    pub(super) runs: Vec<PathBuf>,
    /// A number in place of the one that is assumed: pushes, pull_requests, job_minutes, superseded_percent,
    /// hangs_per_thousand, unrelated_percent, failing_percent, cache_minutes
    #[arg(long, value_name = "NAME=NUMBER", help_heading = "Numbers")]
    pub(super) assume: Vec<String>,
    /// A check that branch protection requires; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Numbers")]
    pub(super) required: Vec<String>,
    /// The day whose prices hold [default: today]
    #[arg(long, value_name = "DATE", help_heading = "Numbers")]
    pub(super) at: Option<WallTime>,
    /// The first of the 30 days for which fires are counted [default: 2025-07-01]
    #[arg(long, value_name = "DATE", help_heading = "Numbers")]
    pub(super) from: Option<WallTime>,
}

/// `orch actions audit`.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) looking: Looking,
    /// As JSON on stdout
    #[arg(long, group = "form")]
    pub(super) json: bool,
    /// As SARIF 2.1.0 on stdout, for code scanning
    #[arg(long, group = "form")]
    pub(super) sarif: bool,
    /// As annotations of GitHub on stdout
    #[arg(long, group = "form")]
    pub(super) annotations: bool,
    /// Exit with 1 where a finding is that bad: error, warning, note, never
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "error", hide_possible_values = true)]
    pub(super) fail_on: FailOn,
}

/// What fails a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

impl FailOn {
    pub(super) fn level(self) -> Option<Level> {
        match self {
            Self::Error => Some(Level::Error),
            Self::Warning => Some(Level::Warning),
            Self::Note => Some(Level::Note),
            Self::Never => None,
        }
    }
}

/// `orch actions fix`.
#[derive(Debug, Args)]
pub(super) struct Fix {
    #[command(flatten)]
    pub(super) looking: Looking,
    /// Write the files
    #[arg(short, long)]
    pub(super) write: bool,
    /// Only this rule; may be repeated. cron-on-the-hour and double-run change triggers and must be named
    #[arg(long = "rule", value_name = "RULE", value_parser = str::parse::<Rule>)]
    pub(super) rules: Vec<Rule>,
    /// The branch that double-run leaves to push
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    pub(super) branch: String,
    /// What was edited and what was not, as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch actions schedule`.
#[derive(Debug, Args)]
pub(super) struct Schedule {
    /// A repository, or a folder of workflows
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(super) path: PathBuf,
    /// Minutes between two ticks of the dispatcher: 5 to 60 that divide an hour, or whole hours
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    pub(super) every: u32,
    /// The command by which the dispatcher installs orch
    #[arg(long, value_name = "COMMAND")]
    pub(super) install: Option<String>,
    /// Write the dispatcher and its table, and take the schedules out of the workflows
    #[arg(short, long)]
    pub(super) write: bool,
    /// As JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch actions due`.
#[derive(Debug, Args)]
pub(super) struct Due {
    /// The table of the dispatcher
    #[arg(long, value_name = "FILE", default_value = ".github/orch-schedule.json")]
    pub(super) table: PathBuf,
    /// What was started last, a JSON object of slots and times; may be missing
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// The time [default: now]
    #[arg(long, value_name = "TIME")]
    pub(super) now: Option<WallTime>,
    /// Start what is due by `gh workflow run`, and keep in the state what was started
    #[arg(long, requires = "state")]
    pub(super) dispatch: bool,
    /// The branch on which to start
    #[arg(long = "ref", value_name = "BRANCH", requires = "dispatch")]
    pub(super) branch: Option<String>,
    /// As JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `orch actions report`.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Files with what `gh run list --json ..` and the API say of runs and jobs; without any, `gh` is asked for both
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The window begins then [default: 30 days before its end]
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<WallTime>,
    /// The window ends before then [default: now]
    #[arg(long, value_name = "DATE")]
    pub(super) to: Option<WallTime>,
    /// Where `gh` is asked: the jobs of so many runs, the latest first, one question each; the others count as one job
    #[arg(long, value_name = "RUNS", default_value_t = 500)]
    pub(super) jobs: usize,
    /// Also as a page
    #[arg(long, value_name = "PATH")]
    pub(super) html: Option<PathBuf>,
    /// As JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}
