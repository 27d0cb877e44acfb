//! The caches, each behind the same two calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orch_core::{CacheOptions, TtlCache};

const HOUR: Duration = Duration::from_secs(3_600);

/// Keys and values, made before anything is measured.
pub(crate) struct Data {
    pub(crate) keys: Vec<Arc<str>>,
    values: Vec<Arc<[u8]>>,
}

impl Data {
    pub(crate) fn new(count: usize) -> Self {
        let value = |nth: usize| {
            let mut bytes = vec![7; 1_024];
            bytes[..8].copy_from_slice(&nth.to_le_bytes());
            bytes.into()
        };
        Self {
            keys: (0..count).map(|nth| format!("analysis/module-{nth}").into()).collect(),
            values: (0..count).map(value).collect(),
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Arc<str>, Arc<[u8]>)> {
        self.keys.iter().cloned().zip(self.values.iter().cloned())
    }
}

pub(crate) trait Contender: Sync {
    /// With room for that many bytes; quick_cache also wants to know how many entries there will be.
    fn new(bytes: u64, entries: usize) -> Self;
    fn insert(&self, key: Arc<str>, value: Arc<[u8]>);
    /// What it answers is held as long as its length is read.
    fn read(&self, key: &str) -> Option<usize>;
}

pub(crate) struct Orch(TtlCache);

impl Contender for Orch {
    fn new(bytes: u64, _: usize) -> Self {
        Self(TtlCache::new(CacheOptions { ttl: HOUR, max_bytes: bytes, ..CacheOptions::default() }))
    }

    fn insert(&self, key: Arc<str>, value: Arc<[u8]>) {
        self.0.set(key, value);
    }

    fn read(&self, key: &str) -> Option<usize> {
        Some(self.0.get(key)?.bytes()?.len())
    }
}

pub(crate) struct Moka(moka::sync::Cache<Arc<str>, Arc<[u8]>>);

impl Contender for Moka {
    fn new(bytes: u64, _: usize) -> Self {
        let weigher = |key: &Arc<str>, value: &Arc<[u8]>| (key.len() + value.len() + 500) as u32;
        let policy = moka::policy::EvictionPolicy::lru();
        let builder = moka::sync::Cache::builder().max_capacity(bytes).weigher(weigher).time_to_live(HOUR);
        Self(builder.eviction_policy(policy).build())
    }

    fn insert(&self, key: Arc<str>, value: Arc<[u8]>) {
        self.0.insert(key, value);
    }

    fn read(&self, key: &str) -> Option<usize> {
        Some(self.0.get(key)?.len())
    }
}

#[derive(Clone)]
pub(crate) struct Weigher;

impl<V: AsBytes> quick_cache::Weighter<Arc<str>, V> for Weigher {
    fn weight(&self, key: &Arc<str>, value: &V) -> u64 {
        (key.len() + value.as_bytes().len() + 500) as u64
    }
}

pub(crate) trait AsBytes {
    fn as_bytes(&self) -> &[u8];
}

impl AsBytes for Arc<[u8]> {
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

impl AsBytes for (Instant, Arc<[u8]>) {
    fn as_bytes(&self) -> &[u8] {
        &self.1
    }
}

pub(crate) struct Quick(quick_cache::sync::Cache<Arc<str>, Arc<[u8]>, Weigher>);

impl Contender for Quick {
    fn new(bytes: u64, entries: usize) -> Self {
        Self(quick_cache::sync::Cache::with_weighter(entries, bytes, Weigher))
    }

    fn insert(&self, key: Arc<str>, value: Arc<[u8]>) {
        self.0.insert(key, value);
    }

    fn read(&self, key: &str) -> Option<usize> {
        Some(self.0.get(key)?.len())
    }
}

pub(crate) struct QuickWithTime(quick_cache::sync::Cache<Arc<str>, (Instant, Arc<[u8]>), Weigher>);

impl Contender for QuickWithTime {
    fn new(bytes: u64, entries: usize) -> Self {
        Self(quick_cache::sync::Cache::with_weighter(entries, bytes, Weigher))
    }

    fn insert(&self, key: Arc<str>, value: Arc<[u8]>) {
        self.0.insert(key, (Instant::now() + HOUR, value));
    }

    fn read(&self, key: &str) -> Option<usize> {
        let (until, value) = self.0.get(key)?;
        (Instant::now() < until).then(|| value.len())
    }
}

pub(crate) struct Dash(dashmap::DashMap<Arc<str>, Arc<[u8]>>);

impl Contender for Dash {
    fn new(_: u64, _: usize) -> Self {
        Self(dashmap::DashMap::new())
    }

    fn insert(&self, key: Arc<str>, value: Arc<[u8]>) {
        self.0.insert(key, value);
    }

    fn read(&self, key: &str) -> Option<usize> {
        let value = self.0.get(key)?.clone();
        Some(value.len())
    }
}
