//! One line for what happened: for logs, CI, and above the live view.

use super::watch::Watch;
use crate::{
    cli::streams::Paint,
    event::{Event, EventKind, FailureKind, SkipReason},
    id::Printable,
    report::Short,
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
