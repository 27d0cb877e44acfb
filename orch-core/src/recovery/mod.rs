//! AGAIN AND BACK: what to do after a failure. Pure rules; no clock, no I/O; times are passed in.
//!
//! [`retry`] says whether a failed attempt is repeated, and when; [`breaker`] whether one may begin at all; [`saga`] what a run
//! that did not succeed undoes, and in which order; [`resume`] where a stored one goes on. They decide and do nothing: the [machine](crate::run::Machine) asks them.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Failure, Retry, recovery::retry};
//!
//! let policy = Retry { jitter: false, ..Retry::default() };
//! let failure = Failure::error("connection reset");
//! assert_eq!(retry::next(&policy, &failure, 1, 0), Some(Duration::from_secs(1)));
//! assert_eq!(retry::next(&policy, &failure, 2, 0), Some(Duration::from_secs(2)));
//! assert_eq!(retry::next(&policy, &failure, 3, 0), None, "three attempts in all");
//! ```

pub mod breaker;
pub mod checkpoint;
mod named;
pub mod resume;
pub mod retry;
pub mod saga;
