//! The arguments of `orch metrics` and `orch badges`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::Place;
use crate::{
    WallTime,
    ext::{
        badges::{Style, Theme},
        metrics::Policy,
    },
};

pub(super) const METRICS_EXAMPLES: &str = "\
Examples:
  orch metrics                                      what orchestration costs and saves, month by month
  orch metrics --policy message --zone America/New_York --since 2025-07-01T00:00:00-04:00
  orch metrics update                               writes reports/orchestration/aggregated_metrics.json
  orch metrics report --html report.html            and reports/orchestration/README.md
  orch metrics rotate --check                       exits with 1 if records of past months are to be archived
  orch metrics alert                                tells by webhook of targets that the month misses

What is orchestrated is a policy: recorded (a hook of git saw the commit in a worktree that orch made, or in a run), message (its
message says `worktree`), compat (the scripts that orch replaces would count it, in their window).
What is measured (the ledger, what the cache saved) and what is modelled (by assumptions) stand apart everywhere.

Settings of a project, in orch.toml:
  [metrics]
  policy = \"recorded\"
  zone = \"Europe/Berlin\"
  folder = \"reports/orchestration\"
  merges = false                 commits with several parents do not count
  bots = false                   nor those of authors that end with [bot]
  model = { tokens_traditional = 50000, tokens_orchestrated = 20000, nanos_per_1k_tokens = 10000000 }
  targets = { rate = 30, savings = 10 }
  badges = [\"mtd-cost\", \"savings\", \"rate\"]";

pub(super) const BADGES_EXAMPLES: &str = "\
Examples:
  orch badges                                       what the badges say, and their addresses
  orch badges --readme README.md                    writes them between the marks of a README
  orch badges --readme README.md --check            exits with 1 if that would change it
  orch badges --out badges --style flat             as SVG, light and dark, and as JSON for shields' endpoint
  orch badges --local                               into .git/orch/badges, where the hooks keep them up to date
  orch badges --publish badges                      as a commit on the branch `badges`, if nobody else was quicker

The marks, each on a line of its own: <!-- orch:badges:start --> and <!-- orch:badges:end -->. Those of the scripts that orch
replaces are taken for them. A figure that is modelled says so; where nothing is known the badge says `no data`.";

/// What to count, and how.
#[derive(Debug, Args)]
pub(super) struct Query {
    /// The repository [default: the one that you are in]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) repo: Option<PathBuf>,
    /// What is orchestrated: recorded, message or compat [default: recorded]
    #[arg(long, global = true, value_name = "POLICY", value_parser = str::parse::<Policy>)]
    pub(super) policy: Option<Policy>,
    /// Only commits and facts from that time on
    #[arg(long, global = true, value_name = "INSTANT")]
    pub(super) since: Option<WallTime>,
    /// Only before that time
    #[arg(long, global = true, value_name = "INSTANT")]
    pub(super) until: Option<WallTime>,
    /// Whose months and weeks: UTC, +05:30, Europe/Berlin [default: UTC]
    #[arg(long, global = true, value_name = "ZONE")]
    pub(super) zone: Option<String>,
    /// As if it were that time: what came later does not count [default: now]
    #[arg(long, global = true, value_name = "INSTANT")]
    pub(super) at: Option<WallTime>,
    /// Whose history [default: HEAD]
    #[arg(long, global = true, value_name = "COMMIT", default_value = "HEAD", hide_default_value = true)]
    pub(super) rev: String,
    /// Merges do not count
    #[arg(long, global = true)]
    pub(super) no_merges: bool,
    /// Commits of bots do not count
    #[arg(long, global = true)]
    pub(super) no_bots: bool,
    /// Only commits of authors that fit, as `Name <address>` with * and ?; may be repeated
    #[arg(long = "author", global = true, value_name = "PATTERN")]
    pub(super) authors: Vec<String>,
    /// No commits of authors that fit; may be repeated
    #[arg(long = "not-author", global = true, value_name = "PATTERN")]
    pub(super) not_authors: Vec<String>,
    #[command(flatten)]
    pub(super) place: Place,
}

/// `orch metrics`.
#[derive(Debug, Args)]
pub(super) struct Metrics {
    #[command(flatten)]
    pub(super) query: Query,
    /// Also who committed how much
    #[arg(long, global = true)]
    pub(super) leaderboard: bool,
    /// The answer as JSON on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Option<MetricsCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum MetricsCommand {
    /// Write aggregated_metrics.json
    Update {
        /// Only say whether it would change
        #[arg(long)]
        check: bool,
    },
    /// Write the report: README.md beside the metrics, and a page if wanted
    Report {
        /// The page, with charts
        #[arg(long, value_name = "PATH")]
        html: Option<PathBuf>,
        /// Print the Markdown, and do not write it
        #[arg(long)]
        print: bool,
    },
    /// Move records of past months into the archive
    Rotate {
        /// Only say whether there is something to do
        #[arg(long, conflicts_with = "force")]
        check: bool,
        /// Also where there is nothing to do
        #[arg(long)]
        force: bool,
    },
    /// Tell of targets that the month misses, by the webhooks of the environment
    Alert {
        /// Orchestrated commits, in percent
        #[arg(long, value_name = "PERCENT")]
        rate: Option<f64>,
        /// Modelled savings, in percent
        #[arg(long, value_name = "PERCENT")]
        savings: Option<f64>,
        /// Measured savings of the month, in dollars
        #[arg(long, value_name = "USD")]
        saved_usd: Option<f64>,
        /// Tell nobody, only say it
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}

/// `orch badges`.
#[derive(Debug, Args)]
pub(super) struct Badges {
    #[command(flatten)]
    pub(super) query: Query,
    /// Which, in order: mtd-cost, savings, rate, hit-rate, budget, runs, trend [default: mtd-cost, savings]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) only: Vec<BadgeName>,
    /// On what money stands: auto (measured where anything was, else modelled), measured or modelled
    #[arg(long, value_enum, value_name = "BASIS", default_value = "auto", hide_possible_values = true)]
    pub(super) basis: BasisArg,
    /// The style of shields: for-the-badge or flat
    #[arg(long, value_enum, value_name = "STYLE", default_value = "for-the-badge", hide_possible_values = true)]
    pub(super) style: StyleArg,
    /// Where a badge leads to
    #[arg(long, value_name = "LINK", default_value = "./reports/orchestration/", hide_default_value = true)]
    pub(super) link: String,
    /// Pictures of the README, for light and dark pages, from there: the folder of `--out` or its address [default: shields' own addresses]
    #[arg(long, value_name = "PLACE", conflicts_with = "endpoints")]
    pub(super) pictures: Option<String>,
    /// Pictures of the README by shields' endpoint, whose JSON files lie at that address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) endpoints: Option<String>,
    /// Write the block of that README
    #[arg(long, value_name = "FILE")]
    pub(super) readme: Option<PathBuf>,
    /// Put the block under the first headline where there are no marks
    #[arg(long, requires = "readme")]
    pub(super) insert: bool,
    /// Write nothing, and exit with 1 if something would be written
    #[arg(long)]
    pub(super) check: bool,
    /// Write SVG and JSON files into that folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Write them into git's own folder, where nothing is committed
    #[arg(long)]
    pub(super) local: bool,
    /// Commit them on that branch, which nobody has checked out
    #[arg(long, value_name = "BRANCH", conflicts_with = "check")]
    pub(super) publish: Option<String>,
    /// The answer as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BadgeName {
    MtdCost,
    Savings,
    Rate,
    HitRate,
    Budget,
    Runs,
    Trend,
}

impl BadgeName {
    /// The name of its files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MtdCost => "mtd-cost",
            Self::Savings => "savings",
            Self::Rate => "rate",
            Self::HitRate => "hit-rate",
            Self::Budget => "budget",
            Self::Runs => "runs",
            Self::Trend => "trend",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BasisArg {
    Auto,
    Measured,
    Modelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StyleArg {
    ForTheBadge,
    Flat,
}

impl From<StyleArg> for Style {
    fn from(style: StyleArg) -> Self {
        match style {
            StyleArg::ForTheBadge => Self::ForTheBadge,
            StyleArg::Flat => Self::Flat,
        }
    }
}

/// For which pages a file is, by the end of its name.
pub(super) const THEMES: [(Theme, &str); 2] = [(Theme::Light, ""), (Theme::Dark, "-dark")];
