//! What a cache did, counted.

use serde::{Deserialize, Serialize};

use super::{book::Book, entry::Slot};
use crate::units::Cost;

/// What a cache and its children hold now, and did since they began. Counted and measured, never estimated.
///
/// ```
/// use orch_core::{CacheOptions, TtlCache};
///
/// let cache = TtlCache::new(CacheOptions::default());
/// cache.set("analysis", "large");
/// assert!(cache.get("analysis").is_some() && cache.get("other").is_none());
/// let stats = cache.stats();
/// assert_eq!((stats.hits, stats.misses, stats.hit_rate()), (1, 1, Some(0.5)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheStats {
    /// Entries that are there. One whose time is over is not.
    pub entries: u64,
    /// What they take, as [`CacheOptions::max_bytes`](super::CacheOptions::max_bytes) counts.
    pub bytes: u64,
    /// Looks that found a value.
    pub hits: u64,
    /// Looks that found none.
    pub misses: u64,
    /// Values that were kept when they were set.
    pub sets: u64,
    /// Entries that went to make room.
    pub evictions: u64,
    /// Entries that went because their time was over.
    pub expirations: u64,
    /// Entries that went, or were hidden from a child, because they or what they were made from were invalidated.
    pub invalidations: u64,
    /// What it cost to make the values that were set.
    pub made: Cost,
    /// What the hits saved: for each, what its entry cost to make. What the look itself took is not taken off.
    pub saved: Cost,
}

impl CacheStats {
    /// How many of the looks were hits, from 0 to 1; `None` before the first look.
    pub fn hit_rate(&self) -> Option<f64> {
        let looks = self.hits.saturating_add(self.misses);
        (looks > 0).then(|| self.hits as f64 / looks as f64)
    }
}

/// What the book counts: everything but the hits of entries that are still there, which count themselves, and misses.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sets: u64,
    pub(super) evictions: u64,
    pub(super) expirations: u64,
    pub(super) invalidations: u64,
    hits: u64,
    made: Cost,
    saved: Cost,
}

impl Tally {
    pub(super) fn made(&mut self, slot: &Slot) {
        self.sets += 1;
        if let Some(cost) = slot.cost() {
            self.made.add(cost);
        }
    }

    pub(super) fn went(&mut self, slot: &Slot) {
        Self::count(slot, slot.last_hits(), &mut self.hits, &mut self.saved);
    }

    /// Hits of an entry that had gone when they were counted.
    pub(super) fn late(&mut self, slot: &Slot, hits: u64) {
        Self::count(slot, hits, &mut self.hits, &mut self.saved);
    }

    fn count(slot: &Slot, of_slot: u64, hits: &mut u64, saved: &mut Cost) {
        *hits = hits.saturating_add(of_slot);
        if of_slot > 0
            && let Some(cost) = slot.cost()
        {
            saved.add(&cost.times(of_slot));
        }
    }
}

impl Book {
    pub(super) fn stats(&self, misses: u64) -> CacheStats {
        let Tally { sets, evictions, expirations, invalidations, mut hits, ref made, ref saved } = self.tally;
        let mut saved = saved.clone();
        self.slots.iter().for_each(|slot| Tally::count(slot, slot.hits(), &mut hits, &mut saved));
        CacheStats {
            entries: self.slots.len() as u64,
            bytes: self.bytes,
            hits,
            misses,
            sets,
            evictions,
            expirations,
            invalidations,
            made: made.clone(),
            saved,
        }
    }
}
