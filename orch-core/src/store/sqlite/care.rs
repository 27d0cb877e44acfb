//! Looking after the file: is it whole, can it be smaller, a copy of it.

use std::{path::Path, time::Duration};

use rusqlite::params;
use serde::Serialize;

use super::{SqliteStore, facts, fault::Fault, leases, tables};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
    store::{BlobHash, Store as _},
};

/// What [`SqliteStore::check`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// How many runs were read.
    pub runs: u64,
    /// How many events they have, in all their parts.
    pub events: u64,
    /// How many values were read.
    pub blobs: u64,
    /// How many charges of the ledger were read.
    pub charges: u64,
    /// What is wrong, one sentence each. Empty: the store is whole.
    pub problems: Vec<String>,
}

/// What [`SqliteStore::compact`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// How many runs were dropped.
    pub runs: u64,
    /// How many entries of the cache were over.
    pub cached: u64,
    /// How many values nobody named any more.
    pub blobs: u64,
    /// The size of the file before, in bytes.
    pub bytes_before: u64,
    /// The size of the file after, in bytes.
    pub bytes_after: u64,
}

impl SqliteStore {
    /// Reads everything and compares the hashes. Changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Store`](crate::store::Store), where the file cannot be read at all; what can be told apart is in
    /// [`Checked::problems`].
    pub fn check(&self) -> Result<Checked> {
        let mut checked = Checked::default();
        self.reading(|on| {
            let say = |error| self.fault().of(error);
            let mut check = on.prepare("PRAGMA integrity_check").map_err(say)?;
            let mut rows = check.query([]).map_err(say)?;
            loop {
                match rows.next() {
                    Ok(None) => break,
                    Ok(Some(row)) => {
                        let line: String = row.get(0).map_err(say)?;
                        if line != "ok" {
                            checked.problems.push(line);
                        }
                    }
                    Err(error) => {
                        checked.problems.push(error.to_string());
                        break;
                    }
                }
            }
            Ok(())
        })?;
        match self.runs(None, usize::MAX) {
            Ok(runs) => {
                for row in runs {
                    checked.runs += 1;
                    for fence in self.fences(row.run)? {
                        match self.read(row.run, fence, 0) {
                            Ok(records) => {
                                checked.events += records.iter().map(|record| u64::from(record.events)).sum::<u64>();
                            }
                            Err(error) => checked.problems.push(error.to_string()),
                        }
                    }
                }
            }
            Err(error) => checked.problems.push(error.to_string()),
        }
        match self.cells("").and_then(|_| self.charges(WallTime(0), WallTime(u64::MAX))) {
            Ok(charges) => checked.charges = charges.len() as u64,
            Err(error) => checked.problems.push(error.to_string()),
        }
        if let Err(error) = self.reading(|on| facts::check(on, self.fault())) {
            checked.problems.push(error.to_string());
        }
        for hash in self.blobs()? {
            match self.blob(hash) {
                Ok(_) => checked.blobs += 1,
                Err(error) => checked.problems.push(error.to_string()),
            }
        }
        Ok(checked)
    }

    fn fences(&self, run: crate::RunId) -> Result<Vec<u64>> {
        self.list("SELECT parts.fence FROM parts JOIN runs ON runs.id = parts.run WHERE runs.run = ?1", run.to_string())
    }

    fn blobs(&self) -> Result<Vec<BlobHash>> {
        let hashes: Vec<[u8; 32]> = self.list("SELECT hash FROM blobs WHERE ?1 = ''", String::new())?;
        Ok(hashes.into_iter().map(BlobHash::from).collect())
    }

    fn list<T: rusqlite::types::FromSql>(&self, select: &str, of: String) -> Result<Vec<T>> {
        self.reading(|on| {
            let read = || on.prepare(select)?.query_map([of], |row| row.get(0))?.collect::<rusqlite::Result<Vec<T>>>();
            read().map_err(|error| self.fault().of(error))
        })
    }

    /// Drops what is of no use any more, and gives the space back to the file system: entries of the cache that are over, word
    /// for runs that have ended, values that nobody names, and, with `older_than`, runs that ended longer ago than that.
    ///
    /// Others may go on meanwhile; they wait while the file is written anew.
    ///
    /// # Errors
    ///
    /// Those of [`Store`](crate::store::Store). It needs as much free space as the file is large.
    pub fn compact(&self, older_than: Option<Duration>) -> Result<Compacted> {
        let now = self.0.options.clock.wall();
        let mut done = Compacted { bytes_before: self.bytes()?, ..Compacted::default() };
        self.writing(|on| {
            let say = |error| self.fault().of(error);
            let count = |sql: &str, value: i64| on.execute(sql, [value]).map(|gone| gone as u64).map_err(say);
            done.cached = count("DELETE FROM cache WHERE until <= ?1", leases::at(now))?;
            if let Some(age) = older_than {
                let before = leases::at(now).saturating_sub(leases::millis(age));
                let old = "SELECT id FROM runs WHERE state <> 'running' AND updated < ?1";
                count(&format!("DELETE FROM wishes WHERE run IN ({old})"), before)?;
                let parts = format!("SELECT part FROM parts WHERE run IN ({old})");
                count(&format!("DELETE FROM uses WHERE part IN ({parts})"), before)?;
                count(&format!("DELETE FROM journal WHERE id / {} IN ({parts})", tables::PART), before)?;
                count(&format!("DELETE FROM parts WHERE run IN ({old})"), before)?;
                let gone = "SELECT 'run/' || run FROM runs WHERE state <> 'running' AND updated < ?1";
                count(&format!("DELETE FROM leases WHERE free AND name IN ({gone})"), before)?;
                done.runs = count("DELETE FROM runs WHERE state <> 'running' AND updated < ?1", before)?;
            }
            done.blobs = count(
                "DELETE FROM blobs WHERE ?1 = ?1 AND hash NOT IN (SELECT hash FROM uses)
                 AND hash NOT IN (SELECT graph FROM runs)",
                0,
            )?;
            Ok(())
        })?;
        {
            let held = self.held()?;
            let write = || held.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
            write().map_err(|error| self.fault().of(error))?;
        }
        done.bytes_after = self.bytes()?;
        Ok(done)
    }

    /// How large the file is, in bytes, without what is still in its log.
    ///
    /// # Errors
    ///
    /// Those of [`Store`](crate::store::Store).
    pub fn bytes(&self) -> Result<u64> {
        self.reading(|on| {
            let number = |pragma: &str| on.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
            let size = || Ok(number("page_count")? * number("page_size")?);
            size().map_err(|error| self.fault().of(error))
        })
    }

    /// Writes a copy as it is at one moment, while others go on: for a backup, and for other programs that read SQLite.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) if there is a file of that name; those of [`Store`](crate::store::Store).
    pub fn export(&self, to: &Path) -> Result<()> {
        let name = to.display().to_string();
        if to.exists() {
            let message = format!("`{}` is there already; name a file that is not", Printable(&name));
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        let held = self.held()?;
        held.connection.execute("VACUUM INTO ?1", params![name]).map_err(|error| Fault(to).of(error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(to, private).map_err(|error| Fault(to).io("could not be made private", error))?;
        }
        Ok(())
    }

    /// Lets the file grow to that many pages of 4 KiB at most: then writes fail as on a full disk. For tests, and to bound it.
    ///
    /// # Errors
    ///
    /// Those of [`Store`](crate::store::Store).
    pub fn limit_pages(&self, pages: u32) -> Result<()> {
        let held = self.held()?;
        held.connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(|error| self.fault().of(error))
    }
}
