//! The native half of the Node package.
//!
//! A door to [`orch_core`]: it takes values in, calls the core and gives values out. It decides nothing. What runs the user's
//! functions, the driver on the loop of Node, is written in JavaScript; this half answers it what to begin and what to stop.
//! Nothing of this starts a thread until something native has to run: a program, a file to look at.

mod cache;
pub mod cli;
pub mod contexts;
mod convert;
mod error;
mod event;
mod graph;
mod locks;
pub mod money;
pub mod notices;
mod plan;
mod programs;
pub mod recovery;
mod report;
mod seams;
pub mod session;
mod steps;
pub mod store;
mod told;
mod tracker;
#[cfg(feature = "vectors")]
pub mod vectors;
mod wake;

use napi_derive::napi;

/// The version of the engine, for example `0.1.0`.
#[napi]
pub fn version() -> &'static str {
    orch_core::VERSION
}
