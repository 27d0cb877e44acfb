//! From when on, or at what time of the day, a price holds.

use serde_json::Value;

use super::read;
use crate::{
    clock::{WallTime, civil_from_days, days_from_civil},
    id::Printable,
};

const DAY: u64 = 86_400_000_000_000;

/// What a price asks of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// That or later, in milliseconds since 1970.
    From(i64),
    /// At or after the one and before the other, in nanoseconds since midnight UTC; around midnight if they are the other way round.
    Daily(u64, u64),
}

impl When {
    /// The constraint in that JSON.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        read::fields(value, "a constraint")?;
        if let Some(key) = value
            .as_object()
            .into_iter()
            .flat_map(|object| object.keys())
            .find(|key| !["start_date", "start_time", "end_time", "type"].contains(&key.as_str()))
        {
            return Err(format!("a constraint has `{}`, which is not known", Printable(key)));
        }
        let text = |key| Ok::<_, String>(read::text(value, key)?.filter(|text| !text.is_empty()));
        let found = match (text("start_date")?, text("start_time")?, text("end_time")?) {
            (Some(day), None, None) => Self::From(from(day).ok_or_else(|| format!("`{}` is no day", Printable(day)))?),
            (None, Some(first), Some(last)) => {
                let time = |text| of_day(text).ok_or_else(|| format!("`{}` is no time of day", Printable(text)));
                Self::Daily(time(first)?, time(last)?)
            }
            _ => return Err("a constraint has a `start_date`, or a `start_time` and an `end_time`".to_owned()),
        };
        let kind = match found {
            Self::From(_) => "start_date",
            Self::Daily(..) => "time_of_date",
        };
        match value.get("type") {
            Some(other) if other != kind => Err("the `type` of a constraint is that of another".to_owned()),
            _ => Ok(found),
        }
    }

    pub(super) fn holds(self, at: WallTime) -> bool {
        match self {
            Self::From(first) => i64::try_from(at.0).unwrap_or(i64::MAX) >= first,
            Self::Daily(first, last) => {
                let time = at.0 % (DAY / 1_000_000) * 1_000_000;
                if last < first { time >= first || time < last } else { time >= first && time < last }
            }
        }
    }
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The number of that day, if it is in the calendar.
pub(super) fn day(year: &str, month: &str, day: &str) -> Option<i64> {
    let year = digits(year, 4).filter(|year| *year > 0)?;
    let month = u32::try_from(digits(month, 2)?).ok().filter(|month| (1..=12).contains(month))?;
    let day = u32::try_from(digits(day, 2)?).ok()?;
    let number = days_from_civil(year, month, day);
    (civil_from_days(number) == (year, month, day)).then_some(number)
}

/// `2026-11-22`.
fn from(text: &str) -> Option<i64> {
    let (year, rest) = text.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    Some(day(year, month, rest)? * 86_400_000)
}

/// `16:30:00Z`, `00:30:00.5+08:00`.
fn of_day(text: &str) -> Option<u64> {
    let (clock, rest) = (text.get(..8)?, text.get(8..)?);
    let time =
        |text: &str, first: usize, below: i64| digits(text.get(first..first + 2)?, 2).filter(|part| *part < below);
    let colons = [clock.get(2..3)?, clock.get(5..6)?];
    let seconds = time(clock, 0, 24)? * 3_600 + time(clock, 3, 60)? * 60 + time(clock, 6, 60)?;
    let (part, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|char: char| !char.is_ascii_digit())?),
        None => ("0", rest),
    };
    let nanos = digits(&format!("{part:0<9}"), 9).filter(|_| !part.is_empty())?;
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign @ ("+" | "-"), zone) if zone.len() == 5 && zone.get(2..3) == Some(":") => {
            let offset = time(zone, 0, 24)? * 3_600 + time(zone, 3, 60)? * 60;
            if sign == "-" { -offset } else { offset }
        }
        _ => return None,
    };
    let seconds = (seconds - offset).rem_euclid(86_400);
    (colons == [":", ":"]).then(|| u64::try_from(seconds * 1_000_000_000 + nanos).ok())?
}
