//! Crons as GitHub takes them, and when they fire.
//!
//! Five fields: minute, hour, day of the month, month, day of the week, each `*`, numbers, ranges, lists and steps, months and days of the week also by
//! name. Where both days are restricted, either is enough, as in Vixie's cron. `@daily`, `L`, `W`, `#`, `?` and a sixth field, which other schedulers
//! know, GitHub refuses. Of what it takes there is no grammar but the documentation of `on.schedule`, which names POSIX.

use std::{fmt, str::FromStr};

use jiff::{civil::Date, tz::TimeZone};

use crate::{
    clock::{WallTime, zone_file},
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// Five fields that say when something begins.
///
/// ```
/// use orch_core::ext::actions::Cron;
///
/// let cron: Cron = "*/15 8-18 * * MON-FRI".parse()?;
/// assert_eq!(cron.per_day(), 44);
/// assert!("*/30 * * 0,6".parse::<Cron>().is_err()); // four fields
/// assert!("*/15 18-8 * * 1-5".parse::<Cron>().is_err()); // from 18 back to 8
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cron {
    minutes: u64,
    hours: u32,
    days: u32,
    months: u16,
    weekdays: u8,
    /// Whether that field begins with a star, which decides how the two days go together, and which hours are every hour.
    any_day: bool,
    any_weekday: bool,
    any_hour: bool,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, words: &[] },
    Field { name: "hour", low: 0, high: 23, words: &[] },
    Field { name: "day of the month", low: 1, high: 31, words: &[] },
    Field {
        name: "month",
        low: 1,
        high: 12,
        words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field { name: "day of the week", low: 0, high: 6, words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

impl FromStr for Cron {
    type Err = Error;

    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue), with the field that is wrong and why.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorKind::InvalidValue, format!("`{}` is no cron: {why}", Printable(text.trim())))
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if text.trim().starts_with('@') {
            return Err(wrong("GitHub knows no @ words; write five fields".to_owned()));
        }
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(wrong(format!(
                "it has {} fields, not the five: minute, hour, day of the month, month, day of the week",
                words.len()
            )));
        };
        let mut sets = [0_u64; 5];
        for ((set, field), word) in sets.iter_mut().zip(&FIELDS).zip([minute, hour, day, month, weekday]) {
            *set = field.read(word).map_err(|why| wrong(format!("the {} `{}` {why}", field.name, Printable(word))))?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        Ok(Self {
            minutes,
            hours: hours as u32,
            days: days as u32,
            months: months as u16,
            weekdays: weekdays as u8,
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
            any_hour: *hour == "*",
        })
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<u64, String> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part)?;
        }
        Ok(set)
    }

    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, Some(number(step).filter(|&step| step > 0).ok_or("has a step that is no number from 1 on")?))
            }
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None => {
                let from = self.value(range)?;
                // `3/5` is `3-59/5`.
                (from, if step.is_some() { self.high } else { from })
            }
        };
        if from > to {
            return Err("is a range that goes back; write two, with a comma".to_owned());
        }
        Ok((from..=to).step_by(step.unwrap_or(1) as usize).fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let word = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let value = word.and_then(|nth| u32::try_from(nth).ok()).map(|nth| nth + self.low).or_else(|| number(text));
        match value {
            Some(value) if (self.low..=self.high).contains(&value) => Ok(value),
            Some(7) if self.high == 6 => Err("is 7; Sunday is 0".to_owned()),
            Some(_) => Err(format!("is not between {} and {}", self.low, self.high)),
            None => Err("is no number, range, list or step".to_owned()),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

impl Cron {
    /// How often it fires on a day on which it fires.
    pub fn per_day(&self) -> u32 {
        self.minutes.count_ones() * self.hours.count_ones()
    }

    /// The minutes of the hour at which it fires.
    pub fn minutes(&self) -> impl Iterator<Item = u32> {
        let minutes = self.minutes;
        (0..60).filter(move |minute| minutes >> minute & 1 == 1)
    }

    /// The hours of the day at which it fires.
    pub fn hours(&self) -> impl Iterator<Item = u32> {
        let hours = self.hours;
        (0..24).filter(move |hour| hours >> hour & 1 == 1)
    }

    /// The first of the minutes :00 and :30, when everybody's schedules fire, at which it fires.
    pub(super) fn crowded(&self) -> Option<u32> {
        self.minutes().find(|minute| matches!(minute, 0 | 30))
    }

    /// Whether it fires in every hour of a day on which it fires.
    pub(super) fn every_hour(&self) -> bool {
        self.any_hour
    }

    /// Whether it fires on that day.
    pub(super) fn on(&self, date: Date) -> bool {
        let month = self.months >> date.month() & 1 == 1;
        let day = self.days >> date.day() & 1 == 1;
        let weekday = self.weekdays >> date.weekday().to_sunday_zero_offset() & 1 == 1;
        month && if self.any_day || self.any_weekday { day && weekday } else { day || weekday }
    }

    /// How often it fires in so many days from that one on, every day of 24 hours.
    pub fn fires(&self, from: WallTime, days: u32) -> u64 {
        let mut date = date_of(from);
        let mut fires = 0;
        for _ in 0..days {
            fires += u64::from(if self.on(date) { self.per_day() } else { 0 });
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        fires
    }

    /// Whether no day is one of its days: the 31st of February.
    pub(super) fn never(&self) -> bool {
        const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        // Where either day is enough, the day of the week is.
        let by_day = self.any_day || self.any_weekday;
        let fits = |(month, length): (usize, &u32)| {
            self.months >> (month + 1) & 1 == 1 && self.days.trailing_zeros() <= *length
        };
        by_day && !LENGTHS.iter().enumerate().any(fits)
    }

    /// The least minutes between two of its fires within a day; a day where it fires once.
    pub fn least_gap(&self) -> u32 {
        let times: Vec<u32> =
            self.hours().flat_map(|hour| self.minutes().map(move |minute| hour * 60 + minute)).collect();
        let within = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one).min();
        let over = match (times.first(), times.last()) {
            (Some(first), Some(last)) => 1440 + first - last,
            _ => 1440,
        };
        within.unwrap_or(1440).min(over)
    }

    /// The same times, each so many minutes later, written as five fields. None where one would come to another hour.
    pub(super) fn moved(&self, text: &str, by: u32) -> Option<String> {
        let mut words = text.split_ascii_whitespace();
        let minute = words.next()?;
        let minutes: Vec<u32> = self.minutes().map(|minute| minute + by).collect();
        if minutes.last()? >= &60 {
            return None;
        }
        let step = minute.strip_prefix("*/").and_then(number).filter(|step| 60 % step == 0 && by < *step);
        let moved = match (step, minutes.as_slice()) {
            (_, [one]) => one.to_string(),
            (Some(step), _) => format!("{by}-59/{step}"),
            (None, many) => many.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        };
        Some(std::iter::once(moved.as_str()).chain(words).collect::<Vec<_>>().join(" "))
    }

    /// The same but for the minutes.
    pub(super) fn same_hours(&self, other: &Self) -> bool {
        Self { minutes: 0, ..*self } == Self { minutes: 0, ..*other }
    }
}

/// The time zone of that name; UTC where none is written.
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for a name that the IANA's database does not have.
pub(super) fn zone_of(name: Option<&str>) -> Result<TimeZone> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    zone_file(name).and_then(|(name, file)| TimeZone::tzif(name, file).ok()).ok_or_else(|| {
        let message =
            format!("there is no time zone `{}`; write a name of the IANA, such as `Europe/Berlin`", Printable(name));
        Error::new(ErrorKind::InvalidValue, message)
    })
}

/// The day in UTC of that time; the last there is for times that no calendar has.
pub(super) fn date_of(time: WallTime) -> Date {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or(Date::MAX, |time| time.to_zoned(TimeZone::UTC).date())
}

impl fmt::Display for Cron {
    /// In words, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.hours.count_ones();
        match (self.minutes.count_ones(), hours) {
            (1, 1) => f.write_str("once a day")?,
            (1, 24) => f.write_str("every hour")?,
            _ => write!(f, "{} times a day", self.per_day())?,
        }
        if self.days != 0xffff_fffe || self.weekdays != 0x7f || self.months != 0x1ffe {
            f.write_str(" on some days")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str) -> Cron {
        text.parse().unwrap()
    }

    fn july() -> WallTime {
        "2025-07-01".parse().unwrap()
    }

    #[test]
    fn fires_of_thirty_days_are_counted() {
        for (text, fires) in [
            ("*/5 * * * *", 8640),
            ("0 * * * *", 720),
            ("30 5,17 * * *", 60),
            ("0 9 * * 1", 4),
            ("0 0 1 * *", 1),
            ("0 0 1 JAN *", 0),
            ("*/30 9-17 * * mon-FRI", 22 * 18),
            // Either day is enough: the 13th, and four Fridays.
            ("0 12 13 * 5", 5),
            // One star: both.
            ("0 12 */2 * 5", 2),
            ("3/5 0 * * *", 30 * 12),
            ("0 0 31 2 *", 0),
        ] {
            assert_eq!(cron(text).fires(july(), 30), fires, "{text}");
        }
    }

    #[test]
    fn what_github_refuses_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "@daily",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 7",
            "*/0 * * * *",
            "*/x * * * *",
            "5-1 * * * *",
            "1,,2 * * * *",
            "L * * * *",
            "? * * * *",
            "* * * * 5#3",
            "* * * * FRIDAY",
            "1-2-3 * * * *",
            "-1 * * * *",
            "*/15 18-8 * * 1-5",
            "1.5 * * * *",
            "*/5/5 * * * *",
            "99999999999 * * * *",
            "** * * * *",
        ] {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_that_never_come_are_known() {
        for (text, never) in [
            ("0 0 31 2 *", true),
            ("0 0 30 2 *", true),
            ("0 0 29 2 *", false),
            ("0 0 31 2,4,6,9,11 *", true),
            ("0 0 31 2,3 *", false),
            ("0 0 31 2 1", false),
            ("0 0 */31 2 *", false),
            ("0 0 30,31 2 */2", true),
        ] {
            assert_eq!(cron(text).never(), never, "{text}");
            // Over 400 years every date has every day of the week that it can have.
            assert_eq!(cron(text).fires(july(), 146_097) == 0, never, "{text}");
        }
    }

    #[test]
    fn gaps_go_over_midnight() {
        for (text, gap) in [("*/15 * * * *", 15), ("0 2 * * *", 1440), ("0 0,23 * * *", 60), ("50,0 * * * *", 10)] {
            assert_eq!(cron(text).least_gap(), gap, "{text}");
        }
    }

    #[test]
    fn moved_crons_fire_as_often() {
        for (text, by, moved) in [
            ("0 2 * * *", 17, Some("17 2 * * *")),
            ("*/15 * * * 1-5", 4, Some("4-59/15 * * * 1-5")),
            ("0,30 1 * * *", 7, Some("7,37 1 * * *")),
            ("0,50 1 * * *", 20, None),
            ("*/7 1 * * *", 2, Some("2,9,16,23,30,37,44,51,58 1 * * *")),
        ] {
            assert_eq!(cron(text).moved(text, by).as_deref(), moved, "{text}");
            if let Some(moved) = moved {
                assert!(cron(moved).same_hours(&cron(text)));
                assert_eq!(cron(moved).per_day(), cron(text).per_day());
            }
        }
    }
}
