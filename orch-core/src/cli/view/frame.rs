//! The picture of a run at one moment: one line for the whole, and a few for tasks that run.

use std::time::Duration;

use console::{measure_text_width, truncate_str};

use super::watch::Watch;
use crate::{
    cli::streams::Paint,
    id::{Printable, TaskIx},
    report::RunningTask,
};

/// The most running tasks that are shown.
pub(super) const SHOWN: usize = 8;

/// Which running task has which line. A task keeps its line for as long as it runs, so that lines do not jump.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<TaskIx>);

impl Slots {
    /// Gives lines to those that run, at most `most`: to new ones the lines of those that ended.
    pub(super) fn assign<'a>(&mut self, running: &'a [RunningTask], most: usize) -> Vec<&'a RunningTask> {
        let find = |task: TaskIx| running.iter().find(|running| running.task == task);
        let mut waiting: Vec<TaskIx> =
            running.iter().map(|running| running.task).filter(|task| !self.0.contains(task)).rev().collect();
        for slot in &mut self.0 {
            if find(*slot).is_none()
                && let Some(next) = waiting.pop()
            {
                *slot = next;
            }
        }
        self.0.retain(|slot| find(*slot).is_some());
        self.0.extend(waiting.into_iter().rev());
        self.0.truncate(most);
        self.0.iter().filter_map(|slot| find(*slot)).collect()
    }
}

/// Draws the picture, no line wider than `width` columns.
pub(super) fn frame(
    watch: &mut Watch,
    slots: &mut Slots,
    now: Duration,
    (width, height): (usize, usize),
    paint: Paint,
) -> Vec<String> {
    let rest = watch.rest(now);
    let running = watch.progress().running(now);
    let mut lines = vec![truncate_str(&headline(watch, rest, now, width, paint), width, "…").into_owned()];
    // Two lines stay free, so that the picture never scrolls its own top away.
    let shown = slots.assign(&running, SHOWN.min(height.saturating_sub(3)));
    let names: Vec<String> = shown.iter().map(|running| watch.id(running.task).to_string()).collect();
    let column = names.iter().map(|name| measure_text_width(name)).max().unwrap_or(0).min(width / 2);
    for (running, name) in shown.iter().zip(names) {
        let name = truncate_str(&name, column, "…").into_owned();
        let pad = " ".repeat(column.saturating_sub(measure_text_width(&name)));
        let elapsed = clock(running.elapsed);
        let again = if running.attempt > 1 { format!(" (attempt {})", running.attempt) } else { String::new() };
        let said = watch.tail(running.task).last().map(|line| Printable(line).to_string()).unwrap_or_default();
        let line = format!("  {name}{pad}  {elapsed:>6}{again}  {}", paint.dim(said));
        lines.push(truncate_str(line.trim_end(), width, "…").into_owned());
    }
    if let Some(task) = watch.progress().undoing().current {
        let said = watch.tail(task).last().map(|line| Printable(line).to_string()).unwrap_or_default();
        let elapsed = clock(watch.elapsed(task, now));
        let line = format!("  {}  {elapsed:>6}  {}", watch.id(task), paint.dim(said));
        lines.push(truncate_str(line.trim_end(), width, "…").into_owned());
    }
    if running.len() > shown.len() {
        let more = format!("  and {} more running", running.len() - shown.len());
        lines.push(paint.dim(truncate_str(&more, width, "…")));
    }
    lines
}

fn headline(watch: &Watch, rest: Duration, now: Duration, width: usize, paint: Paint) -> String {
    let progress = watch.progress();
    let counts = progress.counts();
    let percent = progress.percent().floor() as usize;
    let failed = counts.failed > 0;
    let (done, total, running) = (counts.finished(), counts.total(), counts.running);
    let undoing = progress.undoing();
    let mut text = if undoing.total > 0 {
        format!(" {percent:>3} %  undoing, {} of {} over", undoing.over, undoing.total)
    } else {
        format!(" {percent:>3} %  {done}/{total} done, {running} running")
    };
    if failed {
        text += &format!(", {} failed", counts.failed);
    }
    text += &format!("  {}", clock(now));
    if !rest.is_zero() {
        text += &format!(", about {} left", clock(rounded(rest)));
    }
    let bar = width.saturating_sub(measure_text_width(&text) + 3).min(10);
    if bar < 10 {
        return text.trim_start().to_owned();
    }
    let full = bar * percent.min(100) / 100;
    let fill = "█".repeat(full);
    format!("{}{}{text}", if failed { paint.bad(fill) } else { paint.good(fill) }, paint.dim("░".repeat(bar - full)))
}

/// `0:07`, `12:34`, `1:02:03`: as wide at the next second as at this one, which more words would not be.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// An estimate that changes every second is noise: whole minutes from ten on, else steps of 5 seconds from half a minute on.
fn rounded(left: Duration) -> Duration {
    let seconds = left.as_secs() + u64::from(left.subsec_millis() >= 500);
    Duration::from_secs(match seconds {
        600.. => seconds.div_ceil(60) * 60,
        30..600 => seconds.div_ceil(5) * 5,
        _ => seconds.max(1),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        definition::{Graph, Task},
        event::{Event, EventKind, Failure, Output, Stream},
        plan::{Plan, PlanOptions},
    };

    fn watch(names: &[String]) -> Watch {
        let graph = Graph::builder("g").tasks(names.iter().map(|name| Task::new(name.as_str()))).build().unwrap();
        Watch::new(&Plan::new(&graph, &PlanOptions::default()).unwrap())
    }

    fn start(watch: &mut Watch, task: u32, second: u64) {
        let kind = EventKind::TaskStarted { task: task.into(), attempt: 1, queued: Duration::ZERO };
        watch.on(&Event { seq: 0, at: Duration::from_secs(second), kind });
    }

    fn end(watch: &mut Watch, task: u32, result: Result<Output, Box<Failure>>) {
        let kind = EventKind::TaskFinished { task: task.into(), attempt: 1, result, usage: None };
        watch.on(&Event { seq: 0, at: Duration::from_secs(9), kind });
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("task-{number}")).collect()
    }

    fn draw(watch: &mut Watch, slots: &mut Slots) -> String {
        frame(watch, slots, Duration::from_secs(12), (79, 24), Paint(false)).join("\n")
    }

    #[test]
    fn the_picture_has_one_line_for_all_and_eight_for_some() {
        let mut watch = watch(&names(250));
        (200..250).for_each(|task| start(&mut watch, task, 2));
        (200..249).for_each(|task| end(&mut watch, task, Ok(Output::NOTHING)));
        end(&mut watch, 249, Err(Box::new(Failure::error("no"))));
        (0..200).for_each(|task| start(&mut watch, task, 8));
        let kind = EventKind::TaskOutput {
            task: 1.into(),
            stream: Stream::Stdout,
            text: "reading src/lib.rs\u{1b}[2J".into(),
        };
        watch.on(&Event { seq: 0, at: Duration::from_secs(3), kind });
        insta::assert_snapshot!(draw(&mut watch, &mut Slots::default()), @r"
        ██░░░░░░░░  20 %  50/250 done, 200 running, 1 failed  0:12, about 0:03 left
          task-0    0:04
          task-1    0:04  reading src/lib.rs\u{1b}[2J
          task-2    0:04
          task-3    0:04
          task-4    0:04
          task-5    0:04
          task-6    0:04
          task-7    0:04
          and 192 more running
        ");
    }

    #[test]
    fn what_is_undone_has_the_place_of_what_runs() {
        let mut watch = watch(&names(3));
        start(&mut watch, 0, 2);
        end(&mut watch, 0, Ok(Output::NOTHING));
        start(&mut watch, 1, 3);
        end(&mut watch, 1, Err(Box::new(Failure::error("no"))));
        let kinds = [
            EventKind::TaskSkipped { task: 2.into(), reason: crate::event::SkipReason::Stopped },
            EventKind::UndoPlanned { order: [0.into(), 1.into()].into(), kept: [].into() },
            EventKind::UndoStarted { task: 0.into(), attempt: 1 },
            EventKind::TaskOutput { task: 0.into(), stream: Stream::Stdout, text: "taking it down".into() },
        ];
        for kind in kinds {
            watch.on(&Event { seq: 0, at: Duration::from_secs(9), kind });
        }
        insta::assert_snapshot!(draw(&mut watch, &mut Slots::default()), @r"
        ██████████ 100 %  undoing, 0 of 2 over, 1 failed  0:12
          task-0    0:03  taking it down
        ");
    }

    #[test]
    fn a_task_keeps_its_line() {
        let mut watch = watch(&names(12));
        let mut slots = Slots::default();
        (0..12).for_each(|task| start(&mut watch, task, 0));
        let shown = |watch: &Watch, slots: &mut Slots| -> Vec<usize> {
            slots
                .assign(&watch.progress().running(Duration::from_secs(9)), 4)
                .iter()
                .map(|running| running.task.index())
                .collect()
        };
        assert_eq!(shown(&watch, &mut slots), [0, 1, 2, 3]);
        end(&mut watch, 1, Ok(Output::NOTHING));
        assert_eq!(shown(&watch, &mut slots), [0, 4, 2, 3]);
        (4..12).for_each(|task| end(&mut watch, task, Ok(Output::NOTHING)));
        assert_eq!(shown(&watch, &mut slots), [0, 2, 3]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            names in prop::collection::btree_set(".{1,120}", 1..12),
            said in ".{0,200}",
            width in 1usize..120,
            height in 0usize..40,
            seconds in 0u64..1_000_000,
            color: bool,
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let mut watch = watch(&names);
            for task in 0..names.len() as u32 {
                start(&mut watch, task, 0);
                let kind = EventKind::TaskOutput { task: task.into(), stream: Stream::Stderr, text: said.as_str().into() };
                watch.on(&Event { seq: 0, at: Duration::ZERO, kind });
            }
            let now = Duration::from_secs(seconds);
            let lines = frame(&mut watch, &mut Slots::default(), now, (width, height), Paint(color));
            prop_assert!(lines.len() <= SHOWN + 2);
            for line in lines {
                prop_assert!(measure_text_width(&line) <= width, "{line:?}");
                prop_assert!(!line.contains('\n'));
            }
        }
    }
}
