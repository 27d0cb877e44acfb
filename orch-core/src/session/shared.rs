//! What the runs of an engine share: a cache, who is making what is not there yet, and why it was not there.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{io, pending::Pending};
use crate::{
    cache::{
        Admission, Answer, Cache, CacheEntry, CacheOptions, CacheValue, Eviction, Flights, Keep, KeyHistory, KeyParts,
        Lead, Leader, Miss, TtlCache,
    },
    definition::command::CachePolicy,
    error::Result,
};

/// A cache that runs share, and who is making what is not there yet. Cheap to clone; clones share both.
///
/// ```
/// use orch_core::{CacheOptions, TtlCache, session::SharedCache};
///
/// let shared = SharedCache::new(TtlCache::new(CacheOptions::default()));
/// assert_eq!(shared.cache().stats().entries, 0);
/// ```
#[derive(Clone)]
pub struct SharedCache {
    cache: TtlCache,
    pub(super) flights: Flights<String, Option<CacheEntry>>,
    /// What the results that were missed last depended on.
    history: Arc<Mutex<KeyHistory>>,
    /// Who is asked for what is not in the cache.
    behind: Option<Arc<dyn Cache>>,
    /// What it has not kept yet.
    pending: Arc<Pending>,
}

/// The lead in making a result: others of this process, and behind the cache those of others, wait for it. Dropping it hands it to
/// the next one.
pub(super) struct Making {
    pub(super) flight: Leader<String, Option<CacheEntry>>,
    pub(super) behind: Option<Box<dyn Lead>>,
}

impl SharedCache {
    /// Runs that get clones of this share the cache.
    pub fn new(cache: TtlCache) -> Self {
        Self { cache, flights: Flights::default(), history: Arc::default(), behind: None, pending: Arc::default() }
    }

    /// The same over another cache, for example one on a disk that others share: of all who want a result that is not in
    /// `cache`, one asks `behind`, and what is found there goes to `cache`; what is made goes to both. An answer that takes longer
    /// than ten seconds counts as none; where another process makes it, it is asked for again until that is done.
    ///
    /// Only whole results of tasks are asked for there; what tasks read by key is looked for in `cache`.
    #[must_use]
    pub fn over(mut self, behind: Arc<dyn Cache>) -> Self {
        self.behind = Some(behind);
        self
    }

    /// The cache.
    pub fn cache(&self) -> &TtlCache {
        &self.cache
    }

    /// Hears that what is made of these parts has to be made, and answers why.
    pub fn missed(&self, name: &str, parts: KeyParts) -> Miss {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).missed(name, parts)
    }

    /// Why the value of that [key](KeyParts::key) had to be made when it was missed last; `None` if that is not known.
    pub fn explain(&self, key: &str) -> Option<Miss> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).explain(key).cloned()
    }

    /// Keeps a result, and gives it to those who wait for it.
    pub(super) fn publish(&self, key: &str, value: CacheValue, keep: Keep, making: Making) {
        let Making { flight, behind } = making;
        match (behind, &self.behind) {
            (Some(lead), _) => self.pending.add(lead.keep(value.clone(), keep.clone())),
            (None, Some(behind)) => self.pending.add(behind.keep(key, value.clone(), keep.clone())),
            (None, None) => {}
        }
        let kept = self.cache.set_with(key, value, keep).is_kept();
        flight.land(if kept { self.cache.peek(key) } else { None });
    }

    /// Waits until the cache behind has kept all that it was given so far.
    ///
    /// # Errors
    ///
    /// The latest of those that kept it from keeping something, since the last call.
    pub async fn settle(&self) -> Result<()> {
        self.pending.settle().await
    }

    /// The same for callers without async. Blocks.
    ///
    /// # Errors
    ///
    /// Those of [`settle`](SharedCache::settle).
    pub fn settle_blocking(&self) -> Result<()> {
        io::own().map_or(Ok(()), |runtime| runtime.block_on(self.settle()))
    }

    /// Sees to it that the cache behind keeps that.
    pub(super) fn add_pending(&self, answer: Answer<Result<Admission>>) {
        self.pending.add(answer);
    }

    /// Who is asked for what is not in the cache.
    pub(super) fn behind(&self) -> Option<&Arc<dyn Cache>> {
        self.behind.as_ref()
    }

    /// Takes in what the cache behind has.
    pub(super) fn take_in(&self, entry: &CacheEntry) {
        let keep =
            Keep { ttl: Some(entry.ttl()), tags: entry.tags().to_vec(), cost: entry.cost().clone(), ..Keep::default() };
        self.cache.set_with(entry.key(), entry.value().clone(), keep);
    }
}

/// The options of a cache for a definition: the defaults, but for what it says itself.
pub fn cache_options(policy: CachePolicy) -> CacheOptions {
    let default = CacheOptions::default();
    let eviction = match policy.eviction {
        Some("lfu") => Eviction::Lfu,
        Some("expiry") => Eviction::Expiry,
        _ => default.eviction,
    };
    CacheOptions { max_bytes: policy.max_bytes.unwrap_or(default.max_bytes), eviction, ..default }
}

impl fmt::Debug for SharedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCache").field("cache", &self.cache).finish_non_exhaustive()
    }
}
