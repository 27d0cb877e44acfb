//! One entry, as the cache holds it and as callers see it.

use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::DefaultHashBuilder;
use serde_json::Value;

use super::{
    content::{Content, ContentHash},
    options::{CacheOptions, Eviction, Keep, Origin},
    value::CacheValue,
};
use crate::units::Cost;

/// One entry. What every hit touches lies first, in one line of the processor's cache with the counts of its `Arc`.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot {
    /// When it was last set or read, by the cache's time.
    used: AtomicU64,
    /// How often it was read.
    hits: AtomicU64,
    /// From then on it is not served any more, except as stale.
    pub(super) fresh_until: u64,
    /// The content's value, one step nearer.
    value: CacheValue,
    pub(super) content: Arc<Content>,
    pub(super) key: Arc<str>,
    pub(super) kept_until: u64,
    /// The bytes of the entry without its value.
    pub(super) own_bytes: u64,
    /// The number of this value; no other has or had it.
    pub(super) seq: u64,
    /// Where the book has it.
    pub(super) place: usize,
    pub(super) scope: u32,
    /// How often former values of the key were read.
    pub(super) former_hits: u64,
    pub(super) ttl: Duration,
    pub(super) extras: Option<Box<Extras>>,
}

/// What most entries do not have.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) tags: Vec<String>,
    pub(super) derived_from: Vec<Origin>,
    pub(super) cost: Cost,
    pub(super) stale: Duration,
}

impl Extras {
    /// Nothing, where there is nothing.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// The order in which entries go: the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    hits: u64,
    pub(super) at: u64,
    pub(super) seq: u64,
    pub(super) place: usize,
}

/// In the count of hits: the entry went, and they were added up.
const WENT: u64 = 1 << 63;

impl Slot {
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        now < self.fresh_until
    }

    /// An entry that is in no cache.
    pub(super) fn detached(draft: Draft, now: u64) -> Self {
        draft.into_slot(u64::MAX, usize::MAX, u32::MAX, None, now)
    }

    /// Counts a hit. Only the line that the caller's `Arc` has already touched is written.
    #[inline]
    pub(super) fn hit(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts so many hits at once, the latest of them now. `false`: the entry went meanwhile, and its hits were added up.
    pub(super) fn hits_more(&self, hits: u64, now: u64) -> bool {
        self.used.store(now, Ordering::Relaxed);
        self.hits.fetch_add(hits, Ordering::Relaxed) & WENT == 0
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed) & !WENT
    }

    /// The hits, at the end: later ones are told to whoever counts them.
    pub(super) fn last_hits(&self) -> u64 {
        self.hits.fetch_or(WENT, Ordering::Relaxed) & !WENT
    }

    pub(super) fn rank(&self, eviction: Eviction) -> Rank {
        let (hits, at) = match eviction {
            Eviction::Lru => (0, self.used.load(Ordering::Relaxed)),
            Eviction::Lfu => (self.former_hits.saturating_add(self.hits()), self.used.load(Ordering::Relaxed)),
            Eviction::Expiry => (0, self.fresh_until),
        };
        Rank { hits, at, seq: self.seq, place: self.place }
    }

    /// The order in which entries end.
    pub(super) fn end(&self) -> Rank {
        Rank { hits: 0, at: self.kept_until, seq: self.seq, place: self.place }
    }

    pub(super) fn tags(&self) -> &[String] {
        self.extras.as_ref().map_or(&[], |extras| &extras.tags)
    }

    pub(super) fn derived_from(&self) -> &[Origin] {
        self.extras.as_ref().map_or(&[], |extras| &extras.derived_from)
    }

    pub(super) fn cost(&self) -> Option<&Cost> {
        self.extras.as_ref().map(|extras| &extras.cost).filter(|cost| !cost.is_nothing())
    }
}

/// What is to become an entry.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) key: Arc<str>,
    pub(super) content: Arc<Content>,
    pub(super) ttl: Duration,
    pub(super) fresh_until: u64,
    pub(super) kept_until: u64,
    pub(super) former_hits: u64,
    pub(super) extras: Option<Box<Extras>>,
}

/// What an entry takes beside its key, its tags and its value, in bytes: the slot, and its places in the tables.
const ENTRY: u64 = 500;

impl Draft {
    /// A value that is set at `now`.
    pub(super) fn new(key: Arc<str>, content: Content, keep: Keep, default_ttl: Duration, now: u64) -> Self {
        let Keep { ttl, stale, tags, derived_from, cost } = keep;
        let ttl = ttl.unwrap_or(default_ttl).min(CacheOptions::MAX_TTL);
        let stale = stale.min(CacheOptions::MAX_TTL);
        let fresh_until = now.saturating_add(nanos(ttl));
        let extras = Extras { tags, derived_from, cost, stale };
        Self {
            key,
            content: Arc::new(content),
            ttl,
            fresh_until,
            kept_until: fresh_until.saturating_add(nanos(stale)),
            former_hits: 0,
            extras: extras.boxed(),
        }
    }

    pub(super) fn derived_from(&self) -> &[Origin] {
        self.extras.as_ref().map_or(&[], |extras| &extras.derived_from)
    }

    /// The bytes of the entry without its value.
    pub(super) fn own_bytes(&self) -> u64 {
        let extras = self.extras.as_ref().map_or(0, |extras| {
            let tags = extras.tags.iter().map(String::len);
            tags.chain(extras.derived_from.iter().map(|origin| origin.key.len())).sum::<usize>()
        });
        ENTRY + self.key.len() as u64 + extras as u64
    }

    /// As the entry with that number at that place, after that entry of the same key.
    pub(super) fn into_slot(self, seq: u64, place: usize, scope: u32, old: Option<&Slot>, now: u64) -> Slot {
        let former_hits = old.map_or(0, |old| old.former_hits.saturating_add(old.hits()));
        Slot {
            used: AtomicU64::new(now),
            hits: AtomicU64::new(0),
            fresh_until: self.fresh_until,
            kept_until: self.kept_until,
            value: self.content.value.clone(),
            own_bytes: self.own_bytes(),
            content: self.content,
            key: self.key,
            seq,
            place,
            scope,
            former_hits: self.former_hits.saturating_add(former_hits),
            ttl: self.ttl,
            extras: self.extras,
        }
    }
}

/// A duration of at most two times 100 years fits.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a cache found under a key. Cheap to clone; keeps the value while the cache may already have forgotten it.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{CacheOptions, Cost, Keep, TtlCache};
///
/// let cache = TtlCache::new(CacheOptions::default());
/// let cost = Cost { time: Duration::from_secs(180), ..Cost::default() };
/// cache.set_with("analysis", "large", Keep { cost, ..Keep::default() });
/// let entry = cache.get("analysis").unwrap();
/// assert_eq!((entry.json().unwrap().as_str(), entry.cost().time.as_secs()), (Some("large"), 180));
/// ```
#[derive(Clone)]
pub struct CacheEntry(pub(super) Arc<Slot>);

impl CacheEntry {
    /// An entry that is in no cache of this process: what another [`Cache`](super::Cache) found.
    pub fn new(key: &str, value: CacheValue, keep: Keep) -> Self {
        let content = Content::new(value, &DefaultHashBuilder::default());
        Self(Arc::new(Slot::detached(Draft::new(key.into(), content, keep, CacheOptions::default().ttl, 0), 0)))
    }

    /// The key under which it was set.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The value.
    pub fn value(&self) -> &CacheValue {
        &self.0.value
    }

    /// The value, where it is JSON.
    pub fn json(&self) -> Option<&Value> {
        self.0.value.json()
    }

    /// The value, where it is bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.0.value.bytes()
    }

    /// The value's content hash.
    pub fn hash(&self) -> ContentHash {
        self.0.content.hash()
    }

    /// How long it was good when it was set.
    pub fn ttl(&self) -> Duration {
        self.0.ttl
    }

    /// Names under which it can be invalidated.
    pub fn tags(&self) -> &[String] {
        self.0.tags()
    }

    /// What it was made from.
    pub fn derived_from(&self) -> &[Origin] {
        self.0.derived_from()
    }

    /// What it cost to make: what each hit saves.
    pub fn cost(&self) -> &Cost {
        static NOTHING: LazyLock<Cost> = LazyLock::new(Cost::default);
        self.0.cost().unwrap_or(&NOTHING)
    }
}

impl fmt::Debug for CacheEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheEntry")
            .field("key", &self.key())
            .field("value", self.value())
            .field("ttl", &self.ttl())
            .finish_non_exhaustive()
    }
}
