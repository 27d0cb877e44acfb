//! Whether a failed attempt is repeated, and when.

use std::time::Duration;

use super::named::is_named;
use crate::{
    definition::{Backoff, Retry},
    event::{Failure, FailureKind},
    id::Printable,
};

/// How long to wait before the attempt after `attempt` (from 1), or `None` if there is none: the attempts are used up, the
/// failure is fatal or a cancellation, or the policy does not repeat this error.
///
/// With jitter the wait is drawn evenly from zero to its full length ("full jitter", Marc Brooker, AWS Architecture Blog,
/// 2015), from `seed` alone: the same seed gives the same wait.
pub fn next(policy: &Retry, failure: &Failure, attempt: u32, seed: u64) -> Option<Duration> {
    if attempt >= policy.max_attempts || !repeats(policy, failure) {
        return None;
    }
    let full = delay(policy, attempt).min(policy.max_delay);
    if !policy.jitter {
        return Some(full);
    }
    // 53 bits are what a float holds exactly.
    let share = (mix(seed) >> 11) as f64 / (1u64 << 53) as f64;
    Some(full.mul_f64(share))
}

/// What systems before orch said when the attempts were used up: `Max retries exceeded for reader: connection reset`.
///
/// ```
/// use orch_core::{Failure, recovery::retry};
///
/// let text = retry::exhausted("reader", &Failure::error("connection reset"));
/// assert_eq!(text, "Max retries exceeded for reader: connection reset");
/// ```
pub fn exhausted(agent: &str, failure: &Failure) -> String {
    format!("Max retries exceeded for {}: {failure}", Printable(agent))
}

fn repeats(policy: &Retry, failure: &Failure) -> bool {
    !matches!(failure.kind, FailureKind::Fatal | FailureKind::Cancelled) && is_named(&policy.on, failure)
}

/// The full wait after that attempt, before the cap.
fn delay(policy: &Retry, attempt: u32) -> Duration {
    let first = policy.initial_delay.as_secs_f64();
    let before = attempt.saturating_sub(1);
    let seconds = match policy.strategy {
        Backoff::Immediate => 0.0,
        Backoff::Linear => first * f64::from(attempt),
        Backoff::Exponential => first * policy.multiplier.max(1.0).powi(i32::try_from(before).unwrap_or(i32::MAX)),
        Backoff::Fibonacci => first * fibonacci(attempt),
    };
    // Infinity and NaN become the longest wait, which the cap then shortens.
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn fibonacci(nth: u32) -> f64 {
    let (mut this, mut next) = (1.0f64, 1.0f64);
    for _ in 1..nth.min(1500) {
        (this, next) = (next, this + next);
    }
    this
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(strategy: Backoff) -> Vec<u64> {
        let policy = Retry { strategy, jitter: false, max_attempts: 8, ..Retry::default() };
        (1..=8)
            .map_while(|attempt| next(&policy, &Failure::error("x"), attempt, 0))
            .map(|wait| wait.as_secs())
            .collect()
    }

    #[test]
    fn waits_grow_as_the_strategy_says() {
        assert_eq!(waits(Backoff::Immediate), [0; 7]);
        assert_eq!(waits(Backoff::Linear), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(waits(Backoff::Exponential), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(waits(Backoff::Fibonacci), [1, 1, 2, 3, 5, 8, 13]);
    }

    #[test]
    fn jitter_stays_below_the_full_wait_and_comes_from_the_seed() {
        let policy = Retry { max_attempts: 10, ..Retry::default() };
        let draw = |seed| next(&policy, &Failure::error("x"), 3, seed).unwrap();
        assert!((0..1000).all(|seed| draw(seed) <= Duration::from_secs(4)));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let mean = (0..1000).map(|seed| draw(seed).as_secs_f64()).sum::<f64>() / 1000.0;
        assert!((mean - 2.0).abs() < 0.15, "evenly drawn from 0 to 4 s, so 2 s on average: {mean}");
    }

    #[test]
    fn only_named_errors_are_repeated() {
        let policy = Retry { on: vec!["RATE_LIMIT".into(), "timeout".into()], ..Retry::default() };
        let again = |failure: Failure| next(&policy, &failure, 1, 0).is_some();
        assert!(again(Failure::error("429: rate limit reached")));
        assert!(again(Failure { kind: FailureKind::Timeout, message: "took longer than 5 s".into() }));
        assert!(!again(Failure::error("syntax error")));
        assert!(!again(Failure::fatal("rate limit")));
    }

    #[test]
    fn absurd_policies_are_capped() {
        let policy = Retry { multiplier: f64::INFINITY, max_attempts: u32::MAX, jitter: false, ..Retry::default() };
        assert_eq!(next(&policy, &Failure::error("x"), u32::MAX - 1, 0), Some(Duration::from_secs(30)));
        assert_eq!(
            next(&policy, &Failure::error("x"), 0, 0),
            Some(Duration::from_secs(1)),
            "counted from 1, but harmless"
        );
        let never = Retry { max_attempts: 0, ..Retry::default() };
        assert_eq!(next(&never, &Failure::error("x"), 1, 0), None);
        let odd = Retry { multiplier: f64::NAN, jitter: false, ..Retry::default() };
        assert_eq!(next(&odd, &Failure::error("x"), 2, 0), Some(Duration::from_secs(1)));
    }
}
