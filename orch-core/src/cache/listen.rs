//! Who hears what a cache does.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Serialize;

use super::{
    entry::{CacheEntry, Slot},
    scope::Shared,
};

/// Something that happened in a cache or one of its children.
#[derive(Debug, Clone, Copy)]
pub struct CacheEvent<'a> {
    /// What.
    pub kind: CacheEventKind,
    /// Of which key.
    pub key: &'a str,
    /// The entry; `None` for a miss.
    pub entry: Option<&'a CacheEntry>,
}

/// What happened in a cache. The [`name`](CacheEventKind::name) is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CacheEventKind {
    /// A look found the entry.
    Hit,
    /// A look found none.
    Miss,
    /// A value was set and kept.
    Set,
    /// The entry went to make room.
    Evicted,
    /// The entry went since its time is over, when the cache was next changed.
    Expired,
    /// The entry, or what it was made from, was invalidated, or is hidden from a child from now on.
    Invalidated,
}

impl CacheEventKind {
    /// The stable name, as in JSON: `evicted`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Set => "set",
            Self::Evicted => "evicted",
            Self::Expired => "expired",
            Self::Invalidated => "invalidated",
        }
    }
}

type Listener = Arc<dyn Fn(CacheEvent<'_>) + Send + Sync>;

/// Those who hear what happens. Nobody: one look at a flag.
#[derive(Default)]
pub(super) struct Listeners {
    some: AtomicBool,
    list: RwLock<Arc<[Listener]>>,
}

impl Listeners {
    pub(super) fn add(&self, listener: Listener) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        *list = list.iter().cloned().chain([listener]).collect();
        self.some.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn any(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    /// Tells them. No lock is held while they hear: they may use the cache.
    #[cold]
    pub(super) fn tell(&self, kind: CacheEventKind, key: &str, entry: Option<&CacheEntry>) {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner).clone();
        list.iter().for_each(|listener| listener(CacheEvent { kind, key, entry }));
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listeners").field(&self.any()).finish()
    }
}

/// Entries that went, and where somebody listens those that came: what a change did, in order. Drop or tell it when the lock is
/// free: freeing a large value takes long, and who hears may use the cache.
#[derive(Debug)]
pub(super) struct Gone {
    /// `None`: it was replaced or closed, of which nobody is told.
    slots: Vec<(Option<CacheEventKind>, Arc<Slot>)>,
    heard: bool,
}

impl Gone {
    /// Nothing yet, with a place for those that come if somebody hears.
    pub(super) fn new(shared: &Shared) -> Self {
        Self { slots: Vec::new(), heard: shared.listeners.any() }
    }

    pub(super) fn unheard() -> Self {
        Self { slots: Vec::new(), heard: false }
    }

    pub(super) fn push(&mut self, why: Option<CacheEventKind>, slot: Arc<Slot>) {
        self.slots.push((why, slot));
    }

    pub(super) fn note(&mut self, kind: CacheEventKind, slot: &Arc<Slot>) {
        if self.heard {
            self.slots.push((Some(kind), slot.clone()));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Tells what happened.
    #[inline]
    pub(super) fn tell(self, shared: &Shared) {
        if self.heard {
            self.tell_all(shared);
        }
    }

    #[cold]
    fn tell_all(self, shared: &Shared) {
        for (kind, slot) in self.slots {
            if let Some(kind) = kind {
                let entry = CacheEntry(slot);
                shared.listeners.tell(kind, entry.key(), Some(&entry));
            }
        }
    }
}
