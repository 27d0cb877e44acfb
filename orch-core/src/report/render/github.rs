//! A report for GitHub Actions: the step summary, and annotations.

use std::{cmp::Reverse, fmt};

use super::markup::escape_markup;
use crate::{
    event::TaskState,
    id::Printable,
    report::{
        Report, Short, TaskResult, UndoState,
        width::{cut_chars, first_line},
    },
};

/// What GitHub takes as the summary of one step, less some room for what other commands of the step write.
const MOST_BYTES: usize = 1_000 * 1024;
/// Room for the end of the summary: the line that says what was cut.
const END_BYTES: usize = 1024;
/// The most messages of failed tasks that are shown in full, and characters of each.
const MOST_MESSAGES: usize = 20;
const LONGEST_MESSAGE: usize = 4_000;
/// The longest text in a cell of the table.
const LONGEST_CELL: usize = 200;
/// The most undo steps that are listed.
const MOST_UNDONE: usize = 200;
/// The most tasks of the critical path that are named.
const LONGEST_PATH: usize = 50;

/// The run as Markdown for `$GITHUB_STEP_SUMMARY`: how it ended, a table of the tasks (those that did not succeed first, then
/// in the order of definition), the messages of those that failed, and the critical path.
///
/// At most 1000 KiB, of the 1024 that GitHub takes for a step; a longer table is cut and says how many tasks are missing.
/// Names and messages cannot become markup.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, report::render};
///
/// let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
/// assert!(render::github_summary(&report).starts_with("## none: running"));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn github_summary(report: &Report) -> String {
    let name = cut_chars(Printable(report.graph().name()).to_string(), LONGEST_CELL);
    let mut out = format!("## {}: {} in {}\n\n", Markdown(&name), report.state(), Short(report.makespan()));
    facts(&mut out, report);
    let messages = messages(report);
    let undo = undo(report);
    let room = (MOST_BYTES - END_BYTES).saturating_sub(messages.len() + undo.len());
    table(&mut out, report, room);
    out.push_str(&messages);
    out.push_str(&undo);
    out
}

fn facts(out: &mut String, report: &Report) {
    let counts = report.counts();
    let mut facts = vec![format!("{} tasks", counts.total())];
    for state in [TaskState::Succeeded, TaskState::Undone, TaskState::Failed, TaskState::Skipped, TaskState::Cancelled]
    {
        if counts.of(state) > 0 {
            facts.push(format!("{} {state}", counts.of(state)));
        }
    }
    if let Some(speedup) = report.speedup() {
        facts.push(format!("{speedup:.1} × as fast as one after the other"));
    }
    if let Some(utilisation) = report.utilisation() {
        facts.push(format!("workers {:.0} % busy", utilisation * 100.0));
    }
    if !report.usage().is_empty() {
        facts.push(format!("{} tokens", report.usage().total_tokens()));
    }
    // A dollar sign would begin a formula.
    facts.extend(report.cost().map(|cost| Markdown(&cost.to_string()).to_string()));
    out.push_str(&format!("{}\n\n", facts.join(" · ")));
    if let Some(reason) = report.stopped() {
        out.push_str(&format!("Stopped: {}\n\n", Markdown(&cut_chars(reason.to_owned(), LONGEST_MESSAGE))));
    }
    let path = report.critical_path();
    if !path.is_empty() {
        let named = |ix| Markdown(&cut_chars(report.graph().id(ix).to_string(), LONGEST_CELL)).to_string();
        let names: Vec<String> = path.iter().take(LONGEST_PATH).map(|step| named(step.task)).collect();
        let more = if path.len() > LONGEST_PATH { " → …" } else { "" };
        out.push_str(&format!("Critical path: {}{more}\n\n", names.join(" → ")));
    }
}

fn table(out: &mut String, report: &Report, room: usize) {
    let mut tasks: Vec<TaskResult<'_>> = report.tasks().collect();
    tasks.sort_by_key(|task| (Reverse(weight(task.state())), task.ix()));
    if tasks.is_empty() {
        return;
    }
    out.push_str("| | Task | State | Tries | Queued | Took | Why |\n|---|---|---|--:|--:|--:|---|\n");
    let all = tasks.len();
    for (nth, task) in tasks.iter().enumerate() {
        let row = row(task);
        if out.len() + row.len() > room {
            out.push_str(&format!("\n… and {} more tasks: a summary holds at most 1024 KiB\n", all - nth));
            break;
        }
        out.push_str(&row);
    }
    out.push('\n');
}

fn row(task: &TaskResult<'_>) -> String {
    let cell = |text: &str| Markdown(&cut_chars(Printable(text).to_string(), LONGEST_CELL)).to_string();
    let (tries, queued, took) = if task.started().is_some() {
        (task.attempts().to_string(), Short(task.queued()).to_string(), Short(task.duration()).to_string())
    } else {
        Default::default()
    };
    let why = task.remark().map(|remark| cell(first_line(&remark))).unwrap_or_default();
    let (name, state) = (cell(task.id().as_str()), task.state());
    format!("| {} | {name} | {state} | {tries} | {queued} | {took} | {why} |\n", mark(state))
}

fn mark(state: TaskState) -> &'static str {
    match state {
        TaskState::Succeeded => "✅",
        TaskState::Failed => "❌",
        TaskState::Skipped => "⏭️",
        TaskState::Cancelled => "🚫",
        TaskState::Undone => "↩️",
        TaskState::Running => "▶️",
        TaskState::Pending => "⏳",
    }
}

fn weight(state: TaskState) -> u8 {
    match state {
        TaskState::Failed => 3,
        TaskState::Cancelled | TaskState::Running | TaskState::Pending | TaskState::Undone => 2,
        TaskState::Skipped => 1,
        TaskState::Succeeded => 0,
    }
}

/// The messages of failed tasks that the table has on one line.
fn messages(report: &Report) -> String {
    let mut out = String::new();
    let failed = report.tasks().filter(|task| task.state() == TaskState::Failed);
    let long = failed.filter_map(|task| Some((task, &task.failure()?.message)));
    for (task, message) in long.filter(|(_, message)| message.contains('\n')).take(MOST_MESSAGES) {
        let lines: Vec<String> = message.lines().map(|line| Printable(line).to_string()).collect();
        let text = cut_chars(lines.join("\n"), LONGEST_MESSAGE);
        // Longer than any fence inside.
        let ticks = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(ticks.max(2) + 1);
        // Markdown is not read inside of a tag's line.
        let name = escape_markup(cut_chars(task.id().to_string(), LONGEST_CELL));
        out.push_str(&format!("<details><summary>{name}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n\n"));
    }
    out
}

/// What was undone, in order, and what was not.
fn undo(report: &Report) -> String {
    let Some(undo) = report.undo() else { return String::new() };
    let cell = |text: &str| Markdown(&cut_chars(Printable(text).to_string(), LONGEST_CELL)).to_string();
    let name = |ix| cell(report.graph().id(ix).as_str());
    let mut out = format!("### Undo: {}\n\n", report.undo_summary().unwrap_or_default());
    for (nth, step) in undo.steps.iter().take(MOST_UNDONE).enumerate() {
        let sign = match step.state {
            UndoState::Undone => "↩️",
            UndoState::Failed => "❌",
            UndoState::Left | UndoState::Pending | UndoState::Running => "⏳",
        };
        let why = step.failure.as_ref().map(|failure| format!(": {}", cell(first_line(&failure.message))));
        let why = why.unwrap_or_default();
        out.push_str(&format!("{}. {sign} {} {}{why}\n", nth + 1, name(step.task), step.state.name()));
    }
    if undo.steps.len() > MOST_UNDONE {
        out.push_str(&format!("\n… and {} more\n", undo.steps.len() - MOST_UNDONE));
    }
    out.push('\n');
    for &(task, kept) in undo.kept.iter().take(MOST_MESSAGES) {
        out.push_str(&format!("- kept: {}, {}\n", name(task), cell(&report.why_kept(task, kept))));
    }
    if undo.kept.len() > MOST_MESSAGES {
        out.push_str(&format!("- … and {} more kept\n", undo.kept.len() - MOST_MESSAGES));
    }
    out.push('\n');
    out
}

/// Text that cannot become Markdown or HTML.
struct Markdown<'a>(&'a str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for char in Printable(self.0).to_string().chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                // As entities, since a backslash does not stop these from becoming links, mentions and emoji.
                ':' => f.write_str("&#58;")?,
                '@' => f.write_str("&#64;")?,
                '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' | '$' => {
                    f.write_char('\\')?;
                    f.write_char(char)?;
                }
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// The most annotations of one type that GitHub shows for a step.
const MOST_ANNOTATIONS: usize = 10;

/// The run as workflow commands, one a line: an error for each task that failed and for each that could not be undone, a warning for each warning and each
/// failure that the run forgave, and one notice of how it ended.
///
/// GitHub shows 10 of a type for a step; of more, the last says how many are missing.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, report::render};
///
/// let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
/// assert_eq!(render::github_annotations(&report), "::notice title=none::running in 0 s\n");
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn github_annotations(report: &Report) -> String {
    let failed = || report.tasks().filter(|task| task.state() == TaskState::Failed);
    let told = |task: TaskResult<'_>| (task.id().to_string(), task.remark().unwrap_or_default().into_owned());
    let steps = report.undo().map(|undo| undo.steps.as_slice()).unwrap_or_default();
    let not_undone = steps.iter().filter(|step| step.state == UndoState::Failed).map(|step| {
        let message = step.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
        (format!("undo {}", report.graph().id(step.task)), format!("could not be undone: {message}"))
    });
    let errors = failed().filter(|task| !task.is_forgiven()).map(told).chain(not_undone);
    let named = |ix: crate::id::TaskIx| report.graph().tasks().get(ix.index()).map(|task| task.id().to_string());
    let warnings = report.warnings().iter().map(|warning| {
        let title = warning.task.and_then(named).unwrap_or_else(|| report.graph().name().to_owned());
        (title, warning.message.clone())
    });
    let mut out = String::new();
    annotate(&mut out, "error", "failed tasks", errors, 0);
    let left_out = report.warnings_left_out();
    annotate(
        &mut out,
        "warning",
        "warnings",
        failed().filter(TaskResult::is_forgiven).map(told).chain(warnings),
        left_out,
    );
    let ended = format!("{} in {}", report.state(), Short(report.makespan()));
    annotate(&mut out, "notice", "notices", [(report.graph().name().to_owned(), ended)].into_iter(), 0);
    out
}

/// `left_out`: how many more there are that `items` does not have.
fn annotate(
    out: &mut String,
    kind: &str,
    plural: &str,
    items: impl Iterator<Item = (String, String)>,
    left_out: usize,
) {
    let items: Vec<_> = items.collect();
    let fits = items.len() + left_out.min(1) <= MOST_ANNOTATIONS;
    let shown = if fits { items.len() } else { MOST_ANNOTATIONS - 1 };
    for (title, message) in items.iter().take(shown) {
        let title = cut_chars(Printable(title).to_string(), LONGEST_CELL);
        // Line breaks stay: GitHub shows them. Other control characters would reach the log.
        let lines: Vec<String> = message.lines().map(|line| Printable(line).to_string()).collect();
        let message = cut_chars(lines.join("\n"), LONGEST_MESSAGE);
        out.push_str(&format!("::{kind} title={}::{}\n", Property(&title), Data(&message)));
    }
    let missing = items.len() - shown + left_out;
    if missing > 0 {
        out.push_str(&format!("::{kind}::… and {missing} more {plural}\n"));
    }
}

/// The message of a workflow command.
struct Data<'a>(&'a str);

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
    }
}

/// A property of a workflow command.
struct Property<'a>(&'a str);

impl fmt::Display for Property<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Data(self.0).to_string().replace(':', "%3A").replace(',', "%2C"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        definition::{Graph, Task},
        event::{EventKind, FailureKind, RunState, SkipReason},
        id::TaskIx,
        report::script::Script,
        units::{Usage, Usd},
    };

    fn report(state: RunState) -> Report {
        let graph = Graph::builder("review *all*")
            .task(Task::new("scan|<b>"))
            .task(Task::new("style").after("scan|<b>"))
            .task(Task::new("docs").after("scan|<b>"))
            .build()
            .unwrap();
        let mut report = Script::new(&graph, Some(2))
            .start(0, "scan|<b>")
            .done_with(1_000, "scan|<b>", serde_json::Value::Null, Some(Usage::tokens("m", 1, 2)))
            .start_after(1_000, "style", 1, 20)
            .skip(1_000, "docs", SkipReason::Condition("inputs.docs == `x`".into()))
            .push(1_500, EventKind::Warning { task: Some(TaskIx(1)), message: "slow, 99%\nreally".into() })
            .fail(2_500, "style", FailureKind::Error, "exit: 1, 50%\r\n```\n::error::forged\u{1b}[2J")
            .end(2_501, state)
            .report();
        report.price_with(|_| Some(Usd::from_cents(250)));
        report
    }

    #[test]
    fn the_summary_has_what_failed_first() {
        insta::assert_snapshot!(github_summary(&report(RunState::Failed)), @r"
        ## review \*all\*: failed in 2.5 s

        3 tasks · 1 succeeded · 1 failed · 1 skipped · 1.0 × as fast as one after the other · workers 50 % busy · 3 tokens · \$2.50

        Critical path: scan\|&lt;b&gt; → style

        | | Task | State | Tries | Queued | Took | Why |
        |---|---|---|--:|--:|--:|---|
        | ❌ | style | failed | 1 | 20 ms | 1.5 s | exit&#58; 1, 50% |
        | ⏭️ | docs | skipped |  |  |  | inputs.docs == \`x\` |
        | ✅ | scan\|&lt;b&gt; | succeeded | 1 | 0 s | 1.0 s |  |

        <details><summary>style</summary>

        ````text
        exit: 1, 50%
        ```
        ::error::forged\u{1b}[2J
        ````

        </details>
        ");
    }

    #[test]
    fn annotations_are_escaped() {
        insta::assert_snapshot!(github_annotations(&report(RunState::Failed)), @r"
        ::error title=style::exit: 1, 50%25%0A```%0A::error::forged\u{1b}[2J
        ::warning title=style::slow, 99%25%0Areally
        ::notice title=review *all*::failed in 2.5 s
        ");
    }

    #[test]
    fn what_the_run_forgave_is_a_warning() {
        let text = github_annotations(&report(RunState::Succeeded));
        assert!(!text.contains("::error title"), "{text}");
        assert!(text.starts_with("::warning title=style::exit: 1"), "{text}");
    }

    #[test]
    fn at_most_ten_annotations_of_a_type() {
        for (failed, told, last) in [(10, 10, "::error title=t9::no"), (11, 10, "::error::… and 2 more failed tasks")]
        {
            let graph = Graph::builder("g").tasks((0..failed).map(|n| Task::new(format!("t{n}")))).build().unwrap();
            let mut script = Script::new(&graph, None);
            for n in 0..failed {
                let id = format!("t{n}");
                script = script.start(0, &id).fail(1, &id, FailureKind::Error, "no");
            }
            let text = github_annotations(&script.end(1, RunState::Failed).report());
            let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("::error")).collect();
            assert_eq!((errors.len(), *errors.last().unwrap()), (told, last));
        }
    }

    #[test]
    fn a_summary_is_never_longer_than_github_takes() {
        let name = |n: usize| format!("{n}{}", "<".repeat(300));
        let graph = Graph::builder("g").tasks((0..3_000).map(|n| Task::new(name(n)))).build().unwrap();
        let mut script = Script::new(&graph, None);
        for n in 0..3_000 {
            script = script.start(0, &name(n)).fail(1, &name(n), FailureKind::Error, &"&\n".repeat(5_000));
        }
        let text = github_summary(&script.end(1, RunState::Failed).report());
        assert!(text.len() <= 1024 * 1024, "{}", text.len());
        assert!(text.contains(" more tasks: a summary holds at most 1024 KiB"));
        assert!(text.trim_end().ends_with("</details>"));
    }
}
