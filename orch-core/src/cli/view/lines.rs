//! One line for what happened: for logs, CI, and above the live view.

use super::watch::Watch;
use crate::{
    cli::streams::Paint,
    event::{BreakerState, Event, EventKind, FailureKind, Miss, SkipReason},
    id::Printable,
    report::{Short, ShortCost},
};

/// What to say of an event; `None`: nothing. May be several lines: a failure brings what its program wrote last.
///
/// `watch` must not have heard the event yet.
pub(super) fn line(watch: &Watch, event: &Event, paint: Paint) -> Option<String> {
    Some(match &event.kind {
        EventKind::TaskFinished { task, attempt, result, .. } => {
            let took = watch.elapsed(*task, event.at);
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            match result {
                Ok(_) => {
                    format!(
                        "{} {} {}",
                        paint.good('✓'),
                        watch.id(*task),
                        paint.dim(format_args!("{}{again}", Short(took)))
                    )
                }
                Err(failure) if failure.kind == FailureKind::Cancelled => {
                    format!("{} {} {}", paint.dim('∅'), watch.id(*task), paint.dim("stopped"))
                }
                Err(failure) => {
                    let took = paint.dim(format_args!("{}{again}", Short(took)));
                    let mut text = format!("{} {} {took}: {failure}", paint.bad('✗'), watch.id(*task));
                    tail(watch, *task, paint, &mut text);
                    text
                }
            }
        }
        EventKind::TaskRetrying { task, attempt, failure, delay, .. } => {
            let mut text = format!(
                "{} {} attempt {attempt} failed: {failure}; again in {}",
                paint.warn('↻'),
                watch.id(*task),
                Short(*delay)
            );
            tail(watch, *task, paint, &mut text);
            text
        }
        EventKind::UndoPlanned { order, .. } if order.is_empty() => return None,
        EventKind::UndoPlanned { order, .. } => {
            let plural = if order.len() == 1 { "" } else { "s" };
            format!("{} undoing {} task{plural}", paint.warn('↶'), order.len())
        }
        EventKind::UndoFinished { task, attempt, result, .. } => {
            let took = watch.elapsed(*task, event.at);
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            match result {
                Ok(_) => {
                    let took = paint.dim(format_args!("undone {}{again}", Short(took)));
                    format!("{} {} {took}", paint.good('↶'), watch.id(*task))
                }
                Err(_) if *attempt == 0 => {
                    format!("{} {} {}", paint.dim('∅'), watch.id(*task), paint.dim("not undone"))
                }
                Err(failure) => {
                    let took = paint.dim(format_args!("{}{again}", Short(took)));
                    let mut text = format!("{} {} not undone {took}: {failure}", paint.bad('✗'), watch.id(*task));
                    tail(watch, *task, paint, &mut text);
                    text
                }
            }
        }
        EventKind::UndoRetrying { task, attempt, failure, delay, .. } => {
            let mut text = format!(
                "{} {} attempt {attempt} to undo failed: {failure}; again in {}",
                paint.warn('↻'),
                watch.id(*task),
                Short(*delay)
            );
            tail(watch, *task, paint, &mut text);
            text
        }
        EventKind::BreakerChanged { breaker, state, why, probe_in } => {
            let what = match (state, why, probe_in) {
                (BreakerState::Open, Some(why), Some(wait)) => {
                    format!("opened: {why}; lets a probe through in {}", Short(*wait))
                }
                (BreakerState::Open, ..) => "opened".to_owned(),
                (BreakerState::HalfOpen, ..) => "lets a probe through".to_owned(),
                (BreakerState::Closed, ..) => "closed".to_owned(),
            };
            format!("{} circuit breaker `{}` {what}", paint.warn('⌁'), Printable(breaker))
        }
        EventKind::TaskWaits { task, resource, holder } if watch.stands_still() => {
            let holder = holder.as_ref().map(|holder| format!(", held by {}", Printable(holder))).unwrap_or_default();
            format!(
                "{} {} {}",
                paint.dim('…'),
                watch.id(*task),
                paint.dim(format_args!("waits for {resource}{holder}"))
            )
        }
        EventKind::CheckpointMade { name, tasks } => {
            let done = paint.dim(format_args!("after {} of {} tasks", tasks.len(), watch.progress().graph().len()));
            format!("{} checkpoint `{}` {done}", paint.dim('⚑'), Printable(name))
        }
        EventKind::TaskCached { task, saved, .. } => {
            let why = paint.dim(format_args!("known already, saves {}", ShortCost(saved)));
            format!("{} {} {why}", paint.good('✓'), watch.id(*task))
        }
        EventKind::TaskRestored { task, .. } => {
            format!("{} {} {}", paint.dim('-'), watch.id(*task), paint.dim("as it was at the checkpoint"))
        }
        // Of what was never made there is nothing to explain.
        EventKind::TaskMissed { task, why, .. } if **why != Miss::First => {
            let why = paint.dim(format_args!("is made anew: {why}"));
            format!("{} {} {why}", paint.dim('·'), watch.id(*task))
        }
        EventKind::TaskSkipped { task, reason: SkipReason::Condition(message) } => {
            let why = paint.dim(format_args!("skipped: {}", Printable(message)));
            format!("{} {} {why}", paint.dim('-'), watch.id(*task))
        }
        // What never started because of a failure would bury the failure; the report names it.
        EventKind::TaskSkipped { .. } => return None,
        EventKind::TasksAdded { by, tasks, .. } => {
            let plural = if tasks.len() == 1 { "" } else { "s" };
            format!("{} {} added {} task{plural}", paint.dim('+'), watch.id(*by), tasks.len())
        }
        EventKind::Warning { task, message } => match task {
            Some(task) => format!("{} {}: {}", paint.warn("warning:"), watch.id(*task), Printable(message)),
            None => format!("{} {}", paint.warn("warning:"), Printable(message)),
        },
        EventKind::RunStopping { reason } => format!("{} {}", paint.warn("stopping:"), Printable(reason)),
        _ => return None,
    })
}

/// Adds what the program wrote last. The bar in front also keeps CI systems from taking a line for a command of theirs.
fn tail(watch: &Watch, task: crate::id::TaskIx, paint: Paint, text: &mut String) {
    for line in watch.tail(task) {
        text.push_str("\n    ");
        text.push_str(&paint.dim(format_args!("| {}", Printable(line))));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Change, Part};
    use crate::{Failure, Graph, Output, Plan, PlanOptions, Stream, Task};

    #[test]
    fn a_task_that_is_made_anew_says_why_and_one_that_is_new_does_not() {
        let missed = |task: u32, why| EventKind::TaskMissed { task: task.into(), key: "k".into(), why: Box::new(why) };
        let changed = Miss::Changed(vec![Change::Changed(Part::File("a\u{1b}.rs".into()))]);
        assert_eq!(
            said(vec![missed(0, Miss::First), missed(1, changed), missed(2, Miss::Gone)]),
            "· te\\u{1b}st is made anew: file `a\\u{1b}.rs` changed\n\
             · ship is made anew: nothing changed, but the value was gone\n"
        );
    }

    /// Plays events a second apart and answers what is said of them.
    fn said(kinds: Vec<EventKind>) -> String {
        let graph = Graph::builder("g").tasks(["build", "te\u{1b}st", "ship"].map(Task::new)).build().unwrap();
        let mut watch = Watch::new(&Plan::new(&graph, &PlanOptions::default()).unwrap());
        let mut text = String::new();
        for (seq, kind) in (0..).zip(kinds) {
            let event = Event { seq, at: Duration::from_secs(seq), kind };
            if let Some(line) = line(&watch, &event, Paint(false)) {
                text += &(line + "\n");
            }
            watch.on(&event);
        }
        text
    }

    fn start(task: u32, attempt: u32) -> EventKind {
        EventKind::TaskStarted { task: task.into(), attempt, queued: Duration::ZERO }
    }

    fn wrote(task: u32, stream: Stream, text: &str) -> EventKind {
        EventKind::TaskOutput { task: task.into(), stream, text: text.into() }
    }

    fn ended(task: u32, attempt: u32, result: Result<Output, Failure>) -> EventKind {
        EventKind::TaskFinished { task: task.into(), attempt, result: result.map_err(Box::new), usage: None }
    }

    fn undone(task: u32, attempt: u32, result: Result<Output, Failure>) -> EventKind {
        EventKind::UndoFinished { task: task.into(), attempt, result: result.map_err(Box::new), usage: None }
    }

    #[test]
    fn a_line_for_each_end_and_the_last_words_of_failures() {
        let told = said(vec![
            start(0, 1),
            ended(0, 1, Ok(Output::NOTHING)),
            start(1, 1),
            wrote(1, Stream::Stdout, "ok so far"),
            EventKind::TaskRetrying {
                task: 1.into(),
                attempt: 1,
                failure: Box::new(Failure::error("exit code 3")),
                delay: Duration::from_secs(2),
                usage: None,
            },
            start(1, 2),
            wrote(1, Stream::Stdout, "not shown, since there is stderr"),
            wrote(1, Stream::Stderr, "::error::\u{1b}[2Jdisk full"),
            ended(1, 2, Err(Failure::error("exit code 4"))),
            EventKind::TaskSkipped { task: 2.into(), reason: SkipReason::Upstream(1.into()) },
            EventKind::TaskSkipped { task: 2.into(), reason: SkipReason::Condition("not wanted".into()) },
            EventKind::RunStopping { reason: "task `te\u{1b}st` failed".into() },
            EventKind::UndoPlanned { order: [0.into(), 2.into()].into(), kept: [].into() },
            EventKind::UndoStarted { task: 0.into(), attempt: 1 },
            wrote(0, Stream::Stderr, "cannot\u{1b}[2J"),
            EventKind::UndoRetrying {
                task: 0.into(),
                attempt: 1,
                failure: Box::new(Failure::error("exit code 5")),
                delay: Duration::from_secs(1),
                usage: None,
            },
            EventKind::UndoStarted { task: 0.into(), attempt: 2 },
            undone(0, 2, Ok(Output::NOTHING)),
            EventKind::UndoStarted { task: 2.into(), attempt: 1 },
            undone(2, 1, Err(Failure::error("exit code 6"))),
            undone(1, 0, Err(Failure::error("enough"))),
            EventKind::BreakerChanged {
                breaker: "a\u{1b}pi".into(),
                state: BreakerState::Open,
                why: Some(Box::new(Failure::error("no\u{1b}"))),
                probe_in: Some(Duration::from_secs(60)),
            },
            EventKind::TaskRestored { task: 0.into(), state: crate::TaskState::Succeeded, output: Output::NOTHING },
            EventKind::CheckpointMade { name: "b\u{1b}".into(), tasks: [1.into()].into() },
        ]);
        insta::assert_snapshot!(told, @r"
        ✓ build 1.0 s
        ↻ te\u{1b}st attempt 1 failed: exit code 3; again in 2.0 s
            | ok so far
        ✗ te\u{1b}st 3.0 s, attempt 2: exit code 4
            | ::error::\u{1b}[2Jdisk full
        - ship skipped: not wanted
        stopping: task `te\u{1b}st` failed
        ↶ undoing 2 tasks
        ↻ build attempt 1 to undo failed: exit code 5; again in 1.0 s
            | cannot\u{1b}[2J
        ↶ build undone 1.0 s, attempt 2
        ✗ ship not undone 1.0 s: exit code 6
        ∅ te\u{1b}st not undone
        ⌁ circuit breaker `a\u{1b}pi` opened: no\u{1b}; lets a probe through in 1 min 00 s
        - build as it was at the checkpoint
        ⚑ checkpoint `b\u{1b}` after 1 of 3 tasks
        ");
    }

    #[test]
    fn only_the_last_words_are_kept() {
        let mut kinds = vec![start(0, 1)];
        kinds.extend((0..50).map(|nth| wrote(0, Stream::Stderr, &format!("line {nth}"))));
        kinds.push(ended(0, 1, Err(Failure::error("no"))));
        let told = said(kinds);
        assert_eq!(told.lines().count(), 9);
        assert!(told.ends_with("    | line 49\n") && told.contains("    | line 42\n"), "{told}");
    }
}
