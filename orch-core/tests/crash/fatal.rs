//! A store in whose calls its process dies.

use std::sync::atomic::{AtomicU64, Ordering};

use orch_core::{
    Result, WallTime,
    store::{
        Append, Blob, BlobHash, Book, CacheRow, ChargeRow, Content, Delivery, Letter, LetterRow, Locked, Record,
        RunHeader, RunRow, Wish,
    },
};

use super::*;

/// Where a process may die: before or after a call of the store, in the body of a task, when a sink hears events.
pub(super) const POINTS: [&str; 12] = [
    "before lock",
    "after lock",
    "before blobs",
    "after blobs",
    "before open",
    "after open",
    "before append",
    "after append",
    "before release",
    "after release",
    "body",
    "sink",
];

/// Passes on to a store, until its process dies.
#[derive(Debug, Clone)]
pub(super) struct Fatal {
    store: SqliteStore,
    point: String,
    /// How often the point may be passed before.
    left: Arc<AtomicU64>,
}

impl Fatal {
    pub(super) fn new(store: SqliteStore, point: &str, nth: u64) -> Self {
        Self { store, point: point.to_owned(), left: Arc::new(nth.into()) }
    }

    pub(super) fn pass(&self, point: &str) {
        if self.point == point
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
        {
            // As SIGKILL: no destructor, no handler, nothing is flushed.
            std::process::abort();
        }
    }

    fn around<T>(&self, name: &str, call: impl FnOnce(&SqliteStore) -> T) -> T {
        self.pass(&format!("before {name}"));
        let answer = call(&self.store);
        self.pass(&format!("after {name}"));
        answer
    }
}

impl Store for Fatal {
    fn open_run(&self, header: &RunHeader, first: Option<&Append<'_>>) -> Result<()> {
        self.around("open", |store| store.open_run(header, first))
    }
    fn append(&self, append: &Append<'_>) -> Result<()> {
        self.around("append", |store| store.append(append))
    }
    fn read(&self, run: RunId, fence: u64, from: u64) -> Result<Vec<Record>> {
        self.store.read(run, fence, from)
    }
    fn watch(&self, seen: &RunRow, at_most: Duration) -> Result<RunRow> {
        self.store.watch(seen, at_most)
    }
    fn runs(&self, source: Option<&str>, limit: usize) -> Result<Vec<RunRow>> {
        self.store.runs(source, limit)
    }
    fn run(&self, run: RunId) -> Result<Option<RunRow>> {
        self.store.run(run)
    }
    fn put_blobs(&self, blobs: &[Blob]) -> Result<()> {
        self.around("blobs", |store| store.put_blobs(blobs))
    }
    fn blob(&self, hash: BlobHash) -> Result<Option<Vec<u8>>> {
        self.store.blob(hash)
    }
    fn lock(&self, name: &str, holder: &str, lasts: Duration) -> Result<Locked> {
        self.around("lock", |store| store.lock(name, holder, lasts))
    }
    fn renew(&self, name: &str, fence: u64, lasts: Duration) -> Result<bool> {
        self.store.renew(name, fence, lasts)
    }
    fn release(&self, name: &str, fence: u64) -> Result<bool> {
        self.around("release", |store| store.release(name, fence))
    }
    fn holder(&self, name: &str) -> Result<Option<String>> {
        self.store.holder(name)
    }
    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>> {
        self.store.cache_get(key)
    }
    fn cache_put(&self, key: &str, row: &CacheRow, lasts: Duration, limit: u64) -> Result<bool> {
        self.store.cache_put(key, row, lasts, limit)
    }
    fn cache_drop(&self, key: &str) -> Result<bool> {
        self.store.cache_drop(key)
    }
    fn wish(&self, run: RunId, wish: &Wish) -> Result<()> {
        self.store.wish(run, wish)
    }
    fn take_wishes(&self, run: RunId) -> Result<Vec<Wish>> {
        self.store.take_wishes(run)
    }
    fn book(&self, entry: &mut dyn FnMut(&mut dyn Book) -> Result<()>) -> Result<()> {
        self.store.book(entry)
    }
    fn cells(&self, prefix: &str) -> Result<Vec<(String, Content)>> {
        self.store.cells(prefix)
    }
    fn charges(&self, from: WallTime, to: WallTime) -> Result<Vec<ChargeRow>> {
        self.store.charges(from, to)
    }
    fn post(&self, letters: &[Letter]) -> Result<usize> {
        self.store.post(letters)
    }
    fn take_letters(&self, targets: &[&str], limit: usize, lasts: Duration) -> Result<Vec<LetterRow>> {
        self.store.take_letters(targets, limit, lasts)
    }
    fn delivered(&self, letter: &LetterRow, how: &Delivery) -> Result<bool> {
        self.store.delivered(letter, how)
    }
    fn letters(&self, limit: usize) -> Result<Vec<LetterRow>> {
        self.store.letters(limit)
    }
    fn keep_facts(&self, facts: &[orch_core::store::Fact]) -> Result<usize> {
        self.store.keep_facts(facts)
    }
    fn facts(&self, query: &orch_core::store::FactQuery<'_>) -> Result<Vec<orch_core::store::Fact>> {
        self.store.facts(query)
    }
}
