//! The arguments of `orch worktree`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::args::Place;
use crate::ext::worktree::How;
use crate::units::parse_duration;

pub(super) const WORKTREE_EXAMPLES: &str = "\
Examples:
  orch worktree new login --base main               a worktree beside the repository, on a new branch
  orch worktree list                                who is where, how it stands, and what it cost
  orch worktree watch                               the same, as it changes; q quits
  orch worktree watch --json | jq -c '.alerts[]'    a line of JSON for each change
  orch worktree report --notify                     tells of stale ones, each once a day: from a cron job, say
  orch worktree remove login                        refuses while something is only there
  orch worktree remove login --force                into the trash
  orch worktree restore login                       back, as it was
  orch worktree route 'fix: the cover of the book'  which worktree that belongs to, and why
  orch worktree sync                                moves on what has nothing of its own
  orch worktree merge login docs --how squash --check 'make test'
  orch run review-all.json --agent '*=claude -p' --worktrees
      Each task in a worktree of its own, which begins at the results of the tasks before it.

Settings of a project, in orch.toml:
  [worktrees]
  max = 6                        how many `orch run --worktrees` uses at once
  warm = [\"node_modules\"]        ignored files that stay from task to task
  copy = [\".env\"]                ignored files of the main worktree that are copied
  ports = 10                     how many ports each has, from {port} on
  env = { \".env.local\" = \"PORT={port}\\n\" }
  commands = [[\"npm\", \"ci\"]]     run in a new one, after `orch trust` or with --yes";

/// `orch worktree`.
#[derive(Debug, Args)]
pub(super) struct Worktree {
    /// The repository [default: the one that you are in]
    #[arg(short = 'C', long = "in", global = true, value_name = "PATH")]
    pub(super) directory: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: WorktreeCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum WorktreeCommand {
    /// Make a worktree
    New {
        /// What it is called; also its branch, if none is named
        #[arg(value_name = "NAME")]
        name: String,
        /// Its branch: a new one, or one that is there and nobody has checked out
        #[arg(short, long, value_name = "BRANCH", conflicts_with = "detach")]
        branch: Option<String>,
        /// Where it begins: a branch, a tag, a commit [default: HEAD of the main worktree]
        #[arg(long, value_name = "COMMIT")]
        base: Option<String>,
        /// Without a branch
        #[arg(long)]
        detach: bool,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        purpose: Option<String>,
        /// Without the set-up of orch.toml
        #[arg(long)]
        no_setup: bool,
        /// Approve the commands that orch.toml names for the set-up
        #[arg(short, long)]
        yes: bool,
        /// Run the repository's post-checkout hook
        #[arg(long)]
        hooks: bool,
        /// What was made, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Show all worktrees: state, branch, last use, task, agent, spend
    List {
        /// Add up the space that they take
        #[arg(long)]
        size: bool,
        /// Compare each with each, also more than 32
        #[arg(long)]
        conflicts: bool,
        /// Unused for longer is stale
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "168h", hide_default_value = true)]
        stale_after: Duration,
        /// As JSON on stdout: what worktrunk's schema 2 has, and more
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show all worktrees as they change: on a terminal a picture, else a table and then each line that changed
    Watch {
        /// How often to look; looks that take long are further apart
        #[arg(short = 'n', long, value_name = "DURATION", value_parser = parse_duration, default_value = "2s")]
        interval: Duration,
        /// Compare each with each, also more than 32
        #[arg(long)]
        conflicts: bool,
        /// Unused for longer is stale
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "168h", hide_default_value = true)]
        stale_after: Duration,
        /// Tell whom the environment names of stale worktrees, of each once a day
        #[arg(long)]
        notify: bool,
        /// Also keep worktree_health.json in this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// A line of JSON on stdout for each look that found something else: what `list --json` has
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Move worktrees on that have nothing of their own; nothing is fetched or discarded
    Sync {
        /// Which [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// What became of each, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Put a worktree into the trash
    Remove {
        /// Which: name, path or branch
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Also with work that is only there
        #[arg(short, long)]
        force: bool,
        /// Also drop its branch, if all of it is in the default branch or on a remote
        #[arg(short, long)]
        branch: bool,
        /// What was removed, or why not, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Bring a worktree back from the trash, or show what is there
    Restore {
        /// Which: what it was called, or its id in the trash
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Drop for good what was removed longer ago
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "name")]
        prune: Option<Duration>,
        /// As JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// The health of all worktrees, as a table or as worktree_health.json
    Report {
        /// Write the JSON to this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Tell whom the environment names of stale worktrees, of each once a day
        #[arg(long)]
        notify: bool,
        /// Unused for longer is stale, for --notify
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "168h", hide_default_value = true, requires = "notify")]
        stale_after: Duration,
        /// As JSON on stdout
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Bring branches into one, in the best order; what conflicts stays out
    Merge {
        /// Which: branches, or names of worktrees
        #[arg(value_name = "BRANCH", required = true)]
        names: Vec<String>,
        /// Into which branch [default: the default branch]
        #[arg(long, value_name = "BRANCH")]
        into: Option<String>,
        /// How: merge, squash or ff
        #[arg(long, value_enum, value_name = "HOW", default_value = "merge", hide_possible_values = true)]
        how: HowArg,
        /// A program that must succeed on each merged tree; quotes group words, no shell is involved
        #[arg(long, value_name = "ARGV")]
        check: Option<String>,
        /// Only say what would come in
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// What came in and what did not, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Say which worktree a task belongs to, and why
    Route {
        /// What the task is about: a message, a description
        #[arg(value_name = "TEXT", default_value = "", hide_default_value = true)]
        text: String,
        /// A configuration file; several are read as one [default: those of the repository, if there are any]
        #[arg(short, long, value_name = "FILE")]
        config: Vec<PathBuf>,
        /// The type of the task, which goes before its text
        #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
        kind: String,
        /// The branch that the task is for
        #[arg(short, long, value_name = "BRANCH")]
        branch: Option<String>,
        /// What no rule places goes to the worktrees in turn: whose turn it is, from 0 [default: to main]
        #[arg(long, value_name = "N")]
        turn: Option<u64>,
        /// Where and why, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Lock a worktree, so that nobody removes it by mistake
    Lock {
        #[arg(value_name = "NAME")]
        name: String,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Take the lock of a worktree away
    Unlock {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Move a worktree
    Move {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(value_name = "PATH")]
        to: PathBuf,
    },
    /// Forget worktrees whose folder is gone, and what runs kept of their tasks that are gone themselves
    Prune {
        /// Also what runs kept that no store knows, if they began longer ago
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "14d")]
        older_than: Duration,
        /// What was forgotten, as JSON on stdout
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Mend what a killed process, or a folder moved by hand, left behind
    Repair {
        /// Folders whose place git does not know
        #[arg(value_name = "PATH")]
        moved: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HowArg {
    Merge,
    Squash,
    Ff,
}

impl From<HowArg> for How {
    fn from(how: HowArg) -> Self {
        match how {
            HowArg::Merge => Self::Merge,
            HowArg::Squash => Self::Squash,
            HowArg::Ff => Self::Ff,
        }
    }
}

impl Worktree {
    pub(super) fn wants_json(&self) -> bool {
        use WorktreeCommand as C;
        match &self.command {
            C::New { json, .. }
            | C::List { json, .. }
            | C::Watch { json, .. }
            | C::Sync { json, .. }
            | C::Remove { json, .. }
            | C::Restore { json, .. }
            | C::Report { json, .. }
            | C::Merge { json, .. }
            | C::Route { json, .. }
            | C::Prune { json, .. } => *json,
            C::Lock { .. } | C::Unlock { .. } | C::Move { .. } | C::Repair { .. } => false,
        }
    }
}
