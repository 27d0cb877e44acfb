//! Facts in the file.

use rusqlite::{Transaction, params};

use super::{
    fault::Fault,
    leases::at,
    tables::{Hash, hash_of},
};
use crate::{
    clock::WallTime,
    error::Result,
    store::{Fact, FactQuery},
};

fn fact_hash(fact: &Fact) -> Hash {
    let Fact { at: time, kind, about, key, body } = fact;
    hash_of(&[&at(*time).to_le_bytes(), kind.as_bytes(), about.as_bytes(), key.as_bytes(), body.as_bytes()])
}

pub(super) fn keep(on: &Transaction<'_>, fault: Fault<'_>, facts: &[Fact]) -> Result<usize> {
    let mut new = 0;
    for fact in facts {
        let Fact { at: time, kind, about, key, body } = fact;
        new += on
            .prepare_cached(
                "INSERT OR IGNORE INTO facts (at, kind, about, key, hash, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut keep| keep.execute(params![at(*time), kind, about, key, fact_hash(fact), body]))
            .map_err(|error| fault.of(error))?;
    }
    Ok(new)
}

pub(super) fn find(on: &Transaction<'_>, fault: Fault<'_>, query: &FactQuery<'_>) -> Result<Vec<Fact>> {
    let say = |error| fault.of(error);
    let FactQuery { kind, about, from, to, latest } = *query;
    let which = if about.is_some() { "about = ?2" } else { "?2 IS NULL" };
    let sql = format!(
        "SELECT at, about, key, hash, body FROM facts WHERE kind = ?1 AND {which} AND at >= ?3 AND at < ?4
         ORDER BY at DESC, id DESC LIMIT ?5"
    );
    let mut select = on.prepare_cached(&sql).map_err(say)?;
    let latest = i64::try_from(latest).unwrap_or(i64::MAX);
    let mut rows = select.query(params![kind, about, at(from), at(to), latest]).map_err(say)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(say)? {
        let (time, about, key): (u64, String, String) =
            (row.get(0).map_err(say)?, row.get(1).map_err(say)?, row.get(2).map_err(say)?);
        let (hash, body): (Hash, String) = (row.get(3).map_err(say)?, row.get(4).map_err(say)?);
        let fact = Fact { at: WallTime(time), kind: kind.to_owned(), about, key, body };
        if fact_hash(&fact) != hash {
            return Err(fault.damaged("a fact is not what was written"));
        }
        found.push(fact);
    }
    found.reverse();
    Ok(found)
}

/// Reads all of every kind.
pub(super) fn check(on: &Transaction<'_>, fault: Fault<'_>) -> Result<()> {
    let say = |error| fault.of(error);
    let mut select = on.prepare("SELECT DISTINCT kind FROM facts").map_err(say)?;
    let kinds = select.query_map([], |row| row.get(0)).and_then(Iterator::collect::<rusqlite::Result<Vec<String>>>);
    let kinds = kinds.map_err(say)?;
    kinds.iter().try_for_each(|kind| find(on, fault, &FactQuery::of(kind)).map(drop))
}
