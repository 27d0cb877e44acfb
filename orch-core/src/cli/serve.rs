//! `orch serve`: a local page of runs, worktrees, budgets and costs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::runtime;

use super::{
    args::Serve, config::Config, exit::Exit, run::signals::Signals, store, streams::Console, worktree::Overviews,
};
use crate::{
    clock::{Clock, WallTime},
    cost::budget::{Column, Limits},
    error::{Error, ErrorKind, Result},
    ext::serve::{Pane, ServeOptions, Server},
    id::Printable,
    session::{Charge, CostQuery, Costs, Ledger, add_up},
    store::{SqliteOptions, SqliteStore, Store},
};

const DAY: u64 = 86_400_000;
/// Costs of so many days are shown, and of today.
const DAYS: u64 = 30;
/// Costs of so many of the latest runs.
const RUNS: usize = 200;

/// Runs `orch serve`.
pub(super) fn main(args: &Serve, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let config = if args.no_config { Config::nothing()? } else { Config::load(args.config.as_deref(), here)? };
    let place = Arc::new(Place { path: store::path(args.place.store.as_deref(), here)?, open: Mutex::default() });
    // Found now and not by a reader: a store that cannot be opened is told at once.
    let is_there = place.open()?.is_some();
    let finds = place.clone();
    let options = ServeOptions {
        port: args.port,
        prices: Arc::new(config.prices.clone()),
        finds: Some(Arc::new(move || Ok(finds.open()?.map(|store| Arc::new(store) as Arc<dyn Store>)))),
        ..ServeOptions::default()
    };
    let (limits, budgets, spent) = (config.budget.clone(), place.clone(), place.clone());
    let mut overviews = Overviews::new(args.place.store.as_deref(), &config, here)?;
    let panes = vec![
        Pane::new("worktrees", move || overviews.next()),
        Pane::new("budgets", move || standings(&budgets, &limits)),
        Pane::new("costs", move || costs(&spent, Clock::system().wall())).every(Duration::from_secs(5)),
    ];
    let server = Server::bind(options, panes)?;
    let url = server.url();
    if args.json {
        let line = json!({"version": 1, "url": url, "port": server.port(), "store": place.path.display().to_string()});
        console.result(&format!("{line}\n"));
    } else {
        console.result(&format!("{url}\n"));
    }
    let shown = place.path.display().to_string();
    console.note(format_args!("serving what is in `{}`; Ctrl-C ends it", Printable(&shown)));
    if !is_there {
        console.note("there is no store there yet; `orch run FILE --store` makes one");
    }
    serve(server)
}

fn serve(server: Server) -> Result<Exit> {
    let failed = |error| Error::new(ErrorKind::Io, "could not begin to serve").caused_by(error);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(failed)?;
        tokio::select! {
            biased;
            stop = signals.next() => Ok(stop.exit()),
            served = server.run() => match served {
                Ok(never) => match never {},
                Err(error) => Err(error),
            },
        }
    });
    // Readers are not waited for.
    runtime.shutdown_background();
    ended
}

/// Where the store is, or will be.
struct Place {
    path: PathBuf,
    open: Mutex<Option<SqliteStore>>,
}

impl Place {
    /// The store, once it is there. A look at a page makes none.
    fn open(&self) -> Result<Option<SqliteStore>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() && self.path.exists() {
            *open = Some(SqliteStore::open(self.path.clone(), SqliteOptions::default())?);
        }
        Ok(open.clone())
    }

    fn ledger(&self, limits: &Limits) -> Result<Option<Ledger>> {
        Ok(self.open()?.map(|store| Ledger::new(Arc::new(store), limits.clone(), Clock::system())))
    }
}

/// How budgets stand, as `orch budget --json` has it.
fn standings(place: &Place, limits: &Limits) -> Result<Value> {
    match place.ledger(limits)? {
        Some(ledger) => {
            let mut form = ledger.form()?;
            // Else it would be new at each look.
            form.as_object_mut().map(|form| form.remove("at"));
            Ok(form)
        }
        None => Ok(json!({"version": 1, "budgets": [], "in_flight": [], "questions": []})),
    }
}

/// What was spent of late, by agent and model, and by run.
fn costs(place: &Place, now: WallTime) -> Result<Value> {
    let since = WallTime((now.0 / DAY).saturating_sub(DAYS) * DAY);
    let charges = match place.ledger(&Limits::default())? {
        Some(ledger) => ledger.asked(&CostQuery { since: Some(since), ..CostQuery::default() })?,
        None => Vec::new(),
    };
    let by = |columns: &[Column]| {
        let label = |charge: &Charge, column: &Column| charge.who.get(*column).map(str::to_owned);
        add_up(&charges, |charge| columns.iter().map(|column| label(charge, column)).collect())
    };
    let rows = by(&[Column::Agent, Column::Model]);
    let all = Costs { by: CostQuery::default().by, usd: rows.iter().map(|row| row.usd).sum(), rows };
    let runs = by(&[Column::Run]).into_iter();
    let mut by_run: Vec<(String, Value)> =
        runs.filter_map(|row| Some((row.of.into_iter().next()??, row.usd.to_decimal().into()))).collect();
    // Names of runs begin with the time.
    by_run.sort_by(|(one, _), (other, _)| other.cmp(one));
    by_run.truncate(RUNS);
    let mut form = all.form();
    if let Some(form) = form.as_object_mut() {
        form.insert("since".to_owned(), since.to_string().into());
        form.insert("by_run".to_owned(), Value::Object(by_run.into_iter().collect()));
    }
    Ok(form)
}
