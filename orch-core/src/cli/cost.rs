//! `orch cost`: what things cost.

mod ledger;
mod price;
mod prices;

use std::path::Path;

use super::{
    args_money::{Cost, CostCommand},
    config::Config,
    exit::Exit,
    streams::Console,
};
use crate::{Result, cost::budget::Limits};

pub(super) use prices::current;

/// Runs `orch cost`.
pub(super) fn main(args: &Cost, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    match &args.command {
        None => {
            let ledger = super::budget::open(args.query.place.store.as_deref(), Limits::default(), here)?;
            ledger::main(&args.query, &ledger, console)
        }
        Some(CostCommand::Price(args)) => {
            let config = if args.no_config { Config::nothing()? } else { Config::load(args.config.as_deref(), here)? };
            price::main(args, config.prices, console)
        }
        Some(CostCommand::Prices(args)) => prices::main(args, here, console),
    }
}
