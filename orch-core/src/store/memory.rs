//! A store for tests: it keeps everything while the process lives.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    facts::{Fact, FactQuery, Facts},
    ledger::{Book, ChargeRow, Content},
    outbox::{Delivery, Letter, LetterRow, Outbox},
    seam::{Append, Blob, BlobHash, CacheRow, Lease, Locked, Record, RunHeader, RunRow, Store, Wish},
};
use crate::{
    clock::{Clock, WallTime},
    error::{Error, ErrorKind, Result},
    event::RunState,
    id::{Printable, RunId},
};

/// Keeps everything in memory. Clones share it.
///
/// It is the model that tests compare other stores with, and lets a program try resume without a file. No owner is ever known
/// to have died: its leases end by time alone.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    content: Mutex<Tables>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Tables {
    runs: BTreeMap<RunId, RunRow>,
    records: BTreeMap<(RunId, u64), Vec<Record>>,
    blobs: HashMap<BlobHash, Vec<u8>>,
    leases: HashMap<String, Held>,
    /// Each with its end, and how long it lasts; that in `left`.
    cache: HashMap<String, (CacheRow, WallTime)>,
    wishes: HashMap<RunId, Vec<Wish>>,
    outbox: Outbox,
    facts: Facts,
    cells: BTreeMap<String, Content>,
    charges: Vec<ChargeRow>,
}

/// One booking: what it writes is kept apart until it is done.
struct Booking<'a> {
    content: &'a Tables,
    cells: BTreeMap<String, Option<Content>>,
    charges: Vec<ChargeRow>,
}

impl Book for Booking<'_> {
    fn cell(&mut self, key: &str) -> Result<Option<Content>> {
        Ok(match self.cells.get(key) {
            Some(written) => written.clone(),
            None => self.content.cells.get(key).cloned(),
        })
    }

    fn set_cell(&mut self, key: &str, body: Option<Content>) -> Result<()> {
        self.cells.insert(key.to_owned(), body);
        Ok(())
    }

    fn charge(&mut self, row: &ChargeRow) -> Result<()> {
        self.charges.push(row.clone());
        Ok(())
    }
}

#[derive(Debug)]
struct Held {
    fence: u64,
    holder: String,
    lasts: Duration,
    until: WallTime,
    free: bool,
}

impl Tables {
    fn append(&mut self, append: &Append<'_>, now: WallTime) -> Result<()> {
        let row = self.runs.get_mut(&append.run).ok_or_else(|| no_run(append.run))?;
        if row.fence != append.fence {
            return Err(taken_over(append.run));
        }
        if row.events != append.seq {
            return Err(wrong_length(append, row.events));
        }
        for (name, fence) in append.held {
            if self.leases.get(*name).is_none_or(|lease| lease.fence != *fence) {
                return Err(lost(name));
            }
        }
        row.events += u64::from(append.events);
        (row.state, row.updated) = (append.state, now);
        let record = Record { seq: append.seq, events: append.events, body: append.body.to_vec() };
        self.records.entry((append.run, append.fence)).or_default().push(record);
        for blob in append.blobs {
            self.blobs.entry(blob.hash()).or_insert_with(|| blob.bytes().to_vec());
        }
        Ok(())
    }
}

impl MemoryStore {
    /// An empty store whose leases and entries end by that clock's time of day.
    pub fn new(clock: Clock) -> Self {
        Self { clock, shared: Arc::default() }
    }

    fn content(&self) -> MutexGuard<'_, Tables> {
        self.shared.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn after(&self, lasts: Duration) -> WallTime {
        self.clock.wall().after(lasts)
    }
}

/// How far a clock may be set back without that what was kept before is of unknown age.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// How long an entry of a cache is still good that has so much time left by the clock, and was good for `lasts` when it was kept. If
/// more is left than that, the clock was set back since: by a little, and it lasts no longer than it would have, or by much.
pub(super) fn still_good(left: Duration, lasts: Duration) -> Option<Duration> {
    let is_good = !left.is_zero() && left <= lasts.saturating_add(CLOCKS_DIFFER);
    is_good.then(|| left.min(lasts))
}

pub(super) fn no_run(run: RunId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no run `{run}` in the store; `orch runs` lists them"))
}

pub(super) fn taken_over(run: RunId) -> Error {
    Error::new(ErrorKind::Conflict, format!("the run `{run}` was taken over by another process"))
}

pub(super) fn lost(lease: &str) -> Error {
    let message =
        format!("the lease `{}` went to another process; what was done under it is not kept", Printable(lease));
    Error::new(ErrorKind::Conflict, message)
}

/// Refuses a first append that is not the beginning of the part.
pub(super) fn begins_it(header: &RunHeader, first: Option<&Append<'_>>) -> Result<()> {
    match first {
        Some(first) if (first.run, first.fence, first.seq) != (header.run, header.fence, 0) => {
            let message = format!("the first append of a part of the run `{}` is not at its beginning", header.run);
            Err(Error::new(ErrorKind::Misuse, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn went_on(run: RunId) -> Error {
    Error::new(ErrorKind::Conflict, format!("the run `{run}` is not as it was read: another process went on with it"))
}

pub(super) fn wrong_length(append: &Append<'_>, length: u64) -> Error {
    let Append { run, seq, .. } = append;
    Error::new(
        ErrorKind::Conflict,
        format!("the run `{run}` has {length} events, not {seq}: somebody else wrote to it"),
    )
}

impl Store for MemoryStore {
    fn open_run(&self, header: &RunHeader, first: Option<&Append<'_>>) -> Result<()> {
        begins_it(header, first)?;
        let now = self.clock.wall();
        let mut content = self.content();
        let created = match content.runs.get(&header.run) {
            Some(row) if row.fence > header.fence => return Err(taken_over(header.run)),
            Some(row) if row.fence == header.fence => return first.map_or(Ok(()), |first| content.append(first, now)),
            Some(row) if header.after.is_none_or(|after| after == (row.fence, row.events)) => row.created,
            None if header.after.is_none() => now,
            _ => return Err(went_on(header.run)),
        };
        let RunHeader { run, fence, source, name, graph, options, .. } = header.clone();
        let row = RunRow {
            run,
            fence,
            source,
            name,
            graph,
            options,
            state: RunState::Running,
            events: 0,
            created,
            updated: now,
        };
        content.runs.insert(run, row);
        let appended = first.map_or(Ok(()), |first| content.append(first, now));
        self.shared.changed.notify_all();
        appended
    }

    fn append(&self, append: &Append<'_>) -> Result<()> {
        let appended = self.content().append(append, self.clock.wall());
        self.shared.changed.notify_all();
        appended
    }

    fn read(&self, run: RunId, fence: u64, from: u64) -> Result<Vec<Record>> {
        let content = self.content();
        let records = content.records.get(&(run, fence)).map(Vec::as_slice).unwrap_or_default();
        let first = records.partition_point(|record| record.seq + u64::from(record.events) <= from);
        Ok(records.get(first..).unwrap_or_default().to_vec())
    }

    fn watch(&self, seen: &RunRow, at_most: Duration) -> Result<RunRow> {
        let same = |content: &mut Tables| {
            content
                .runs
                .get(&seen.run)
                .is_some_and(|row| (row.fence, row.events, row.state) == (seen.fence, seen.events, seen.state))
        };
        let (content, _) = self
            .shared
            .changed
            .wait_timeout_while(self.content(), at_most, same)
            .unwrap_or_else(PoisonError::into_inner);
        content.runs.get(&seen.run).cloned().ok_or_else(|| no_run(seen.run))
    }

    fn runs(&self, source: Option<&str>, limit: usize) -> Result<Vec<RunRow>> {
        let content = self.content();
        let mut rows: Vec<&RunRow> =
            content.runs.values().filter(|row| source.is_none_or(|source| row.source == source)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created, row.run)));
        Ok(rows.into_iter().take(limit).cloned().collect())
    }

    fn run(&self, run: RunId) -> Result<Option<RunRow>> {
        Ok(self.content().runs.get(&run).cloned())
    }

    fn put_blobs(&self, blobs: &[Blob]) -> Result<()> {
        let mut content = self.content();
        for blob in blobs {
            content.blobs.entry(blob.hash()).or_insert_with(|| blob.bytes().to_vec());
        }
        Ok(())
    }

    fn blob(&self, hash: BlobHash) -> Result<Option<Vec<u8>>> {
        Ok(self.content().blobs.get(&hash).cloned())
    }

    fn lock(&self, name: &str, holder: &str, lasts: Duration) -> Result<Locked> {
        let (now, until) = (self.clock.wall(), self.after(lasts));
        let mut content = self.content();
        let held = content.leases.entry(name.to_owned()).or_insert_with(|| Held {
            fence: 0,
            holder: String::new(),
            lasts,
            until: WallTime(0),
            free: true,
        });
        if !held.free && held.until > now {
            // The time of day may have gone back since. It lasts no longer than it would have, from when somebody sees it.
            let left = Duration::from_millis(held.until.0 - now.0).min(held.lasts);
            held.until = now.after(left);
            return Ok(Locked::Held { holder: held.holder.clone(), left });
        }
        let lease = Lease { fence: held.fence + 1, taken_over: !held.free };
        *held = Held { fence: lease.fence, holder: holder.to_owned(), lasts, until, free: false };
        Ok(Locked::Granted(lease))
    }

    fn renew(&self, name: &str, fence: u64, lasts: Duration) -> Result<bool> {
        let until = self.after(lasts);
        let mut content = self.content();
        let held = content.leases.get_mut(name).filter(|held| held.fence == fence && !held.free);
        Ok(held.map(|held| (held.lasts, held.until) = (lasts, until)).is_some())
    }

    fn release(&self, name: &str, fence: u64) -> Result<bool> {
        let mut content = self.content();
        let held = content.leases.get_mut(name).filter(|held| held.fence == fence && !held.free);
        Ok(held.map(|held| held.free = true).is_some())
    }

    fn holder(&self, name: &str) -> Result<Option<String>> {
        let now = self.clock.wall();
        let content = self.content();
        let held = content.leases.get(name).filter(|lease| !lease.free && lease.until > now);
        Ok(held.map(|lease| lease.holder.clone()))
    }

    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>> {
        let now = self.clock.wall();
        let content = self.content();
        let left = |(row, until): &(CacheRow, WallTime)| {
            let left = still_good(Duration::from_millis(until.0.saturating_sub(now.0)), row.left)?;
            Some(CacheRow { left, ..row.clone() })
        };
        Ok(content.cache.get(key).and_then(left))
    }

    fn cache_put(&self, key: &str, row: &CacheRow, lasts: Duration, limit: u64) -> Result<bool> {
        let (now, until) = (self.clock.wall(), self.after(lasts));
        let cache = &mut self.content().cache;
        cache.remove(key);
        if row.bytes(key) > limit {
            return Ok(false);
        }
        cache.insert(key.to_owned(), (CacheRow { left: lasts, ..row.clone() }, until));
        let mut bytes: u64 = cache.iter().map(|(key, (row, _))| row.bytes(key)).sum();
        let order = |a: &(&String, &(CacheRow, WallTime)), b: &(&String, &(CacheRow, WallTime))| {
            let is_over = |until: WallTime| until <= now;
            let ((key, (row, until)), (other_key, (other, other_until))) = (a, b);
            let first = is_over(*other_until).cmp(&is_over(*until));
            first.then(row.rate(key).total_cmp(&other.rate(other_key))).then(until.cmp(other_until))
        };
        while bytes > limit {
            let Some(least) = cache.iter().min_by(order).map(|(key, _)| key.clone()) else { break };
            bytes -= cache.remove(&least).map_or(0, |(row, _)| row.bytes(&least));
        }
        Ok(cache.contains_key(key))
    }

    fn cache_drop(&self, key: &str) -> Result<bool> {
        let now = self.clock.wall();
        Ok(self.content().cache.remove(key).is_some_and(|(_, until)| until > now))
    }

    fn wish(&self, run: RunId, wish: &Wish) -> Result<()> {
        let mut content = self.content();
        if !content.runs.contains_key(&run) {
            return Err(no_run(run));
        }
        content.wishes.entry(run).or_default().push(wish.clone());
        Ok(())
    }

    fn take_wishes(&self, run: RunId) -> Result<Vec<Wish>> {
        Ok(self.content().wishes.remove(&run).unwrap_or_default())
    }

    fn book(&self, entry: &mut dyn FnMut(&mut dyn Book) -> Result<()>) -> Result<()> {
        let mut content = self.content();
        let mut booking = Booking { content: &content, cells: BTreeMap::new(), charges: Vec::new() };
        entry(&mut booking)?;
        let Booking { cells, charges, .. } = booking;
        for (key, body) in cells {
            match body {
                Some(body) => drop(content.cells.insert(key, body)),
                None => drop(content.cells.remove(&key)),
            }
        }
        content.charges.extend(charges);
        Ok(())
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn cells(&self, prefix: &str) -> Result<Vec<(String, Content)>> {
        let content = self.content();
        let found = content.cells.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, body)| (key.clone(), body.clone())).collect())
    }

    fn charges(&self, from: WallTime, to: WallTime) -> Result<Vec<ChargeRow>> {
        let mut found: Vec<ChargeRow> =
            self.content().charges.iter().filter(|row| from <= row.at && row.at < to).cloned().collect();
        found.sort_by_key(|row| row.at);
        Ok(found)
    }

    fn post(&self, letters: &[Letter]) -> Result<usize> {
        Ok(self.content().outbox.post(letters, self.clock.wall()))
    }

    fn take_letters(&self, targets: &[&str], limit: usize, lasts: Duration) -> Result<Vec<LetterRow>> {
        Ok(self.content().outbox.take(targets, limit, lasts, self.clock.wall()))
    }

    fn delivered(&self, letter: &LetterRow, how: &Delivery) -> Result<bool> {
        Ok(self.content().outbox.delivered(letter, how, self.clock.wall()))
    }

    fn letters(&self, limit: usize) -> Result<Vec<LetterRow>> {
        Ok(self.content().outbox.letters(limit))
    }

    fn keep_facts(&self, facts: &[Fact]) -> Result<usize> {
        Ok(self.content().facts.keep(facts))
    }

    fn facts(&self, query: &FactQuery<'_>) -> Result<Vec<Fact>> {
        Ok(self.content().facts.find(query))
    }
}
