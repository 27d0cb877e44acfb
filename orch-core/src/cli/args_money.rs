//! The arguments of the commands about money.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::Place;
use crate::{
    clock::WallTime,
    cost::budget::{Column, Labels},
    error::{Error, ErrorKind},
    session::{self, Allowed},
};

pub(super) const COST_EXAMPLES: &str = "\
Examples:
  orch cost                                         what was spent, by agent and model
  orch cost --by day,task --since 2026-02-01 --csv
  orch cost --charges --json --only branch=main     every charge by itself
  orch cost price --model claude-sonnet-4-5 --usage usage.json
  orch cost prices update                           newer published prices
  claude -p 'hello' --output-format json | orch cost price --usage - --json

A usage is what an agent or an API said: the answer of Anthropic, OpenAI or Google, the result or a transcript of
Claude Code, the events of Codex or OpenCode, the JSON of ccusage, or only its record of tokens.";

/// `orch cost`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Cost {
    #[command(subcommand)]
    pub(super) command: Option<CostCommand>,
    #[command(flatten)]
    pub(super) query: CostQuery,
}

/// What to ask of what was spent.
#[derive(Debug, Args)]
pub(super) struct CostQuery {
    /// Add up by these: run, phase, task, agent, model, worktree, branch, day, month
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', default_value = "agent,model")]
    pub(super) by: Vec<String>,
    /// Only what has this value in that column; may be repeated
    #[arg(long = "only", value_name = "COLUMN=VALUE", value_parser = only)]
    pub(super) only: Vec<Only>,
    /// Only from that day or time on
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<WallTime>,
    /// Only before that day or time
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<WallTime>,
    /// Whose days and months
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(super) zone: String,
    /// Every charge by itself, as CSV or with --json
    #[arg(long)]
    pub(super) charges: bool,
    /// The answer as JSON on stdout
    #[arg(long, conflicts_with = "csv")]
    pub(super) json: bool,
    /// The answer as CSV on stdout
    #[arg(long)]
    pub(super) csv: bool,
    #[command(flatten)]
    pub(super) place: Place,
}

/// `COLUMN=VALUE`.
#[derive(Debug, Clone)]
pub(super) struct Only {
    column: Column,
    value: String,
}

impl CostQuery {
    /// What is asked of the ledger.
    pub(super) fn asked(&self) -> crate::Result<session::CostQuery> {
        let mut only = Labels::default();
        for Only { column, value } in &self.only {
            if only.get(*column).is_some_and(|other| other != value) {
                let message = format!("`--only {column}=..` was given twice; no charge has two values there");
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            only = only.with(*column, value);
        }
        let (by, zone) = (self.by.clone(), self.zone.clone());
        Ok(session::CostQuery { by, only, since: self.since, until: self.until, zone })
    }
}

fn only(text: &str) -> Result<Only, String> {
    let (column, value) = text.split_once('=').ok_or("write COLUMN=VALUE, for example agent=reviewer")?;
    let column = column.parse().map_err(|error: Error| error.to_string())?;
    Ok(Only { column, value: value.to_owned() })
}

/// What else to ask of costs.
#[derive(Debug, Subcommand)]
pub(super) enum CostCommand {
    /// What one record of usage costs, by which price of which date
    Price(CostPrice),
    /// Which published prices hold, and newer ones
    #[command(after_help = PRICES_EXAMPLES)]
    Prices(Prices),
}

const PRICES_EXAMPLES: &str = "\
Examples:
  orch cost prices                                  which list holds, and since when
  orch cost prices update                           the list that genai-prices publishes now
  orch cost prices update --from prices.json        from a file; or from an https address
  orch cost prices reset                            the list of this build again

A list is read as a whole before it takes the place of the one before. It is kept in the user's data, or where
ORCH_PRICES says. Own rates in orch.toml go before it. Nothing is ever fetched but by `update`.";

/// `orch cost prices`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Prices {
    #[command(subcommand)]
    pub(super) command: Option<PricesCommand>,
    /// The answer as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// What to do with the published prices.
#[derive(Debug, Subcommand)]
pub(super) enum PricesCommand {
    /// Take a newer list, and say what is new in it
    Update {
        /// A file, or an https address [default: where genai-prices publishes it]
        #[arg(long, value_name = "FILE|URL")]
        from: Option<String>,
        /// What was done as JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Go back to the list of this build
    Reset {
        /// What was done as JSON on stdout
        #[arg(long)]
        json: bool,
    },
}

/// `orch cost price`.
#[derive(Debug, Args)]
pub(super) struct CostPrice {
    /// The model, as the provider writes it, or provider/model [default: as the usage says]
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// Whose prices, for example anthropic, aws or openai
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// What was used, as JSON or lines of JSON; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(super) usage: PathBuf,
    /// At the prices of that day or time [default: now]
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<WallTime>,
    /// Another price list, in the form of genai-prices [default: the one of this build]
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    /// Ask for the price of a batch
    #[arg(long)]
    pub(super) batch: bool,
    /// The answer as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Settings instead of the nearest orch.toml upwards of here
    #[arg(long, value_name = "PATH", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Read no orch.toml
    #[arg(long)]
    pub(super) no_config: bool,
}

impl Cost {
    /// Whether a script waits for JSON.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            Some(CostCommand::Price(args)) => args.json,
            Some(CostCommand::Prices(args)) => match args.command {
                Some(PricesCommand::Update { json, .. } | PricesCommand::Reset { json }) => json,
                None => args.json,
            },
            None => self.query.json,
        }
    }
}

pub(super) const BUDGET_EXAMPLES: &str = "\
Examples:
  orch budget                                       what is spent, reserved and left, and where it leads
  orch budget --json
  orch budget answer 3f1c0a9b27 yes                 a budget that asks, asked whether a task may begin

Budgets are written in orch.toml:
  [[budget]]
  usd = 15
  per = \"month\"            # ever (default), day, month, or how long a rolling window is: 24h
  zone = \"Europe/Berlin\"   # default: UTC
  each = [\"branch\"]        # each branch for itself; also run, phase, task, agent, model, worktree
  agent = \"reviewer\"       # only what that agent spends
  at_limit = \"wait\"        # for the next period; or \"ask\", or { downgrade = \"claude-haiku-4-5\" }; default: refuse
  milestones = [5, 10, 15]";

/// `orch budget`.
#[derive(Debug, Args)]
pub(super) struct Budget {
    #[command(subcommand)]
    pub(super) command: Option<BudgetCommand>,
    /// The answer as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) place: Place,
    /// Settings instead of the nearest orch.toml upwards of here
    #[arg(long, value_name = "PATH", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Read no orch.toml
    #[arg(long)]
    pub(super) no_config: bool,
}

/// What to do with budgets.
#[derive(Debug, Subcommand)]
pub(super) enum BudgetCommand {
    /// Count a reservation in flight as spent: its process died, and nobody knows what it cost
    Assume {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Say whether a task may begin that a budget asks about; `orch budget` lists the questions
    Answer {
        #[arg(value_name = "ID")]
        id: String,
        /// Whether it may
        #[arg(value_enum, value_name = "ANSWER")]
        says: Says,
        /// In whose name [default: the user's]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// What is said to a budget that asks.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Says {
    /// This task may begin
    Yes,
    /// This one, and whatever else of its run the budget would ask about
    All,
    /// It may not: it fails
    No,
}

impl Says {
    pub(super) fn allowed(self) -> Allowed {
        match self {
            Self::Yes => Allowed::Once,
            Self::All => Allowed::Run,
            Self::No => Allowed::No,
        }
    }
}

/// `orch demo`.
#[derive(Debug, Subcommand)]
pub(super) enum Demo {
    /// A month of fifteen dollars in a second: executions, milestones, and the gate
    Budget {
        /// What became of it, as JSON on stdout
        #[arg(long)]
        json: bool,
    },
}
