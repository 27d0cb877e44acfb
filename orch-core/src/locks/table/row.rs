//! What a table knows of one resource.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::{
    bucket::Bucket,
    entry::{NEVER, Want},
};
use crate::{
    definition::{ClaimMode, Resource},
    id::ResourceId,
};

/// One resource.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: ResourceId,
    /// Whose it is; 0: everybody's.
    pub(super) scope: u32,
    /// Somebody declared it: it stays when nobody uses it.
    pub(super) declared: bool,
    pub(super) capacity: Option<u32>,
    /// Units taken by holders that share.
    pub(super) used: u64,
    /// Its holder excludes all others.
    pub(super) exclusive: bool,
    /// One of its holders may upgrade.
    pub(super) upgradable: bool,
    /// That one waits for the others to leave.
    pub(super) upgrading: Option<u32>,
    /// (entry, place in its wants).
    pub(super) holders: Vec<(u32, u32)>,
    /// Those that wait for this resource. INVARIANT: none of them could have it now.
    pub(super) queue: Queue,
    /// Requests that were passed over too often, oldest first: they want this resource, wherever they are parked.
    pub(super) due: Vec<u32>,
    pub(super) rates: Option<Box<Rates>>,
    /// When the timer rings that was set for a bucket.
    pub(super) refill_at: u64,
    /// No lease of a holder ends before.
    pub(super) next_lease: u64,
    /// Who was told to look at the clock, and for when.
    pub(super) looked: (u64, u64),
    pub(super) tally: Tally,
}

#[derive(Debug)]
pub(super) struct Rates {
    pub(super) requests: Option<Bucket>,
    pub(super) tokens: Option<Bucket>,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) waiting: usize,
    pub(super) granted: u64,
    pub(super) refused: u64,
    pub(super) expired: u64,
    pub(super) waited: u64,
    pub(super) longest: u64,
}

impl Row {
    pub(super) fn new(resource: &Resource, scope: u32, declared: bool, now: u64) -> Self {
        let Resource { name, capacity, requests_per_minute, tokens_per_minute, .. } = resource;
        let requests = requests_per_minute.map(|limit| Bucket::new(u64::from(limit), now));
        let tokens = tokens_per_minute.map(|limit| Bucket::new(limit, now));
        let rated = requests.is_some() || tokens.is_some();
        Self {
            name: name.clone(),
            scope,
            declared,
            capacity: *capacity,
            used: 0,
            exclusive: false,
            upgradable: false,
            upgrading: None,
            holders: Vec::new(),
            queue: Queue::default(),
            due: Vec::new(),
            rates: rated.then(|| Box::new(Rates { requests, tokens })),
            refill_at: NEVER,
            next_lease: NEVER,
            looked: (NEVER, NEVER),
            tally: Tally::default(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.holders.is_empty() && self.tally.waiting == 0
    }

    fn has(&self, units: u32) -> bool {
        self.capacity.is_none_or(|capacity| self.used + u64::from(units) <= u64::from(capacity))
    }

    /// Whether its holders leave room for that claim.
    pub(super) fn has_room(&self, want: &Want) -> bool {
        !self.exclusive
            && match want.mode {
                ClaimMode::Exclusive => self.holders.is_empty(),
                ClaimMode::Shared => self.has(want.units),
                ClaimMode::Upgradable => !self.upgradable && self.has(want.units),
            }
    }

    /// How many nanoseconds until its rates allow that claim; 0: now.
    pub(super) fn wait_for(&self, want: &Want, now: u64) -> u64 {
        self.rates.as_ref().map_or(0, |rates| {
            let requests = rates.requests.as_ref().map_or(0, |bucket| bucket.wait_for(1, now));
            let tokens = rates.tokens.as_ref().map_or(0, |bucket| bucket.wait_for(want.tokens, now));
            requests.max(tokens)
        })
    }

    /// Whether nobody in the queue could have it, whatever is free elsewhere: spares a look at each.
    pub(super) fn is_full(&self) -> bool {
        let Queue { shared, upgradable, .. } = self.queue;
        self.exclusive
            || !self.has(1)
            || (!self.holders.is_empty() && shared == 0 && (self.upgradable || upgradable == 0))
    }

    pub(super) fn take(&mut self, want: &Want, holder: (u32, u32), now: u64) -> u32 {
        match want.mode {
            ClaimMode::Exclusive => self.exclusive = true,
            ClaimMode::Upgradable => self.upgradable = true,
            ClaimMode::Shared => {}
        }
        if want.mode != ClaimMode::Exclusive {
            self.used += u64::from(want.units);
        }
        if let Some(rates) = &mut self.rates {
            rates.requests.iter_mut().for_each(|bucket| bucket.take(1, now));
            rates.tokens.iter_mut().for_each(|bucket| bucket.take(want.tokens, now));
        }
        self.next_lease = self.next_lease.min(want.expires);
        self.tally.granted += 1;
        self.holders.push(holder);
        self.holders.len() as u32 - 1
    }

    /// Gives back what `take` took; the holder that now stands in its place, if another does.
    pub(super) fn give_back(&mut self, want: &Want) -> Option<(u32, u32)> {
        match want.mode {
            ClaimMode::Exclusive => self.exclusive = false,
            ClaimMode::Upgradable => self.upgradable = false,
            ClaimMode::Shared => {}
        }
        if want.mode != ClaimMode::Exclusive {
            self.used -= u64::from(want.units);
        }
        self.holders.swap_remove(want.at as usize);
        if self.holders.is_empty() {
            self.next_lease = NEVER;
        }
        self.holders.get(want.at as usize).copied()
    }
}

/// The order in which those that wait for a resource are looked at: those that are due by their arrival, then by priority,
/// rank and arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    not_due: bool,
    priority: Reverse<i32>,
    rank: u32,
    seq: u64,
    pub(super) entry: u32,
}

impl Place {
    pub(super) fn new(due: bool, priority: i32, rank: u32, seq: u64, entry: u32) -> Self {
        if due {
            Self { not_due: false, priority: Reverse(0), rank: 0, seq, entry }
        } else {
            Self { not_due: true, priority: Reverse(priority), rank, seq, entry }
        }
    }
}

/// Those that wait for a resource.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) places: BTreeSet<Place>,
    /// (arrival, entry), some of which have left.
    pub(super) eldest: BinaryHeap<Reverse<(u64, u32)>>,
    shared: usize,
    upgradable: usize,
}

impl Queue {
    pub(super) fn push(&mut self, place: Place, mode: ClaimMode) {
        self.places.insert(place);
        self.eldest.push(Reverse((place.seq, place.entry)));
        if self.eldest.len() > 64 + 4 * self.places.len() {
            self.eldest = self.places.iter().map(|place| Reverse((place.seq, place.entry))).collect();
        }
        self.count(mode, true);
    }

    pub(super) fn remove(&mut self, place: Place, mode: ClaimMode) {
        if self.places.remove(&place) {
            self.count(mode, false);
        }
        if self.places.is_empty() {
            self.eldest.clear();
        }
    }

    /// Moves one to where those stand that are due.
    pub(super) fn promote(&mut self, from: Place, to: Place) {
        if self.places.remove(&from) {
            self.places.insert(to);
        }
    }

    fn count(&mut self, mode: ClaimMode, more: bool) {
        let count = match mode {
            ClaimMode::Shared => &mut self.shared,
            ClaimMode::Upgradable => &mut self.upgradable,
            ClaimMode::Exclusive => return,
        };
        *count = if more { *count + 1 } else { *count - 1 };
    }
}
