//! The store on disk: it passes what every store must, refuses what is none, and says of a damaged one that it is.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(all(feature = "sqlite", feature = "testing"))]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use orch_core::{
    Clock, Error, ErrorKind, RunId, RunState,
    store::{Append, Blob, CacheRow, RunHeader, SqliteOptions, SqliteStore, Store, Synchronous},
    testing,
};
use tempfile::TempDir;

#[cfg(target_os = "linux")]
#[path = "store/below.rs"]
mod below;
#[path = "store/cache.rs"]
mod cache;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/place.rs"]
mod place;

/// A folder with room for a store.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("orch.db")
    }

    fn open(&self) -> Result<SqliteStore, Error> {
        SqliteStore::open(self.path(), SqliteOptions::default())
    }
}

const RUN: fn() -> RunId = || RunId::from_parts(1, 2);

/// A store with a run of `appends` appends of two events each.
fn filled(store: &SqliteStore, appends: u64) {
    let graph = Blob::new("a graph");
    store.put_blobs(std::slice::from_ref(&graph)).unwrap();
    store.open_run(&RunHeader { run: RUN(), fence: 1, graph: graph.hash(), ..RunHeader::default() }, None).unwrap();
    for nth in 0..appends {
        let body = format!("event {nth}, and another one");
        let append =
            Append { run: RUN(), fence: 1, seq: 2 * nth, events: 2, body: body.as_bytes(), ..Append::default() };
        store.append(&append).unwrap();
    }
}

#[test]
fn it_passes_what_every_store_must() {
    let folder = tempfile::tempdir().unwrap();
    for synchronous in [Synchronous::Normal, Synchronous::Full] {
        let number = std::cell::Cell::new(0);
        testing::store::check(&|clock| {
            number.set(number.get() + 1);
            let path = folder.path().join(format!("{synchronous:?}{}.db", number.get()));
            let options = SqliteOptions { clock, synchronous, ..SqliteOptions::default() };
            Box::new(SqliteStore::open(path, options).unwrap())
        });
    }
}

#[test]
fn two_connections_are_as_one_store() {
    let folder = Folder::new();
    let (one, other) = (folder.open().unwrap(), folder.open().unwrap());
    filled(&one, 3);
    assert_eq!(other.read(RUN(), 1, 0).unwrap().len(), 3);
    let row = other.run(RUN()).unwrap().unwrap();
    let end = Append { run: RUN(), fence: 1, seq: 6, events: 1, state: RunState::Succeeded, ..Append::default() };
    other.append(&end).unwrap();
    assert_eq!(one.watch(&row, Duration::ZERO).unwrap().state, RunState::Succeeded);
    let late = one.append(&end).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict, "{late}");
}

#[test]
fn a_holder_that_has_gone_need_not_be_waited_for() {
    let folder = Folder::new();
    let hour = Duration::from_secs(3_600);
    let first = folder.open().unwrap();
    let mine = first.lock("a", "first", hour).unwrap().granted().unwrap();
    let second = folder.open().unwrap();
    assert!(second.lock("a", "second", hour).unwrap().granted().is_none(), "it lives");
    drop(first);
    let theirs = second.lock("a", "second", hour).unwrap().granted().expect("it has let go");
    assert!(theirs.taken_over && theirs.fence > mine.fence);
}

#[test]
fn a_copy_holds_everything() {
    let folder = Folder::new();
    let store = folder.open().unwrap();
    filled(&store, 5);
    let to = folder.0.path().join("copy.db");
    store.export(&to).unwrap();
    let again = store.export(&to).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidValue, "{again}");
    let copy = SqliteStore::open(&to, SqliteOptions::default()).unwrap();
    assert_eq!(copy.read(RUN(), 1, 0).unwrap(), store.read(RUN(), 1, 0).unwrap());
    assert_eq!(copy.runs(None, 9).unwrap(), store.runs(None, 9).unwrap());
    assert!(copy.check().unwrap().problems.is_empty());
}

#[test]
fn compacting_keeps_what_is_of_use() {
    let folder = Folder::new();
    let (clock, hand) = Clock::manual();
    let store = SqliteStore::open(folder.path(), SqliteOptions { clock, ..SqliteOptions::default() }).unwrap();
    let large = Blob::new(vec![1; 100_000]);
    let graph = Blob::new("a graph");
    store.put_blobs(&[graph.clone(), Blob::new("nobody names it")]).unwrap();
    for number in 0..2 {
        let run = RunId::from_parts(1, number);
        store.open_run(&RunHeader { run, fence: 1, graph: graph.hash(), ..RunHeader::default() }, None).unwrap();
        let state = if number == 0 { RunState::Succeeded } else { RunState::Running };
        let blobs = if number == 0 { std::slice::from_ref(&large) } else { &[] };
        store.append(&Append { run, fence: 1, events: 1, blobs, state, ..Append::default() }).unwrap();
    }
    let row = CacheRow { value: vec![2; 50_000], about: String::new(), worth: 1, left: Duration::ZERO };
    assert!(store.cache_put("a", &row, Duration::from_secs(1), 1 << 30).unwrap());
    hand.advance(Duration::from_secs(60));

    let light = store.compact(None).unwrap();
    assert_eq!((light.runs, light.cached, light.blobs), (0, 1, 1));
    assert!(light.bytes_after < light.bytes_before, "{light:?}");
    assert_eq!(store.blob(large.hash()).unwrap().unwrap().len(), 100_000);

    let all = store.compact(Some(Duration::from_secs(30))).unwrap();
    assert_eq!((all.runs, all.blobs), (1, 1), "the run that goes on stays, however old");
    assert!(store.blob(graph.hash()).unwrap().is_some());
    assert_eq!(store.blob(large.hash()).unwrap(), None);
    assert!(store.check().unwrap().problems.is_empty());
}

fn private(path: &Path) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn kind(path: &Path) -> ErrorKind {
    SqliteStore::open(path, SqliteOptions::default()).unwrap_err().kind()
}

/// Everything in a folder, so that a test can say that nothing was touched.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}
