//! How a cache behaves, and how one value is kept.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{content::ContentHash, entry::CacheEntry};
use crate::units::Cost;

/// How a [`TtlCache`](super::TtlCache) behaves. The default: an hour, 100 MiB, least recently used first.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{CacheOptions, Eviction};
///
/// let options = CacheOptions { ttl: Duration::from_secs(600), eviction: Eviction::Lfu, ..CacheOptions::default() };
/// assert_eq!(options.max_bytes, 100 * 1024 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheOptions {
    /// How long a value is good where its [`Keep`] does not say. Default: 3600 s. Zero: it is not kept. More than
    /// [`MAX_TTL`](CacheOptions::MAX_TTL) is as that.
    #[serde(rename = "ttl_ms", with = "crate::units::duration")]
    pub ttl: Duration,
    /// The most bytes that the entries may take together, those of [children](super::TtlCache::child) included. Default:
    /// 104,857,600 (100 MiB). Zero: nothing is kept.
    ///
    /// Counted are the bytes of keys, texts, byte values, names of members, and tags; 80 for each JSON value and each member
    /// inside of a value; 500 for each entry. That is about what they take. Values that are kept under several keys count once.
    pub max_bytes: u64,
    /// Who goes when there is no room. Default: [`Lru`](Eviction::Lru).
    pub eviction: Eviction,
}

impl CacheOptions {
    /// The longest time that a value is good: 100 years of 365 days.
    pub const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(3600), max_bytes: 100 * 1024 * 1024, eviction: Eviction::default() }
    }
}

/// Who goes first when there is no room. Entries whose time is over go before all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Eviction {
    /// Whoever was last set or read longest ago; of those at the same nanosecond, who was set first.
    #[default]
    Lru,
    /// Whoever was read least often, counted over all values of the key; of those, the least recently used.
    Lfu,
    /// Whoever is good for the shortest time from now; of those, who was set first.
    Expiry,
}

/// How one value is kept.
///
/// ```
/// use std::time::Duration;
/// use orch_core::Keep;
///
/// let keep = Keep { ttl: Some(Duration::from_secs(60)), tags: vec!["analysis".into()], ..Keep::default() };
/// assert!(keep.derived_from.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// How long it is good. Default: [`CacheOptions::ttl`].
    #[serde(rename = "ttl_ms", with = "crate::units::duration::option", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// How much longer the value may be answered while somebody makes a new one. Default: not at all. See
    /// [`get_or_make`](super::TtlCache::get_or_make).
    #[serde(rename = "stale_ms", with = "crate::units::duration")]
    pub stale: Duration,
    /// Names under which it can be [invalidated](super::TtlCache::invalidate_tag) with others.
    pub tags: Vec<String>,
    /// What it was made from. It goes when one of them is invalidated or gets another value.
    pub derived_from: Vec<Origin>,
    /// What it cost to make.
    pub cost: Cost,
}

impl Keep {
    /// For that long.
    pub fn ttl(ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..Self::default() }
    }
}

/// A value from which another was made: its key and, where the maker says so, which value it was.
///
/// Say which, by giving the entry that was read: if it was invalidated or replaced in the meantime, what was made of it is not
/// kept. A key alone stands for whatever value it has when the derived value is set; if it has none then, the derived value
/// goes as soon as it gets one.
///
/// ```
/// use orch_core::{Admission, CacheOptions, Keep, TtlCache};
///
/// let cache = TtlCache::new(CacheOptions::default());
/// cache.set("analysis", "v1");
/// let analysis = cache.get("analysis").unwrap();
/// let keep = Keep { derived_from: vec![(&analysis).into()], ..Keep::default() };
/// assert_eq!(cache.set_with("review", "of v1", keep.clone()), Admission::Kept);
///
/// cache.set("analysis", "v2");
/// assert!(cache.get("review").is_none());
/// assert_eq!(cache.set_with("review", "of v1", keep), Admission::Outdated);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OriginForm")]
pub struct Origin {
    /// Its key.
    pub key: String,
    /// The content hash of the value that was read, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
}

/// In JSON a key alone may stand for itself.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum OriginForm {
    Key(String),
    Value { key: String, hash: Option<ContentHash> },
}

impl From<OriginForm> for Origin {
    fn from(form: OriginForm) -> Self {
        match form {
            OriginForm::Key(key) => Self { key, hash: None },
            OriginForm::Value { key, hash } => Self { key, hash },
        }
    }
}

impl From<&str> for Origin {
    fn from(key: &str) -> Self {
        Self { key: key.to_owned(), hash: None }
    }
}

impl From<&CacheEntry> for Origin {
    fn from(entry: &CacheEntry) -> Self {
        Self { key: entry.key().to_owned(), hash: Some(entry.hash()) }
    }
}

/// What became of a value that was set. A value that is not kept takes the former one of its key with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is kept, until its time is over or room is needed.
    Kept,
    /// It was not kept: alone it takes more than the cache has.
    TooLarge {
        /// What it takes.
        bytes: u64,
        /// What there is.
        max_bytes: u64,
    },
    /// It was not kept: its time is over at once.
    Expired,
    /// It was not kept: a value from which it was made is gone or was replaced.
    Outdated,
    /// It was not kept: there is no room, and what is there is worth more.
    Crowded,
}

impl Admission {
    /// Whether it is kept.
    pub fn is_kept(self) -> bool {
        self == Self::Kept
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("kept"),
            Self::TooLarge { bytes, max_bytes } => {
                write!(f, "not kept: takes {bytes} bytes, more than the {max_bytes} of `max_bytes`")
            }
            Self::Expired => f.write_str("not kept: its time is over at once"),
            Self::Outdated => f.write_str("not kept: a value that it was made from is gone or was replaced"),
            Self::Crowded => f.write_str("not kept: there is no room, and what is there is worth more"),
        }
    }
}
