//! The tables, and how those of older versions become them.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::Fault;
use crate::error::Result;

/// `orch` as four bytes: says of an SQLite file that it is a store.
pub(super) const APPLICATION: i32 = 0x6f72_6368;

/// What makes version n + 1 of version n, from an empty file on. A step that was released is never changed; a new one is added.
const STEPS: &[&str] = &["
-- A run, and where its latest part stands.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    fence INTEGER NOT NULL,
    part INTEGER NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    graph BLOB NOT NULL,
    options TEXT NOT NULL,
    hash BLOB NOT NULL,
    state TEXT NOT NULL,
    events INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
);
CREATE INDEX runs_by_source ON runs (source, created);
CREATE INDEX runs_by_time ON runs (created);
-- What one owner wrote of a run.
CREATE TABLE parts (
    part INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (id),
    fence INTEGER NOT NULL,
    UNIQUE (run, fence)
);
-- One append. Its id is the part times 2^40 plus the number of its first event, so that a part lies together and in order.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    events INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE blobs (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
-- Which part names which blob.
CREATE TABLE uses (part INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (part, hash)) WITHOUT ROWID;
-- Times are milliseconds since 1970.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    holder TEXT NOT NULL,
    lasts INTEGER NOT NULL,
    until INTEGER NOT NULL,
    free INTEGER NOT NULL
) WITHOUT ROWID;
-- `rate` is what an entry is worth a byte.
CREATE TABLE cache (
    key TEXT PRIMARY KEY,
    about TEXT NOT NULL,
    hash BLOB NOT NULL,
    until INTEGER NOT NULL,
    worth INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    rate REAL NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX cache_by_end ON cache (until);
CREATE INDEX cache_by_rate ON cache (rate, until, bytes);
-- What all entries of the cache take.
CREATE TABLE cached (bytes INTEGER NOT NULL);
INSERT INTO cached VALUES (0);
CREATE TRIGGER cache_in AFTER INSERT ON cache BEGIN UPDATE cached SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER cache_out AFTER DELETE ON cache BEGIN UPDATE cached SET bytes = bytes - OLD.bytes; END;
CREATE TABLE wishes (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, wish TEXT NOT NULL);
", "
-- How long an entry was good for when it was kept: if more is left, the clock was set back.
ALTER TABLE cache ADD COLUMN lasts INTEGER NOT NULL DEFAULT 9223372036854775807;
", "
-- The ledger of money: what is spent and reserved, and by whom. `nanos` are nano-dollars.
CREATE TABLE cells (key TEXT PRIMARY KEY, hash BLOB NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE charges (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    nanos INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX charges_by_time ON charges (at);
", "
-- Letters to the world. The key of one that was sent stays, so that it is never sent again.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    target TEXT NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    due INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    why TEXT,
    UNIQUE (key, target)
);
CREATE INDEX outbox_by_due ON outbox (state, due);
", "
-- What else happened, for those who look back: commits, say. Each once by its key.
CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    key TEXT NOT NULL,
    hash BLOB NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX facts_by_time ON facts (kind, at);
CREATE INDEX facts_by_about ON facts (kind, about, at);
"];

/// The version that this orch writes.
pub(super) const VERSION: i32 = STEPS.len() as i32;

pub(super) fn number(on: &Connection, fault: Fault<'_>, pragma: &str) -> Result<i32> {
    on.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| fault.of(error))
}

/// Refuses what is no store, or one of a later version.
pub(super) fn judge(on: &Connection, fault: Fault<'_>) -> Result<i32> {
    // One look at all of it: somebody may be making the tables just now.
    let look = on.unchecked_transaction().map_err(|error| fault.of(error))?;
    judge_in(&look, fault)
}

fn judge_in(on: &Transaction<'_>, fault: Fault<'_>) -> Result<i32> {
    let (application, version) = (number(on, fault, "application_id")?, number(on, fault, "user_version")?);
    if application != APPLICATION {
        let tables: i64 = on
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|error| fault.of(error))?;
        if application != 0 || version != 0 || tables > 0 {
            return Err(fault.foreign("is a database of another program; it was left as it is"));
        }
        return Ok(0);
    }
    if version > VERSION {
        let what = format!("has version {version}, and this orch knows versions up to {VERSION}: use a newer orch");
        return Err(fault.foreign(&what));
    }
    Ok(version)
}

/// Brings the tables to the present version.
pub(super) fn migrate(on: &mut Connection, fault: Fault<'_>) -> Result<()> {
    if judge(on, fault)? == VERSION {
        return Ok(());
    }
    let transaction = on.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| fault.of(error))?;
    // Another process may have done it while this one waited.
    let version = judge_in(&transaction, fault)?;
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        transaction.execute_batch(step).map_err(|error| fault.of(error))?;
    }
    for (pragma, value) in [("application_id", APPLICATION), ("user_version", VERSION)] {
        transaction.pragma_update(None, pragma, value).map_err(|error| fault.of(error))?;
    }
    transaction.commit().map_err(|error| fault.of(error))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::store::{SqliteOptions, SqliteStore, Store};

    /// A file as the orch of that version made it, with an entry of its cache.
    fn of_version(path: &Path, version: usize) {
        let connection = Connection::open(path).unwrap();
        STEPS[..version].iter().for_each(|step| connection.execute_batch(step).unwrap());
        connection.pragma_update(None, "application_id", APPLICATION).unwrap();
        connection.pragma_update(None, "user_version", version as i32).unwrap();
        let insert =
            "INSERT INTO leases (name, fence, owner, holder, lasts, until, free) VALUES ('a', 41, '', 'x', 1, 1, 1)";
        connection.execute_batch(insert).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    #[test]
    fn stores_of_every_version_are_brought_forward_and_later_ones_refused() {
        for version in 1..=STEPS.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("orch.db");
            of_version(&path, version);
            let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
            let lease = store.lock("a", "me", Duration::from_secs(1)).unwrap().granted().unwrap();
            assert_eq!(lease.fence, 42, "version {version}: what it held is there");
            let row = crate::store::CacheRow { value: vec![1], about: String::new(), worth: 1, left: Duration::ZERO };
            assert!(store.cache_put("k", &row, Duration::from_secs(9), 1_000).unwrap());
            assert_eq!(store.cache_get("k").unwrap().unwrap().value, [1]);
            assert!(store.check().unwrap().problems.is_empty());
            drop(store);
            let again = Connection::open(&path).unwrap();
            assert_eq!(number(&again, Fault(&path), "user_version").unwrap(), VERSION);
            again.pragma_update(None, "user_version", VERSION + 1).unwrap();
            drop(again);
            assert!(SqliteStore::open(&path, SqliteOptions::default()).is_err());
        }
    }
}
