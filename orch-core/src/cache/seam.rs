//! The seam of caches: where values are kept.

use std::{fmt, future::Future, pin::Pin};

use super::{
    entry::CacheEntry,
    memory::TtlCache,
    options::{Admission, Keep},
    value::CacheValue,
};

/// What a cache answers: at once, or later, where it has to ask a disk or a network. Whoever asked sees to it that the future
/// runs; dropping it withdraws the question.
pub enum Answer<T> {
    /// The answer.
    Ready(T),
    /// It is not known yet.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answer<T> {
    /// The answer, where it is there.
    pub fn ready(self) -> Option<T> {
        match self {
            Self::Ready(answer) => Some(answer),
            Self::Later(_) => None,
        }
    }

    /// The answer, as soon as it is there.
    pub async fn wait(self) -> T {
        match self {
            Self::Ready(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Keeps values by key. No call blocks. [`TtlCache`] is one and always answers at once; an engine puts one of its own in front of
/// any other ([`EngineBuilder::cache_behind`](crate::EngineBuilder::cache_behind)).
///
/// A cache that others write to as well serves only what it can vouch for: the hash of a value is compared before it is used.
///
/// ```
/// use orch_core::{CacheOptions, Keep, TtlCache, cache::Cache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache: Box<dyn Cache> = Box::new(TtlCache::new(CacheOptions::default()));
/// assert!(cache.keep("analysis", "large".into(), Keep::default()).wait().await.is_kept());
/// let entry = cache.look("analysis").wait().await.unwrap();
/// assert_eq!(entry.json().unwrap(), "large");
/// # }
/// ```
pub trait Cache: fmt::Debug + Send + Sync {
    /// The fresh entry of that key, whose [`ttl`](CacheEntry::ttl) says how long it is still good. Counts as a hit or a miss.
    fn look(&self, key: &str) -> Answer<Option<CacheEntry>>;

    /// Sets a value, in place of the one that the key had.
    fn keep(&self, key: &str, value: CacheValue, keep: Keep) -> Answer<Admission>;

    /// Drops the entry of that key and all that was derived from it; how many entries that were.
    fn invalidate(&self, key: &str) -> Answer<usize>;
}

impl Cache for TtlCache {
    fn look(&self, key: &str) -> Answer<Option<CacheEntry>> {
        Answer::Ready(self.get(key))
    }

    fn keep(&self, key: &str, value: CacheValue, keep: Keep) -> Answer<Admission> {
        Answer::Ready(self.set_with(key, value, keep))
    }

    fn invalidate(&self, key: &str) -> Answer<usize> {
        Answer::Ready(Self::invalidate(self, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheOptions, ContentHash};

    /// One that has to ask first, and knows one value.
    #[derive(Debug)]
    struct Far;

    impl Cache for Far {
        fn look(&self, key: &str) -> Answer<Option<CacheEntry>> {
            let found = (key == "a").then(|| CacheEntry::new(key, "far".into(), Keep::default()));
            Answer::Later(Box::pin(std::future::ready(found)))
        }

        fn keep(&self, _: &str, _: CacheValue, _: Keep) -> Answer<Admission> {
            Answer::Later(Box::pin(std::future::ready(Admission::Outdated)))
        }

        fn invalidate(&self, _: &str) -> Answer<usize> {
            Answer::Later(Box::pin(std::future::ready(0)))
        }
    }

    #[test]
    fn others_answer_later() {
        let near = TtlCache::new(CacheOptions::default());
        near.set("a", "near");
        for (cache, at_once, value) in [(&near as &dyn Cache, true, "near"), (&Far, false, "far")] {
            assert_eq!(cache.look("a").ready().is_some(), at_once);
            let entry = crate::sync::block_on(cache.look("a").wait()).unwrap();
            assert_eq!((entry.key(), entry.json().unwrap().as_str()), ("a", Some(value)));
            assert_eq!(entry.hash(), ContentHash::of(&value.into()));
        }
    }
}
