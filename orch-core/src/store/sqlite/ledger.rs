//! Cells and charges in the file.

use rusqlite::{OptionalExtension as _, Transaction, params, types::Value};

use super::{
    fault::Fault,
    leases::at,
    tables::{Hash, hash_of},
};
use crate::{
    clock::WallTime,
    error::Result,
    store::{Book, ChargeRow, Content},
    units::Usd,
};

fn cell_hash(key: &str, text: &str) -> Hash {
    hash_of(&[key.as_bytes(), text.as_bytes()])
}

fn charge_hash(time: WallTime, usd: Usd, body: &str) -> Hash {
    hash_of(&[&at(time).to_le_bytes(), &usd.nanos().to_le_bytes(), body.as_bytes()])
}

/// One booking, in a transaction that writes.
pub(super) struct Booking<'a, 'b> {
    pub(super) on: &'a Transaction<'b>,
    pub(super) fault: Fault<'a>,
}

impl Book for Booking<'_, '_> {
    fn cell(&mut self, key: &str) -> Result<Option<Content>> {
        let found: Option<(String, Hash)> = self
            .on
            .prepare_cached("SELECT text, hash FROM cells WHERE key = ?1")
            .and_then(|mut select| select.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(|error| self.fault.of(error))?;
        found.map(|(text, hash)| whole(self.fault, key, text, hash)).transpose()
    }

    fn set_cell(&mut self, key: &str, body: Option<Content>) -> Result<()> {
        let text = body.map(|body| body.text()).transpose()?;
        let changed = match &text {
            Some(text) => self
                .on
                .prepare_cached("INSERT OR REPLACE INTO cells (key, hash, text) VALUES (?1, ?2, ?3)")
                .and_then(|mut put| put.execute(params![key, cell_hash(key, text), text])),
            None => self.on.prepare_cached("DELETE FROM cells WHERE key = ?1").and_then(|mut drop| drop.execute([key])),
        };
        changed.map(drop).map_err(|error| self.fault.of(error))
    }

    fn charge(&mut self, row: &ChargeRow) -> Result<()> {
        let body = row.body.text()?;
        let hash = charge_hash(row.at, row.usd, &body);
        self.on
            .prepare_cached("INSERT INTO charges (at, nanos, hash, body) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut put| put.execute(params![at(row.at), row.usd.nanos(), hash, body]))
            .map(drop)
            .map_err(|error| self.fault.of(error))
    }
}

fn whole(fault: Fault<'_>, key: &str, text: String, hash: Hash) -> Result<Content> {
    if cell_hash(key, &text) == hash {
        return Ok(Content::from(text));
    }
    Err(fault.damaged("an account of the ledger is not what was written"))
}

/// The first text behind all that begin so; `None`: there is none.
fn after(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // Between the two halves of the range there are numbers that are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            return Some(chars.into_iter().chain([next]).collect());
        }
    }
    None
}

pub(super) fn cells(on: &Transaction<'_>, fault: Fault<'_>, prefix: &str) -> Result<Vec<(String, Content)>> {
    let say = |error| fault.of(error);
    // Not LIKE or GLOB: a prefix may hold what these take for a pattern. A range, so that other cells are not read.
    let mut select = on
        .prepare_cached("SELECT key, text, hash FROM cells WHERE key >= ?1 AND key < ?2 ORDER BY key")
        .map_err(say)?;
    // A blob comes after every text.
    let end = after(prefix).map_or(Value::Blob(Vec::new()), Value::Text);
    let mut rows = select.query(params![prefix, end]).map_err(say)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(say)? {
        let (key, text, hash): (String, String, Hash) =
            (row.get(0).map_err(say)?, row.get(1).map_err(say)?, row.get(2).map_err(say)?);
        let body = whole(fault, &key, text, hash)?;
        found.push((key, body));
    }
    Ok(found)
}

pub(super) fn charges(on: &Transaction<'_>, fault: Fault<'_>, from: WallTime, to: WallTime) -> Result<Vec<ChargeRow>> {
    let say = |error| fault.of(error);
    let mut select = on
        .prepare_cached("SELECT at, nanos, body, hash FROM charges WHERE at >= ?1 AND at < ?2 ORDER BY at, id")
        .map_err(say)?;
    let mut rows = select.query(params![at(from), at(to)]).map_err(say)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(say)? {
        let (time, nanos, body, hash): (u64, i64, String, Hash) =
            (row.get(0).map_err(say)?, row.get(1).map_err(say)?, row.get(2).map_err(say)?, row.get(3).map_err(say)?);
        let (at, usd) = (WallTime(time), Usd::from_nanos(nanos));
        if charge_hash(at, usd, &body) != hash {
            return Err(fault.damaged("a charge of the ledger is not what was written"));
        }
        found.push(ChargeRow { at, usd, body: Content::from(body) });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_prefix_is_behind_all_that_begin_so() {
        for (prefix, behind) in [
            ("a/", Some("a0")),
            ("", None),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("\u{d7ff}", Some("\u{e000}")),
        ] {
            assert_eq!(after(prefix).as_deref(), behind, "{prefix:?}");
        }
    }

    #[test]
    fn hashes_are_those_of_earlier_versions() {
        let hex = |hash: Hash| hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(cell_hash("account/a", "{}")), "225df375");
        assert_eq!(hex(charge_hash(WallTime(1), Usd::from_nanos(5), "{}")), "63951db2");
    }
}
