//! AGAIN: what to do after a failure. Pure rules; no clock, no I/O.
//!
//! [`retry`] says whether a failed attempt is repeated, and when.
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

mod named;
pub mod retry;
