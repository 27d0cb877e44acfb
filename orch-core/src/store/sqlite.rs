//! The store on disk: one SQLite file that processes share.
//!
//! The file is in WAL mode: many read while one writes. Every transaction that writes begins as one (`BEGIN IMMEDIATE`), so that
//! it waits for its turn instead of failing in the middle. An append is one row of the journal, whatever the number of its
//! events, with a hash of what it says and where it stands; SQLite itself has no checksums of its pages.
//!
//! A process that holds a lease also holds a lock of the operating system on a file beside the store. The system gives that back
//! when the process dies, however it dies, so that others need not wait until its leases are over.
//!
//! What it does not do: it does not work on a network file system, where the shared memory of WAL means nothing, and says so.
//! SQLite of another make in the same process (Python's `sqlite3`, `node:sqlite`) must not open the file while the process uses
//! it: closing it would drop the locks of both. [`export`](SqliteStore::export) makes a copy for them.
//!
//! ```
//! use orch_core::store::{SqliteOptions, SqliteStore, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("orch.db");
//! let store = SqliteStore::open(&path, SqliteOptions::default())?;
//! assert!(store.runs(None, 10)?.is_empty());
//! assert!(store.check()?.problems.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cached;
mod care;
mod facts;
mod fault;
mod leases;
mod ledger;
mod open;
mod outbox;
mod owner;
mod place;
mod schema;
mod tables;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use self::{
    care::{Checked, Compacted},
    place::{default_path, head_commit, network_file_system, store_path},
};
use self::{fault::Fault, owner::Owner};
use super::{
    facts::{Fact, FactQuery},
    ledger::{Book, ChargeRow, Content},
    outbox::{Delivery, Letter, LetterRow},
    seam::{Append, Blob, BlobHash, CacheRow, Locked, Record, RunHeader, RunRow, Store, Wish},
};
use crate::{
    clock::{Clock, WallTime},
    error::Result,
    id::RunId,
};

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Synchronous {
    /// A commit survives that the process is killed; when the computer loses power, the last commits may be lost, but never a
    /// part of one.
    #[default]
    Normal,
    /// A commit survives that the computer loses power, as far as its disk does what it says. A commit then takes as long as the
    /// disk's `fsync`.
    Full,
}

/// How a store is opened. `SqliteOptions::default()`: `Synchronous::Normal`, ten seconds of patience, the system's clock.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// When a commit is on the disk. Default: [`Synchronous::Normal`].
    pub synchronous: Synchronous,
    /// How long a call waits for another process that writes. Default: 10 s.
    pub patience: Duration,
    /// How long a [watch](Store::watch) sleeps between two looks. Default: 20 ms.
    pub poll: Duration,
    /// By whose time of day leases and entries end. Default: the system's.
    pub clock: Clock,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::default(),
            patience: Duration::from_secs(10),
            poll: Duration::from_millis(20),
            clock: Clock::system(),
        }
    }
}

/// The store in one SQLite file. Clones share its connection.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    path: PathBuf,
    options: SqliteOptions,
    /// INVARIANT: one writer a process; SQLite lets one write at a time anyway.
    held: Mutex<Held>,
}

/// What must not survive a fork.
struct Held {
    /// The process that opened it.
    process: u32,
    connection: Connection,
    /// From when a lease is first wanted.
    owner: Option<Owner>,
}

impl SqliteStore {
    /// Opens the store at that path, or makes it, readable by its owner only (the folder 0700 where it is made too, the file
    /// 0600). A store of an older version is brought forward.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](crate::ErrorKind::InvalidFormat) for a file of another program, and for a store that a newer orch made:
    /// neither is touched. [`Corrupt`](crate::ErrorKind::Corrupt) for a damaged one. [`Misuse`](crate::ErrorKind::Misuse) on a
    /// network file system, and where others than its owner may write to the file. [`Io`](crate::ErrorKind::Io) where it cannot
    /// be read or written.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let connection = open::open(&path, &options)?;
        let held = Held { process: std::process::id(), connection, owner: None };
        Ok(Self(Arc::new(Inner { path, options, held: Mutex::new(held) })))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The connection of this process.
    fn held(&self) -> Result<MutexGuard<'_, Held>> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if held.process != process {
            // A connection must not be used after a fork, nor closed by the child: that would drop the locks of its parent.
            let connection = open::open(&self.0.path, &self.0.options)?;
            let inherited = std::mem::replace(&mut *held, Held { process, connection, owner: None });
            std::mem::forget(inherited);
        }
        Ok(held)
    }

    fn fault(&self) -> Fault<'_> {
        Fault(&self.0.path)
    }

    /// Reads in one transaction, so that what is read belongs together.
    fn reading<T>(&self, read: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut held = self.held()?;
        let transaction = held.connection.transaction().map_err(|error| self.fault().of(error))?;
        read(&transaction)
    }

    /// Writes in one transaction, which is on the disk when this answers.
    fn writing<T>(&self, write: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.writing_on(&mut *self.held()?, write)
    }

    /// The same, and it survives a loss of power, whatever else need not.
    fn writing_for_good<T>(&self, write: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut held = self.held()?;
        if self.0.options.synchronous == Synchronous::Full {
            return self.writing_on(&mut held, write);
        }
        // It can be changed only between transactions; nobody else has the connection meanwhile.
        let set = |held: &Held, how: &str| {
            held.connection.pragma_update(None, "synchronous", how).map_err(|error| self.fault().of(error))
        };
        set(&held, "FULL")?;
        let written = self.writing_on(&mut held, write);
        set(&held, "NORMAL")?;
        written
    }

    fn writing_on<T>(&self, held: &mut Held, write: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let transaction = held
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.fault().of(error))?;
        let answer = write(&transaction)?;
        transaction.commit().map_err(|error| self.fault().of(error))?;
        Ok(answer)
    }
}

impl Store for SqliteStore {
    fn open_run(&self, header: &RunHeader, first: Option<&Append<'_>>) -> Result<()> {
        super::memory::begins_it(header, first)?;
        let now = self.0.options.clock.wall();
        self.writing(|on| {
            tables::open_run(on, self.fault(), header, now)?;
            first.map_or(Ok(()), |first| tables::append(on, self.fault(), first, now))
        })
    }

    fn append(&self, append: &Append<'_>) -> Result<()> {
        let now = self.0.options.clock.wall();
        self.writing(|on| tables::append(on, self.fault(), append, now))
    }

    fn read(&self, run: RunId, fence: u64, from: u64) -> Result<Vec<Record>> {
        self.reading(|on| tables::read(on, self.fault(), run, fence, from))
    }

    fn watch(&self, seen: &RunRow, at_most: Duration) -> Result<RunRow> {
        let began = self.0.options.clock.elapsed();
        loop {
            let row = self.run(seen.run)?.ok_or_else(|| super::memory::no_run(seen.run))?;
            let changed = (row.fence, row.events, row.state) != (seen.fence, seen.events, seen.state);
            let left = at_most.saturating_sub(self.0.options.clock.elapsed().saturating_sub(began));
            if changed || left.is_zero() {
                return Ok(row);
            }
            std::thread::sleep(self.0.options.poll.min(left));
        }
    }

    fn runs(&self, source: Option<&str>, limit: usize) -> Result<Vec<RunRow>> {
        self.reading(|on| tables::runs(on, self.fault(), source, limit))
    }

    fn run(&self, run: RunId) -> Result<Option<RunRow>> {
        self.reading(|on| tables::run(on, self.fault(), run))
    }

    fn put_blobs(&self, blobs: &[Blob]) -> Result<()> {
        self.writing(|on| tables::put_blobs(on, self.fault(), blobs))
    }

    fn blob(&self, hash: BlobHash) -> Result<Option<Vec<u8>>> {
        self.reading(|on| tables::blob(on, self.fault(), hash))
    }

    fn lock(&self, name: &str, holder: &str, lasts: Duration) -> Result<Locked> {
        let now = self.0.options.clock.wall();
        let owner = {
            let mut held = self.held()?;
            match &held.owner {
                Some(owner) => owner.id().to_owned(),
                None => {
                    let owner = Owner::new(&self.0.path)?;
                    let id = owner.id().to_owned();
                    held.owner = Some(owner);
                    id
                }
            }
        };
        self.writing(|on| leases::lock(on, self.fault(), &leases::Wanted { name, owner: &owner, holder, lasts, now }))
    }

    fn renew(&self, name: &str, fence: u64, lasts: Duration) -> Result<bool> {
        let now = self.0.options.clock.wall();
        self.writing(|on| leases::renew(on, self.fault(), name, fence, lasts, now))
    }

    fn release(&self, name: &str, fence: u64) -> Result<bool> {
        self.writing(|on| leases::release(on, self.fault(), name, fence))
    }

    fn holder(&self, name: &str) -> Result<Option<String>> {
        let now = self.0.options.clock.wall();
        self.reading(|on| leases::holder(on, self.fault(), name, now))
    }

    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>> {
        let now = self.0.options.clock.wall();
        self.reading(|on| cached::get(on, self.fault(), key, now))
    }

    fn cache_put(&self, key: &str, row: &CacheRow, lasts: Duration, limit: u64) -> Result<bool> {
        let now = self.0.options.clock.wall();
        self.writing(|on| cached::put(on, self.fault(), key, row, lasts, limit, now))
    }

    fn cache_drop(&self, key: &str) -> Result<bool> {
        let now = self.0.options.clock.wall();
        self.writing(|on| cached::remove(on, self.fault(), key, now))
    }

    fn wish(&self, run: RunId, wish: &Wish) -> Result<()> {
        self.writing(|on| tables::wish(on, self.fault(), run, wish))
    }

    fn take_wishes(&self, run: RunId) -> Result<Vec<Wish>> {
        // Most often there is none, and to look does not wait for who writes.
        if !self.reading(|on| tables::has_wishes(on, self.fault(), run))? {
            return Ok(Vec::new());
        }
        self.writing(|on| tables::take_wishes(on, self.fault(), run))
    }

    fn book(&self, entry: &mut dyn FnMut(&mut dyn Book) -> Result<()>) -> Result<()> {
        self.writing_for_good(|on| entry(&mut ledger::Booking { on, fault: self.fault() }))
    }

    fn cells(&self, prefix: &str) -> Result<Vec<(String, Content)>> {
        self.reading(|on| ledger::cells(on, self.fault(), prefix))
    }

    fn charges(&self, from: WallTime, to: WallTime) -> Result<Vec<ChargeRow>> {
        self.reading(|on| ledger::charges(on, self.fault(), from, to))
    }

    fn post(&self, letters: &[Letter]) -> Result<usize> {
        let now = self.0.options.clock.wall();
        self.writing(|on| outbox::post(on, self.fault(), letters, now))
    }

    fn take_letters(&self, targets: &[&str], limit: usize, lasts: Duration) -> Result<Vec<LetterRow>> {
        let now = self.0.options.clock.wall();
        if !self.reading(|on| outbox::is_due(on, self.fault(), now))? {
            return Ok(Vec::new());
        }
        self.writing(|on| outbox::take(on, self.fault(), targets, limit, lasts, now))
    }

    fn delivered(&self, letter: &LetterRow, how: &Delivery) -> Result<bool> {
        let now = self.0.options.clock.wall();
        self.writing(|on| outbox::delivered(on, self.fault(), letter, how, now))
    }

    fn letters(&self, limit: usize) -> Result<Vec<LetterRow>> {
        self.reading(|on| outbox::letters(on, self.fault(), limit))
    }

    fn keep_facts(&self, facts: &[Fact]) -> Result<usize> {
        self.writing(|on| facts::keep(on, self.fault(), facts))
    }

    fn facts(&self, query: &FactQuery<'_>) -> Result<Vec<Fact>> {
        self.reading(|on| facts::find(on, self.fault(), query))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.0.path).field("options", &self.0.options).finish()
    }
}
