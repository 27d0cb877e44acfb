//! `orch cost`: what things cost.

mod price;

use std::path::Path;

use super::{
    args_money::{Cost, CostCommand},
    config::Config,
    exit::Exit,
    streams::Console,
};
use crate::Result;

/// Runs `orch cost`.
pub(super) fn main(args: &Cost, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    match &args.command {
        CostCommand::Price(args) => {
            let config = if args.no_config { Config::nothing() } else { Config::load(args.config.as_deref(), here)? };
            price::main(args, config.prices, console)
        }
    }
}
