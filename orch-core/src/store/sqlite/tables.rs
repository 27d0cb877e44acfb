//! Runs, their journals, blobs, cache entries and wishes in the file.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{fault::Fault, leases::at};
use crate::{
    clock::WallTime,
    error::Result,
    event::RunState,
    id::RunId,
    store::{
        Append, Blob, BlobHash, Record, RunHeader, RunRow, Wish,
        memory::{lost, no_run, taken_over, went_on, wrong_length},
    },
};

/// A part has fewer events than this; its number times this is where its records begin.
pub(super) const PART: i64 = 1 << 40;

pub(super) type Hash = [u8; 16];

/// The hash of parts of a row: each with its length, so that nothing can move from one to the next.
pub(super) fn hash_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut hash = Hash::default();
    hasher.finalize_xof().fill(&mut hash);
    hash
}

fn record_hash(run: &str, fence: u64, seq: u64, events: u32, body: &[u8]) -> Hash {
    hash_of(&[run.as_bytes(), &fence.to_le_bytes(), &seq.to_le_bytes(), &events.to_le_bytes(), body])
}

fn run_hash(run: &str, source: &str, name: &str, graph: &[u8], options: &str) -> Hash {
    hash_of(&[run.as_bytes(), source.as_bytes(), name.as_bytes(), graph, options.as_bytes()])
}

pub(super) fn open_run(on: &Transaction<'_>, fault: Fault<'_>, header: &RunHeader, now: WallTime) -> Result<()> {
    let say = |error| fault.of(error);
    let run = header.run.to_string();
    let known: Option<(i64, u64, u64)> = on
        .query_row("SELECT id, fence, events FROM runs WHERE run = ?1", [&run], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()
        .map_err(say)?;
    let RunHeader { fence, after, source, name, graph, options, .. } = header;
    let hash = run_hash(&run, source, name, graph.as_bytes(), options);
    let id = match known {
        Some((_, known, _)) if known > *fence => return Err(taken_over(header.run)),
        Some((_, known, _)) if known == *fence => return Ok(()),
        Some((id, known, events)) if after.is_none_or(|after| after == (known, events)) => id,
        Some(_) => return Err(went_on(header.run)),
        None if after.is_some() => return Err(went_on(header.run)),
        None => {
            on.execute(
                "INSERT INTO runs (run, fence, part, source, name, graph, options, hash, state, events, created, updated)
                 VALUES (?1, 0, 0, '', '', x'', '', x'', 'running', 0, ?2, ?2)",
                params![run, at(now)],
            )
            .map_err(say)?;
            on.last_insert_rowid()
        }
    };
    on.execute("INSERT INTO parts (run, fence) VALUES (?1, ?2)", params![id, *fence as i64]).map_err(say)?;
    let part = on.last_insert_rowid();
    on.execute(
        "UPDATE runs SET fence = ?2, part = ?3, source = ?4, name = ?5, graph = ?6, options = ?7, hash = ?8,
         state = 'running', events = 0, updated = ?9 WHERE id = ?1",
        params![id, *fence as i64, part, source, name, graph.as_bytes(), options, hash, at(now)],
    )
    .map_err(say)?;
    Ok(())
}

pub(super) fn append(on: &Transaction<'_>, fault: Fault<'_>, append: &Append<'_>, now: WallTime) -> Result<()> {
    let say = |error| fault.of(error);
    let Append { run, fence, seq, events, body, blobs, state, held } = *append;
    let name = run.to_string();
    let part: Option<i64> = on
        .prepare_cached(
            "UPDATE runs SET events = events + ?4, state = ?5, updated = ?6 WHERE run = ?1 AND fence = ?2 AND events = ?3
             RETURNING part",
        )
        .map_err(say)?
        .query_row(params![name, fence as i64, seq as i64, events, state.name(), at(now)], |row| row.get(0))
        .optional()
        .map_err(say)?;
    let Some(part) = part else {
        let stands: Option<(u64, u64)> = on
            .query_row("SELECT fence, events FROM runs WHERE run = ?1", [&name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(say)?;
        return Err(match stands {
            None => no_run(run),
            Some((latest, _)) if latest != fence => taken_over(run),
            Some((_, length)) => wrong_length(append, length),
        });
    };
    for (lease, fence) in held {
        let latest: Option<u64> = on
            .prepare_cached("SELECT fence FROM leases WHERE name = ?1")
            .and_then(|mut select| select.query_row([lease], |row| row.get(0)).optional())
            .map_err(say)?;
        if latest != Some(*fence) {
            // The transaction goes with it.
            return Err(lost(lease));
        }
    }
    let hash = record_hash(&name, fence, seq, events, body);
    on.prepare_cached("INSERT INTO journal (id, events, hash, body) VALUES (?1, ?2, ?3, ?4)")
        .map_err(say)?
        .execute(params![part * PART + seq as i64, events, hash, body])
        .map_err(say)?;
    put_blobs(on, fault, blobs)?;
    for blob in blobs {
        on.prepare_cached("INSERT OR IGNORE INTO uses (part, hash) VALUES (?1, ?2)")
            .map_err(say)?
            .execute(params![part, blob.hash().as_bytes()])
            .map_err(say)?;
    }
    Ok(())
}

pub(super) fn read(on: &Transaction<'_>, fault: Fault<'_>, run: RunId, fence: u64, from: u64) -> Result<Vec<Record>> {
    let say = |error| fault.of(error);
    let name = run.to_string();
    let part: Option<(i64, Option<u64>)> = on
        .query_row(
            "SELECT parts.part, CASE WHEN runs.fence = parts.fence THEN runs.events END
             FROM runs JOIN parts ON parts.run = runs.id WHERE runs.run = ?1 AND parts.fence = ?2",
            params![name, fence as i64],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .map_err(say)?;
    let Some((part, length)) = part else { return Ok(Vec::new()) };
    let mut rows = on
        .prepare_cached(
            "SELECT id, events, hash, body FROM journal WHERE id BETWEEN
             coalesce((SELECT max(id) FROM journal WHERE id BETWEEN ?1 AND ?2), ?1) AND ?3 ORDER BY id",
        )
        .map_err(say)?;
    let first = part * PART;
    let mut rows = rows.query(params![first, first + from.min(1 << 39) as i64, first + PART - 1]).map_err(say)?;
    let mut records: Vec<Record> = Vec::new();
    let mut end = None;
    while let Some(row) = rows.next().map_err(say)? {
        let (id, events, hash): (i64, u32, Hash) = row_of(row, fault)?;
        let body: Vec<u8> = row.get(3).map_err(say)?;
        let seq = id.saturating_sub(first).unsigned_abs();
        if record_hash(&name, fence, seq, events, &body) != hash {
            return Err(fault.damaged(&format!("events from {seq} on of the run `{run}` are not what was written")));
        }
        if end.is_some_and(|end| end != seq) || (end.is_none() && seq > from) {
            return Err(fault.damaged(&format!("events before {seq} of the run `{run}` are missing")));
        }
        end = Some(seq + u64::from(events));
        if seq + u64::from(events) > from {
            records.push(Record { seq, events, body });
        }
    }
    if length.is_some_and(|length| length != end.unwrap_or_default()) {
        return Err(fault.damaged(&format!("the last events of the run `{run}` are missing")));
    }
    Ok(records)
}

fn row_of(row: &Row<'_>, fault: Fault<'_>) -> Result<(i64, u32, Hash)> {
    let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    read().map_err(|error| fault.of(error))
}

const RUN: &str = "SELECT run, fence, source, name, graph, options, hash, state, events, created, updated FROM runs";

fn run_row(row: &Row<'_>, fault: Fault<'_>) -> Result<RunRow> {
    let say = |error| fault.of(error);
    let run: String = row.get(0).map_err(say)?;
    let (source, name): (String, String) = (row.get(2).map_err(say)?, row.get(3).map_err(say)?);
    let graph: [u8; 32] = row.get(4).map_err(say)?;
    let (options, hash): (String, Hash) = (row.get(5).map_err(say)?, row.get(6).map_err(say)?);
    let state: String = row.get(7).map_err(say)?;
    let states = [RunState::Running, RunState::Succeeded, RunState::Failed, RunState::Cancelled];
    let known = states.into_iter().find(|known| known.name() == state);
    let (Ok(id), Some(state)) = (run.parse(), known) else {
        return Err(fault.damaged("the row of a run is not as it was written"));
    };
    if run_hash(&run, &source, &name, &graph, &options) != hash {
        return Err(fault.damaged(&format!("what the run `{run}` was made of is not what was written")));
    }
    Ok(RunRow {
        run: id,
        fence: row.get(1).map_err(say)?,
        source,
        name,
        graph: graph.into(),
        options,
        state,
        events: row.get(8).map_err(say)?,
        created: WallTime(row.get(9).map_err(say)?),
        updated: WallTime(row.get(10).map_err(say)?),
    })
}

pub(super) fn runs(on: &Transaction<'_>, fault: Fault<'_>, source: Option<&str>, limit: usize) -> Result<Vec<RunRow>> {
    let say = |error| fault.of(error);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = on
        .prepare_cached(&format!("{RUN} WHERE ?1 IS NULL OR source = ?1 ORDER BY created DESC, run DESC LIMIT ?2"))
        .map_err(say)?;
    let mut rows = select.query(params![source, limit]).map_err(say)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().map_err(say)? {
        runs.push(run_row(row, fault)?);
    }
    Ok(runs)
}

pub(super) fn run(on: &Transaction<'_>, fault: Fault<'_>, run: RunId) -> Result<Option<RunRow>> {
    let say = |error| fault.of(error);
    let mut select = on.prepare_cached(&format!("{RUN} WHERE run = ?1")).map_err(say)?;
    let mut rows = select.query([run.to_string()]).map_err(say)?;
    rows.next().map_err(say)?.map(|row| run_row(row, fault)).transpose()
}

pub(super) fn put_blobs(on: &Transaction<'_>, fault: Fault<'_>, blobs: &[Blob]) -> Result<()> {
    for blob in blobs {
        on.prepare_cached("INSERT OR IGNORE INTO blobs (hash, bytes) VALUES (?1, ?2)")
            .and_then(|mut put| put.execute(params![blob.hash().as_bytes(), blob.bytes()]))
            .map_err(|error| fault.of(error))?;
    }
    Ok(())
}

pub(super) fn blob(on: &Transaction<'_>, fault: Fault<'_>, hash: BlobHash) -> Result<Option<Vec<u8>>> {
    let bytes: Option<Vec<u8>> = on
        .prepare_cached("SELECT bytes FROM blobs WHERE hash = ?1")
        .and_then(|mut select| select.query_row([hash.as_bytes()], |row| row.get(0)).optional())
        .map_err(|error| fault.of(error))?;
    match bytes {
        Some(bytes) if BlobHash::of(&bytes) != hash => {
            Err(fault.damaged(&format!("the value `{hash}` is not what was written")))
        }
        bytes => Ok(bytes),
    }
}

pub(super) fn wish(on: &Transaction<'_>, fault: Fault<'_>, run: RunId, wish: &Wish) -> Result<()> {
    let text = serde_json::to_string(wish).unwrap_or_default();
    let left = on
        .execute(
            "INSERT INTO wishes (run, wish) SELECT id, ?2 FROM runs WHERE run = ?1",
            params![run.to_string(), text],
        )
        .map_err(|error| fault.of(error))?;
    if left == 0 { Err(no_run(run)) } else { Ok(()) }
}

const WISHES: &str = "FROM wishes WHERE run = (SELECT id FROM runs WHERE run = ?1)";

pub(super) fn has_wishes(on: &Transaction<'_>, fault: Fault<'_>, run: RunId) -> Result<bool> {
    on.prepare_cached(&format!("SELECT 1 {WISHES} LIMIT 1"))
        .and_then(|mut select| select.exists([run.to_string()]))
        .map_err(|error| fault.of(error))
}

pub(super) fn take_wishes(on: &Transaction<'_>, fault: Fault<'_>, run: RunId) -> Result<Vec<Wish>> {
    let say = |error| fault.of(error);
    let mut wishes = Vec::new();
    {
        let mut select = on.prepare_cached(&format!("SELECT wish {WISHES} ORDER BY id")).map_err(say)?;
        let mut rows = select.query([run.to_string()]).map_err(say)?;
        while let Some(row) = rows.next().map_err(say)? {
            let text: String = row.get(0).map_err(say)?;
            // A wish of a newer orch: nobody here can fulfil it.
            wishes.extend(serde_json::from_str::<Wish>(&text));
        }
    }
    on.execute(&format!("DELETE {WISHES}"), [run.to_string()]).map_err(say)?;
    Ok(wishes)
}
