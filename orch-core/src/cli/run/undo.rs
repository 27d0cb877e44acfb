//! What the command line says of undoing beside the report.

use crate::{
    Printable, Report, TaskIx, UndoOn,
    cli::streams::Console,
    recovery::saga::{self, Cause},
    report::UndoState,
};

/// The most steps that are listed.
const SHOWN: usize = 40;

/// After a dry run: what would be undone, and by whom, if the real one failed at its very end.
pub(super) fn preview(report: &Report) -> String {
    let undo = saga::undo(report.graph(), &saga::standing(report), &[Cause { task: None, on: UndoOn::Error }], &[]);
    if undo.order.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nif the run failed at its end, it would undo, one after the other:\n");
    for (nth, &task) in undo.order.iter().take(SHOWN).enumerate() {
        text += &format!("  {}. {}\n", nth + 1, step(report, task));
    }
    if undo.order.len() > SHOWN {
        text += &format!("  and {} more\n", undo.order.len() - SHOWN);
    }
    text
}

fn step(report: &Report, task: TaskIx) -> String {
    let options = report.graph().task(task).options();
    let undo = options.undo.clone().unwrap_or_default();
    let agent = undo.agent.as_ref().or(options.agent.as_ref());
    let agent = agent.map(|agent| format!(" by `{}`", Printable(agent))).unwrap_or_default();
    let what = undo.description.lines().next().filter(|line| !line.trim().is_empty());
    let what = what.map(|what| format!(": {}", Printable(what))).unwrap_or_default();
    format!("{}{agent}{what}", report.graph().id(task))
}

/// What was left behind, after a run that did not succeed.
pub(super) fn advise(report: &Report, console: &mut Console<'_>) {
    let Some(undo) = report.undo() else { return };
    let left = undo.count(UndoState::Failed) + undo.count(UndoState::Left);
    if left > 0 {
        let them = if left == 1 { "it" } else { "them" };
        console.warning(format_args!(
            "{left} of {} could not be undone; what {them} did is still there",
            crate::cli::plan::count(undo.steps.len(), "task")
        ));
    }
}
