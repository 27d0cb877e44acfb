//! Aids for tests: of orch, and of what is built on it (features `testing` and `vectors`).
//!
//! `graphs` makes random graphs for property tests (feature `testing`); `vectors` answers the conformance vectors (feature
//! `vectors`, which needs no other crate); `store` holds what every store must pass (feature `testing`). Nothing here belongs in a program that runs tasks.
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use orch_core::testing::graphs::graphs;
//! use proptest::prelude::*;
//!
//! proptest!(|(graph in graphs(12))| {
//!     prop_assert_eq!(graph.topological().len(), graph.len());
//! });
//! # }
//! ```

#[cfg(any(test, feature = "testing"))]
pub mod graphs;
#[cfg(any(test, feature = "testing"))]
pub mod store;
#[cfg(feature = "vectors")]
pub mod vectors;
