//! Days, months and windows.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    clock::{WallTime, civil_from_days, days_from_civil},
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// The time for which a limit holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// For ever.
    #[default]
    Ever,
    /// A day of the limit's zone.
    Day,
    /// A month of the limit's zone.
    Month,
    /// The last so long, whenever one looks. It is counted in 1,024 parts, of which the oldest counts until it is over as a
    /// whole: never too little.
    Rolling(Duration),
}

/// One period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its name: `2026-02`, `2026-02-16`, or nothing where there is only one.
    pub name: String,
    /// When it began; `None`: always.
    pub start: Option<WallTime>,
    /// When the next one begins; `None`: never.
    pub end: Option<WallTime>,
}

impl Period {
    /// The period in which that time is.
    pub fn span(self, zone: &Zone, at: WallTime) -> Span {
        let (first, next) = match self {
            Self::Ever | Self::Rolling(_) => return Span { name: String::new(), start: None, end: None },
            Self::Day => {
                let day = zone.day(at);
                (day, day + 1)
            }
            Self::Month => {
                let (year, month, _) = civil_from_days(zone.day(at));
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (days_from_civil(year, month, 1), days_from_civil(next_year, next_month, 1))
            }
        };
        let (year, month, day) = civil_from_days(first);
        // By hand: every charge asks for it, and to format it takes longer than all else about a period.
        let mut name = String::with_capacity("2026-02-16".len());
        match year {
            0..=9_999 => digits(&mut name, year, 4),
            _ => name += &year.to_string(),
        }
        name.push('-');
        digits(&mut name, i64::from(month), 2);
        if self != Self::Month {
            name.push('-');
            digits(&mut name, i64::from(day), 2);
        }
        Span { name, start: Some(zone.begins(first)), end: Some(zone.begins(next)) }
    }
}

/// Adds a number as that many digits.
fn digits(text: &mut String, number: i64, many: u32) {
    for place in (0..many).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(char::from(b'0' + digit.unsigned_abs() as u8));
    }
}

/// A time zone: `UTC`, an offset like `+05:30`, or, with feature `zones`, a name of the IANA database, whose data are in the
/// program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Minutes east of Greenwich.
    Fixed(i64),
    #[cfg(feature = "zones")]
    Named(jiff::tz::TimeZone),
}

impl Default for Zone {
    /// UTC.
    fn default() -> Self {
        Self { name: "UTC".to_owned(), kind: Kind::Fixed(0) }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let kind = match text {
            "UTC" | "Z" => Some(Kind::Fixed(0)),
            _ => offset(text).map(Kind::Fixed).or_else(|| named(text)),
        };
        let kind = kind.ok_or_else(|| {
            let message = format!(
                "there is no time zone `{}`; write UTC, +05:30 or, for example, Europe/Berlin",
                Printable(text)
            );
            Error::new(ErrorKind::InvalidValue, message)
        })?;
        Ok(Self { name: text.to_owned(), kind })
    }
}

#[cfg(feature = "zones")]
fn named(text: &str) -> Option<Kind> {
    // The data of the program only: the same budget on every machine.
    let (name, file) = crate::clock::zone_file(text)?;
    jiff::tz::TimeZone::tzif(name, file).ok().map(Kind::Named)
}

#[cfg(not(feature = "zones"))]
fn named(_: &str) -> Option<Kind> {
    None
}

/// `+05:30` in minutes.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) =
        text.strip_prefix('+').map(|rest| (1, rest)).or(text.strip_prefix('-').map(|rest| (-1, rest)))?;
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str, below: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|&number| is_number && number < below)
    };
    Some(sign * (number(hours, 24)? * 60 + number(minutes, 60)?))
}

const DAY: i64 = 86_400_000;

impl Zone {
    /// What calendar and clock show there at that time: the day since 1970-01-01, and milliseconds since its midnight.
    ///
    /// ```
    /// use orch_core::cost::budget::Zone;
    ///
    /// let zone: Zone = "+05:30".parse()?;
    /// assert_eq!(zone.reading("1970-01-02T20:00:00Z".parse()?), (2, 90 * 60_000));
    /// assert_eq!(zone.moment(2, 90 * 60_000), "1970-01-02T20:00:00Z".parse()?);
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn reading(&self, at: WallTime) -> (i64, i64) {
        let millis = i64::try_from(at.0).unwrap_or(i64::MAX / 2);
        let shown = millis + self.offset(millis);
        (shown.div_euclid(DAY), shown.rem_euclid(DAY))
    }

    /// When calendar and clock show that there. Of two such times it is the earlier; where the clock leaves it out, it is as long after the gap
    /// as it is after the gap's beginning. Never before 1970.
    pub fn moment(&self, day: i64, millis: i64) -> WallTime {
        let shown = day.saturating_mul(DAY).saturating_add(millis);
        // By the offset of a day before, and if that is not the one of the time it gives, by that of a day after.
        let before = shown - self.offset(shown - DAY);
        let found = if before + self.offset(before) == shown { before } else { shown - self.offset(shown + DAY) };
        let found = if found + self.offset(found) == shown { found } else { before };
        WallTime(u64::try_from(found).unwrap_or(0))
    }

    /// Milliseconds that the clock there is ahead of UTC at that time.
    #[cfg_attr(not(feature = "zones"), expect(unused_variables, reason = "only zones by name change their offset"))]
    fn offset(&self, millis: i64) -> i64 {
        match &self.kind {
            Kind::Fixed(minutes) => minutes * 60_000,
            #[cfg(feature = "zones")]
            Kind::Named(zone) => jiff::Timestamp::from_millisecond(millis)
                .map_or(0, |time| i64::from(zone.to_offset(time).seconds()) * 1000),
        }
    }

    /// The day of that time, since 1970-01-01.
    fn day(&self, at: WallTime) -> i64 {
        self.reading(at).0
    }

    /// When that day begins.
    fn begins(&self, day: i64) -> WallTime {
        let utc = day * DAY;
        let millis = match &self.kind {
            Kind::Fixed(minutes) => utc - minutes * 60_000,
            #[cfg(feature = "zones")]
            Kind::Named(zone) => named_begins(zone, day).unwrap_or(utc),
        };
        WallTime(u64::try_from(millis).unwrap_or(0))
    }
}

/// The first moment of a day, which need not be midnight.
#[cfg(feature = "zones")]
fn named_begins(zone: &jiff::tz::TimeZone, day: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(day);
    let date =
        jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    fn span(period: Period, zone: &str, time: &str) -> [String; 3] {
        let Span { name, start, end } = period.span(&zone.parse().unwrap(), at(time));
        [name, start.unwrap().to_string(), end.unwrap().to_string()].map(|text| text.replace(":00.000Z", "Z"))
    }

    #[test]
    fn days_and_months_have_their_ends() {
        assert_eq!(
            span(Period::Month, "UTC", "2026-02-28T23:59:59.999Z"),
            ["2026-02", "2026-02-01T00:00Z", "2026-03-01T00:00Z"]
        );
        assert_eq!(span(Period::Month, "UTC", "2026-12-31"), ["2026-12", "2026-12-01T00:00Z", "2027-01-01T00:00Z"]);
        assert_eq!(
            span(Period::Day, "+05:30", "2024-02-28T18:30:00Z"),
            ["2024-02-29", "2024-02-28T18:30Z", "2024-02-29T18:30Z"]
        );
        assert_eq!(span(Period::Day, "-08:00", "2026-01-01T07:59:59Z")[0], "2025-12-31");
        assert_eq!(Period::Ever.span(&Zone::default(), at("2026-01-01")).end, None);
        // Sixty thousand years on: still no other period's name.
        let late = WallTime(60_000 * 365 * 86_400_000);
        assert_eq!(Period::Month.span(&Zone::default(), late).name, "61930-03");
    }

    #[test]
    #[cfg(feature = "zones")]
    fn named_zones_know_their_summers() {
        // 23 hours in spring, 25 in autumn.
        assert_eq!(
            span(Period::Day, "Europe/Berlin", "2026-03-29T12:00:00Z"),
            ["2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z"]
        );
        assert_eq!(
            span(Period::Month, "America/New_York", "2026-11-01T03:59:59Z"),
            ["2026-10", "2026-10-01T04:00Z", "2026-11-01T04:00Z"]
        );
        assert_eq!(span(Period::Month, "America/New_York", "2026-11-30T12:00:00Z")[2], "2026-12-01T05:00Z");
    }

    #[test]
    #[cfg(feature = "zones")]
    fn clocks_are_read_and_set() {
        let zone: Zone = "America/New_York".parse().unwrap();
        let moment = |day: &str, hours: i64, minutes: i64| {
            let day = i64::try_from(at(day).0).unwrap() / DAY;
            zone.moment(day, (hours * 60 + minutes) * 60_000).to_string()
        };
        assert_eq!(moment("2025-07-01", 14, 36), "2025-07-01T18:36:00.000Z");
        assert_eq!(moment("2025-01-01", 0, 0), "2025-01-01T05:00:00.000Z");
        // Twice in autumn: the first; not at all in spring.
        assert_eq!(moment("2025-11-02", 1, 30), "2025-11-02T05:30:00.000Z");
        assert_eq!(moment("2025-03-09", 2, 30), "2025-03-09T07:30:00.000Z");
        for time in ["2025-03-09T06:59:59Z", "2025-03-09T07:00:00Z", "2025-11-02T07:10:00Z", "2025-07-01T18:36:09.747Z"]
        {
            let (day, millis) = zone.reading(at(time));
            assert_eq!(zone.moment(day, millis), at(time), "{time}");
        }
    }

    #[test]
    fn odd_zones_are_refused() {
        for text in ["", "utc+1", "+5:30", "+24:00", "+01:60", "Nowhere/Here", "../../etc/passwd"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
