//! Schedules: crons that GitHub refuses, that fire too often, or when everybody's do.

use super::{
    super::{
        audit::{Findings, Looked, WINDOW_DAYS},
        cron::{Cron, zone_of},
    },
    Rule,
};

pub(in super::super) fn check(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let workflow = looked.workflow;
    if let Some(trigger) = workflow.trigger("schedule")
        && workflow.crons.is_empty()
    {
        let reason = "`schedule` has no cron, and GitHub refuses the file".to_owned();
        findings.note(Rule::InvalidCron, trigger.at.place(), reason);
    }
    for written in &workflow.crons {
        let place = written.at.place();
        let cron: Cron = match written.text.parse() {
            Ok(cron) => cron,
            Err(error) => {
                findings.note(Rule::InvalidCron, place, error.message().to_owned());
                continue;
            }
        };
        if let Err(error) = zone_of(written.zone) {
            findings.note(Rule::InvalidCron, place, error.message().to_owned());
            continue;
        }
        if cron.never() {
            let reason = format!("`{}` never fires: no month has such a day", written.text);
            findings.note(Rule::InvalidCron, place, reason);
            continue;
        }
        often(looked, findings, &cron, written.text, place);
        if let Some(minute) = cron.crowded() {
            let better = quiet_minute(looked.file, &cron, written.text);
            let better = better.map_or_else(String::new, |better| format!(", for example `{better}`"));
            let reason = format!(
                "`{}` fires at :{minute:02}, when the schedules of everybody do: GitHub delays such runs by minutes to hours, \
                 and drops some; take another minute{better}",
                written.text
            );
            findings.note(Rule::CronOnTheHour, place, reason);
        }
    }
}

fn often(looked: &Looked<'_>, findings: &mut Findings<'_>, cron: &Cron, text: &str, place: (usize, usize)) {
    let gap = cron.least_gap();
    if gap >= 60 {
        return;
    }
    let fires = cron.fires(looked.options.window, WINDOW_DAYS);
    let hours = cron.hours().count() as u64;
    // As often as it would be if it fired once in each of its hours.
    let hourly = fires / u64::from(cron.per_day()).max(1) * hours;
    let mut reason = format!(
        "`{text}` fires {fires} times in 30 days, every {gap} minutes at the most; once an hour it would be {hourly}"
    );
    if gap < 5 {
        reason += ", and GitHub starts no schedule more often than every 5 minutes";
    }
    let (all, basis) = looked.costs.runs("schedule");
    // Of what the schedule really started, or would, the part of this cron that is too much.
    let share = (fires - hourly) as f64 / looked.costs.fires().max(1.0);
    findings.add(Rule::AggressiveCron, place, reason, looked.costs.of_runs(all * share, basis));
}

/// The same cron at minutes that are not :00 or :30, which ones says the name of the file. None where it would change more.
pub(in super::super) fn quiet_minute(file: &str, cron: &Cron, text: &str) -> Option<String> {
    let last = cron.minutes().last()?;
    let free: Vec<u32> = (1..60 - last)
        .filter(|by| cron.minutes().all(|minute| !matches!(minute + by, 0 | 30)) && cron.moved(text, *by).is_some())
        .collect();
    let hash = blake3::hash(format!("{file}\n{text}").as_bytes());
    let number = hash.as_bytes().iter().take(4).fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let by = *free.get(number.checked_rem(free.len())?)?;
    let moved = cron.moved(text, by)?;
    let new: Cron = moved.parse().ok()?;
    // Never another hour, another day or another number of fires.
    (new.same_hours(cron) && new.per_day() == cron.per_day()).then_some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_minutes_are_quiet_and_always_the_same() {
        for text in ["0 2 * * *", "*/5 * * * *", "*/15 8-18 * * 1-5", "0,30 * * * *", "*/10 * * * *", "30 1 1 * *"] {
            let cron: Cron = text.parse().unwrap();
            let moved = quiet_minute("a.yml", &cron, text).unwrap();
            assert_eq!(quiet_minute("a.yml", &cron, text).as_ref(), Some(&moved));
            let new: Cron = moved.parse().unwrap();
            assert!(new.minutes().all(|minute| minute != 0 && minute != 30), "{moved}");
            assert_eq!(new.least_gap(), cron.least_gap(), "{moved}");
        }
        let text = "* * * * *";
        assert_eq!(quiet_minute("a.yml", &text.parse().unwrap(), text), None);
        let many: std::collections::BTreeSet<_> = (0..2_000)
            .filter_map(|nth| quiet_minute(&nth.to_string(), &"0 2 * * *".parse().unwrap(), "0 2 * * *"))
            .collect();
        // Each minute but :00 and :30 is somebody's.
        assert_eq!(many.len(), 58, "{many:?}");
    }
}
