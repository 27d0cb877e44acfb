//! Durations for people.

use std::{fmt, time::Duration};

/// A duration as a person reads it, at most eleven characters below 100 hours: `420 µs`, `85 ms`, `3.4 s`,
/// `2 min 05 s`, `1 h 02 min`.
///
/// ```
/// use std::time::Duration;
/// use orch_core::report::Short;
///
/// assert_eq!(Short(Duration::from_millis(3_449)).to_string(), "3.4 s");
/// assert_eq!(Short(Duration::from_secs(125)).to_string(), "2 min 05 s");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Short(pub Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        // Each step begins where the one before would round up to it, so that no `1000 ms` and no `60.0 s` appear.
        let text = match nanos {
            0 => "0 s".to_owned(),
            1..1_000 => format!("{nanos} ns"),
            1_000..999_500 => format!("{} µs", (nanos + 500) / 1_000),
            999_500..999_500_000 => format!("{} ms", (nanos + 500_000) / 1_000_000),
            999_500_000..59_950_000_000 => {
                let tenths = (nanos + 50_000_000) / 100_000_000;
                format!("{}.{} s", tenths / 10, tenths % 10)
            }
            59_950_000_000..3_599_500_000_000 => {
                let seconds = (nanos + 500_000_000) / 1_000_000_000;
                format!("{} min {:02} s", seconds / 60, seconds % 60)
            }
            _ => {
                let minutes = (nanos + 30_000_000_000) / 60_000_000_000;
                format!("{} h {:02} min", minutes / 60, minutes % 60)
            }
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_to_what_matters() {
        for (nanos, shown) in [
            (0, "0 s"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (999_499, "999 µs"),
            (999_500, "1 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1.0 s"),
            (59_949_999_999, "59.9 s"),
            (59_950_000_000, "1 min 00 s"),
            (3_599_499_999_999, "59 min 59 s"),
            (3_599_500_000_000, "1 h 00 min"),
            (86_400_000_000_000, "24 h 00 min"),
        ] {
            assert_eq!(Short(Duration::from_nanos(nanos)).to_string(), shown, "{nanos}");
        }
        assert!(Short(Duration::MAX).to_string().contains(" h "));
    }
}
