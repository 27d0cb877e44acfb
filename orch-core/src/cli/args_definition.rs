//! The arguments of `orch check`, `orch convert` and `orch optimize`, as clap reads them.

use std::path::PathBuf;

use clap::Args;

use super::args::Source;

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  orch check review-all.json
  orch check --strict commands/*.json               every file, for CI
  orch check review-all.json --json

Exits with 0 when every file could run, 2 when one could not. Warnings alone do not count unless --strict.";

/// `orch check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Definitions; - for stdin
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Refuse what is only suspicious
    #[arg(long)]
    pub(super) strict: bool,
    /// The problems as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) const CONVERT_EXAMPLES: &str = "\
Examples:
  orch convert commands/review-all.md               the JSON on stdout, what was inferred on stderr
  orch convert commands/review-all.md -o commands/review-all.json
  orch convert commands/review-all.md --json        an object with the command, the notes and the times";

/// `orch convert`.
#[derive(Debug, Args)]
pub(super) struct Convert {
    /// A version 1 Markdown command; - for stdin
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Where to write the version 2 JSON [default: stdout]
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: Option<PathBuf>,
    /// One JSON object on stdout: command, notes, times
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) const OPTIMIZE_EXAMPLES: &str = "\
Examples:
  orch optimize review-all.json                     what could go, and why
  orch optimize review-all.json --json

The definition itself is not changed.";

/// `orch optimize`.
#[derive(Debug, Args)]
pub(super) struct Optimize {
    #[command(flatten)]
    pub(super) source: Source,
    /// The changes as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}
