//! A report for the terminal.

use std::{cmp::Reverse, time::Duration};

use super::summary::Headline;
use crate::{
    event::TaskState,
    id::Printable,
    report::{
        AgentCost, Earlier, Report, Short, TaskResult,
        width::{columns, cut, cut_chars, first_line, pad, pad_left},
    },
    units::Usd,
};

/// The narrowest terminal that is written for.
const NARROWEST: usize = 60;
/// The most tasks in the table.
const MOST_ROWS: usize = 500;
/// The most failures that are shown in full, and lines of each.
const MOST_FAILURES: usize = 20;
const MOST_LINES: usize = 20;
/// The longest line of a message, in characters; a terminal wraps it.
const LONGEST_LINE: usize = 1_000;
/// The narrowest column for remarks; with less room they get a line of their own.
const REMARK: usize = 24;
const GAP: &str = "  ";

/// The full report for a terminal `width` columns wide (at least 60): a table of the tasks in the order in which they
/// started, what failed in full, and what the run was like. Plain text without colours; ends with a line break.
///
/// The table shows at most 500 tasks: of more, those that did not succeed, then those that took longest, and it says so.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, Task, report::render};
///
/// let graph = Graph::builder("notes").task(Task::new("draft")).build()?;
/// let report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
/// assert!(render::text(&report, 80).contains("draft  pending"));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn text(report: &Report, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    table(&mut out, report, width);
    failures(&mut out, report);
    checkpoints(&mut out, report, width);
    undo(&mut out, report, width);
    agents(&mut out, report, width);
    facts(&mut out, report, width);
    out
}

/// Which tasks to show, in which order; and how many are left out.
fn chosen(report: &Report) -> (Vec<TaskResult<'_>>, usize) {
    let mut tasks: Vec<TaskResult<'_>> = report.tasks().collect();
    let left_out = tasks.len().saturating_sub(MOST_ROWS);
    if left_out > 0 {
        tasks.sort_by_key(|task| (importance(task.state()), Reverse(task.duration())));
        tasks.truncate(MOST_ROWS);
    }
    tasks.sort_by_key(|task| (task.started().or(task.finished()).unwrap_or(Duration::MAX), task.ix()));
    (tasks, left_out)
}

fn importance(state: TaskState) -> u8 {
    match state {
        TaskState::Failed => 0,
        TaskState::Running => 1,
        TaskState::Cancelled | TaskState::Skipped | TaskState::Pending | TaskState::Undone => 2,
        TaskState::Succeeded => 3,
    }
}

fn table(out: &mut String, report: &Report, width: usize) {
    let (tasks, left_out) = chosen(report);
    if tasks.is_empty() {
        return;
    }
    let rows: Vec<[String; 5]> = tasks.iter().map(cells).collect();
    let head = ["task", "state", "tries", "queued", "took"].map(str::to_owned);
    let mut widths = [0; 5];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let [name, rest @ ..] = &mut widths;
    let rest = rest.iter().map(|width| width + GAP.len()).sum::<usize>();
    let remarks = tasks.iter().any(|task| why(task).is_some());
    // Names may take half of what is left while there are remarks to show beside them.
    let room = width - rest;
    let beside = remarks && room >= (*name).min(room / 2) + GAP.len() + REMARK;
    *name = (*name).min(if beside { room - GAP.len() - REMARK } else { room });
    let remark_room = room.saturating_sub(*name + GAP.len());

    line(out, &head, &widths, if beside { "why" } else { "" });
    for (task, row) in tasks.iter().zip(&rows) {
        let remark = why(task).unwrap_or_default();
        if beside {
            line(out, row, &widths, &cut(remark, remark_room));
        } else {
            line(out, row, &widths, "");
            if !remark.is_empty() {
                out.push_str(&format!("  └ {}\n", cut(remark, width - 4)));
            }
        }
    }
    if left_out > 0 {
        out.push_str(&format!(
            "… and {left_out} more tasks; shown are those that did not succeed and those that took longest\n"
        ));
    }
    out.push('\n');
}

/// Why it ended as it did or, if it worked, what it waited for.
fn why(task: &TaskResult<'_>) -> Option<String> {
    let remark = task.remark().map(|remark| Printable(first_line(&remark)).to_string());
    remark.or_else(|| Some(format!("waited {}", task.waits().iter().max_by_key(|wait| wait.waited)?)))
}

fn cells(task: &TaskResult<'_>) -> [String; 5] {
    let ran = task.started().is_some();
    let shown = |duration: Duration| if ran { Short(duration).to_string() } else { String::new() };
    let tries = if ran { task.attempts().to_string() } else { String::new() };
    let queued = if task.queued().is_zero() { String::new() } else { shown(task.queued()) };
    [task.id().to_string(), task.state().to_string(), tries, queued, shown(task.duration())]
}

/// Text to the left, numbers to the right; no spaces at the end.
fn line(out: &mut String, cells: &[String; 5], widths: &[usize; 5], remark: &str) {
    let [name, state, tries, queued, took] = cells;
    let [name_width, state_width, tries_width, queued_width, took_width] = *widths;
    let line = [
        pad(&cut(name.clone(), name_width), name_width),
        pad(state, state_width),
        pad_left(tries, tries_width),
        pad_left(queued, queued_width),
        pad_left(took, took_width),
        remark.to_owned(),
    ]
    .join(GAP);
    out.push_str(line.trim_end());
    out.push('\n');
}

/// What the failed tasks said, where the table could not show it all.
fn failures(out: &mut String, report: &Report) {
    let failed = report.tasks().filter(|task| task.state() == TaskState::Failed);
    for task in failed.clone().take(MOST_FAILURES) {
        let Some(failure) = task.failure() else { continue };
        let failed = if task.is_forgiven() { "failed, as it may" } else { "failed" };
        out.push_str(&format!("{failed}: {} ({})\n", task.id(), failure.kind.name()));
        let mut lines = failure.message.lines();
        for text in lines.by_ref().take(MOST_LINES) {
            out.push_str(&format!("  {}\n", cut_chars(Printable(text).to_string(), LONGEST_LINE)));
        }
        match lines.count() {
            0 => {}
            more => out.push_str(&format!("  … and {more} more lines\n")),
        }
    }
    match failed.count() {
        0 => return,
        count if count > MOST_FAILURES => out.push_str(&format!("… and {} more failed\n", count - MOST_FAILURES)),
        _ => {}
    }
    out.push('\n');
}

/// The moments to which one can go back.
fn checkpoints(out: &mut String, report: &Report, width: usize) {
    let made = report.checkpoints();
    if made.is_empty() {
        return;
    }
    out.push_str("checkpoints:\n");
    for made in made.iter().take(MOST_FAILURES) {
        out.push_str(&format!("{}\n", cut(format!("  {made}"), width)));
    }
    if made.len() > MOST_FAILURES {
        out.push_str(&format!("  … and {} more\n", made.len() - MOST_FAILURES));
    }
    out.push('\n');
}

/// What was undone, in order, and what was not.
fn undo(out: &mut String, report: &Report, width: usize) {
    let Some(undo) = report.undo() else { return };
    let name = |ix| report.graph().id(ix).to_string();
    out.push_str(&format!("{}\n", cut(format!("undo, from {} on, in this order:", Short(undo.began)), width)));
    for (nth, step) in undo.steps.iter().enumerate().take(MOST_ROWS) {
        let took = step.started.zip(step.finished).map(|(from, to)| to.saturating_sub(from));
        let took = took.map(|took| format!(" {}", Short(took))).unwrap_or_default();
        let tries = if step.attempts > 1 { format!(", {} tries", step.attempts) } else { String::new() };
        out.push_str(&format!(
            "{}\n",
            cut(format!("  {}. {}: {}{took}{tries}", nth + 1, name(step.task), step.state.name()), width)
        ));
        if let Some(failure) = &step.failure {
            for text in failure.message.lines().take(MOST_LINES) {
                out.push_str(&format!("     {}\n", cut_chars(Printable(text).to_string(), LONGEST_LINE)));
            }
        }
    }
    if undo.steps.is_empty() {
        out.push_str("  nothing\n");
    } else if undo.steps.len() > MOST_ROWS {
        out.push_str(&format!("  … and {} more\n", undo.steps.len() - MOST_ROWS));
    }
    for &(task, kept) in undo.kept.iter().take(MOST_FAILURES) {
        out.push_str(&format!("{}\n", cut(format!("  kept: {}: {}", name(task), report.why_kept(task, kept)), width)));
    }
    if undo.kept.len() > MOST_FAILURES {
        out.push_str(&format!("  … and {} more kept\n", undo.kept.len() - MOST_FAILURES));
    }
    out.push('\n');
}

/// What each agent was expected to cost, beside what it did; where anything was expected.
fn agents(out: &mut String, report: &Report, width: usize) {
    let agents = report.agents();
    if agents.iter().all(|agent| agent.estimated.is_none()) {
        return;
    }
    let money = |usd: Option<Usd>| usd.map_or_else(|| "–".to_owned(), |usd| usd.to_fixed(4));
    let mut rows = vec![["cost by agent", "estimated", "real", ""].map(str::to_owned)];
    for agent in agents.iter().take(MOST_ROWS) {
        let name = agent.agent.as_deref().map_or_else(|| "no agent".to_owned(), |name| Printable(name).to_string());
        let over = agent.over_percent().map(|over| format!("{over:+} %")).unwrap_or_default();
        rows.push([format!("  {name}"), money(agent.estimated), money(agent.real), over]);
    }
    if agents.len() > 1 {
        let sum = |of: fn(&AgentCost) -> Option<Usd>| agents.iter().filter_map(of).reduce(|sum, usd| sum + usd);
        let all = AgentCost {
            estimated: sum(|agent| agent.estimated),
            real: sum(|agent| agent.real),
            ..AgentCost::default()
        };
        rows.push(["  together".to_owned(), money(all.estimated), money(all.real), String::new()]);
    }
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let [name, estimated, real, over] = widths;
    let name = name.min(width.saturating_sub(estimated + real + over + 3 * GAP.len()));
    for [first, expected, did, more] in &rows {
        let first = pad(&cut(first.clone(), name), name);
        let (expected, did) = (pad_left(expected, estimated), pad_left(did, real));
        out.push_str(format!("{first}{GAP}{expected}{GAP}{did}{GAP}{}", pad_left(more, over)).trim_end());
        out.push('\n');
    }
    out.push('\n');
}

/// What the run was like as a whole.
fn facts(out: &mut String, report: &Report, width: usize) {
    out.push_str(&format!("{}\n", Headline(report)));
    let mut fact = |text: String| out.push_str(&format!("{}\n", cut(text, width)));
    let path = report.critical_path();
    if let Some(last) = path.last() {
        let names: Vec<String> = path.iter().map(|step| report.graph().id(step.task).to_string()).collect();
        let worked: Duration = path.iter().map(|step| step.worked).sum();
        let waited = last.finished.saturating_sub(worked);
        fact(format!("critical path: {}, of which {} waiting", Short(last.finished), Short(waited)));
        fact(format!("  {}", names.join(" → ")));
    }
    if let (Some(over), Some(utilisation)) = (report.over_lower_bound(), report.utilisation()) {
        fact(format!("best possible: {}; this run took {over:.2} × that", Short(report.lower_bound())));
        let workers = report.max_parallel().map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
        fact(format!("workers: at most {} at once ({workers}), {:.0} % busy", report.peak(), utilisation * 100.0));
    }
    if let Some(Earlier { parts, cost }) = report.earlier() {
        let parts = if *parts == 1 { "a part".to_owned() } else { format!("{parts} parts") };
        let tokens = cost.usage.total_tokens();
        let used = if tokens == 0 { String::new() } else { format!(", {tokens} tokens") };
        let money = cost.money.map(|money| format!(", {money}")).unwrap_or_default();
        fact(format!("before, in {parts}: {}{used}{money}", Short(cost.time)));
    }
    for warning in report.warnings() {
        let task = warning.task.and_then(|ix| report.graph().tasks().get(ix.index()));
        let about = task.map(|task| format!("{}: ", task.id())).unwrap_or_default();
        let message = cut_chars(Printable(&warning.message).to_string(), LONGEST_LINE);
        out.push_str(&format!("warning: {about}{message}\n"));
    }
    if report.warnings_left_out() > 0 {
        out.push_str(&format!("… and {} more warnings\n", report.warnings_left_out()));
    }
}

#[cfg(test)]
mod tests;
