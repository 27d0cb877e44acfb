//! Days of the calendar, and times as people write them.

use std::str::FromStr;

use super::WallTime;
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// The number of the day since 1970-01-01 in the Gregorian calendar. After Howard Hinnant, "chrono-compatible low-level date
/// algorithms", days_from_civil.
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of that day since 1970-01-01: civil_from_days of the same source.
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

/// Reads a day (`2026-02-16`, its beginning in UTC) or a time in RFC 3339 (`2026-02-16T12:30:00Z`, `...+01:00`).
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for anything else, and for times before 1970.
impl FromStr for WallTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let message =
                format!("`{}` is no time; write for example 2026-02-16 or 2026-02-16T12:30:00Z", Printable(text));
            Error::new(ErrorKind::InvalidValue, message)
        })
    }
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn parse(text: &str) -> Option<WallTime> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let mut part = |length: usize| parts.next().filter(|part| part.len() == length).and_then(digits);
    let (year, month, day) = (part(4)?, u32::try_from(part(2)?).ok()?, u32::try_from(part(2)?).ok()?);
    let days = days_from_civil(year, month, day);
    // A day that is not in the calendar becomes another one.
    if parts.next().is_some() || !(1..=12).contains(&month) || civil_from_days(days) != (year, month, day) {
        return None;
    }
    let millis = days * 86_400_000 + time.map_or(Some(0), of_day)?;
    u64::try_from(millis).ok().map(WallTime)
}

/// Milliseconds since the beginning of the day in UTC.
fn of_day(time: &str) -> Option<i64> {
    let (clock, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (clock, offset) = time.split_at(at);
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let minutes =
                digits(hours).filter(|hours| *hours < 24)? * 60 + digits(minutes).filter(|minutes| *minutes < 60)?;
            (clock, if offset.starts_with('-') { -minutes } else { minutes })
        }
    };
    let (whole, part) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.split(':');
    let mut part_of =
        |below: i64| parts.next().filter(|part| part.len() == 2).and_then(digits).filter(|&value| value < below);
    let (hours, minutes, seconds) = (part_of(24)?, part_of(60)?, part_of(60)?);
    if parts.next().is_some() || part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = format!("{part:0<3}").get(..3)?.parse::<i64>().ok()?;
    Some((hours * 3600 + minutes * 60 + seconds) * 1000 + millis - offset * 60_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("2025-01-01T00:00:00.250Z", 1_735_689_600_250),
            ("2025-01-01T01:30:00+01:30", 1_735_689_600_000),
            ("2024-12-31 19:00:00-05:00", 1_735_689_600_000),
        ] {
            assert_eq!(text.parse::<WallTime>().unwrap(), WallTime(millis), "{text}");
        }
        for text in [
            "",
            "today",
            "2025",
            "2025-1-1",
            "2025-02-29",
            "2025-13-01",
            "2025-00-10",
            "1969-12-31",
            "2025-01-01T",
            "2025-01-01T25:00:00Z",
            "2025-01-01T00:00Z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00.Z",
            "2025-01-01-01",
            "2025-01-01T00:00:00+1",
        ] {
            assert!(text.parse::<WallTime>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(millis in 0u64..253_402_300_799_999) {
            prop_assert_eq!(WallTime(millis).to_string().parse::<WallTime>().unwrap(), WallTime(millis));
        }

        #[test]
        fn days_come_back(days in -200_000i64..3_000_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
