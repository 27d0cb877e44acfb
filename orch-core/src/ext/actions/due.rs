//! What is due: a pure function of the time, a table, and what was started last.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};
use serde::{Deserialize, Serialize};

use super::cron::{Cron, zone_of};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// A workflow that is started at some times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// What it is known by, here and in the state.
    pub id: String,
    /// The name of the workflow's file.
    pub file: String,
    /// When: at the times of any of these.
    pub crons: Vec<String>,
    /// The time zone of the crons, by its IANA name; UTC where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Times before this are not its own, where it came into the table later than others; in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// All slots, and since when they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// 1.
    pub version: u32,
    /// Times before this are nobody's; in RFC 3339.
    pub since: String,
    /// The slots.
    pub slots: Vec<Slot>,
}

/// What was started last: for each slot the time of its crons that was answered.
pub type Answered = BTreeMap<String, WallTime>;

/// A slot whose time has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Its id.
    pub slot: String,
    /// The workflow to start.
    pub file: String,
    /// The latest of its times that are not answered: what the state says once it was started.
    #[serde(serialize_with = "as_text")]
    pub scheduled: WallTime,
    /// How many times one start stands for: more than one where ticks were late or missing.
    pub times: u64,
}

fn as_text<S: serde::Serializer>(time: &WallTime, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for what is none; [`InvalidValue`](ErrorKind::InvalidValue) for crons, zones, times
    /// and ids that are wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Self = serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorKind::InvalidFormat, "this is no table of schedules").caused_by(error))?;
        if table.version != 1 {
            return Err(Error::new(ErrorKind::InvalidValue, "the table has a version that is not 1"));
        }
        let mut ids = BTreeSet::new();
        for slot in &table.slots {
            if !ids.insert(&slot.id) {
                let message = format!("the slot `{}` is there twice", Printable(&slot.id));
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            slot.read()?;
            table.since(slot)?;
        }
        Ok(table)
    }

    /// Since when the times of that slot count.
    fn since(&self, slot: &Slot) -> Result<WallTime> {
        slot.since.as_ref().unwrap_or(&self.since).parse()
    }
}

impl Slot {
    fn read(&self) -> Result<(Vec<Cron>, TimeZone)> {
        let crons = self.crons.iter().map(|cron| cron.parse()).collect::<Result<Vec<Cron>>>()?;
        Ok((crons, zone_of(self.timezone.as_deref())?))
    }
}

/// What is due at that time: each slot that has a time after the one that was answered last, once, however many there are. What has no answer yet counts
/// from the table's `since` on.
///
/// Whoever starts a slot then keeps [`Due::scheduled`] as its answer. So a late tick starts what is late, a missing one is made up for by the next, and two
/// ticks at once start nothing twice, if the second sees what the first kept.
///
/// Where clocks are put forward, a time that is skipped comes right after; where they are put back, a time that is there twice counts once, unless its hour
/// is `*`: then every minute that there is counts, and no other.
///
/// ```
/// use orch_core::ext::actions::{Answered, Table, due};
///
/// let table = r#"{"version": 1, "since": "2026-03-01T00:00:00Z", "slots": [{"id": "a", "file": "a.yml", "crons": ["0 2 * * *"]}]}"#;
/// let table = Table::parse(table)?;
/// let mut answered = Answered::new();
/// let due_now = due("2026-03-03T05:12:00Z".parse()?, &table, &answered)?;
/// assert_eq!((due_now[0].file.as_str(), due_now[0].times), ("a.yml", 3));
/// answered.insert("a".into(), due_now[0].scheduled);
/// assert!(due("2026-03-03T05:42:00Z".parse()?, &table, &answered)?.is_empty());
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for crons, zones and times of the table that are wrong.
pub fn due(now: WallTime, table: &Table, answered: &Answered) -> Result<Vec<Due>> {
    let mut out = Vec::new();
    for slot in &table.slots {
        let (crons, zone) = slot.read()?;
        // The moment of `since` itself counts; an answer from before it, such as a start by hand, takes nothing away and adds nothing.
        let before = WallTime(table.since(slot)?.0.saturating_sub(1));
        let after = answered.get(&slot.id).copied().unwrap_or(before).max(before);
        let times = times(&crons, &zone, after, now);
        if let Some(&scheduled) = times.last() {
            let (slot, file) = (slot.id.clone(), slot.file.clone());
            out.push(Due { slot, file, scheduled, times: times.len() as u64 });
        }
    }
    Ok(out)
}

/// No tick makes up for more than so many days.
const MAX_DAYS: i64 = 3_660;

/// The times of these crons after the first moment, up to the second.
pub(super) fn times(crons: &[Cron], zone: &TimeZone, after: WallTime, until: WallTime) -> BTreeSet<WallTime> {
    let mut times = BTreeSet::new();
    let date = |time: WallTime| -> Option<Date> {
        let time = Timestamp::from_millisecond(i64::try_from(time.0).ok()?).ok()?;
        Some(time.to_zoned(zone.clone()).date())
    };
    let (Some(first), Some(last)) = (date(after), date(until)) else { return times };
    // A time that is skipped at midnight comes on the next day.
    let mut day = first.yesterday().unwrap_or(first);
    let earliest = last.checked_sub(jiff::Span::new().days(MAX_DAYS)).unwrap_or(first);
    day = day.max(earliest);
    // A zone may skip a day at most, so what is further away need not be asked of it; UTC skips nothing.
    let margin = jiff::Span::new().hours(if *zone == TimeZone::UTC { 0 } else { 26 });
    let civil = |time: WallTime| {
        let time = Timestamp::from_millisecond(i64::try_from(time.0).ok()?).ok()?;
        Some(time.to_zoned(zone.clone()).datetime())
    };
    let low = civil(after).and_then(|time| time.checked_sub(margin).ok()).unwrap_or(DateTime::MIN);
    let high = civil(until).and_then(|time| time.checked_add(margin).ok()).unwrap_or(DateTime::MAX);
    while day <= last {
        for cron in crons.iter().filter(|cron| cron.on(day)) {
            for hour in cron.hours() {
                for minute in cron.minutes() {
                    let (Ok(hour), Ok(minute)) = (i8::try_from(hour), i8::try_from(minute)) else { continue };
                    let time = day.at(hour, minute, 0, 0);
                    if time < low || time > high {
                        continue;
                    }
                    moments(cron, zone, time, |time| {
                        if time > after && time <= until {
                            times.insert(time);
                        }
                    });
                }
            }
        }
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    times
}

/// The moments of that time of day: none, one or two.
fn moments(cron: &Cron, zone: &TimeZone, time: DateTime, mut tell: impl FnMut(WallTime)) {
    let found = zone.to_ambiguous_timestamp(time);
    let mut say = |moment: std::result::Result<Timestamp, jiff::Error>| {
        if let Some(millis) = moment.ok().and_then(|moment| u64::try_from(moment.as_millisecond()).ok()) {
            tell(WallTime(millis));
        }
    };
    match found.offset() {
        AmbiguousOffset::Unambiguous { .. } => say(found.compatible()),
        AmbiguousOffset::Gap { .. } if cron.every_hour() => {}
        AmbiguousOffset::Gap { .. } => say(found.compatible()),
        AmbiguousOffset::Fold { .. } => {
            say(found.earlier());
            if cron.every_hour() {
                say(found.later());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    fn table(crons: &[&str], zone: Option<&str>, since: &str) -> Table {
        let crons = crons.iter().map(|&cron| cron.to_owned()).collect();
        let slot = Slot { id: "a".into(), file: "a.yml".into(), crons, timezone: zone.map(str::to_owned), since: None };
        Table { version: 1, since: since.to_owned(), slots: vec![slot] }
    }

    #[track_caller]
    fn check(cron: &str, zone: &str, from: &str, until: &str, wanted: &[&str]) {
        let (crons, zone) = table(&[cron], Some(zone), "2026-01-01").slots[0].read().unwrap();
        let found: Vec<String> = times(&crons, &zone, at(from), at(until))
            .iter()
            .map(|time| time.to_string().replace(":00.000Z", ""))
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn days_of_23_and_25_hours_lose_and_double_nothing() {
        // Berlin: at 02:00 it becomes 03:00 on 2026-03-29, at 03:00 it becomes 02:00 on 2026-10-25.
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            "2026-03-30T12:00:00Z",
            &["2026-03-29T01:30", "2026-03-30T00:30"],
        );
        check("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z", &["2026-03-29T01:00"]);
        check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z", &["2026-10-25T00:30"]);
        check(
            "30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:45:00Z",
            "2026-10-25T02:45:00Z",
            &["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"],
        );
        check(
            "30 * * * *",
            "Europe/Berlin",
            "2026-03-28T23:45:00Z",
            "2026-03-29T02:45:00Z",
            &["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"],
        );
        // By half an hour only: 02:15 is not there, and 02:45 is nobody's.
        check(
            "15 * * * *",
            "Australia/Lord_Howe",
            "2026-10-03T15:00:00Z",
            "2026-10-03T17:00:00Z",
            &["2026-10-03T16:15"],
        );
        check("0 0 * * 1", "Asia/Tokyo", "2026-11-20T00:00:00Z", "2026-11-24T00:00:00Z", &["2026-11-22T15:00"]);
    }

    #[test]
    fn nothing_is_due_before_the_table() {
        let table = table(&["*/5 * * * *"], None, "2026-11-22T10:02:00Z");
        let none = Answered::new();
        assert_eq!(due(at("2026-11-22T10:04:59Z"), &table, &none).unwrap(), []);
        assert_eq!(due(at("2026-11-22T10:05:00Z"), &table, &none).unwrap()[0].times, 1);
        assert_eq!(due(at("2020-01-01"), &table, &none).unwrap(), []);
        // What was answered is not answered again, on the minute too.
        let answered = Answered::from([("a".to_owned(), at("2026-11-22T10:05:00Z"))]);
        assert_eq!(due(at("2026-11-22T10:05:00Z"), &table, &answered).unwrap(), []);
        // What somebody started by hand, before there was a table, is no reason to start what nobody was to start.
        let earlier = Answered::from([("a".to_owned(), at("2026-11-22T09:00:00Z"))]);
        assert_eq!(due(at("2026-11-22T10:04:59Z"), &table, &earlier).unwrap(), []);
        assert_eq!(due(at("2026-11-22T10:10:00Z"), &table, &earlier).unwrap()[0].times, 2);
        // Who comes later counts from later on.
        let mut later = table.clone();
        later.slots[0].since = Some("2026-11-22T10:08:00Z".to_owned());
        assert_eq!(due(at("2026-11-22T10:10:00Z"), &later, &none).unwrap()[0].times, 1);
        // An answer of the future, by a clock that was wrong, holds until then.
        let future = Answered::from([("a".to_owned(), at("2027-01-01"))]);
        assert_eq!(due(at("2026-12-01"), &table, &future).unwrap(), []);
    }

    #[test]
    fn wrong_tables_are_refused() {
        let good = serde_json::to_string(&table(&["0 2 * * *"], Some("Europe/Berlin"), "2026-01-01")).unwrap();
        assert!(Table::parse(&good).is_ok());
        for (old, new) in [
            ("0 2 * * *", "0 2 * *"),
            ("Europe/Berlin", "Nowhere"),
            ("2026-01-01", "then"),
            ("\"slots\":[{", "\"slots\":[{\"since\":\"then\","),
            ("\"version\":1", "\"version\":2"),
        ] {
            assert!(Table::parse(&good.replace(old, new)).is_err(), "{new}");
        }
        let mut twice = table(&["0 2 * * *"], None, "2026-01-01");
        twice.slots.extend(twice.slots.clone());
        let refused = Table::parse(&serde_json::to_string(&twice).unwrap()).unwrap_err();
        assert!(refused.message().contains("`a` is there twice"), "{refused}");
    }

    /// Whether a field of a cron takes a value, read in another way than the reader does.
    fn takes(field: &str, least: i64, value: i64) -> bool {
        field.split(',').any(|part| {
            let (range, step) = part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap()));
            let (low, high) = match range.split_once('-') {
                Some((low, high)) => (low.parse().unwrap(), high.parse().unwrap()),
                None if range == "*" => (i64::MIN, i64::MAX),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            let from = if low == i64::MIN { least } else { low };
            (low..=high).contains(&value) && (value - from) % step == 0
        })
    }

    /// Minutes from 2026-01-01 on at which that cron fires in UTC, found by looking at each of a year.
    fn each_minute(cron: &str) -> Vec<u64> {
        let fields: Vec<&str> = cron.split(' ').collect();
        let (start, mut out) = (jiff::civil::date(2026, 1, 1), Vec::new());
        for day in 0..365_i64 {
            let date = start.checked_add(jiff::Span::new().days(day)).unwrap();
            let weekday = i64::from(date.weekday().to_sunday_zero_offset());
            let (a, b) = (takes(fields[2], 1, date.day().into()), takes(fields[4], 0, weekday));
            let both = if fields[2].starts_with('*') || fields[4].starts_with('*') { a && b } else { a || b };
            if !both || !takes(fields[3], 1, date.month().into()) {
                continue;
            }
            for minute in 0..1440_i64 {
                if takes(fields[1], 0, minute / 60) && takes(fields[0], 0, minute % 60) {
                    out.push((day * 1440 + minute) as u64);
                }
            }
        }
        out
    }

    const CRONS: [&str; 8] = [
        "*/5 * * * *",
        "0 2 * * *",
        "30 5,17 * * 1-5",
        "*/30 8-18 * * 1,3",
        "7 3 13 * 5",
        "0 0 1 */3 *",
        "1-59/7 */6 * * *",
        "15 14 1-7 2-11 *",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
        // A year of ticks that come minutes to hours late, or not at all.
        #[test]
        fn every_time_of_a_year_is_answered_once(
            crons in proptest::sample::subsequence(CRONS.to_vec(), 1..3),
            gaps in proptest::collection::vec(prop_oneof![8 => 1_u64..90, 3 => 90_u64..600, 1 => 600_u64..12_000], 40..120),
        ) {
            let start = at("2026-01-01").0;
            let table = table(&crons, None, "2026-01-01T00:00:00Z");
            let mut all: Vec<u64> = crons.iter().flat_map(|cron| each_minute(cron)).collect();
            all.sort_unstable();
            all.dedup();
            let mut answered = Answered::new();
            let (mut tick, mut next, mut nth) = (0_u64, 0_usize, 0_usize);
            while tick < 365 * 1440 {
                // Seconds within the minute change nothing.
                let now = WallTime(start + tick * 60_000 + (tick * 7919) % 60_000);
                let found = due(now, &table, &answered).unwrap();
                let passed = all[next..].iter().take_while(|&&time| time <= tick).count();
                prop_assert_eq!(found.len(), usize::from(passed > 0), "tick {}", tick);
                if let Some(one) = found.first() {
                    prop_assert_eq!(one.times, passed as u64);
                    prop_assert_eq!(one.scheduled, WallTime(start + all[next + passed - 1] * 60_000));
                    answered.insert(one.slot.clone(), one.scheduled);
                    // A second tick at the same moment has nothing to do.
                    prop_assert!(due(now, &table, &answered).unwrap().is_empty());
                }
                next += passed;
                tick += gaps[nth % gaps.len()];
                nth += 1;
            }
        }
    }
}
