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
    id::{Printable, RunId},
    plan::History,
    session,
    store::{RunRow, SqliteOptions, SqliteStore, Store, Synchronous, sqlite::default_path},
};

/// Stands for the default place, and for the latest run.
pub(super) const DEFAULT: &str = "";

/// The place that was named, else the default one.
fn path(named: Option<&Path>, here: &Path) -> Result<PathBuf> {
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Ok(here.join(path)),
        None => default_path(here, data_folder().as_deref()).ok_or_else(|| {
            let message = "there is no repository and no home folder to keep runs in; name a file with `--store PATH`";
            Error::new(ErrorKind::NotFound, message)
        }),
    }
}

/// Where programs keep data of the user.
fn data_folder() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_DATA_HOME")
        .or_else(|| folder("LOCALAPPDATA"))
        .or_else(|| folder("HOME").map(|home| home.join(".local/share")))
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
    if named == DEFAULT {
        return store.runs(source, 1)?.into_iter().next().ok_or_else(|| {
            let of = source.map(|source| format!(" of `{}`", Printable(source))).unwrap_or_default();
            Error::new(ErrorKind::NotFound, format!("the store has no run{of}; `orch runs` lists what it has"))
        });
    }
    if let Ok(run) = named.parse::<RunId>()
        && let Some(row) = store.run(run)?
    {
        return Ok(row);
    }
    let is_part = named.len() >= 4 && named.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let mut fits: Vec<RunRow> = Vec::new();
    if is_part {
        let all = store.runs(None, usize::MAX)?;
        fits.extend(all.into_iter().filter(|row| row.run.to_string().ends_with(&named.to_ascii_lowercase())));
    }
    match (fits.pop(), fits.len()) {
        (Some(row), 0) => Ok(row),
        (Some(_), more) => {
            let message = format!("{} runs end with `{}`; say more of the name", more + 1, Printable(named));
            Err(Error::new(ErrorKind::InvalidValue, message))
        }
        (None, _) => {
            let message = format!("there is no run `{}` in the store; `orch runs` lists what it has", Printable(named));
            Err(Error::new(ErrorKind::NotFound, message))
        }
    }
}

/// How many past runs a plan learns from.
const LEARNS_FROM: usize = History::KEPT;

/// What past runs of that file teach.
pub(super) fn history(store: &dyn Store, file: &Path, config: &Config) -> Result<Arc<History>> {
    session::history(store, &source(file), LEARNS_FROM, &config.prices).map(Arc::new)
}

/// What a run of that file is found by again.
pub(super) fn source(file: &Path) -> String {
    if file == Path::new("-") {
        return "-".to_owned();
    }
    std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
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
