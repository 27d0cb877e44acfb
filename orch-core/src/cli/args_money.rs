//! The arguments of the commands about money.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::clock::WallTime;

pub(super) const COST_EXAMPLES: &str = "\
Examples:
  orch cost price --model claude-sonnet-4-5 --usage usage.json
  claude -p 'hello' --output-format json | orch cost price --usage - --json

A usage is what an agent or an API said: the answer of Anthropic, OpenAI or Google, the result or a transcript of
Claude Code, the events of Codex or OpenCode, the JSON of ccusage, or only its record of tokens.";

/// `orch cost`.
#[derive(Debug, Args)]
pub(super) struct Cost {
    #[command(subcommand)]
    pub(super) command: CostCommand,
}

/// What to ask of costs.
#[derive(Debug, Subcommand)]
pub(super) enum CostCommand {
    /// What one record of usage costs, by which price of which date
    Price(CostPrice),
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
            CostCommand::Price(args) => args.json,
        }
    }
}
