//! A report as JUnit XML.

use std::{fmt, time::Duration};

use super::markup::escape_markup;
use crate::{
    event::{FailureKind, TaskState},
    id::Printable,
    report::{Report, Short, TaskResult, UndoState, UndoStep},
};

/// The run as JUnit XML, which CI systems show: one suite with a test case a task, its group (else its phase, else the
/// graph) as the class.
///
/// A task that failed is a `failure`, one that was late, silent or panicked an `error`; skipped, cancelled and unfinished
/// ones are `skipped`, and so is a failure that the run forgave: the file says "passed" just when the run succeeded. Each
/// task that was to be undone has a second case, of the class `undo`: passed, or an `error` where it could not be undone.
/// Times are in seconds; `time` of the suite is the makespan. Earlier attempts are told in `system-out`. Characters that
/// XML does not allow are shown as escapes.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, report::render};
///
/// let report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
/// assert!(render::junit(&report).contains(r#"<testsuites name="none" tests="0""#));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn junit(report: &Report) -> String {
    let cases: Vec<(TaskResult<'_>, Verdict)> = report.tasks().map(|task| (task, verdict(&task))).collect();
    let count = |wanted: Verdict| cases.iter().filter(|(_, verdict)| *verdict == wanted).count();
    let steps = report.undo().map(|undo| undo.steps.as_slice()).unwrap_or_default();
    let undo = |wanted: Verdict| steps.iter().filter(|step| undo_verdict(step) == wanted).count();
    let totals = format!(
        r#"name="{}" tests="{}" failures="{}" errors="{}" skipped="{}" time="{}""#,
        Attribute(report.graph().name()),
        cases.len() + steps.len(),
        count(Verdict::Failure) + undo(Verdict::Failure),
        count(Verdict::Error) + undo(Verdict::Error),
        count(Verdict::Skipped) + undo(Verdict::Skipped),
        Seconds(report.makespan()),
    );
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!("<testsuites {totals}>\n  <testsuite {totals}"));
    if let Some(run) = report.run() {
        out.push_str(&format!(r#" timestamp="{}""#, run.wall()));
    }
    out.push_str(">\n");
    properties(&mut out, report);
    for (task, verdict) in &cases {
        case(&mut out, report, task, *verdict);
    }
    steps.iter().for_each(|step| undo_case(&mut out, report, step));
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn undo_verdict(step: &UndoStep) -> Verdict {
    match step.state {
        UndoState::Undone => Verdict::Passed,
        UndoState::Failed => Verdict::Error,
        UndoState::Left | UndoState::Pending | UndoState::Running => Verdict::Skipped,
    }
}

/// An undo as a case of its own: that a task was taken back, or could not be, is another thing than how it went.
fn undo_case(out: &mut String, report: &Report, step: &UndoStep) {
    let name = format!("undo {}", report.graph().id(step.task).as_str());
    let took = step.started.zip(step.finished).map(|(from, to)| to.saturating_sub(from)).unwrap_or_default();
    out.push_str(&format!(r#"    <testcase classname="undo" name="{}" time="{}""#, Attribute(&name), Seconds(took)));
    let message = step.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
    let kind = step.failure.as_ref().map_or("error", |failure| failure.kind.name());
    match undo_verdict(step) {
        Verdict::Passed => out.push_str("/>\n"),
        Verdict::Skipped => {
            let told = format!("not undone: {}", if message.is_empty() { step.state.name() } else { message });
            out.push_str(&format!(">\n      <skipped message=\"{}\"/>\n    </testcase>\n", Attribute(&told)));
        }
        Verdict::Failure | Verdict::Error => {
            let told = Attribute(message);
            let content = Content(message);
            out.push_str(&format!(
                ">\n      <error message=\"{told}\" type=\"{kind}\">{content}</error>\n    </testcase>\n"
            ));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failure,
    Error,
    Skipped,
}

fn verdict(task: &TaskResult<'_>) -> Verdict {
    match task.state() {
        // It did pass; that it was undone is told beside it.
        TaskState::Succeeded | TaskState::Undone => Verdict::Passed,
        TaskState::Failed if task.is_forgiven() => Verdict::Skipped,
        TaskState::Failed => match task.failure().map(|failure| failure.kind) {
            Some(FailureKind::Timeout | FailureKind::Idle | FailureKind::Panic) => Verdict::Error,
            _ => Verdict::Failure,
        },
        TaskState::Skipped | TaskState::Cancelled | TaskState::Pending | TaskState::Running => Verdict::Skipped,
    }
}

fn properties(out: &mut String, report: &Report) {
    let mut properties = vec![("orch.state", report.state().to_string())];
    properties.extend(report.run().map(|run| ("orch.run", run.to_string())));
    properties.extend(report.stopped().map(|reason| ("orch.stopped", reason.to_owned())));
    properties.push(("orch.lower_bound", Seconds(report.lower_bound()).to_string()));
    out.push_str("    <properties>\n");
    for (name, value) in properties {
        out.push_str(&format!("      <property name=\"{name}\" value=\"{}\"/>\n", Attribute(&value)));
    }
    out.push_str("    </properties>\n");
}

fn case(out: &mut String, report: &Report, task: &TaskResult<'_>, verdict: Verdict) {
    let options = task.task().options();
    let class = options.group.as_deref().or(options.phase.as_deref()).unwrap_or(report.graph().name());
    let name = Attribute(task.id().as_str());
    let time = Seconds(task.duration());
    out.push_str(&format!(r#"    <testcase classname="{}" name="{name}" time="{time}""#, Attribute(class)));
    let remark = task.remark().unwrap_or_default();
    let mut inside = String::new();
    match verdict {
        Verdict::Passed => {}
        Verdict::Failure | Verdict::Error => {
            let element = if verdict == Verdict::Error { "error" } else { "failure" };
            let kind = task.failure().map_or("error", |failure| failure.kind.name());
            let message = Attribute(remark.lines().next().unwrap_or_default());
            inside.push_str(&format!(
                "      <{element} message=\"{message}\" type=\"{kind}\">{}</{element}>\n",
                Content(&remark)
            ));
        }
        Verdict::Skipped => {
            let state =
                if task.state() == TaskState::Failed { "failed, which the run allows" } else { task.state().name() };
            let message = if remark.is_empty() { state.to_owned() } else { format!("{state}: {remark}") };
            inside.push_str(&format!("      <skipped message=\"{}\"/>\n", Attribute(&message)));
        }
    }
    if !task.failed_attempts().is_empty() {
        inside.push_str("      <system-out>");
        for attempt in task.failed_attempts() {
            let told = format!(
                "attempt {} failed after {}: {}\n",
                attempt.number,
                Short(attempt.finished.saturating_sub(attempt.started)),
                attempt.failure.message
            );
            inside.push_str(&Content(&told).to_string());
        }
        inside.push_str("</system-out>\n");
    }
    if inside.is_empty() {
        out.push_str("/>\n");
    } else {
        out.push_str(&format!(">\n{inside}    </testcase>\n"));
    }
}

/// Seconds with three decimals.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// Text for an attribute in double quotes, on one line.
struct Attribute<'a>(&'a str);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_markup(Printable(self.0)))
    }
}

/// Text between two tags; its lines stay lines.
struct Content<'a>(&'a str);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, line) in self.0.split('\n').enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&escape_markup(Printable(line.trim_end_matches('\r'))))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        definition::{Graph, Task},
        event::{RunState, SkipReason},
        report::{script::Script, xml},
    };

    fn script(names: [&str; 5]) -> Script {
        let [a, b, c, d, e] = names;
        let graph = Graph::builder("review <all>")
            .task(Task::new(a).with(|options| options.group = Some("first".into())))
            .task(Task::new(b).after(a).with(|options| options.phase = Some("analysis".into())))
            .task(Task::new(c).after(a))
            .task(Task::new(d).after(a))
            .task(Task::new(e).after(b))
            .build()
            .unwrap();
        Script::new(&graph, None)
            .start(0, a)
            .retry(1_500, a, "rate limit\nof `x` & <y>", None)
            .start_after(2_000, a, 2, 0)
            .done(3_250, a)
            .start(3_250, b)
            .start(3_250, c)
            .skip(3_250, d, SkipReason::Condition("inputs.n > 1".into()))
            .fail(4_000, b, FailureKind::Error, "exit code 1\n]]> \u{1b}[2J\r\n\u{ffff}\0end")
            .fail(4_001, c, FailureKind::Timeout, "late")
            .skip(4_001, e, SkipReason::Upstream(crate::id::TaskIx(1)))
    }

    #[test]
    fn a_failed_run_has_failures_and_errors() {
        let report = script(["scan", "style", "logic", "docs", "verdict"]).end(4_002, RunState::Failed).report();
        let text = junit(&report);
        xml::check(&text);
        insta::assert_snapshot!(text, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="review &lt;all&gt;" tests="5" failures="1" errors="1" skipped="2" time="4.002">
          <testsuite name="review &lt;all&gt;" tests="5" failures="1" errors="1" skipped="2" time="4.002" timestamp="1970-01-01T00:00:00.001Z">
            <properties>
              <property name="orch.state" value="failed"/>
              <property name="orch.run" value="00000000-0001-7000-8000-000000000002"/>
              <property name="orch.lower_bound" value="3.501"/>
            </properties>
            <testcase classname="first" name="scan" time="2.750">
              <system-out>attempt 1 failed after 1.5 s: rate limit
        of `x` &amp; &lt;y&gt;
        </system-out>
            </testcase>
            <testcase classname="analysis" name="style" time="0.750">
              <failure message="exit code 1" type="error">exit code 1
        ]]&gt; \u{1b}[2J
        \u{0}end</failure>
            </testcase>
            <testcase classname="review &lt;all&gt;" name="logic" time="0.751">
              <error message="late" type="timeout">late</error>
            </testcase>
            <testcase classname="review &lt;all&gt;" name="docs" time="0.000">
              <skipped message="skipped: inputs.n &gt; 1"/>
            </testcase>
            <testcase classname="review &lt;all&gt;" name="verdict" time="0.000">
              <skipped message="cancelled: `style` did not succeed"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn what_the_run_forgave_is_no_failure() {
        let report = script(["scan", "style", "logic", "docs", "verdict"]).end(4_002, RunState::Succeeded).report();
        let text = junit(&report);
        assert!(text.contains(r#"failures="0" errors="0" skipped="4""#), "{text}");
        assert!(text.contains(r#"<skipped message="failed, which the run allows: late"/>"#), "{text}");
    }

    #[test]
    fn hostile_names_stay_inside_their_attributes() {
        let names = ["\"><script>", "../../x", "a\0\u{b}\u{1b}\u{fffe}", "]]>&amp;\n", "'\u{202e}\u{85}\u{2028}"];
        let text = junit(&script(names).end(4_002, RunState::Failed).report());
        xml::check(&text);
        assert!(!text.contains("<script>"), "{text}");
    }
}
