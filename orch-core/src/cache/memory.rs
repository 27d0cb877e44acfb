//! The cache in memory.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::DefaultHashBuilder;

use super::{
    book::Book,
    content::Content,
    entry::{CacheEntry, Draft},
    flight::Flights,
    listen::{CacheEvent, Gone, Listeners},
    options::{Admission, CacheOptions, Keep},
    pattern::Pattern,
    scope::{Scope, Shared, Table},
    stats::CacheStats,
    time::CacheTime,
    value::CacheValue,
};
use crate::clock::Clock;

/// Values by key, each for a time, all together in a bounded space. Cheap to clone; clones share the entries.
///
/// A hit takes no lock but that of one shard, shared; sets and invalidations go one after the other. A value whose time is over
/// is never answered, whatever the system's clock does: it is measured by the monotonic clock, and by the time of day where
/// that runs ahead by more than a second, which is noticed within ten milliseconds.
///
/// Keys are any texts, taken as they are: `../x` is not a path here, and nothing of a key is ever run or opened.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{CacheOptions, Keep, TtlCache};
/// use serde_json::json;
///
/// let cache = TtlCache::new(CacheOptions { max_bytes: 1024 * 1024, ..CacheOptions::default() });
/// cache.set("project_structure", json!({"files": 129}));
/// cache.set_with("coverage", 85, Keep::ttl(Duration::from_secs(60)));
/// assert_eq!(cache.get("coverage").unwrap().json(), Some(&json!(85)));
///
/// let child = cache.child();
/// child.set("coverage", 86);
/// assert_eq!(child.get("coverage").unwrap().json(), Some(&json!(86)));
/// assert_eq!(cache.get("coverage").unwrap().json(), Some(&json!(85)));
/// ```
#[derive(Clone)]
pub struct TtlCache(pub(super) Arc<Scope>);

/// So many shards that few of a handful of threads meet in one, and so few that a child costs little.
const SHARDS: usize = 64;
const SHARDS_OF_CHILD: usize = 4;

impl TtlCache {
    /// An empty cache on the system's clock.
    pub fn new(options: CacheOptions) -> Self {
        Self::with_clock(options, Clock::system())
    }

    /// An empty cache on that clock.
    pub fn with_clock(options: CacheOptions, clock: Clock) -> Self {
        let table = Arc::new(Table::new(SHARDS));
        let mut book = Book::new(options);
        let id = book.open(table.clone(), None);
        let shared = Shared {
            options,
            time: CacheTime::new(clock),
            misses: AtomicU64::new(0),
            hasher: DefaultHashBuilder::default(),
            book: Mutex::new(book),
            flights: Flights::default(),
            listeners: Listeners::default(),
        };
        let shared = Arc::new(shared);
        Self(Arc::new(Scope { id, table, shared, parent: None }))
    }

    /// A cache that sees the entries of this one under its own: what is set there is not seen here, and what is invalidated
    /// there is only hidden from it, until it is set here again. Its entries count towards the same
    /// [`max_bytes`](CacheOptions::max_bytes) and go when its last clone and last child go.
    #[must_use]
    pub fn child(&self) -> Self {
        let shared = self.0.shared.clone();
        let table = Arc::new(Table::new(SHARDS_OF_CHILD));
        let id = shared.book().open(table.clone(), Some(self.0.id));
        Self(Arc::new(Scope { id, table, shared, parent: Some(self.0.clone()) }))
    }

    /// Calls `listener` with all that happens from now on, in this cache, its parents and its children, as long as they live. It
    /// is called by the thread that caused the event, after the change and without a lock: it may use the cache, but for
    /// [making](TtlCache::get_or_make) the value of the very key whose miss it hears, and what it takes that thread waits. Events of different threads may come in any order. Not told: a value that another one replaces,
    /// the entries of a child that closes, and what nobody looks at: an entry whose time is over is told when the cache is next
    /// changed.
    ///
    /// Nobody listens by default, and then nothing is spent on it.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// use orch_core::{CacheOptions, TtlCache, cache::CacheEventKind};
    ///
    /// let cache = TtlCache::new(CacheOptions::default());
    /// let misses = Arc::new(AtomicU32::new(0));
    /// let seen = misses.clone();
    /// cache.listen(move |event| {
    ///     if event.kind == CacheEventKind::Miss {
    ///         seen.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// assert!(cache.get("analysis").is_none());
    /// assert_eq!(misses.load(Ordering::Relaxed), 1);
    /// ```
    pub fn listen(&self, listener: impl Fn(CacheEvent<'_>) + Send + Sync + 'static) {
        self.0.shared.listeners.add(Arc::new(listener));
    }

    /// How it behaves.
    pub fn options(&self) -> &CacheOptions {
        &self.0.shared.options
    }

    /// The entry of that key. Counts as a hit or a miss, and as a use.
    #[inline]
    pub fn get(&self, key: &str) -> Option<CacheEntry> {
        if self.0.shared.listeners.any() { self.look_aloud(key) } else { self.look(key) }
    }

    #[inline]
    fn look(&self, key: &str) -> Option<CacheEntry> {
        let shared = &self.0.shared;
        let found = self.0.find(key, shared.time.now(), true);
        if found.is_none() {
            shared.misses.fetch_add(1, Ordering::Relaxed);
        }
        found.map(CacheEntry)
    }

    /// Apart, so that a look that nobody hears does not carry it.
    #[cold]
    #[inline(never)]
    fn look_aloud(&self, key: &str) -> Option<CacheEntry> {
        let found = self.look(key);
        self.0.shared.looked(key, found.as_ref());
        found
    }

    /// The entry of that key; finding it counts as a hit and a use, not finding it does not count: for those who may then wait
    /// for somebody else to make it.
    #[inline]
    pub fn find(&self, key: &str) -> Option<CacheEntry> {
        let found = self.0.find(key, self.0.shared.time.now(), true).map(CacheEntry);
        if found.is_some() {
            self.0.shared.looked(key, found.as_ref());
        }
        found
    }

    /// The entry of that key, uncounted: for those who show what is there.
    pub fn peek(&self, key: &str) -> Option<CacheEntry> {
        self.0.find(key, self.0.shared.time.now(), false).map(CacheEntry)
    }

    /// How much longer the value of that key is answered; `None`: there is none. Uncounted.
    pub fn rest(&self, key: &str) -> Option<Duration> {
        let now = self.0.shared.time.now();
        self.0.find(key, now, false).map(|slot| Duration::from_nanos(slot.fresh_until.saturating_sub(now)))
    }

    /// Counts so many hits, and a use now: for those who keep a value that they [found](TtlCache::find) nearer by for a while and
    /// answer it themselves. `false`: there is no such value any more, and nothing is counted.
    pub fn used(&self, key: &str, hits: u64) -> bool {
        let now = self.0.shared.time.now();
        let Some(slot) = self.0.find(key, now, false) else { return false };
        self.0.shared.hit(&slot, hits, now);
        true
    }

    /// Sets a value for the [default time](CacheOptions::ttl).
    pub fn set(&self, key: impl Into<Arc<str>>, value: impl Into<CacheValue>) -> Admission {
        self.set_with(key, value, Keep::default())
    }

    /// Sets a value, in place of the one that the key had. What was derived from another value of the key goes.
    pub fn set_with(&self, key: impl Into<Arc<str>>, value: impl Into<CacheValue>, keep: Keep) -> Admission {
        let Shared { options, time, hasher, .. } = &*self.0.shared;
        let content = Content::new(value.into(), hasher);
        let now = time.now();
        self.put(Draft::new(key.into(), content, keep, options.ttl, now), now)
    }

    pub(super) fn put(&self, draft: Draft, now: u64) -> Admission {
        let (mut book, mut gone) = (self.0.shared.book(), Gone::new(&self.0.shared));
        if let Some(wanted) = book.wants_hashes(&draft) {
            drop(book);
            wanted.iter().for_each(|content| _ = content.hash());
            book = self.0.shared.book();
        }
        let kept = book.put((self.0.id, &self.0.table), draft, now, &mut gone);
        drop(book);
        gone.tell(&self.0.shared);
        kept
    }

    /// Drops the entry of that key and all that was derived from it, and answers how many entries that were.
    pub fn invalidate(&self, key: &str) -> usize {
        self.change(|book, gone| book.invalidate_key(self.0.id, key, gone))
    }

    /// [Drops](TtlCache::invalidate) the entries whose keys begin so. Looks at every key.
    pub fn invalidate_prefix(&self, prefix: &str) -> usize {
        self.change(|book, gone| book.invalidate_keys(self.0.id, |key| key.starts_with(prefix), gone))
    }

    /// [Drops](TtlCache::invalidate) the entries whose keys fit. Looks at every key.
    pub fn invalidate_matching(&self, pattern: &Pattern) -> usize {
        self.change(|book, gone| book.invalidate_keys(self.0.id, |key| pattern.matches(key), gone))
    }

    /// [Drops](TtlCache::invalidate) the entries with that tag.
    pub fn invalidate_tag(&self, tag: &str) -> usize {
        self.change(|book, gone| book.invalidate_tag(self.0.id, tag, gone))
    }

    /// Drops all that was set here and what was derived from it. A child then sees its parent's entries again.
    pub fn clear(&self) -> usize {
        self.change(|book, gone| book.clear(self.0.id, gone))
    }

    /// The keys that can be seen here, sorted.
    pub fn keys(&self) -> Vec<Arc<str>> {
        let scopes = std::iter::successors(Some(&*self.0), |scope| scope.parent.as_deref());
        let keys =
            scopes.flat_map(|scope| scope.table.slots.iter().map(|entry| entry.key().clone()).collect::<Vec<_>>());
        let mut keys: Vec<Arc<str>> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        let now = self.0.shared.time.now();
        keys.retain(|key| self.0.find(key, now, false).is_some());
        keys
    }

    /// What the cache and its children hold and did. Looks at every entry.
    pub fn stats(&self) -> CacheStats {
        self.change(|book, _| book.stats(self.0.shared.misses.load(Ordering::Relaxed)))
    }

    /// Removes what is over, changes the book, and drops what went when the lock is free again: large values take long.
    fn change<T>(&self, change: impl FnOnce(&mut Book, &mut Gone) -> T) -> T {
        let mut gone = Gone::new(&self.0.shared);
        let mut book = self.0.shared.book();
        book.end(self.0.shared.time.now(), &mut gone);
        let answer = change(&mut book, &mut gone);
        drop(book);
        gone.tell(&self.0.shared);
        answer
    }
}

impl fmt::Debug for TtlCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlCache").field("options", self.options()).finish_non_exhaustive()
    }
}
