//! What a cache should do, in the plainest way: lists that are searched from end to end.

use std::collections::BTreeSet;

use crate::{CacheOptions, CacheStats, Eviction};

pub(super) type Key = &'static str;
pub(super) const SECOND: u64 = 1_000_000_000;

#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) key: Key,
    pub(super) value: &'static str,
    pub(super) ttl: u64,
    pub(super) stale: u64,
    pub(super) tag: Option<Key>,
    pub(super) from: Option<Key>,
    /// With the value that the scope saw.
    pub(super) pinned: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    scope: usize,
    set: Set,
    id: u64,
    /// By all values of the key.
    reads: u64,
    hits: u64,
    used: u64,
    fresh_until: u64,
    kept_until: u64,
    source: Option<(usize, Key, Option<&'static str>)>,
}

#[derive(Debug)]
pub(super) struct Model {
    options: CacheOptions,
    pub(super) now: u64,
    entries: Vec<Entry>,
    /// Parents; a scope that is gone has none and no entries.
    pub(super) parents: Vec<Option<usize>>,
    hidden: Vec<BTreeSet<u64>>,
    next: u64,
    pub(super) stats: CacheStats,
}

impl Model {
    pub(super) fn new(options: CacheOptions) -> Self {
        let stats = CacheStats::default();
        Self { options, now: 0, entries: vec![], parents: vec![None], hidden: vec![BTreeSet::new()], next: 0, stats }
    }

    pub(super) fn child(&mut self, parent: usize) {
        self.parents.push(Some(parent));
        self.hidden.push(BTreeSet::new());
    }

    pub(super) fn close(&mut self, scope: usize) {
        self.remove(|entry| entry.scope == scope);
    }

    fn lineage(&self, scope: usize) -> Vec<usize> {
        std::iter::successors(Some(scope), |scope| self.parents[*scope]).collect()
    }

    fn own(&self, scope: usize, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.scope == scope && entry.set.key == key)
    }

    pub(super) fn see(&self, scope: usize, key: &str) -> Option<(u64, &'static str)> {
        match self.own(scope, key).filter(|entry| self.now < entry.fresh_until) {
            Some(own) => Some((own.id, own.set.value)),
            None => self.see(self.parents[scope]?, key).filter(|(id, _)| !self.hidden[scope].contains(id)),
        }
    }

    pub(super) fn get(&mut self, scope: usize, key: &str) -> Option<&'static str> {
        let Some((id, value)) = self.see(scope, key) else {
            self.stats.misses += 1;
            return None;
        };
        let now = self.now;
        let entry = self.entries.iter_mut().find(|entry| entry.id == id).unwrap();
        (entry.hits, entry.reads, entry.used) = (entry.hits + 1, entry.reads + 1, now);
        Some(value)
    }

    /// Called when time has passed.
    pub(super) fn end(&mut self) {
        let now = self.now;
        self.stats.expirations += self.remove(|entry| entry.kept_until <= now);
    }

    fn remove(&mut self, gone: impl Fn(&Entry) -> bool) -> u64 {
        let before = self.entries.len();
        self.stats.hits += self.entries.iter().filter(|entry| gone(entry)).map(|entry| entry.hits).sum::<u64>();
        self.entries.retain(|entry| !gone(entry));
        (before - self.entries.len()) as u64
    }

    fn bytes(&self) -> u64 {
        let values: BTreeSet<&str> = self.entries.iter().map(|entry| entry.set.value).collect();
        values.iter().map(|value| value.len() as u64 + 80).sum::<u64>()
            + self.entries.iter().map(|entry| entry.set.own_bytes()).sum::<u64>()
    }

    /// Whose value of that key a scope sees, fresh or not, or whose value something that is there was made from.
    fn source(&self, scope: usize, key: &str) -> Option<(usize, Option<&'static str>)> {
        let lineage = self.lineage(scope);
        for (nth, &owner) in lineage.iter().enumerate() {
            if let Some(entry) = self.own(owner, key) {
                let hidden = lineage[..nth].iter().any(|below| self.hidden[*below].contains(&entry.id));
                return (!hidden).then_some((owner, Some(entry.set.value)));
            }
            let made_from = self.entries.iter().filter_map(|entry| entry.source);
            let mut made_from = made_from.filter(|source| source.0 == owner && source.1 == key);
            if let Some((_, _, value)) = made_from.next() {
                return Some((owner, value));
            }
        }
        None
    }

    pub(super) fn set(&mut self, scope: usize, set: Set) -> &'static str {
        let saw = set.from.and_then(|key| self.see(scope, key));
        if let Some((owner, value)) = self.source(scope, set.key)
            && value != Some(set.value)
        {
            self.drop_made_from(scope, (owner, set.key));
        }
        let present = |model: &Self, key| model.source(scope, key).and_then(|(_, value)| value);
        let pinned = set.from.zip(saw).filter(|_| set.pinned);
        let refusal = if set.own_bytes() + set.value.len() as u64 + 80 > self.options.max_bytes {
            Some("too large")
        } else if set.ttl + set.stale == 0 {
            Some("expired")
        } else if pinned.is_some_and(|(key, (_, value))| present(self, key) != Some(value)) {
            Some("outdated")
        } else {
            None
        };
        let old = self.own(scope, set.key).map(|old| (old.id, old.reads));
        self.remove(|entry| old.is_some_and(|(id, _)| entry.id == id));
        if let Some(refusal) = refusal {
            return refusal;
        }
        self.stats.sets += 1;
        let id = self.next;
        self.next += 1;
        let fresh_until = self.now + set.ttl;
        let mut entry = Entry {
            scope,
            id,
            reads: old.map_or(0, |(_, reads)| reads),
            hits: 0,
            used: self.now,
            fresh_until,
            kept_until: fresh_until + set.stale,
            source: None,
            set,
        };
        self.entries.push(entry.clone());
        entry.source = entry.set.from.map(|key| match self.source(scope, key) {
            Some((owner, value)) => (owner, key, value),
            None => (0, key, None),
        });
        *self.entries.last_mut().unwrap() = entry;
        while self.bytes() > self.options.max_bytes {
            let eviction = self.options.eviction;
            let rank = |entry: &&Entry| match eviction {
                Eviction::Lru => (0, entry.used, entry.id),
                Eviction::Lfu => (entry.reads, entry.used, entry.id),
                Eviction::Expiry => (0, entry.fresh_until, entry.id),
            };
            let first = self.entries.iter().filter(|entry| entry.id != id).min_by_key(rank).unwrap().id;
            self.stats.evictions += self.remove(|entry| entry.id == first);
        }
        "kept"
    }

    pub(super) fn invalidate(&mut self, scope: usize, fits: impl Fn(&Set) -> bool, keys: &[Key]) -> u64 {
        let lineage = self.lineage(scope);
        let found = |entry: &&Entry| lineage.contains(&entry.scope) && fits(&entry.set);
        let found: Vec<_> =
            self.entries.iter().filter(found).map(|entry| (entry.scope, entry.set.key, entry.id)).collect();
        let mut dropped = 0;
        for (_, _, id) in &found {
            dropped += self.withdraw(scope, *id);
        }
        for (owner, key, _) in found {
            dropped += self.drop_made_from(scope, (owner, key));
        }
        for owner in lineage {
            for key in keys {
                dropped += self.drop_made_from(scope, (owner, key));
            }
        }
        dropped
    }

    pub(super) fn clear(&mut self, scope: usize, keys: &[Key]) -> u64 {
        let own: Vec<u64> = self.entries.iter().filter(|entry| entry.scope == scope).map(|entry| entry.id).collect();
        let mut dropped: u64 = own.into_iter().map(|id| self.withdraw(scope, id)).sum();
        for key in keys {
            dropped += self.drop_made_from(scope, (scope, key));
        }
        self.hidden[scope].clear();
        dropped
    }

    fn drop_made_from(&mut self, scope: usize, (owner, key): (usize, Key)) -> u64 {
        let made = |entry: &&Entry| entry.source.is_some_and(|source| source.0 == owner && source.1 == key);
        let made: Vec<_> =
            self.entries.iter().filter(made).map(|entry| (entry.scope, entry.set.key, entry.id)).collect();
        let mut dropped = 0;
        for (theirs, key, id) in made {
            let one = self.withdraw(scope, id);
            dropped += one;
            if one > 0 {
                dropped += self.drop_made_from(scope, (theirs, key));
            }
        }
        dropped
    }

    /// Removes what was set in the scope or below it, hides what was set above it.
    fn withdraw(&mut self, scope: usize, id: u64) -> u64 {
        let Some(entry) = self.entries.iter().find(|entry| entry.id == id) else { return 0 };
        let dropped = if self.lineage(entry.scope).contains(&scope) {
            self.remove(|entry| entry.id == id)
        } else if self.lineage(scope).contains(&entry.scope) {
            u64::from(self.hidden[scope].insert(id))
        } else {
            0
        };
        self.stats.invalidations += dropped;
        dropped
    }

    pub(super) fn stats(&self) -> CacheStats {
        let hits = self.stats.hits + self.entries.iter().map(|entry| entry.hits).sum::<u64>();
        CacheStats { entries: self.entries.len() as u64, bytes: self.bytes(), hits, ..self.stats.clone() }
    }
}

impl Set {
    fn own_bytes(&self) -> u64 {
        500 + (self.key.len() + self.tag.map_or(0, str::len) + self.from.map_or(0, str::len)) as u64
    }
}
