//! Where runs are kept, for every command that asks; and `orch store`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    args::{self, StoreCommand},
    config::Config,
    exit::Exit,
    streams::Console,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
    plan::History,
    session::{self, find_run, run_source},
    store::{RunRow, SqliteOptions, SqliteStore, Store, Synchronous, sqlite::store_path},
};

/// Stands for the default place, and for the latest run.
pub(super) const DEFAULT: &str = "";

pub(super) fn path(named: Option<&Path>, here: &Path) -> Result<PathBuf> {
    store_path(named, here, |name| std::env::var_os(name))
}

/// Opens the store, or makes it.
pub(super) fn open(named: Option<&Path>, synchronous: Synchronous, here: &Path) -> Result<SqliteStore> {
    SqliteStore::open(path(named, here)?, SqliteOptions { synchronous, ..SqliteOptions::default() })
}

/// Opens a store that is there.
pub(super) fn open_present(named: Option<&Path>, here: &Path) -> Result<SqliteStore> {
    let path = path(named, here)?;
    if !path.exists() {
        let shown = path.display().to_string();
        let message = format!("there is no store `{}`; `orch run FILE --store` makes one", Printable(&shown));
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    SqliteStore::open(path, SqliteOptions::default())
}

/// The run that was named, by its whole name or how it ends; by nothing, the latest of that source.
pub(super) fn find(store: &dyn Store, named: &str, source: Option<&str>) -> Result<RunRow> {
    find_run(store, Some(named).filter(|named| *named != DEFAULT), source)
}

/// How many past runs a plan learns from.
pub(super) const LEARNS_FROM: usize = History::KEPT;

/// What past runs of that file teach.
pub(super) fn history(store: &dyn Store, file: &Path, config: &Config) -> Result<Arc<History>> {
    session::history(store, &source(file), LEARNS_FROM, &config.prices).map(Arc::new)
}

/// What a run of that file is found by again.
pub(super) fn source(file: &Path) -> String {
    if file == Path::new("-") { "-".to_owned() } else { run_source(file) }
}

/// Runs `orch store`.
pub(super) fn main(args: &args::Store, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let store = open_present(args.place.store.as_deref(), here)?;
    match &args.command {
        StoreCommand::Check { json } => {
            let found = store.check()?;
            if *json {
                console.json(&serde_json::json!({"version": 1, "path": store.path(), "found": found}));
            } else {
                let (runs, events, blobs) = (found.runs, found.events, found.blobs);
                console.result(&format!(
                    "{}\n{runs} runs, {events} events, {blobs} large values\n",
                    Printable(&store.path().display().to_string())
                ));
            }
            found.problems.iter().for_each(|problem| console.error(Printable(problem)));
            Ok(if found.problems.is_empty() { Exit::Done } else { Exit::Failed })
        }
        StoreCommand::Compact { older_than, json } => {
            let done = store.compact(*older_than)?;
            if *json {
                console.json(&serde_json::json!({"version": 1, "path": store.path(), "done": done}));
            } else {
                console.result(&format!(
                    "dropped {} runs, {} entries of the cache, {} large values; {} KiB, before {} KiB\n",
                    done.runs,
                    done.cached,
                    done.blobs,
                    done.bytes_after.div_ceil(1024),
                    done.bytes_before.div_ceil(1024)
                ));
            }
            Ok(Exit::Done)
        }
        StoreCommand::Export { to } => {
            store.export(&here.join(to))?;
            Ok(Exit::Done)
        }
    }
}

/// How long ago, in its largest unit.
pub(super) fn ago(since: Duration) -> String {
    let seconds = since.as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
