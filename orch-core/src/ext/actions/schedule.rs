//! Many schedules as one: a dispatcher and the table that it asks.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{
    audit::{WINDOW, WINDOW_DAYS, WorkflowFile},
    cron::{Cron, zone_of},
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
    id::Printable,
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
    /// The table that is there already: what it starts is started further on.
    pub table: Option<Table>,
}

impl Default for ScheduleOptions {
    fn default() -> Self {
        Self {
            every: 30,
            file: "orch-scheduler.yml".to_owned(),
            since: WINDOW,
            install: None,
            seed: String::new(),
            table: None,
        }
    }
}

/// Where the table of the dispatcher is, from the root of the repository on.
pub const TABLE_PATH: &str = ".github/orch-schedule.json";

/// A dispatcher, and what it takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it starts, and when.
    pub table: Table,
    /// The dispatcher's workflow: the one that is there, where there is one.
    pub workflow: String,
    /// Files that lose their `schedule` and get `workflow_dispatch`: their new texts, and how they differ.
    pub taken: Vec<Taken>,
    /// Files that keep their schedule, and why.
    pub left: Vec<Left>,
    /// Slots of the table that was there which are not in the new one, by their ids, and why.
    pub gone: Vec<Left>,
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

/// What is left out of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The name of the file.
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
/// [`InvalidValue`](ErrorKind::InvalidValue) for ticks that are not as [`ScheduleOptions::every`] says; [`Conflict`](ErrorKind::Conflict) where a file
/// has the dispatcher's name and is none.
pub fn schedule(files: &[WorkflowFile], options: &ScheduleOptions) -> Result<Schedule> {
    let tick = tick(options)?;
    let there = dispatcher(files, options)?;
    let since = options.since.to_string();
    let mut made = Schedule {
        table: Table {
            version: 1,
            since: options.table.as_ref().map_or_else(|| since.clone(), |table| table.since.clone()),
            slots: Vec::new(),
        },
        workflow: there.as_ref().map_or_else(|| workflow(&tick, options), |there| there.0.to_owned()),
        taken: Vec::new(),
        left: Vec::new(),
        gone: Vec::new(),
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
                let later = options.table.is_some().then(|| since.clone());
                made.table.slots.extend(slots.into_iter().map(|slot| Slot { since: later.clone(), ..slot }));
            }
            Err(why) => {
                made.after += fires;
                made.left.push(Left { file: file.name.clone(), why });
            }
        }
    }
    keep(files, options, &mut made);
    let (crons, was) = match there {
        Some((_, crons)) => (crons, true),
        None => (vec![tick.parse()?], false),
    };
    let ticks = times(&crons, &TimeZone::UTC, before_window(), end_of_window());
    made.before += if was { ticks.len() as u64 } else { 0 };
    if !made.table.slots.is_empty() {
        made.after += ticks.len() as u64;
    }
    for slot in &made.table.slots {
        let crons: Vec<Cron> = slot.crons.iter().filter_map(|cron| cron.parse().ok()).collect();
        let zone = zone_of(slot.timezone.as_deref()).unwrap_or(TimeZone::UTC);
        let due = times(&crons, &zone, before_window(), end_of_window());
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

/// The text and the crons of the dispatcher that is there already.
fn dispatcher<'a>(files: &'a [WorkflowFile], options: &ScheduleOptions) -> Result<Option<(&'a str, Vec<Cron>)>> {
    let Some(file) = files.iter().find(|file| file.name == options.file) else { return Ok(None) };
    let other = || {
        let message =
            format!("`{}` is there and is no dispatcher of orch; give it another name", Printable(&file.name));
        Error::new(ErrorKind::Conflict, message)
    };
    let text = file.text.as_deref().filter(|text| text.contains("orch actions due")).ok_or_else(other)?;
    let yaml = Yaml::parse(text).map_err(|_| other())?;
    let workflow = Workflow::read(&yaml).map_err(|_| other())?;
    let crons: Vec<Cron> = workflow.crons.iter().filter_map(|cron| cron.text.parse().ok()).collect();
    if crons.is_empty() { Err(other()) } else { Ok(Some((text, crons))) }
}

/// Takes over what the table that is there has, where it can be started still.
fn keep(files: &[WorkflowFile], options: &ScheduleOptions, made: &mut Schedule) {
    for slot in options.table.iter().flat_map(|table| &table.slots) {
        // Somebody has given it a schedule of its own again: that is what counts, or it keeps it.
        let anew = made.taken.iter().map(|taken| &taken.file).chain(made.left.iter().map(|left| &left.file));
        if anew.into_iter().any(|file| *file == slot.file) {
            continue;
        }
        let why = match files.iter().find(|file| file.name == slot.file) {
            None => Some("the file is not there any more"),
            Some(file) => cannot_start(file),
        };
        match why {
            None => made.table.slots.push(slot.clone()),
            Some(why) => made.gone.push(Left { file: slot.file.clone(), why: why.to_owned() }),
        }
    }
}

/// Why a workflow cannot be started by `gh workflow run`; a file that cannot be read may be mended tomorrow.
fn cannot_start(file: &WorkflowFile) -> Option<&'static str> {
    let yaml = Yaml::parse(file.text.as_deref()?).ok()?;
    let workflow = Workflow::read(&yaml).ok()?;
    workflow.trigger("workflow_dispatch").is_none().then_some("it has no `workflow_dispatch` any more")
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
        zone_of(written.zone).map_err(|error| error.message().to_owned())?;
        // A file may have crons of several zones; those of one go together, since one start answers them all.
        match slots.iter_mut().find(|slot| slot.timezone.as_deref() == written.zone) {
            Some(slot) => slot.crons.push(written.text.to_owned()),
            None => slots.push(Slot {
                id: written.zone.map_or_else(|| file.name.clone(), |zone| format!("{}@{zone}", file.name)),
                file: file.name.clone(),
                crons: vec![written.text.to_owned()],
                timezone: written.zone.map(str::to_owned),
                since: None,
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
    fn a_second_time_adds_what_is_new_and_loses_nothing() {
        let scheduled = |name: &str, cron: &str| {
            WorkflowFile::new(
                name,
                format!(
                    "on:\n  schedule:\n    - cron: '{cron}'\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{{run: ls}}]\n"
                ),
            )
        };
        let first = schedule(
            &[scheduled("a.yml", "0 2 * * *"), scheduled("b.yml", "0 4 * * *"), scheduled("c.yml", "0 5 * * *")],
            &ScheduleOptions { since: "2026-11-01".parse().unwrap(), ..options(60) },
        )
        .unwrap();
        let after: Vec<WorkflowFile> =
            first.taken.iter().map(|taken| WorkflowFile::new(&taken.file, &taken.text)).collect();
        // Then `b.yml` goes, nobody may start `c.yml`, and `d.yml` comes. The dispatcher was given its installation by hand.
        let c = after[2].text.as_ref().unwrap().replace("workflow_dispatch:", "push:");
        let by_hand = first.workflow.replace("# write here", "# done");
        let files = [
            after[0].clone(),
            WorkflowFile::new("c.yml", c),
            scheduled("d.yml", "0 3 * * *"),
            WorkflowFile::new("orch-scheduler.yml", &by_hand),
        ];
        let table = Some(first.table.clone());
        let again = ScheduleOptions { since: "2026-11-20".parse().unwrap(), table, ..options(30) };
        let second = schedule(&files, &again).unwrap();
        let slots: Vec<(&str, Option<&str>)> =
            second.table.slots.iter().map(|slot| (slot.id.as_str(), slot.since.as_deref())).collect();
        assert_eq!(slots, [("d.yml", Some("2026-11-20T00:00:00.000Z")), ("a.yml", None)]);
        assert_eq!(second.table.since, first.table.since);
        assert_eq!(second.gone.iter().map(|gone| gone.file.as_str()).collect::<Vec<_>>(), ["b.yml", "c.yml"]);
        assert_eq!(second.workflow, by_hand);
        // The dispatcher fires every hour as it did, not every 30 minutes; `d.yml` no more by itself.
        assert_eq!((second.before, second.after, second.started), (720 + 30, 720, 60));
        // A third time there is nothing to do.
        let files = [files[0].clone(), WorkflowFile::new("d.yml", &second.taken[0].text), files[3].clone()];
        let third = schedule(&files, &ScheduleOptions { table: Some(second.table.clone()), ..again.clone() }).unwrap();
        assert_eq!((third.taken.len(), third.gone.len(), third.table.slots.len()), (0, 0, 2));
        // Whose schedule came back by hand is taken over once more, and stands once.
        let back = [scheduled("a.yml", "0 2 * * *"), files[2].clone()];
        let fourth = schedule(&back, &again).unwrap();
        assert_eq!(fourth.table.slots.iter().filter(|slot| slot.file == "a.yml").count(), 1);
        // Another's file is never written over.
        let other = [WorkflowFile::new("orch-scheduler.yml", "on: push\njobs: {}\n")];
        assert_eq!(schedule(&other, &options(30)).unwrap_err().kind(), ErrorKind::Conflict);
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
