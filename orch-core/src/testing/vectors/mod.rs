//! Conformance vectors (feature `vectors`): one JSON corpus, in `tests/vectors`, that judges every language the same way.
//!
//! A vector is a file `{version, note, input, want}` in the folder of its area. [`run`] makes of `input` what must equal
//! `want`, so the tests of Rust and of the bindings ask the same function and only find and compare the files themselves. It
//! reads no file and knows no `want`.
//!
//! ```
//! use orch_core::testing::vectors;
//! use serde_json::json;
//!
//! let input = json!({"source": "context.files > 3", "scopes": [{"context": {"files": 5}}]});
//! assert_eq!(vectors::run("condition", input)?["holds"], json!([true]));
//! assert!(vectors::run("weather", json!({})).is_err());
//! # Ok::<_, orch_core::Error>(())
//! ```

#[cfg(feature = "actions")]
mod actions;
mod areas;
mod assign;
#[cfg(feature = "badges")]
mod badges;
#[cfg(all(feature = "worktrees", feature = "budget-files"))]
mod batches;
mod cache;
mod cost;
mod definition;
mod locks;
#[cfg(feature = "metrics")]
mod metrics;
mod money;
mod recovery;
mod run;
mod shape;
#[cfg(feature = "worktrees")]
mod worktrees;

pub use areas::{areas, run};
