//! One look, and one computation where there is nothing.

use std::{future::Future, sync::Arc, sync::atomic::Ordering, time::Duration};

use super::{
    content::Content,
    entry::{CacheEntry, Draft, Slot},
    flight::{Join, Landing},
    memory::TtlCache,
    options::Keep,
    value::CacheValue,
};
use crate::{sync::block_on, units::Cost};

/// A value that was just made, and what it used beside time.
///
/// Any value that a cache keeps is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The value.
    pub value: CacheValue,
    /// What it cost. A time of zero is replaced by the time that making it took.
    pub cost: Cost,
}

impl<T: Into<CacheValue>> From<T> for Made {
    fn from(value: T) -> Self {
        Self { value: value.into(), cost: Cost::default() }
    }
}

impl TtlCache {
    /// The value of that key, made by `make` if there is none. Of many callers of one key at once, one makes it and the others
    /// wait; if it fails or is dropped, the next one makes it, with its own `make`. Nobody waits for ever, unless a computation
    /// waits for its own key.
    ///
    /// Where the entry was kept with [`stale`](Keep::stale) and its time is over by less than that, one caller makes a new
    /// value and waits for it, and all others get the old one at once. After that time nobody gets the old one.
    ///
    /// A value that is too large or good for no time is answered, to those who wait too, and not kept. Who finds a value or
    /// waits for it counts as a hit, who makes it as a miss. What is invalidated while it is being made is kept nevertheless;
    /// say what it was [derived from](Keep::derived_from) where that may happen.
    ///
    /// # Errors
    ///
    /// What `make` says.
    ///
    /// ```
    /// use orch_core::{CacheOptions, Keep, TtlCache};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = TtlCache::new(CacheOptions::default());
    /// for _ in 0..2 {
    ///     let entry = cache.get_or_make("files", Keep::default(), || async { Ok::<_, String>(129) }).await.unwrap();
    ///     assert_eq!(entry.json().unwrap(), 129);
    /// }
    /// let stats = cache.stats();
    /// assert_eq!((stats.hits, stats.misses), (1, 1));
    /// # }
    /// ```
    pub async fn get_or_make<M: Into<Made>, E, F: Future<Output = Result<M, E>>>(
        &self,
        key: impl Into<Arc<str>>,
        keep: Keep,
        make: impl FnOnce() -> F,
    ) -> Result<CacheEntry, E> {
        let key = key.into();
        let shared = &self.0.shared;
        let now = shared.time.now();
        if let Some(found) = self.0.find(&key, now, true).map(CacheEntry) {
            shared.looked(&key, Some(&found));
            return Ok(found);
        }
        let name = (self.0.id, key.clone());
        let leader = match self.0.find_stale(&key, now) {
            Some(stale) => match shared.flights.try_lead(name) {
                Some(leader) => leader,
                None => {
                    shared.hit(&stale, 1, now);
                    let stale = CacheEntry(stale);
                    shared.looked(&key, Some(&stale));
                    return Ok(stale);
                }
            },
            None => match shared.flights.join(name) {
                Join::Leader(leader) => leader,
                Join::Follower(follower) => match follower.await {
                    Landing::Lead(leader) => leader,
                    Landing::Value(entry) => {
                        shared.hit(&entry.0, 1, shared.time.now());
                        shared.looked(&key, Some(&entry));
                        return Ok(entry);
                    }
                },
            },
        };
        // Somebody may have landed between the look and the join.
        let began = shared.time.now();
        if let Some(found) = self.0.find(&key, began, true).map(CacheEntry) {
            leader.land(found.clone());
            shared.looked(&key, Some(&found));
            return Ok(found);
        }
        shared.misses.fetch_add(1, Ordering::Relaxed);
        shared.looked(&key, None);
        let made = make().await?.into();
        let took = Duration::from_nanos(shared.time.now().saturating_sub(began));
        let entry = self.keep(key, made, keep, took);
        leader.land(entry.clone());
        Ok(entry)
    }

    /// [`get_or_make`](TtlCache::get_or_make) for callers without async: the thread waits.
    ///
    /// # Errors
    ///
    /// What `make` says.
    pub fn get_or_make_blocking<M: Into<Made>, E>(
        &self,
        key: impl Into<Arc<str>>,
        keep: Keep,
        make: impl FnOnce() -> Result<M, E>,
    ) -> Result<CacheEntry, E> {
        block_on(self.get_or_make(key, keep, || std::future::ready(make())))
    }

    /// The entry of a new value, also where it is not kept.
    fn keep(&self, key: Arc<str>, made: Made, mut keep: Keep, took: Duration) -> CacheEntry {
        let shared = &self.0.shared;
        keep.cost.add(&made.cost);
        if keep.cost.time.is_zero() {
            keep.cost.time = took;
        }
        let now = shared.time.now();
        let content = Content::new(made.value, &shared.hasher);
        let draft = Draft::new(key.clone(), content, keep, shared.options.ttl, now);
        let spare = draft.clone();
        if self.put(draft, now).is_kept()
            && let Some(slot) = self.0.find(&key, now, false)
        {
            return CacheEntry(slot);
        }
        CacheEntry(Arc::new(Slot::detached(spare, now)))
    }
}
