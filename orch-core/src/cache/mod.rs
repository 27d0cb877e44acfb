//! KEPT: what was computed once is not computed again.
//!
//! [`Flights`] let many callers who want the value of one key at the same time wait for one computation of it.
//!
//! No value is kept here.
//!
//! ```
//! use orch_core::cache::{Flights, Got};
//!
//! let flights = Flights::<String, u32>::default();
//! let got = flights.get_blocking("analysis".into(), || None, || Ok::<_, String>(42));
//! assert_eq!(got, Ok(Got::Computed(42)));
//! ```

mod flight;
mod pattern;

pub use flight::{Flights, Follower, Got, Join, Landing, Leader};
pub use pattern::Pattern;
