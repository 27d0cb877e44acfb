//! KEPT: what was made once is not made again.
//!
//! [`TtlCache`] keeps values in memory: each for its own time, all together in a bounded space, equal ones once. An entry knows
//! what it really cost to make ([`Cost`](crate::Cost)), so what the hits saved is a sum of measurements ([`CacheStats`]).
//! [Children](TtlCache::child) see their parent's entries and change nothing there; entries go by key, prefix, [`Pattern`] or
//! tag, and with what they were [derived from](Keep::derived_from). [Many callers](TtlCache::get_or_make) who
//! want the value of one key at the same time wait for one computation of it; [`Flights`] do that alone.
//! [`KeyParts`] make a key of the content of all that a value depends on, and [`KeyHistory`] says which part changed.
//!
//! Nothing here reads files or the network, starts a thread or a timer, or runs by itself: entries whose time is over are not
//! answered, and are removed when something is set. What a value means is its maker's business.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{CacheOptions, Cost, Keep, TtlCache, Usage, Usd};
//! use serde_json::json;
//!
//! let cache = TtlCache::new(CacheOptions { ttl: Duration::from_secs(600), ..CacheOptions::default() });
//!
//! // An analysis that took three minutes and twelve cents.
//! let cost = Cost {
//!     time: Duration::from_secs(180),
//!     usage: Usage::tokens("sonnet", 30_000, 2_000),
//!     money: Some(Usd::from_cents(12)),
//! };
//! cache.set_with("codebase_analysis", json!({"files": 129}), Keep { cost, ..Keep::default() });
//!
//! // Five reviewers read it.
//! for _ in 0..5 {
//!     let analysis = cache.get("codebase_analysis").unwrap();
//!     assert_eq!(analysis.json().unwrap()["files"], 129);
//! }
//! let saved = cache.stats().saved;
//! assert_eq!((saved.time.as_secs(), saved.money), (900, Some(Usd::from_cents(60))));
//!
//! // The code has changed: what was made of the analysis goes with it.
//! let analysis = cache.get("codebase_analysis").unwrap();
//! cache.set_with("summary", "good", Keep { derived_from: vec![(&analysis).into()], ..Keep::default() });
//! assert_eq!(cache.invalidate("codebase_analysis"), 2);
//! assert!(cache.get("summary").is_none());
//! ```

mod book;
mod content;
mod entry;
mod evict;
mod export;
mod flight;
mod invalidate;
mod key;
mod links;
mod listen;
mod make;
mod memory;
mod options;
mod pattern;
mod scope;
mod seam;
mod stats;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use content::ContentHash;
pub use entry::CacheEntry;
pub use export::Imported;
pub use flight::{Flights, Follower, Got, Join, Landing, Leader};
pub use key::{BlobId, FileState, KeyHistory, KeyParts};
pub use listen::{CacheEvent, CacheEventKind};
pub use make::Made;
pub use memory::TtlCache;
pub use options::{Admission, CacheOptions, Eviction, Keep, Origin};
pub use pattern::Pattern;
pub use seam::{Answer, Cache, Lead, Turn};
pub use stats::CacheStats;
pub use value::{CacheValue, Held};

pub use crate::event::{Change, Miss, Part};
