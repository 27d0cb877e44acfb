//! Leases in the file.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{fault::Fault, owner};
use crate::{
    clock::WallTime,
    error::Result,
    store::{Lease, Locked},
};

/// Who wants which lease.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) owner: &'a str,
    pub(super) holder: &'a str,
    pub(super) lasts: Duration,
    pub(super) now: WallTime,
}

pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn at(time: WallTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

struct Row {
    fence: i64,
    owner: String,
    holder: String,
    lasts: i64,
    until: i64,
    free: bool,
}

pub(super) fn lock(on: &Transaction<'_>, fault: Fault<'_>, wanted: &Wanted<'_>) -> Result<Locked> {
    let say = |error| fault.of(error);
    let Wanted { name, now, .. } = *wanted;
    let (now, lasts) = (at(now), millis(wanted.lasts));
    let row = on
        .prepare_cached("SELECT fence, owner, holder, lasts, until, free FROM leases WHERE name = ?1")
        .map_err(say)?
        .query_row([name], |row| {
            Ok(Row {
                fence: row.get(0)?,
                owner: row.get(1)?,
                holder: row.get(2)?,
                lasts: row.get(3)?,
                until: row.get(4)?,
                free: row.get(5)?,
            })
        })
        .optional()
        .map_err(say)?;
    let fence = match row {
        Some(row) if !row.free && row.until > now && !owner::is_gone(fault.0, &row.owner) => {
            let mut left = row.until - now;
            if left > row.lasts {
                // The time of day went back since. It lasts no longer than it would have, from when somebody sees it.
                left = row.lasts;
                on.execute("UPDATE leases SET until = ?2 WHERE name = ?1", params![name, now.saturating_add(left)])
                    .map_err(say)?;
            }
            let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
            return Ok(Locked::Held { holder: row.holder, left });
        }
        Some(row) => (row.fence + 1, !row.free),
        None => (1, false),
    };
    on.prepare_cached(
        "INSERT OR REPLACE INTO leases (name, fence, owner, holder, lasts, until, free) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
    )
    .map_err(say)?
    .execute(params![name, fence.0, wanted.owner, wanted.holder, lasts, now.saturating_add(lasts)])
    .map_err(say)?;
    Ok(Locked::Granted(Lease { fence: fence.0.unsigned_abs(), taken_over: fence.1 }))
}

pub(super) fn holder(on: &Transaction<'_>, fault: Fault<'_>, name: &str, now: WallTime) -> Result<Option<String>> {
    let row: Option<(String, String)> = on
        .prepare_cached("SELECT owner, holder FROM leases WHERE name = ?1 AND NOT free AND until > ?2")
        .and_then(|mut select| {
            select.query_row(params![name, at(now)], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(|error| fault.of(error))?;
    Ok(row.filter(|(owner, _)| !owner::is_gone(fault.0, owner)).map(|(_, holder)| holder))
}

pub(super) fn renew(
    on: &Transaction<'_>,
    fault: Fault<'_>,
    name: &str,
    fence: u64,
    lasts: Duration,
    now: WallTime,
) -> Result<bool> {
    let lasts = millis(lasts);
    on.prepare_cached("UPDATE leases SET lasts = ?3, until = ?4 WHERE name = ?1 AND fence = ?2 AND NOT free")
        .and_then(|mut renew| renew.execute(params![name, fence as i64, lasts, at(now).saturating_add(lasts)]))
        .map(|changed| changed > 0)
        .map_err(|error| fault.of(error))
}

pub(super) fn release(on: &Transaction<'_>, fault: Fault<'_>, name: &str, fence: u64) -> Result<bool> {
    on.prepare_cached("UPDATE leases SET free = 1 WHERE name = ?1 AND fence = ?2 AND NOT free")
        .and_then(|mut release| release.execute(params![name, fence as i64]))
        .map(|changed| changed > 0)
        .map_err(|error| fault.of(error))
}
