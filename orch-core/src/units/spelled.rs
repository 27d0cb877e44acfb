//! Durations as people write them.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::id::Printable;

/// The longest duration that is taken: 1,000 days. More is a slip of the finger.
const LONGEST: Duration = Duration::from_secs(1_000 * 86_400);

/// Reads a duration as people write it: `90`, `90s`, `250ms`, `5m`, `1h30m`, `1.5h`, `2d`. A bare number is seconds.
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for anything else, for no time at all, and for more than 1,000 days.
///
/// ```
/// use std::time::Duration;
/// use orch_core::units::parse_duration;
///
/// assert_eq!(parse_duration("1h30m")?, Duration::from_secs(5_400));
/// assert!(parse_duration("soon").is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn parse_duration(text: &str) -> Result<Duration> {
    let refuse = |why: &str| {
        Error::new(
            ErrorKind::InvalidValue,
            format!("`{}` {why}; write for example `90s`, `250ms`, `5m` or `1h30m`", Printable(text)),
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refuse("is not a duration"));
    }
    let mut seconds = 0.0;
    let mut last_unit = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: f64 = number.parse().map_err(|_| refuse("is not a duration"))?;
        let unit = match unit {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "" if digits == text.trim().len() => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(refuse("is not a duration")),
        };
        if unit >= last_unit {
            return Err(refuse("has its units out of order"));
        }
        last_unit = unit;
        seconds += number * unit;
        rest = after;
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration > LONGEST => Err(refuse("is longer than 1000 days")),
        Ok(duration) if duration.is_zero() => Err(refuse("is no time at all")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(refuse("is not a duration")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let millis = |text| parse_duration(text).unwrap().as_millis();
        assert_eq!(millis("90"), 90_000);
        assert_eq!(millis("90s"), 90_000);
        assert_eq!(millis("5m"), 300_000);
        assert_eq!(millis("1h30m"), 5_400_000);
        assert_eq!(millis("250ms"), 250);
        assert_eq!(millis("1.5h"), 5_400_000);
        assert_eq!(millis("2m500ms"), 120_500);
    }

    #[test]
    fn refuses_the_rest_and_says_how() {
        for text in
            ["", "s", "-5", "5 m", "5x", "1e9", "1m1h", "1m30", "0", "9999999d", "1..2s", "5m\u{1b}", "NaN", "."]
        {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("for example"), "{text}: {error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    }
}
