//! The cache: values of JavaScript in the core's cache, by numbers, since objects of JavaScript cannot leave their thread.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use orch_core::{
    CacheOptions, CacheValue, Clock, Error, ErrorKind, Eviction, Keep, TtlCache,
    cache::{CacheEventKind, Held},
    clock::Hand,
    session::SharedCache,
};
use serde_json::Value;

use crate::{
    convert::{self, duration, millis},
    error::Raised,
    store::{Job, NativeStore, later},
};

/// What JavaScript has to hear: keys whose values went, and numbers of values that nobody keeps any more.
#[derive(Default)]
struct Heard {
    events: Vec<(CacheEventKind, String)>,
    dropped: Vec<u32>,
}

type Ear = Arc<Mutex<Heard>>;

fn hear(ear: &Ear, tell: impl FnOnce(&mut Heard)) {
    tell(&mut ear.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Stands for a value of JavaScript.
struct Token {
    number: u32,
    ear: Ear,
}

impl Drop for Token {
    fn drop(&mut self) {
        hear(&self.ear, |heard| heard.dropped.push(self.number));
    }
}

/// What was found.
#[napi(object, object_from_js = false)]
pub struct Found {
    /// The number of a value of this thread.
    pub number: Option<u32>,
    /// Else the value as JSON.
    pub json: Option<String>,
    /// For how many more milliseconds it is good.
    pub rest_ms: f64,
}

/// What happened since the last look.
#[napi(object, object_from_js = false)]
pub struct CacheNews {
    /// What happened to keys: `evicted`, `expired`, `invalidated` or `set`, and the key, in turn.
    pub events: Vec<String>,
    /// Numbers of values that nobody keeps any more.
    pub dropped: Vec<u32>,
}

/// Values by key.
#[napi]
pub struct NativeCache {
    pub(crate) shared: SharedCache,
    ear: Ear,
    hand: Option<Hand>,
}

impl NativeCache {
    fn cache(&self) -> &TtlCache {
        self.shared.cache()
    }
}

#[napi]
impl NativeCache {
    /// With the core's defaults; `manual` is a clock that only `advance` moves. In `store` runs look for results that are not here,
    /// and keep theirs.
    #[napi(constructor)]
    pub fn new(
        max_bytes: Option<f64>,
        ttl_ms: Option<f64>,
        eviction: Option<String>,
        manual: bool,
        store: Option<&NativeStore>,
    ) -> napi::Result<Self> {
        let mut options = CacheOptions::default();
        if let Some(bytes) = max_bytes {
            if bytes.is_nan() || bytes < 0.0 {
                let message = format!("the most bytes of a cache are at least 0, not {bytes}");
                return Err(Error::new(ErrorKind::InvalidValue, message)).raised();
            }
            // Saturates, which is as good as no limit.
            options.max_bytes = bytes as u64;
        }
        options.ttl = ttl(ttl_ms)?.unwrap_or(options.ttl);
        options.eviction = match eviction.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => options.eviction,
            Some("lru") => Eviction::Lru,
            Some("lfu") => Eviction::Lfu,
            Some("ttl" | "expiry") => Eviction::Expiry,
            Some(other) => {
                let message = format!("`{other}` is no way to evict; give 'LRU', 'LFU' or 'TTL'");
                return Err(Error::new(ErrorKind::InvalidValue, message)).raised();
            }
        };
        let (clock, hand) = if manual {
            let (clock, hand) = Clock::manual();
            (clock, Some(hand))
        } else {
            (Clock::system(), None)
        };
        let (cache, ear) = (TtlCache::with_clock(options, clock), Ear::default());
        let told = ear.clone();
        cache.listen(move |event| {
            // Hits and misses are the caller's own.
            if !matches!(event.kind, CacheEventKind::Hit | CacheEventKind::Miss) {
                hear(&told, |heard| heard.events.push((event.kind, event.key.to_owned())));
            }
        });
        let shared = SharedCache::new(cache);
        let shared = match store {
            Some(store) => shared.over(store.results()?),
            None => shared,
        };
        Ok(Self { shared, ear, hand })
    }

    /// A cache that sees the entries of this one under its own.
    #[napi]
    pub fn child(&self) -> Self {
        let shared = SharedCache::new(self.cache().child());
        Self { shared, ear: self.ear.clone(), hand: self.hand.clone() }
    }

    /// The value of that key; counts as a hit or a miss, or with `peek` as nothing.
    #[napi]
    pub fn get(&self, key: String, peek: bool) -> napi::Result<Option<Found>> {
        let entry = if peek { self.cache().peek(&key) } else { self.cache().get(&key) };
        let (Some(entry), Some(rest)) = (entry, self.cache().rest(&key)) else { return Ok(None) };
        let number = entry.value().held::<Token>().map(|token| token.number);
        let json = match (number, entry.json()) {
            (None, Some(value)) => Some(convert::shown(value)?),
            _ => None,
        };
        Ok(Some(Found { number, json, rest_ms: millis(rest) }))
    }

    /// Counts hits that were answered without asking here, the least recent first.
    #[napi]
    pub fn used(&self, keys: Vec<String>, hits: Vec<u32>) {
        for (key, hits) in keys.iter().zip(hits) {
            self.cache().used(key, hits.into());
        }
    }

    /// Keeps the value of that number. `json` is its JSON form, where it has one; `bytes` what it takes beside that. Answers why
    /// it is not kept.
    #[napi]
    pub fn set(
        &self,
        key: String,
        number: u32,
        json: Option<String>,
        bytes: f64,
        ttl_ms: Option<f64>,
        tags: Option<Vec<String>>,
    ) -> napi::Result<Option<String>> {
        let json: Option<Value> = json.map(|text| convert::read(&text, "the value")).transpose()?;
        let value = Held::new(Token { number, ear: self.ear.clone() }, json, bytes as u64);
        let keep = Keep { ttl: ttl(ttl_ms)?, tags: tags.unwrap_or_default(), ..Keep::default() };
        let admission = self.cache().set_with(key, CacheValue::Held(value), keep);
        Ok((!admission.is_kept()).then(|| admission.to_string()))
    }

    /// Drops a key, and answers how many entries went.
    #[napi]
    pub fn invalidate(&self, key: String) -> u32 {
        self.cache().invalidate(&key) as u32
    }

    /// Drops what has that tag.
    #[napi]
    pub fn invalidate_tag(&self, tag: String) -> u32 {
        self.cache().invalidate_tag(&tag) as u32
    }

    /// Drops everything.
    #[napi]
    pub fn clear(&self) -> u32 {
        self.cache().clear() as u32
    }

    /// The keys, sorted.
    #[napi]
    pub fn keys(&self) -> Vec<String> {
        self.cache().keys().iter().map(|key| key.to_string()).collect()
    }

    /// What it holds and did, as JSON; drops what is over.
    #[napi]
    pub fn stats(&self) -> napi::Result<String> {
        let stats = self.cache().stats();
        let mut shown = serde_json::to_value(&stats).unwrap_or_default();
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("hit_rate".to_owned(), stats.hit_rate().into());
        }
        convert::shown(&shown)
    }

    /// The content hash of the value of a key that has a JSON form, or of any value.
    #[napi]
    pub fn hash(&self, key: String) -> Option<String> {
        self.cache().peek(&key).map(|entry| entry.hash().to_string())
    }

    /// Everything that has a JSON form, as JSON.
    #[napi]
    pub fn export(&self) -> String {
        self.cache().export()
    }

    /// Takes in an export; what became of its entries, as JSON.
    #[napi]
    pub fn import(&self, text: String) -> napi::Result<String> {
        convert::shown(&self.cache().import(&text).raised()?)
    }

    /// What happened since the last call.
    #[napi]
    pub fn news(&self) -> Option<CacheNews> {
        let Heard { events, dropped } = std::mem::take(&mut *self.ear.lock().unwrap_or_else(PoisonError::into_inner));
        if events.is_empty() && dropped.is_empty() {
            return None;
        }
        let events = events.into_iter().flat_map(|(kind, key)| [kind.name().to_owned(), key]).collect();
        Some(CacheNews { events, dropped })
    }

    /// Waits until the store has what runs gave it to keep.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn settle(&self) -> AsyncTask<Job<()>> {
        let shared = self.shared.clone();
        later(move || shared.settle_blocking())
    }

    /// Moves the time of a cache with a manual clock.
    #[napi]
    pub fn advance(&self, ms: f64) -> napi::Result<()> {
        if let Some(hand) = &self.hand {
            hand.advance(duration(ms)?);
        }
        Ok(())
    }
}

/// Milliseconds; what is longer than the longest time is as that.
fn ttl(ms: Option<f64>) -> napi::Result<Option<std::time::Duration>> {
    let longest = CacheOptions::MAX_TTL;
    ms.map(|ms| if ms > millis(longest) { Ok(longest) } else { duration(ms) }).transpose()
}
