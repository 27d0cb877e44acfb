//! Aids for tests: of orch, and of what is built on it (feature `testing`).
//!
//! [`graphs`] makes random graphs for property tests. Nothing here belongs in a program that runs tasks.
//!
//! ```
//! use orch_core::testing::graphs::graphs;
//! use proptest::prelude::*;
//!
//! proptest!(|(graph in graphs(12))| {
//!     prop_assert_eq!(graph.topological().len(), graph.len());
//! });
//! ```

pub mod graphs;
