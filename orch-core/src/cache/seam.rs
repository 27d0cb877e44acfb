//! The seam of caches: where values are kept.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::{
    entry::CacheEntry,
    memory::TtlCache,
    options::{Admission, Keep},
    value::CacheValue,
};
use crate::{error::Result, id::RunId};

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

    /// What that makes of the answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> Answer<U>
    where
        T: 'static,
    {
        match self {
            Self::Ready(answer) => Answer::Ready(change(answer)),
            Self::Later(answer) => Answer::Later(Box::pin(async move { change(answer.await) })),
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
/// # Errors
///
/// Every method: what keeps the cache from answering, for example a disk that is full. Who asked goes on without the cache.
///
/// ```
/// use orch_core::{CacheOptions, Keep, TtlCache, cache::Cache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> orch_core::Result<()> {
/// let cache: Box<dyn Cache> = Box::new(TtlCache::new(CacheOptions::default()));
/// assert!(cache.keep("analysis", "large".into(), Keep::default()).wait().await?.is_kept());
/// let entry = cache.look("analysis").wait().await?.unwrap();
/// assert_eq!(entry.json().unwrap(), "large");
/// # Ok(())
/// # }
/// ```
pub trait Cache: fmt::Debug + Send + Sync {
    /// The fresh entry of that key, whose [`ttl`](CacheEntry::ttl) says how long it is still good. Counts as a hit or a miss.
    fn look(&self, key: &str) -> Answer<Result<Option<CacheEntry>>>;

    /// Sets a value, in place of the one that the key had.
    fn keep(&self, key: &str, value: CacheValue, keep: Keep) -> Answer<Result<Admission>>;

    /// Drops the entry of that key and all that was derived from it; how many entries that were.
    fn invalidate(&self, key: &str) -> Answer<Result<usize>>;

    /// Looks for a value that `run` makes if it is not there. A cache that several processes share lets one of them make it and
    /// the others wait; by default everybody makes it.
    fn lead(&self, key: &str, run: RunId) -> Answer<Result<Turn>> {
        let _ = run;
        self.look(key).map(|entry| entry.map(Turn::from))
    }
}

/// Whose turn it is to make a value.
#[derive(Debug)]
pub enum Turn {
    /// Nobody's: it is there.
    Known(CacheEntry),
    /// The caller's. With a lead others wait until the caller [keeps](Lead::keep) the value or drops the lead; without one the
    /// value goes to [`Cache::keep`].
    Make(Option<Box<dyn Lead>>),
    /// Somebody else's: ask again after that long.
    Wait(Duration),
}

impl From<Option<CacheEntry>> for Turn {
    fn from(entry: Option<CacheEntry>) -> Self {
        entry.map_or(Self::Make(None), Self::Known)
    }
}

/// The right to make a value while others wait for it. Dropping it passes the turn on.
pub trait Lead: fmt::Debug + Send + Sync {
    /// Keeps what was made, and then ends the wait of the others.
    ///
    /// # Errors
    ///
    /// What keeps the cache from keeping it.
    fn keep(self: Box<Self>, value: CacheValue, keep: Keep) -> Answer<Result<Admission>>;
}

impl Cache for TtlCache {
    fn look(&self, key: &str) -> Answer<Result<Option<CacheEntry>>> {
        Answer::Ready(Ok(self.get(key)))
    }

    fn keep(&self, key: &str, value: CacheValue, keep: Keep) -> Answer<Result<Admission>> {
        Answer::Ready(Ok(self.set_with(key, value, keep)))
    }

    fn invalidate(&self, key: &str) -> Answer<Result<usize>> {
        Answer::Ready(Ok(Self::invalidate(self, key)))
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
        fn look(&self, key: &str) -> Answer<Result<Option<CacheEntry>>> {
            let found = (key == "a").then(|| CacheEntry::new(key, "far".into(), Keep::default()));
            Answer::Later(Box::pin(std::future::ready(Ok(found))))
        }

        fn keep(&self, _: &str, _: CacheValue, _: Keep) -> Answer<Result<Admission>> {
            Answer::Later(Box::pin(std::future::ready(Ok(Admission::Outdated))))
        }

        fn invalidate(&self, _: &str) -> Answer<Result<usize>> {
            Answer::Later(Box::pin(std::future::ready(Ok(0))))
        }
    }

    #[test]
    fn others_answer_later() {
        let near = TtlCache::new(CacheOptions::default());
        near.set("a", "near");
        for (cache, at_once, value) in [(&near as &dyn Cache, true, "near"), (&Far, false, "far")] {
            assert_eq!(cache.look("a").ready().is_some(), at_once);
            let entry = crate::sync::block_on(cache.look("a").wait()).unwrap().unwrap();
            assert_eq!((entry.key(), entry.json().unwrap().as_str()), ("a", Some(value)));
            assert_eq!(entry.hash(), ContentHash::of(&value.into()));
        }
    }
}
