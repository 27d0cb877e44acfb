//! What a run may spend.

use std::{path::Path, sync::Arc};

use crate::{
    Result,
    cli::{args, config::Config, store},
    clock::Clock,
    cost::budget::{Column, Limit, Limits},
    session::{Budget, Ledger, labels_of},
    store::{MemoryStore, SqliteStore, Store, Synchronous},
};

/// The budget of the run: the limits of the settings and of `--budget`, in the store that keeps the run. Limits of the settings are for
/// many runs, so they are kept in the default place where no store is named. Without limits, and without a store, nobody asks.
pub(super) fn budget(
    args: &args::Run,
    config: &Config,
    kept: Option<&SqliteStore>,
    here: &Path,
) -> Result<Option<Budget>> {
    let mut limits: Vec<Limit> = config.budget.iter().cloned().collect();
    let store: Arc<dyn Store> = match kept {
        Some(store) => Arc::new(store.clone()),
        None if !limits.is_empty() => Arc::new(store::open(None, Synchronous::Full, here)?),
        None if args.budget.is_some() => Arc::new(MemoryStore::new(Clock::system())),
        None => return Ok(None),
    };
    limits.extend(args.budget.map(|usd| Limit::new("--budget", usd).each(Column::Run)));
    let ledger = Ledger::new(store, Limits::new(limits)?, Clock::system());
    Ok(Some(Budget { labels: labels_of(here), ..Budget::new(ledger) }))
}
