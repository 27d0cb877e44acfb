//! Months and weeks of the calendar, and those of the scripts that orch replaces. Pure.

use super::policy::Policy;
use crate::{
    WallTime,
    cost::budget::{Period, Span, Zone},
};

const DAY: u64 = 86_400_000;

/// Says in which month a time is. It remembers the last one: commits come in their order.
#[derive(Debug)]
pub(super) struct Months {
    zone: Zone,
    /// Milliseconds of the day at which months begin.
    shift: i64,
    last: Option<(WallTime, WallTime, String)>,
}

impl Months {
    pub(super) fn new(policy: Policy, zone: &Zone, at: WallTime) -> Self {
        let shift = match policy {
            // Git takes a day without a time for that day at the present time, in whole seconds.
            Policy::Compat => zone.reading(at).1 / 1000 * 1000,
            _ => 0,
        };
        Self { zone: zone.clone(), shift, last: None }
    }

    pub(super) fn name(&mut self, at: WallTime) -> &str {
        let is_same = self.last.as_ref().is_some_and(|(from, to, _)| *from <= at && at < *to);
        if !is_same {
            self.last = Some(self.span(at));
        }
        self.last.as_ref().map_or("", |(_, _, name)| name)
    }

    fn span(&self, at: WallTime) -> (WallTime, WallTime, String) {
        let first = |name: &str| day(&format!("{name}-01"));
        let begins = |name: &str| match self.shift {
            0 => month(&self.zone, name).start.unwrap_or_default(),
            shift => self.zone.moment(first(name), shift),
        };
        let mut name = self.month_of(at);
        if at < begins(&name) {
            name = next(&name, -1);
        }
        (begins(&name), begins(&next(&name, 1)), name)
    }

    fn month_of(&self, at: WallTime) -> String {
        Period::Month.span(&self.zone, at).name
    }
}

/// The calendar month of that name.
pub(super) fn month(zone: &Zone, name: &str) -> Span {
    // Somewhere in the middle of it, whatever the zone.
    let middle = WallTime(u64::try_from(day(&format!("{name}-15"))).unwrap_or(0) * DAY);
    Period::Month.span(zone, middle)
}

/// The month so many after that one.
pub(super) fn next(name: &str, months: i64) -> String {
    let (year, month) = name.split_once('-').unwrap_or((name, "1"));
    let all = year.parse::<i64>().unwrap_or(1970) * 12 + month.parse::<i64>().unwrap_or(1) - 1 + months;
    format!("{:04}-{:02}", all.div_euclid(12), all.rem_euclid(12) + 1)
}

/// Whether that is the name of a month.
pub(super) fn is_month(name: &str) -> bool {
    name.len() == 7 && day(&format!("{name}-01")) > 0
}

/// The number of that day, `2025-07-01`, since 1970.
pub(super) fn day(text: &str) -> i64 {
    text.parse::<WallTime>().map_or(0, |at| i64::try_from(at.0 / DAY).unwrap_or(0))
}

/// `2025-07-01` of the number of a day.
pub(super) fn date(day: i64) -> String {
    let text = WallTime(u64::try_from(day).unwrap_or(0).saturating_mul(DAY)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// The Monday of the week in which that time is there, as a day since 1970, which began on a Thursday.
pub(super) fn monday(zone: &Zone, at: WallTime) -> i64 {
    let (day, _) = zone.reading(at);
    day - (day + 3).rem_euclid(7)
}

/// What calendar and clock show there: `2025-07-05T14:36:09.747`.
pub(super) fn local(zone: &Zone, at: WallTime) -> String {
    let (day, millis) = zone.reading(at);
    let shown = u64::try_from(day).unwrap_or(0).saturating_mul(DAY).saturating_add(u64::try_from(millis).unwrap_or(0));
    WallTime(shown).to_string().trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    #[test]
    fn months_begin_where_the_policy_says() {
        let zone: Zone = "-04:00".parse().unwrap();
        let check = |policy, cases: &[(&str, &str)]| {
            let mut months = Months::new(policy, &zone, at("2025-07-05T14:36:09.747-04:00"));
            for (time, name) in cases {
                assert_eq!(months.name(at(time)), *name, "{policy} {time}");
            }
        };
        check(
            Policy::Message,
            &[
                ("2025-06-30T23:59:59-04:00", "2025-06"),
                ("2025-07-01T00:00:00-04:00", "2025-07"),
                ("2025-07-31T23:59:59-04:00", "2025-07"),
            ],
        );
        check(
            Policy::Compat,
            &[
                ("2025-07-01T14:36:08-04:00", "2025-06"),
                ("2025-07-01T14:36:09-04:00", "2025-07"),
                ("2025-08-01T14:36:08-04:00", "2025-07"),
                ("2025-08-01T14:36:09-04:00", "2025-08"),
                ("2025-12-31T23:00:00-04:00", "2025-12"),
                ("2026-01-01T03:00:00-04:00", "2025-12"),
            ],
        );
    }

    #[test]
    fn names_of_days_and_months() {
        assert_eq!([next("2025-12", 1), next("2025-01", -1), next("2025-03", -14)], ["2026-01", "2024-12", "2024-01"]);
        let zone = Zone::default();
        for (time, week) in
            [("2025-07-06T23:00:00Z", "2025-06-30"), ("2025-07-07", "2025-07-07"), ("1970-01-05", "1970-01-05")]
        {
            assert_eq!(date(monday(&zone, at(time))), week);
        }
        assert_eq!(local(&"+05:30".parse().unwrap(), at("2025-07-05T20:00:00.5Z")), "2025-07-06T01:30:00.500");
    }
}
