//! The entries of caches in the file.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{
    fault::Fault,
    leases::{at, millis},
    tables::{Hash, hash_of},
};
use crate::{
    clock::WallTime,
    error::Result,
    store::{CacheRow, memory::still_good},
};

/// How many entries are looked at in one go when room has to be made.
const GO: u32 = 64;

fn cache_hash(key: &str, row: &CacheRow, until: i64) -> Hash {
    hash_of(&[key.as_bytes(), row.about.as_bytes(), &row.worth.to_le_bytes(), &until.to_le_bytes(), &row.value])
}

pub(super) fn get(on: &Transaction<'_>, fault: Fault<'_>, key: &str, now: WallTime) -> Result<Option<CacheRow>> {
    let found: Option<(Hash, i64, CacheRow)> = on
        .prepare_cached("SELECT hash, until, about, worth, value, lasts FROM cache WHERE key = ?1 AND until > ?2")
        .and_then(|mut select| {
            let read = |row: &Row<'_>| {
                let (about, worth, value) = (row.get(2)?, row.get(3)?, row.get(4)?);
                let lasts = Duration::from_millis(row.get::<_, i64>(5)?.unsigned_abs());
                Ok((row.get(0)?, row.get(1)?, CacheRow { about, worth, value, left: lasts }))
            };
            select.query_row(params![key, at(now)], read).optional()
        })
        .map_err(|error| fault.of(error))?;
    let Some((hash, until, row)) = found else { return Ok(None) };
    if cache_hash(key, &row, until) != hash {
        return Err(fault.damaged("an entry of the cache is not what was written"));
    }
    let left = Duration::from_millis(until.saturating_sub(at(now)).unsigned_abs());
    Ok(still_good(left, row.left).map(|left| CacheRow { left, ..row }))
}

pub(super) fn put(
    on: &Transaction<'_>,
    fault: Fault<'_>,
    key: &str,
    row: &CacheRow,
    lasts: Duration,
    limit: u64,
    now: WallTime,
) -> Result<bool> {
    let until = at(now).saturating_add(millis(lasts));
    // What the column takes at most.
    let row = &CacheRow { worth: row.worth.min(i64::MAX.unsigned_abs()), ..row.clone() };
    let (hash, bytes, rate) = (cache_hash(key, row, until), row.bytes(key), row.rate(key));
    remove(on, fault, key, now)?;
    if bytes > limit {
        return Ok(false);
    }
    let all = "INSERT INTO cache (key, about, hash, until, worth, bytes, rate, value, lasts)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    on.prepare_cached(all)
        .and_then(|mut put| {
            put.execute(params![key, row.about, hash, until, row.worth, bytes, rate, row.value, millis(lasts)])
        })
        .map_err(|error| fault.of(error))?;
    if taken(on, fault)? <= limit {
        return Ok(true);
    }
    make_room(on, fault, limit, now)?;
    on.prepare_cached("SELECT 1 FROM cache WHERE key = ?1")
        .and_then(|mut select| select.exists([key]))
        .map_err(|error| fault.of(error))
}

fn taken(on: &Transaction<'_>, fault: Fault<'_>) -> Result<u64> {
    on.prepare_cached("SELECT bytes FROM cached")
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .map_err(|error| fault.of(error))
}

/// Drops what is over, and then what is worth the least a byte.
fn make_room(on: &Transaction<'_>, fault: Fault<'_>, limit: u64, now: WallTime) -> Result<()> {
    let say = |error| fault.of(error);
    on.execute("DELETE FROM cache WHERE until <= ?1", [at(now)]).map_err(say)?;
    let mut bytes = taken(on, fault)?;
    while bytes > limit {
        let mut select =
            on.prepare_cached("SELECT rowid, bytes FROM cache ORDER BY rate, until LIMIT ?1").map_err(say)?;
        let least = select.query_map([GO], |row| Ok((row.get(0)?, row.get(1)?))).map_err(say)?;
        let least: Vec<(i64, u64)> = least.collect::<rusqlite::Result<_>>().map_err(say)?;
        if least.is_empty() {
            return Ok(());
        }
        for (row, size) in least {
            if bytes > limit {
                on.prepare_cached("DELETE FROM cache WHERE rowid = ?1")
                    .and_then(|mut drop| drop.execute([row]))
                    .map_err(say)?;
                bytes = bytes.saturating_sub(size);
            }
        }
    }
    Ok(())
}

/// Drops an entry; whether it was still good.
pub(super) fn remove(on: &Transaction<'_>, fault: Fault<'_>, key: &str, now: WallTime) -> Result<bool> {
    on.prepare_cached("DELETE FROM cache WHERE key = ?1 RETURNING until > ?2")
        .and_then(|mut drop| drop.query_row(params![key, at(now)], |row| row.get(0)).optional())
        .map(|good| good == Some(true))
        .map_err(|error| fault.of(error))
}
