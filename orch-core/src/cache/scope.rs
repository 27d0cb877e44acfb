//! What a cache and its children see.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use dashmap::DashMap;
use hashbrown::{DefaultHashBuilder, HashSet};

use super::{
    book::Book,
    entry::{CacheEntry, Slot},
    flight::Flights,
    listen::{CacheEventKind, Listeners},
    options::CacheOptions,
    time::CacheTime,
};

/// The entries of one cache or child, by key, for readers. Only the book writes here, one key at a time and never while it
/// holds a reference into the same table: dashmap locks itself out then.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) slots: DashMap<Arc<str>, Arc<Slot>, DefaultHashBuilder>,
    /// Values of parents, by number, that were invalidated here.
    hidden: RwLock<HashSet<u64>>,
    hides: AtomicBool,
}

impl Table {
    pub(super) fn new(shards: usize) -> Self {
        let hasher = DefaultHashBuilder::default();
        let slots = DashMap::with_capacity_and_hasher_and_shard_amount(0, hasher, shards);
        Self { slots, hidden: RwLock::default(), hides: AtomicBool::new(false) }
    }

    /// The fresh entry of that key. A hit is counted under the lock of the shard, so that none is lost when the entry goes.
    #[inline]
    fn fresh(&self, key: &str, now: u64, hit: bool) -> Option<Arc<Slot>> {
        let found = self.slots.get(key)?;
        if !found.is_fresh(now) {
            return None;
        }
        if hit {
            found.hit(now);
        }
        Some(found.clone())
    }

    /// Whether it was not hidden before.
    pub(super) fn hide(&self, seq: u64) -> bool {
        self.hides.store(true, Ordering::Release);
        self.hidden.write().unwrap_or_else(PoisonError::into_inner).insert(seq)
    }

    pub(super) fn hides(&self, seq: u64) -> bool {
        self.hides.load(Ordering::Acquire) && self.hidden.read().unwrap_or_else(PoisonError::into_inner).contains(&seq)
    }

    /// Forgets what was hidden, but for those.
    pub(super) fn hide_only(&self, wanted: impl Fn(u64) -> bool) {
        self.hidden.write().unwrap_or_else(PoisonError::into_inner).retain(|seq| wanted(*seq));
    }

    pub(super) fn hidden(&self) -> usize {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// What a cache and its children share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: CacheOptions,
    pub(super) time: CacheTime,
    pub(super) misses: AtomicU64,
    /// Of prints.
    pub(super) hasher: DefaultHashBuilder,
    pub(super) book: Mutex<Book>,
    /// What is being made, by scope and key.
    pub(super) flights: Flights<(u32, Arc<str>), CacheEntry>,
    pub(super) listeners: Listeners,
}

impl Shared {
    /// Tells those who listen of a look.
    #[inline]
    pub(super) fn looked(&self, key: &str, found: Option<&CacheEntry>) {
        if self.listeners.any() {
            let kind = if found.is_some() { CacheEventKind::Hit } else { CacheEventKind::Miss };
            self.listeners.tell(kind, key, found);
        }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing of others runs under this lock, so nothing panics there.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts hits of an entry that was found before, and may have gone since.
    pub(super) fn hit(&self, slot: &Slot, hits: u64, now: u64) {
        if !slot.hits_more(hits, now) {
            self.book().tally.late(slot, hits);
        }
    }
}

/// One cache or child.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) id: u32,
    pub(super) table: Arc<Table>,
    pub(super) shared: Arc<Shared>,
    pub(super) parent: Option<Arc<Scope>>,
}

impl Scope {
    /// What is seen under that key: an entry of one's own, or else what the parent sees, unless it was hidden.
    #[inline]
    pub(super) fn find(&self, key: &str, now: u64, hit: bool) -> Option<Arc<Slot>> {
        match self.table.fresh(key, now, hit) {
            None if self.parent.is_some() => self.find_above(key, now, hit),
            found => found,
        }
    }

    /// What would be seen if its time were not over, where it is still kept.
    pub(super) fn find_stale(&self, key: &str, now: u64) -> Option<Arc<Slot>> {
        let own = self.table.slots.get(key).filter(|slot| now < slot.kept_until).map(|slot| slot.clone());
        own.or_else(|| {
            let above = self.parent.as_ref()?.find_stale(key, now)?;
            (!self.table.hides(above.seq)).then_some(above)
        })
    }

    fn find_above(&self, key: &str, now: u64, hit: bool) -> Option<Arc<Slot>> {
        let parents = || std::iter::successors(self.parent.as_deref(), |scope| scope.parent.as_deref());
        let (depth, slot) =
            parents().enumerate().find_map(|(depth, scope)| Some((depth, scope.table.fresh(key, now, false)?)))?;
        let mut below = std::iter::once(self).chain(parents()).take(depth + 1);
        if below.any(|scope| scope.table.hides(slot.seq)) {
            return None;
        }
        if hit {
            self.shared.hit(&slot, 1, now);
        }
        Some(slot)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if self.parent.is_some() {
            let gone = self.shared.book().close(self.id);
            // Outside of the lock: values may be large.
            drop(gone);
        }
    }
}
