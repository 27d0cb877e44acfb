//! Round times for the axis of the timeline.

const SECOND: u64 = 1_000_000_000;

/// Steps that people count in, from one minute on, in seconds.
const LONG_STEPS: [u64; 14] =
    [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/// The times of the ticks for `total` nanoseconds, zero included: four to ten of them, at a round distance.
pub(super) fn ticks(total: u64) -> Vec<u64> {
    let step = step(total);
    (0..64).map_while(|nth: u64| nth.checked_mul(step)).take_while(|&at| at <= total).collect()
}

/// The smallest round distance that leaves at most nine steps.
fn step(total: u64) -> u64 {
    let least = total.div_ceil(9).max(1);
    let mut power = 1u64;
    while power <= 10 * SECOND {
        for factor in [1, 2, 5] {
            let step = power * factor;
            // 50 s is no time that people count in; after 20 s come half minutes.
            let step = if step == 50 * SECOND { 30 * SECOND } else { step };
            if step >= least {
                return step;
            }
        }
        power *= 10;
    }
    let weeks = 604_800 * SECOND;
    LONG_STEPS
        .iter()
        .map(|seconds| seconds * SECOND)
        .find(|&step| step >= least)
        .unwrap_or(least.div_ceil(weeks).saturating_mul(weeks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (total, expected) in [
            (1, 1),
            (950, 200),
            (SECOND, 200_000_000),
            (60 * SECOND, 10 * SECOND),
            (200 * SECOND, 30 * SECOND),
            (2_460 * SECOND, 300 * SECOND),
            (86_400 * SECOND, 10_800 * SECOND),
        ] {
            assert_eq!(step(total), expected, "{total}");
        }
    }

    #[test]
    fn there_are_a_few_of_them() {
        let mut total = 9;
        while total < u64::MAX / 16 {
            assert!((4..=10).contains(&ticks(total).len()), "{total}: {:?}", ticks(total));
            total = total * 13 / 10 + 1;
        }
        assert_eq!(ticks(0), [0]);
        assert!(ticks(u64::MAX).len() < 12);
    }
}
