//! Many schedules as one: a dispatcher and the table that it asks.

use serde::Serialize;

use super::{
    audit::{WINDOW, WINDOW_DAYS, WorkflowFile},
    cron::Cron,
    diff::unified_diff,
    due::{Slot, Table, times},
    edit,
    prove::prove,
    workflow::{On, Workflow},
    yaml::{View, Yaml},
};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
};

/// How the dispatcher is made.
#[derive(Debug, Clone)]
pub struct ScheduleOptions {
    /// Minutes between two of its ticks, from 5 to 1,440: a divisor of 60, or whole hours that divide a day.
    pub every: u32,
    /// The name of its file.
    pub file: String,
    /// Since when times count: now.
    pub since: WallTime,
    /// The command that installs `orch` on the machine of the dispatcher.
    pub install: Option<String>,
    /// What stands for chance in the minute of its ticks: for example the name of the repository.
    pub seed: String,
}

impl Default for ScheduleOptions {
    fn default() -> Self {
        Self { every: 30, file: "orch-scheduler.yml".to_owned(), since: WINDOW, install: None, seed: String::new() }
    }
}

/// Where the table of the dispatcher is, from the root of the repository on.
pub const TABLE_PATH: &str = ".github/orch-schedule.json";

/// A dispatcher, and what it takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it starts, and when.
    pub table: Table,
    /// The dispatcher's workflow.
    pub workflow: String,
    /// Files that lose their `schedule` and get `workflow_dispatch`: their new texts, and how they differ.
    pub taken: Vec<Taken>,
    /// Files that keep their schedule, and why.
    pub left: Vec<Left>,
    /// How often schedules fired in 30 days from 2025-07-01.
    pub before: u64,
    /// How often they do then: the dispatcher, and what keeps its own.
    pub after: u64,
    /// How often the dispatcher starts something in that time, when no tick is late.
    pub started: u64,
}

/// A file that the dispatcher takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Its name.
    pub file: String,
    /// Its new text.
    #[serde(skip)]
    pub text: String,
    /// How that differs from the old one.
    pub diff: String,
}

/// A file that keeps its schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub file: String,
    /// Why.
    pub why: String,
}

/// Makes one dispatcher of all schedules that can be taken over.
///
/// ```
/// use orch_core::ext::actions::{ScheduleOptions, WorkflowFile, schedule};
///
/// let text = "on:\n  schedule:\n    - cron: '*/5 * * * *'\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: ls}]\n";
/// let made = schedule(&[WorkflowFile::new("a.yml", text)], &ScheduleOptions::default())?;
/// assert_eq!((made.before, made.after), (8640, 1440));
/// assert!(made.workflow.contains("actions: write"));
/// assert!(made.taken[0].text.starts_with("on:\n  workflow_dispatch:\njobs:"));
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for ticks that are not as [`ScheduleOptions::every`] says.
pub fn schedule(files: &[WorkflowFile], options: &ScheduleOptions) -> Result<Schedule> {
    let tick = tick(options)?;
    let mut made = Schedule {
        table: Table { version: 1, since: options.since.to_string(), slots: Vec::new() },
        workflow: workflow(&tick, options),
        taken: Vec::new(),
        left: Vec::new(),
        before: 0,
        after: 0,
        started: 0,
    };
    for file in files.iter().filter(|file| file.name != options.file) {
        let text = file.text.as_deref().unwrap_or_default();
        let Ok(yaml) = Yaml::parse(text) else { continue };
        let Ok(workflow) = Workflow::read(&yaml) else { continue };
        if workflow.on != On::Written || workflow.crons.is_empty() {
            continue;
        }
        let valid = workflow.crons.iter().filter_map(|cron| cron.text.parse::<Cron>().ok());
        let fires: u64 = valid.map(|cron| cron.fires(WINDOW, WINDOW_DAYS)).sum();
        made.before += fires;
        match take(file, text, &yaml, &workflow) {
            Ok((taken, slots)) => {
                made.taken.push(taken);
                made.table.slots.extend(slots);
            }
            Err(why) => {
                made.after += fires;
                made.left.push(Left { file: file.name.clone(), why });
            }
        }
    }
    let ticks = times(&[tick.parse()?], &jiff::tz::TimeZone::UTC, before_window(), end_of_window());
    if !made.table.slots.is_empty() {
        made.after += ticks.len() as u64;
    }
    for slot in &made.table.slots {
        let crons: Vec<Cron> = slot.crons.iter().filter_map(|cron| cron.parse().ok()).collect();
        let zone = slot.timezone.as_deref().and_then(|zone| jiff::tz::TimeZone::get(zone).ok());
        let due = times(&crons, &zone.unwrap_or(jiff::tz::TimeZone::UTC), before_window(), end_of_window());
        // A tick answers all times since the one before it.
        let mut last = before_window();
        for &tick in &ticks {
            let passed = due.range((std::ops::Bound::Excluded(last), std::ops::Bound::Included(tick))).next();
            made.started += u64::from(passed.is_some());
            last = tick;
        }
    }
    Ok(made)
}

fn before_window() -> WallTime {
    WallTime(WINDOW.0 - 1)
}

fn end_of_window() -> WallTime {
    WallTime(WINDOW.0 + u64::from(WINDOW_DAYS) * 86_400_000 - 1)
}

/// The slots of a file and its text without its schedule; else why it keeps that.
fn take(
    file: &WorkflowFile,
    text: &str,
    yaml: &Yaml<'_>,
    workflow: &Workflow<'_>,
) -> std::result::Result<(Taken, Vec<Slot>), String> {
    if let Some(why) = edit::hindrance(yaml) {
        return Err(why.to_owned());
    }
    if text.contains("event.schedule") || text.contains("'schedule'") || text.contains("\"schedule\"") {
        return Err("something in it asks whether a schedule started it".to_owned());
    }
    let inputs = workflow.trigger("workflow_dispatch").and_then(|trigger| trigger.value?.get("inputs"));
    for (name, input) in inputs.map(View::entries).into_iter().flatten() {
        let required = input.get("required").and_then(View::flag) == Some(true);
        if required && input.get("default").is_none() {
            return Err(format!("`workflow_dispatch` needs the input `{}`", name.scalar().unwrap_or_default()));
        }
    }
    let mut slots: Vec<Slot> = Vec::new();
    for written in &workflow.crons {
        written.text.parse::<Cron>().map_err(|error| error.message().to_owned())?;
        if let Some(zone) = written.zone {
            jiff::tz::TimeZone::get(zone)
                .map_err(|_| format!("there is no time zone `{}`", crate::id::Printable(zone)))?;
        }
        // A file may have crons of several zones; those of one go together, since one start answers them all.
        match slots.iter_mut().find(|slot| slot.timezone.as_deref() == written.zone) {
            Some(slot) => slot.crons.push(written.text.to_owned()),
            None => slots.push(Slot {
                id: written.zone.map_or_else(|| file.name.clone(), |zone| format!("{}@{zone}", file.name)),
                file: file.name.clone(),
                crons: vec![written.text.to_owned()],
                timezone: written.zone.map(str::to_owned),
            }),
        }
    }
    let edit = edit::take_over(yaml)?;
    let new = edit.apply(text);
    let after = Yaml::parse(&new).map_err(|fault| format!("it would be no YAML: {}", fault.message))?;
    prove(yaml, &after, &edit.intended)?;
    let diff = unified_diff(&file.name, text, &new);
    Ok((Taken { file: file.name.clone(), text: new, diff }, slots))
}

/// The cron of the ticks: never at :00 or :30, at a minute that the seed says.
fn tick(options: &ScheduleOptions) -> Result<String> {
    let every = options.every;
    let hours = every / 60;
    let fits =
        every >= 5 && (60_u32.is_multiple_of(every) || every.is_multiple_of(60) && 24_u32.is_multiple_of(hours.max(1)));
    if !fits {
        let message =
            format!("ticks every {every} minutes fit into no hour or day; take 5, 10, 15, 20, 30, 60, 120, 180 ...");
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let text = match every {
        1..=30 => format!("*/{every} * * * *"),
        60 => "0 * * * *".to_owned(),
        1440 => "0 3 * * *".to_owned(),
        _ => format!("0 */{hours} * * *"),
    };
    let cron: Cron = text.parse()?;
    let quiet = super::rules::quiet_minute(&options.seed, &cron, &text);
    quiet.ok_or_else(|| Error::new(ErrorKind::InvalidValue, "no minute of these ticks is free of :00 and :30"))
}

/// `actions/checkout` v4.2.2, `actions/cache` v4.2.3.
const CHECKOUT: &str = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2";
const CACHE: [&str; 2] = [
    "actions/cache/restore@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3",
    "actions/cache/save@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3",
];

fn workflow(tick: &str, options: &ScheduleOptions) -> String {
    let install = options
        .install
        .as_deref()
        .unwrap_or("true  # write here how orch is installed: orch actions schedule --install '...'");
    let install = install.lines().map(|line| format!("          {line}\n")).collect::<String>();
    let [restore, save] = CACHE;
    format!(
        "# Made by `orch actions schedule`. It starts what {TABLE_PATH} says, once it is due: a tick that comes late starts what is late,
# and one that does not come is made up for by the next.
name: orch scheduler
on:
  schedule:
    - cron: '{tick}'
  workflow_dispatch:

permissions:
  actions: write
  contents: read

# One tick at a time: the second sees what the first has started.
concurrency:
  group: orch-scheduler
  cancel-in-progress: false

jobs:
  dispatch:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: {CHECKOUT}
      - name: Install orch
        run: |
{install}          command -v orch || {{ echo '::error::orch is not installed'; exit 1; }}
      - uses: {restore}
        with:
          path: .orch-schedule-state.json
          key: orch-schedule-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
          restore-keys: orch-schedule-
      - name: Start what is due
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: orch actions due --table {TABLE_PATH} --state .orch-schedule-state.json --dispatch --ref \"$GITHUB_REF_NAME\"
      - if: always()
        uses: {save}
        with:
          path: .orch-schedule-state.json
          key: orch-schedule-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(every: u32) -> ScheduleOptions {
        ScheduleOptions { every, seed: "me/repository".into(), ..ScheduleOptions::default() }
    }

    #[test]
    fn ticks_are_off_the_hour() {
        for every in [5, 10, 15, 20, 30, 60, 120, 360, 1440] {
            let cron: Cron = tick(&options(every)).unwrap().parse().unwrap();
            assert_eq!(cron.least_gap(), every);
            assert!(cron.minutes().all(|minute| minute != 0 && minute != 30));
        }
        for every in [0, 1, 7, 45, 90, 300, 2880] {
            assert!(tick(&options(every)).is_err(), "{every}");
        }
    }

    #[test]
    fn the_dispatcher_is_itself_found_good() {
        use crate::ext::actions::{AuditOptions, audit};
        let install = Some("pip install x\necho done".to_owned());
        let made = schedule(&[], &ScheduleOptions { install, ..options(30) }).unwrap();
        let found = audit(&[WorkflowFile::new("orch-scheduler.yml", made.workflow)], &AuditOptions::default());
        let rules: Vec<&str> = found.findings.iter().map(|finding| finding.rule.id()).collect();
        assert_eq!(rules, ["aggressive-cron"]);
    }

    #[test]
    fn what_asks_for_its_schedule_keeps_it() {
        let file = |on: &str, run: &str| {
            WorkflowFile::new(
                "a.yml",
                format!("on:\n{on}jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{{run: '{run}'}}]\n"),
            )
        };
        let cron = "  schedule:\n    - cron: '0 2 * * *' # two\n    - cron: 5 4 * * *\n      timezone: Europe/Berlin\n";
        let made = schedule(&[file(cron, "ls")], &options(60)).unwrap();
        assert_eq!(made.left, []);
        let ids: Vec<&str> = made.table.slots.iter().map(|slot| slot.id.as_str()).collect();
        assert_eq!((ids, made.before, made.after, made.started), (vec!["a.yml", "a.yml@Europe/Berlin"], 60, 720, 60));
        for (on, run) in [
            (cron.to_owned(), "echo ${{ github.event.schedule }}"),
            ("  schedule: [{cron: '0 2 * *'}]\n".to_owned(), "ls"),
            ("  schedule: &a [{cron: '0 2 * * *'}]\n".to_owned(), "ls"),
            (format!("{cron}  workflow_dispatch:\n    inputs:\n      x:\n        required: true\n"), "ls"),
        ] {
            let made = schedule(&[file(&on, run)], &options(60)).unwrap();
            assert_eq!((made.left.len(), made.taken.len(), made.after), (1, 0, made.before), "{on}");
        }
    }
}
