//! A limit on how much a minute.

/// Nanoseconds of a minute.
const MINUTE: i128 = 60_000_000_000;

/// A token bucket in whole numbers: holds a minute's worth, is full at first, fills evenly. Its level counts tokens times
/// nanoseconds of a minute, so that nothing is ever rounded.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per_minute: u64,
    level: i128,
    at: u64,
}

impl Bucket {
    pub(super) fn new(per_minute: u64, now: u64) -> Self {
        Self { per_minute, level: i128::from(per_minute) * MINUTE, at: now }
    }

    pub(super) fn per_minute(&self) -> u64 {
        self.per_minute
    }

    /// How many nanoseconds until there are so many; 0: now. Who wants more than a minute's worth waits for a full bucket.
    pub(super) fn wait_for(&self, tokens: u64, now: u64) -> u64 {
        let missing = i128::from(tokens.min(self.per_minute)) * MINUTE - self.level_at(now);
        if missing <= 0 {
            return 0;
        }
        let rate = i128::from(self.per_minute.max(1));
        u64::try_from((missing + rate - 1) / rate).unwrap_or(u64::MAX)
    }

    /// Takes so many. It may be left in debt by one who wanted more than a minute's worth.
    pub(super) fn take(&mut self, tokens: u64, now: u64) {
        self.level = self.level_at(now) - i128::from(tokens) * MINUTE;
        self.at = self.at.max(now);
    }

    fn level_at(&self, now: u64) -> i128 {
        let grown = i128::from(self.per_minute) * i128::from(now.saturating_sub(self.at));
        (self.level + grown).min(i128::from(self.per_minute) * MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_minute_s_worth_at_once_then_evenly() {
        let mut bucket = Bucket::new(6, 0);
        (0..6).for_each(|_| {
            assert_eq!(bucket.wait_for(1, 0), 0);
            bucket.take(1, 0);
        });
        assert_eq!(bucket.wait_for(1, 0), 10 * SECOND);
        assert_eq!(bucket.wait_for(1, 9 * SECOND), SECOND);
        assert_eq!(bucket.wait_for(1, 10 * SECOND), 0);
        assert_eq!(bucket.wait_for(6, 10 * SECOND), 50 * SECOND);
    }

    #[test]
    fn more_than_a_minute_s_worth_leaves_a_debt() {
        let mut bucket = Bucket::new(60, 0);
        assert_eq!(bucket.wait_for(120, 0), 0);
        bucket.take(120, 0);
        assert_eq!(bucket.wait_for(1, 0), 61 * SECOND);
        bucket.take(u64::MAX, 0);
        assert_eq!(bucket.wait_for(1, 0), u64::MAX, "no overflow");
    }

    proptest! {
        /// In any span of `t` there are at most `n + n·t/60 s` tokens.
        #[test]
        fn no_span_passes_the_limit(
            per_minute in 1u64..100,
            asks in prop::collection::vec((0u64..20 * SECOND, 1u64..20), 1..60),
        ) {
            let mut bucket = Bucket::new(per_minute, 0);
            let (mut now, mut taken) = (0, Vec::new());
            for (pause, tokens) in asks {
                now += pause;
                let tokens = tokens.min(per_minute);
                let wait = bucket.wait_for(tokens, now);
                prop_assert!(wait == 0 || bucket.wait_for(tokens, now + wait - 1) > 0, "not a moment too long");
                now += wait;
                prop_assert_eq!(bucket.wait_for(tokens, now), 0);
                bucket.take(tokens, now);
                taken.push((now, tokens));
            }
            for (first, &(from, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for &(to, tokens) in &taken[first..] {
                    sum += tokens;
                    let allowed = per_minute as f64 * (1.0 + (to - from) as f64 / 60e9);
                    prop_assert!(sum as f64 <= allowed + 1e-6, "{} in {} ns", sum, to - from);
                }
            }
        }
    }
}
