//! The only file that reads the time.
//!
//! The engine measures with a [`Clock`]: the system's, or one that a test moves by hand. Inside a run, times are
//! [`Duration`]s since the start of the run; a [`WallTime`] is only for people and file names.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::Clock;
//!
//! let (clock, hand) = Clock::manual();
//! hand.advance(Duration::from_secs(5));
//! assert_eq!(clock.elapsed(), Duration::from_secs(5));
//! ```

mod civil;
#[cfg(feature = "zones")]
mod zones;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
// Outside of tests it is the standard library's; under `tokio::time::pause` it stands still, as the driver's sleeps do.
use tokio::time::Instant;

pub(crate) use self::civil::{civil_from_days, days_from_civil};
#[cfg(feature = "zones")]
pub use self::zones::zone_file;

/// Tells the time: the system's, or a test's. Cheap to clone; clones share one origin.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { origin: Instant },
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    nanos: AtomicU64,
    wall: AtomicU64,
}

impl Clock {
    /// The system's monotonic clock, with its origin now.
    pub fn system() -> Self {
        Self(Source::System { origin: Instant::now() })
    }

    /// A clock that stands still until its [`Hand`] moves it. Its wall time starts at 2025-01-01T00:00:00Z.
    pub fn manual() -> (Self, Hand) {
        let manual = Manual { nanos: AtomicU64::new(0), wall: AtomicU64::new(1_735_689_600_000_000_000) };
        let manual = Arc::new(manual);
        (Self(Source::Manual(manual.clone())), Hand(manual))
    }

    /// Time since this clock's origin. Never goes back.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { origin } => origin.elapsed(),
            Source::Manual(manual) => Duration::from_nanos(manual.nanos.load(Ordering::Acquire)),
        }
    }

    /// The same in nanoseconds; saturates after 584 years.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        let elapsed = self.elapsed();
        elapsed.as_secs().saturating_mul(1_000_000_000).saturating_add(elapsed.subsec_nanos().into())
    }

    /// The time of day. May jump, as the system's does.
    pub fn wall(&self) -> WallTime {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Manual(manual) => WallTime(manual.wall.load(Ordering::Acquire) / 1_000_000),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// Moves a [manual clock](Clock::manual).
#[derive(Debug, Clone)]
pub struct Hand(Arc<Manual>);

impl Hand {
    /// Moves the clock on, and the time of day with it. Stops at the end of time, 584 years on.
    pub fn advance(&self, by: Duration) {
        for time in [&self.0.nanos, &self.0.wall] {
            Self::change(time, |nanos| nanos.saturating_add(nanos_of(by)));
        }
    }

    /// Moves only the time of day, as somebody does who corrects the system's clock, or a computer that slept: forward.
    pub fn wall_forward(&self, by: Duration) {
        Self::change(&self.0.wall, |nanos| nanos.saturating_add(nanos_of(by)));
    }

    /// Moves only the time of day: back, at most to 1970.
    pub fn wall_back(&self, by: Duration) {
        Self::change(&self.0.wall, |nanos| nanos.saturating_sub(nanos_of(by)));
    }

    fn change(time: &AtomicU64, change: impl Fn(u64) -> u64) {
        time.update(Ordering::AcqRel, Ordering::Acquire, change);
    }
}

fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment of the civil clock: milliseconds since 1970-01-01T00:00:00Z. `Display` is RFC 3339 in UTC.
///
/// ```
/// use orch_core::WallTime;
///
/// assert_eq!(WallTime(1_735_689_600_250).to_string(), "2025-01-01T00:00:00.250Z");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub u64);

impl WallTime {
    /// That much later, in whole milliseconds; stops at the end of time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days as i64);
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_read_as_rfc_3339() {
        assert_eq!(WallTime(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(WallTime(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(WallTime(4_102_444_799_999).to_string(), "2099-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_time_of_day_jumps_alone() {
        let (clock, hand) = Clock::manual();
        let start = clock.wall();
        hand.advance(Duration::from_secs(5));
        hand.wall_back(Duration::from_secs(60));
        assert_eq!((clock.elapsed().as_secs(), start.0 - clock.wall().0), (5, 55_000));
        hand.wall_forward(Duration::from_secs(60));
        assert_eq!((clock.nanos(), clock.wall().0 - start.0), (5_000_000_000, 5_000));
        for _ in 0..2 {
            hand.advance(Duration::MAX);
            assert_eq!(clock.nanos(), u64::MAX);
        }
        hand.wall_back(Duration::MAX);
        assert_eq!(clock.wall(), WallTime(0));
    }
}
