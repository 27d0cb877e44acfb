//! The time by which entries expire: it never goes back, and never runs behind either clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::{Clock, WallTime};

/// How often the time of day is compared, in nanoseconds: reading it each time would double what a hit spends on clocks.
const LOOK_EVERY: u64 = 10_000_000;
/// How far the time of day may run ahead before it is believed: it is corrected in small steps all the time.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Nanoseconds that grow as the monotonic clock does, and jump ahead when the time of day has run ahead of it: a computer that
/// slept, or whose clock was put forward. The monotonic clock of most systems stands still during sleep, so it alone would
/// serve yesterday's values this morning. A time of day that goes back is not followed.
#[derive(Debug)]
pub(super) struct CacheTime {
    clock: Clock,
    /// Both clocks at the beginning.
    began: (u64, WallTime),
    /// How much was added to the monotonic clock, in nanoseconds.
    ahead: AtomicU64,
    look_again: AtomicU64,
}

impl CacheTime {
    pub(super) fn new(clock: Clock) -> Self {
        let began = (clock.nanos(), clock.wall());
        Self { clock, began, ahead: AtomicU64::new(0), look_again: AtomicU64::new(began.0.saturating_add(LOOK_EVERY)) }
    }

    #[inline]
    pub(super) fn now(&self) -> u64 {
        let now = self.clock.nanos();
        if now >= self.look_again.load(Ordering::Relaxed) {
            self.look(now);
        }
        // Who reads an old value here reads at the same moment as who noticed.
        now.saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    #[cold]
    fn look(&self, now: u64) {
        self.look_again.store(now.saturating_add(LOOK_EVERY), Ordering::Relaxed);
        let (began, WallTime(wall)) = self.began;
        let passed = self.clock.wall().0.saturating_sub(wall).saturating_mul(1_000_000);
        let ahead = passed.saturating_sub(now.saturating_sub(began));
        let believed = self.ahead.load(Ordering::Relaxed).saturating_add(TOLERANCE.as_nanos() as u64);
        if ahead > believed {
            self.ahead.fetch_max(ahead, Ordering::Relaxed);
        }
    }

    pub(super) fn wall(&self) -> WallTime {
        self.clock.wall()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_ahead_is_followed_and_a_jump_back_is_not() {
        let (clock, hand) = Clock::manual();
        let (hour, day) = (Duration::from_secs(3_600), Duration::from_secs(86_400));
        let time = CacheTime::new(clock);
        let mut so_far = Duration::ZERO;
        let mut check = |moved: Duration| {
            so_far += moved + Duration::from_nanos(LOOK_EVERY);
            hand.advance(Duration::from_nanos(LOOK_EVERY));
            assert_eq!(u128::from(time.now()), so_far.as_nanos());
        };
        check(Duration::ZERO);
        hand.wall_back(day);
        check(Duration::ZERO);
        hand.wall_forward(day);
        check(Duration::ZERO);
        hand.wall_forward(day);
        check(day);
        hand.advance(hour);
        check(hour);
        hand.wall_back(day);
        check(Duration::ZERO);
        hand.wall_forward(2 * day);
        check(day);
        hand.wall_forward(Duration::from_millis(999));
        check(Duration::ZERO);
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        let (clock, hand) = Clock::manual();
        let time = CacheTime::new(clock);
        hand.wall_forward(Duration::MAX);
        hand.advance(Duration::from_secs(1));
        let late = time.now();
        hand.advance(Duration::MAX);
        assert!(late > 500 * 365 * 86_400 * 1_000_000_000 && time.now() == u64::MAX);
    }
}
