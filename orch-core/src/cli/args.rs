//! The arguments of `orch`, as clap reads them. Only shapes and texts: what they mean is in the file of each command.

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

use super::{
    args_actions::{ACTIONS_EXAMPLES, Actions},
    args_definition::{CHECK_EXAMPLES, CONVERT_EXAMPLES, Check, Convert, OPTIMIZE_EXAMPLES, Optimize},
    args_hooks::{HOOKS_EXAMPLES, Hook, Hooks},
    args_metrics::{BADGES_EXAMPLES, Badges, METRICS_EXAMPLES, Metrics},
    args_money::{BUDGET_EXAMPLES, Budget, COST_EXAMPLES, Cost, Demo},
    args_worktree::{WORKTREE_EXAMPLES, Worktree},
    pair::Pair,
};
use crate::units::{Usd, parse_duration};

/// Runs graphs of tasks in parallel: as early as their dependencies allow, most critical first.
#[derive(Debug, Parser)]
#[command(
    name = "orch",
    version = crate::VERSION,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    infer_long_args = false,
    after_help = "\
Examples:
  orch plan review-all.json                         what would run, in which order, how long
  orch run review-all.json --dry-run                the whole run, without starting a program
  orch run review-all.json --agent '*=claude -p'    one program for all agents
  orch convert review-all.md -o review-all.json     a version 1 command as version 2

Exit codes:
  0    done
  1    the run failed, or a result could not be written
  2    bad input or usage
  130  interrupted (Ctrl-C); 143 for SIGTERM, 129 for SIGHUP

Results go to stdout, messages to stderr. `orch COMMAND --help` says more."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) global: Global,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// Colours: auto, always or never [also: NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub(super) color: When,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
}

/// When to do what a terminal allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a definition and report
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<Run>),
    /// Show order, levels, critical path and expected time of a definition
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(Plan),
    /// List every problem of a definition
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Turn a version 1 Markdown command into version 2 JSON
    #[command(after_help = CONVERT_EXAMPLES)]
    Convert(Convert),
    /// Show which dependencies and tasks a definition could do without, and why
    #[command(after_help = OPTIMIZE_EXAMPLES)]
    Optimize(Optimize),
    /// List the runs that were kept, look at one, or leave word for its owner
    #[command(after_help = RUNS_EXAMPLES)]
    Runs(Runs),
    /// Show runs, worktrees and costs live on a page of this machine
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// The report of a run that was kept
    Report(Report),
    /// Check, compact or copy the store that keeps runs
    Store(Store),
    /// What things cost
    #[command(after_help = COST_EXAMPLES)]
    Cost(Cost),
    /// How budgets stand
    #[command(after_help = BUDGET_EXAMPLES)]
    Budget(Budget),
    /// What the engine does, shown by itself, without files and without cost
    #[command(subcommand)]
    Demo(Demo),
    /// Send what runs had to tell, list it, or try the addresses
    #[command(after_help = NOTIFY_EXAMPLES)]
    Notify(Notify),
    /// Keep interactive agents within the budgets, and commits where they belong: put the hooks in, take them out
    #[command(subcommand, after_help = HOOKS_EXAMPLES)]
    Hooks(Hooks),
    /// Answer a hook: what `orch hooks` puts in calls this
    #[command(subcommand, hide = true)]
    Hook(Hook),
    /// Make, show, remove, restore and merge worktrees
    #[command(after_help = WORKTREE_EXAMPLES)]
    Worktree(Box<Worktree>),
    /// Show what orchestration costs and saves; write, rotate and report it
    #[command(after_help = METRICS_EXAMPLES)]
    Metrics(Box<Metrics>),
    /// Badges of what orchestration costs and saves
    #[command(after_help = BADGES_EXAMPLES)]
    Badges(Box<Badges>),
    /// Say what workflows of GitHub Actions waste, and repair what is safe
    #[command(after_help = ACTIONS_EXAMPLES)]
    Actions(Box<Actions>),
    /// Allow the programs that a project's orch.toml names
    #[command(after_help = TRUST_EXAMPLES)]
    Trust(Trust),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
}

/// Where a definition comes from and how it is read.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// Definition: version 2 JSON, version 1 Markdown, WfFormat JSON, or - for stdin
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Let each phase wait for the one before it
    #[arg(long)]
    pub(super) barrier: bool,
    /// Refuse what is only suspicious: inputs that no task makes, conditions on tasks that are not waited for
    #[arg(long)]
    pub(super) strict: bool,
    /// Settings instead of the nearest orch.toml upwards of here
    #[arg(long, value_name = "PATH", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Read no orch.toml
    #[arg(long)]
    pub(super) no_config: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  orch run review-all.json --dry-run
      Every task succeeds at once; shows order, conditions and report.
  orch run review-all.json --agent '*=claude -p' --max-parallel 4
      One program for all agents. It finds ORCH_TASK, ORCH_AGENT and more in its environment, and
      its inputs as JSON on stdin; exit code 0 is success.
  orch run build.json --agent 'compiler=make -j2' --agent 'tester=sh -c \"make test | tee log\"'
      No shell is involved unless you name one.
  orch run review-all.json --agents agents.toml --report-html report.html --json > report.json
      Agents from a file:  [agents.security-specialist]  argv = [\"claude\", \"-p\"]

Durations: 90 or 90s (seconds), 250ms, 5m, 1h30m.
Ctrl-C stops the running programs, undoes what tasks say how to undo, then reports; a second Ctrl-C
leaves out the undo, a third ends at once. Where there is nothing to undo, the second ends at once.
In GitHub Actions the report also becomes the step's summary (GITHUB_STEP_SUMMARY) and annotations.";

/// `orch run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) source: Source,

    /// The program of an agent; '*=ARGV' is for all others. Quotes group words; no shell is involved
    #[arg(long = "agent", value_name = "NAME=ARGV", help_heading = "Agents")]
    pub(super) agent: Vec<String>,
    /// A TOML file of agents: [agents.NAME] argv = [..]
    #[arg(long, value_name = "FILE", help_heading = "Agents")]
    pub(super) agents: Option<PathBuf>,
    /// Start no program: every task succeeds at once
    #[arg(long, help_heading = "Agents")]
    pub(super) dry_run: bool,
    /// Approve the programs that the definition's conditions and an orch.toml name
    #[arg(short, long, help_heading = "Agents")]
    pub(super) yes: bool,

    /// A value for the tasks; JSON if it reads as JSON, else text
    #[arg(long = "input", value_name = "KEY=VALUE", help_heading = "Inputs")]
    pub(super) input: Vec<Pair>,
    /// A JSON file with an object of inputs
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) inputs: Option<PathBuf>,
    /// Run only this task and what it waits for; may be repeated
    #[arg(long = "target", value_name = "ID", help_heading = "Inputs")]
    pub(super) targets: Vec<String>,

    /// Each task in a worktree of its own, at most so many at once [default: 6]; a task begins at the results of those
    /// before it, and nothing comes out of the cache
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "0", help_heading = "Agents")]
    pub(super) worktrees: Option<u32>,

    /// At most so many tasks at once [default: 32]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Order")]
    pub(super) max_parallel: Option<u32>,
    /// The run may spend so much, in dollars; tasks that do not fit into what is left fail
    #[arg(long, value_name = "USD", value_parser = str::parse::<Usd>, help_heading = "Order")]
    pub(super) budget: Option<Usd>,
    /// After a failure, go on with what does not need the failed task
    #[arg(short, long, overrides_with = "fail_fast", help_heading = "Order")]
    pub(super) keep_going: bool,
    /// Stop at the first failure [the default]
    #[arg(long, overrides_with = "keep_going", help_heading = "Order")]
    pub(super) fail_fast: bool,
    /// Leave what a run did that did not succeed; the report says what could have been undone
    #[arg(long, help_heading = "Order")]
    pub(super) no_undo: bool,
    /// End the run when it takes longer [default: what the definition says]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Order")]
    pub(super) timeout: Option<Duration>,
    /// Seed of the jitter between attempts
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = "Order")]
    pub(super) seed: u64,

    /// Keep the run, so that it survives its process [default place: the repository, else the user's data]
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "", help_heading = "Keeping")]
    #[arg(env = "ORCH_STORE", hide_env_values = true, value_parser = place())]
    pub(super) store: Option<PathBuf>,
    /// Go on with a run that was kept: its name or how that ends [default: the latest of FILE]
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", help_heading = "Keeping")]
    pub(super) resume: Option<String>,
    /// When something is kept: normal (the process may be killed) or full (the power may fail)
    #[arg(long, value_enum, value_name = "WHEN", default_value = "normal", hide_possible_values = true)]
    #[arg(help_heading = "Keeping")]
    pub(super) sync: Sync,

    /// Tell of the run: whom, say DISCORD_WEBHOOK_URL, SLACK_WEBHOOK_URL and ORCH_WEBHOOK_URL
    #[arg(long, help_heading = "Keeping")]
    pub(super) notify: bool,
    /// Tell a collector of OpenTelemetry of the run: where it is, says OTEL_EXPORTER_OTLP_ENDPOINT
    #[arg(long, help_heading = "Keeping")]
    pub(super) otel: bool,

    /// The report as JSON on stdout
    #[arg(long, help_heading = "Results")]
    pub(super) json: bool,
    /// The report as one self-contained HTML page
    #[arg(long, value_name = "PATH", help_heading = "Results")]
    pub(super) report_html: Option<PathBuf>,
    /// The report as JUnit XML
    #[arg(long, value_name = "PATH", help_heading = "Results")]
    pub(super) junit: Option<PathBuf>,
    /// The run as a Chrome trace (opens in Perfetto)
    #[arg(long, value_name = "PATH", help_heading = "Results")]
    pub(super) trace: Option<PathBuf>,
    /// Every event as a line of JSON, while the run goes; - for stdout
    #[arg(long, value_name = "PATH", help_heading = "Results")]
    pub(super) events: Option<PathBuf>,
    /// The tasks as a to-do list in JSON, kept up to date while the run goes
    #[arg(long, value_name = "PATH", help_heading = "Results")]
    pub(super) todo: Option<PathBuf>,
    /// Form of the to-do list: strict (TodoWrite, one item in progress), parallel (TodoWrite), or tasks (Task list)
    #[arg(long, value_enum, value_name = "FORM", default_value = "strict", hide_possible_values = true)]
    #[arg(requires = "todo", help_heading = "Results")]
    pub(super) todo_form: TodoForm,
}

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Sync {
    Normal,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TodoForm {
    Strict,
    Parallel,
    Tasks,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  orch plan review-all.json
  orch plan review-all.json -j 4                    the expected time with 4 workers, and with 5
  orch plan review-all.json --format mermaid        a picture for Markdown; also dot and html
  orch plan review-all.json --json | jq .critical_path_ms

The JSON form (\"version\": 1) has tasks, edges, levels, widest, serial_ms, critical_path_ms,
critical_path, expected_ms, one_more_ms and problems[{code, severity, path, line, message}].
A definition with errors exits with 2, and its JSON still lists the problems.";

/// `orch plan`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) source: Source,
    /// At most so many tasks at once [default: 32]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_parallel: Option<u32>,
    /// A TOML file of agents, for tasks that ask for a capability: says who would do them
    #[arg(long, value_name = "FILE")]
    pub(super) agents: Option<PathBuf>,
    /// Form of the answer: text, json, mermaid, dot or html
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub(super) format: PlanFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    /// What would be run, and why, if a run that was kept went on [default: the latest of FILE]
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    pub(super) resume: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    Text,
    Json,
    Mermaid,
    Dot,
    Html,
}

/// Which store.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The store that keeps runs [default: that of the repository, else the user's]
    #[arg(long, global = true, value_name = "PATH", num_args = 0..=1, default_missing_value = "")]
    #[arg(env = "ORCH_STORE", hide_env_values = true, value_parser = place())]
    pub(super) store: Option<PathBuf>,
}

/// The place of a store. Nothing stands for the default one; as a path it would be refused.
fn place() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

const SERVE_EXAMPLES: &str = "\
Examples:
  orch serve                                        prints the address of the page
  orch serve --port 8080 --json                     {\"version\": 1, \"url\": .., \"port\": 8080, \"store\": ..}
  orch run review-all.json --store                  in another terminal: shows up while it goes on

The page is for this machine only. Whoever has its address can read all that it shows, so keep it to
yourself. From elsewhere: ssh -L PORT:127.0.0.1:PORT, with the same port on both sides.
Ctrl-C ends it at once (130; 143 for SIGTERM, 129 for SIGHUP); a port that is taken is 2.";

/// `orch serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The port on 127.0.0.1; 0: any that is free
    #[arg(short, long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(super) port: u16,
    /// One line of JSON on stdout, with the address
    #[arg(long)]
    pub(super) json: bool,
    /// Settings instead of the nearest orch.toml upwards of here
    #[arg(long, value_name = "PATH", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Read no orch.toml
    #[arg(long)]
    pub(super) no_config: bool,
    #[command(flatten)]
    pub(super) place: Place,
}

const RUNS_EXAMPLES: &str = "\
Examples:
  orch run review-all.json --store                  keeps the run
  orch runs                                         the runs that were kept, the latest first
  orch runs show 3f2a                               one of them; the end of its name is enough
  orch run review-all.json --resume                 goes on with the latest run of that file
  orch runs cancel 3f2a                             asks the process that has it to stop it";

/// `orch runs`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Runs {
    #[command(flatten)]
    pub(super) place: Place,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
    /// The runs as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Option<RunsCommand>,
}

/// What to do with one run: its name, or how that ends.
#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// What is known of a run
    Show {
        #[arg(value_name = "RUN")]
        run: String,
        /// With its events, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Stop a run, and undo what says how
    Cancel {
        #[arg(value_name = "RUN")]
        run: String,
    },
    /// Begin no more tasks of a run
    Pause {
        #[arg(value_name = "RUN")]
        run: String,
    },
    /// Go on after a pause
    Unpause {
        #[arg(value_name = "RUN")]
        run: String,
    },
}

/// `orch report`.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// The run: its name, or how that ends [default: the latest]
    #[arg(value_name = "RUN", default_value = "", hide_default_value = true)]
    pub(super) run: String,
    /// Form of the report: text, json, html, junit or trace
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub(super) format: ReportForm,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportForm {
    Text,
    Json,
    Html,
    Junit,
    Trace,
}

/// `orch store`.
#[derive(Debug, Args)]
pub(super) struct Store {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(subcommand)]
    pub(super) command: StoreCommand,
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Read everything and compare the hashes; exits with 1 if something is damaged
    Check {
        /// What was found, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Drop what is of no use any more, and give the space back
    Compact {
        /// Also runs that ended longer ago than that
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        older_than: Option<Duration>,
        /// What was done, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Write a copy while others go on: for a backup, or for other programs that read SQLite
    Export {
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
}

const TRUST_EXAMPLES: &str = "\
Examples:
  orch trust                                        show what the nearest orch.toml would start, and allow it
  orch trust --revoke

The programs of an orch.toml that was found by searching upwards start only after `orch trust`, with
`orch run --yes`, or when you name the file yourself with --config. What is allowed is the exact content of
the file: after a change it asks again.";

/// `orch trust`.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// The file [default: the nearest orch.toml upwards of here]
    #[arg(value_name = "PATH")]
    pub(super) path: Option<PathBuf>,
    /// Allow it no longer
    #[arg(long)]
    pub(super) revoke: bool,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  orch completions bash > ~/.local/share/bash-completion/completions/orch
  orch completions zsh > ~/.zfunc/_orch
  orch completions fish > ~/.config/fish/completions/orch.fish";

/// `orch completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

const NOTIFY_EXAMPLES: &str = "\
Examples:
  orch notify test                      one message to each address in the environment
  orch run build.json --store --notify  tells that the run begins, and how it ended
  orch notify send                      what could not be sent yet: from a cron job, say
  orch notify list --json

Addresses are secrets and come from the environment only: DISCORD_WEBHOOK_URL,
SLACK_WEBHOOK_URL (also what is compatible with it), ORCH_WEBHOOK_URL (gets JSON).
ORCH_WEBHOOK_LOCAL=1 allows http and addresses of this machine.";

/// `orch notify`.
#[derive(Debug, Args)]
pub(super) struct Notify {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(subcommand)]
    pub(super) command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send what is due
    Send {
        /// What came of it as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// List what was told and what waits, the latest first
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// The letters as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Send a message to each address, to see that it works
    Test {
        /// What came of it as JSON on stdout
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests;
