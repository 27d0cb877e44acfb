//! The outbox in the file.

use std::time::Duration;

use rusqlite::{Row, Transaction, params, params_from_iter, types::Value};

use super::{
    fault::Fault,
    leases::{at, millis},
    tables::{Hash, hash_of},
};
use crate::{
    clock::WallTime,
    error::Result,
    store::{Delivery, LONGEST_WAIT, Letter, LetterRow, LetterState},
};

/// Over what does not change while a letter waits.
fn letter_hash(key: &str, target: &str, body: &str) -> Hash {
    hash_of(&[key.as_bytes(), target.as_bytes(), body.as_bytes()])
}

pub(super) fn post(on: &Transaction<'_>, fault: Fault<'_>, letters: &[Letter], now: WallTime) -> Result<usize> {
    let mut new = 0;
    for Letter { key, target, body } in letters {
        new += on
            .prepare_cached(
                "INSERT OR IGNORE INTO outbox (key, target, body, hash, state, tries, due, posted)
                 VALUES (?1, ?2, ?3, ?4, 'waiting', 0, ?5, ?5)",
            )
            .and_then(|mut post| post.execute(params![key, target, body, letter_hash(key, target, body), at(now)]))
            .map_err(|error| fault.of(error))?;
    }
    Ok(new)
}

/// Whether there is anything to take: to look does not wait for who writes.
pub(super) fn is_due(on: &Transaction<'_>, fault: Fault<'_>, now: WallTime) -> Result<bool> {
    on.prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'waiting' AND (due <= ?1 OR due > ?2))")
        .and_then(|mut select| select.query_row(params![at(now), at(now.after(LONGEST_WAIT))], |row| row.get(0)))
        .map_err(|error| fault.of(error))
}

pub(super) fn take(
    on: &Transaction<'_>,
    fault: Fault<'_>,
    targets: &[&str],
    limit: usize,
    lasts: Duration,
    now: WallTime,
) -> Result<Vec<LetterRow>> {
    let say = |error| fault.of(error);
    let far = now.after(LONGEST_WAIT);
    // A time that is farther than any wait: the time of day went back since.
    let marks = vec!["?"; targets.len()].join(", ");
    let due =
        format!("WHERE state = 'waiting' AND (due <= ? OR due > ?) AND target IN ({marks}) ORDER BY due, id LIMIT ?");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut values = vec![Value::from(at(now)), Value::from(at(far))];
    values.extend(targets.iter().map(|target| Value::from((*target).to_owned())));
    values.push(Value::from(limit));
    let mut rows = read(on, fault, &due, params_from_iter(values))?;
    for row in &mut rows {
        row.tries += 1;
        on.prepare_cached("UPDATE outbox SET tries = ?3, due = ?4 WHERE key = ?1 AND target = ?2")
            .map_err(say)?
            .execute(params![row.key, row.target, row.tries, at(now).saturating_add(millis(lasts.min(LONGEST_WAIT)))])
            .map_err(say)?;
    }
    Ok(rows)
}

pub(super) fn delivered(
    on: &Transaction<'_>,
    fault: Fault<'_>,
    letter: &LetterRow,
    how: &Delivery,
    now: WallTime,
) -> Result<bool> {
    let (state, why, wait) = match how {
        Delivery::Sent => (LetterState::Sent, None, Duration::ZERO),
        Delivery::Dropped(why) => (LetterState::Dropped, Some(why), Duration::ZERO),
        Delivery::Later(wait, why) => (LetterState::Waiting, Some(why), (*wait).min(LONGEST_WAIT)),
    };
    let LetterRow { key, target, tries, .. } = letter;
    let (name, due) = (state.name(), at(now).saturating_add(millis(wait)));
    on.prepare_cached(
        "UPDATE outbox SET state = ?4, why = ?5, due = ?6 WHERE key = ?1 AND target = ?2 AND tries = ?3 AND state = 'waiting'",
    )
    .and_then(|mut update| {
        let changed = update.execute(params![key, target, tries, name, why, due])?;
        if changed > 0 && state != LetterState::Waiting {
            // The key is kept, so that nothing is told twice; what was said is not.
            let hash = letter_hash(key, target, "");
            on.prepare_cached("UPDATE outbox SET body = '', hash = ?3 WHERE key = ?1 AND target = ?2")?
                .execute(params![key, target, hash])?;
        }
        Ok(changed > 0)
    })
    .map_err(|error| fault.of(error))
}

pub(super) fn letters(on: &Transaction<'_>, fault: Fault<'_>, limit: usize) -> Result<Vec<LetterRow>> {
    read(on, fault, "ORDER BY id DESC LIMIT ?1", params![i64::try_from(limit).unwrap_or(i64::MAX)])
}

fn read(on: &Transaction<'_>, fault: Fault<'_>, which: &str, params: impl rusqlite::Params) -> Result<Vec<LetterRow>> {
    let say = |error| fault.of(error);
    let sql = format!("SELECT key, target, body, hash, state, tries, posted, why FROM outbox {which}");
    let mut select = on.prepare_cached(&sql).map_err(say)?;
    let mut rows = select.query(params).map_err(say)?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next().map_err(say)? {
        letters.push(letter(row, fault)?);
    }
    Ok(letters)
}

fn letter(row: &Row<'_>, fault: Fault<'_>) -> Result<LetterRow> {
    let say = |error| fault.of(error);
    let (key, target, body): (String, String, String) =
        (row.get(0).map_err(say)?, row.get(1).map_err(say)?, row.get(2).map_err(say)?);
    let (hash, state): (Hash, String) = (row.get(3).map_err(say)?, row.get(4).map_err(say)?);
    let states = [LetterState::Waiting, LetterState::Sent, LetterState::Dropped];
    match states.into_iter().find(|known| known.name() == state) {
        Some(state) if letter_hash(&key, &target, &body) == hash => Ok(LetterRow {
            key,
            target,
            body,
            state,
            tries: row.get(5).map_err(say)?,
            posted: WallTime(row.get(6).map_err(say)?),
            why: row.get(7).map_err(say)?,
        }),
        _ => Err(fault.damaged("a letter of the outbox is not what was written")),
    }
}
