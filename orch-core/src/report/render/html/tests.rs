use std::time::Duration;

use serde_json::json;

use super::{plan as plan_page, report as report_page};
use crate::{
    definition::{Graph, Task, Undo},
    event::{FailureKind, Kept, RunState, SkipReason},
    plan::{Plan, PlanOptions},
    report::{Report, script::Script},
    units::Usage,
};

/// `b` fails once and then works, `c` fails for good, `d` needs it, `e` is skipped.
fn script() -> Script {
    let graph = Graph::builder("release notes")
        .task(Task::new("a"))
        .task(Task::new("b").after("a"))
        .task(Task::new("c").after("a"))
        .task(Task::new("d").after("b").after("c"))
        .task(Task::new("e"))
        .build()
        .unwrap();
    let needs = SkipReason::Upstream(graph.find("c").unwrap());
    Script::new(&graph, Some(2))
        .skip(0, "e", SkipReason::Condition("only on Fridays".into()))
        .start(0, "a")
        .done_with(1_000, "a", json!({"files": 3}), Some(Usage::tokens("sonnet", 4_000, 800)))
        .start(1_000, "b")
        .start(1_000, "c")
        .retry(3_000, "b", "no network", None)
        .start_after(4_000, "b", 2, 0)
        .done(6_000, "b")
        .fail(7_000, "c", FailureKind::Timeout, "took longer than 6 s\nand was stopped")
        .skip(7_000, "d", needs)
        .end(7_000, RunState::Failed)
}

/// The page with its style, script and data taken out: what a person reads.
fn body(page: &str) -> String {
    let start = page.find("<main>").unwrap();
    let end = page.find("</main>").unwrap();
    page[start..end].to_owned()
}

#[track_caller]
fn has(page: &str, parts: &[&str]) {
    let page = page.replace('\u{a0}', " ");
    for part in parts {
        assert!(page.contains(part), "no `{part}` in:\n{page}");
    }
}

#[test]
fn the_head_says_what_happened() {
    let page = report_page(&script().report());
    has(
        &body(&page),
        &[
            "<bdi>release notes</bdi>",
            "Failed after 7.0 s: 1 of 5 tasks failed, 1 skipped by a condition, 1 never started.",
            "<span>began 1970-01-01 00:00:00 UTC</span>",
            "<dt>Speed-up</dt><dd><b>1.6 ×</b>",
            "<dt>Utilisation</dt><dd><b>79 %</b><span>of 2 workers, at most 2 busy</span>",
            "<dt>Tokens</dt><dd><b>4,800</b><span>sonnet</span>",
            "<span class=\"soft\">timeout, held up 1 other task</span>",
            "<pre>took longer than 6 s\nand was stopped</pre>",
        ],
    );
}

#[test]
fn every_attempt_is_a_bar() {
    let page = body(&report_page(&script().report()));
    has(
        &page,
        &[
            "aria-label=\"b, retried, from 1.0 s, 2.0 s\" style=\"left:14.286%;width:28.571%\"",
            "aria-label=\"b, attempt 2, succeeded, from 4.0 s, 2.0 s\" style=\"left:57.143%;width:28.571%\"",
            "class=\"bar m-failed critical\" href=\"#t2\" data-t=\"2\"",
            "aria-label=\"Worker 2\"",
        ],
    );
    assert!(!page.contains("aria-label=\"Worker 3\""));
}

#[test]
fn the_path_that_was_is_marked() {
    let page = body(&report_page(&script().report()));
    has(&page, &["class=\"edge critical\"", "data-a=\"0\" data-b=\"2\"", "decided the 7.0 s of this run"]);
    assert_eq!(page.matches("class=\"edge critical\"").count(), 1, "a to c, and nothing else");
    assert_eq!(page.matches("class=\"edge\"").count(), 3);
}

#[test]
fn the_table_begins_with_what_failed() {
    let page = body(&report_page(&script().report()));
    let rows: Vec<&str> = page.split("<tr id=\"t").skip(1).map(|row| &row[..1]).collect();
    assert_eq!(rows, ["2", "0", "1", "3", "4"]);
    has(&page, &["only on Fridays", "`c` did not succeed", "{&quot;files&quot;:3}"]);
}

#[test]
fn a_plan_is_drawn_by_its_estimates() {
    let graph = Graph::builder("plan")
        .task(Task::new("a").estimate(Duration::from_secs(60)))
        .task(Task::new("b").after("a").estimate(Duration::from_secs(120)))
        .task(Task::new("c").after("a").estimate(Duration::from_secs(30)))
        .build()
        .unwrap();
    let page = body(&plan_page(&Plan::new(&graph, &PlanOptions::default()).unwrap()));
    has(
        &page,
        &[
            "3 tasks with 2 dependencies on 2 levels. With enough workers they take 3 min 00 s, one after the other 3 min 30 s.",
            "aria-label=\"b, planned, from 1 min 00 s, 2 min 00 s\" style=\"left:33.333%;width:66.667%\"",
            "<td role=\"cell\" class=\"number\" data-label=\"slack\">1 min 30 s</td>",
        ],
    );
}

// `a` and `b` worked; `c` failed; `b` cannot be undone, `a` can, `d` is kept.
#[test]
fn the_order_of_undoing_is_shown_four_times() {
    let undoable =
        |name: &str| Task::new(name).undo(Undo { description: format!("<take> {name} back"), ..Undo::by("x&y") });
    let graph = Graph::builder("release")
        .tasks([undoable("a"), undoable("b").after("a"), Task::new("c").after("b"), undoable("d")])
        .build()
        .unwrap();
    let report = Script::new(&graph, Some(2))
        .start(0, "a")
        .start(0, "d")
        .done(1_000, "a")
        .start(1_000, "b")
        .done(2_000, "b")
        .fail(2_000, "c", FailureKind::Error, "no")
        .fail(2_000, "d", FailureKind::Cancelled, "stopped")
        .undo(2_000, &["b", "a"], &[("d", Kept::Broken)])
        .undo_again((2_000, 2_500), "b", 1, "busy")
        .undoing((3_000, 4_000), "b", 2, Some("<b>gone"))
        .undoing((4_000, 8_000), "a", 1, None)
        .end(8_000, RunState::Failed)
        .report();
    let page = body(&report_page(&report));
    has(
        &page,
        &[
            "tasks failed; 1 of 2 tasks undone, 1 could not be, 1 kept",
            "then 6.0 s of undo",
            "<span class=\"turn\">1</span><div><p><svg class=\"icon m-failed\"",
            "could not be undone by x&amp;y in 2.0 s, 2 attempts",
            "<p class=\"what\">&lt;take&gt; b back</p><pre>&lt;b&gt;gone</pre>",
            "undone by x&amp;y in 4.0 s",
            "<span class=\"soft\">it did not complete</span>",
            "aria-label=\"undo of a, undone, from 4.0 s, 4.0 s\" style=\"left:50.0%;width:50.0%\"",
            "<i style=\"left:25.0%\"></i>",
            "<title>number 2 to be undone: undone</title>",
            "<title>number 1 to be undone: failed</title>",
            "undone</td>",
        ],
    );
}

#[test]
fn empty_graphs_and_unfinished_runs_have_pages() {
    let none = Graph::builder("none").build().unwrap();
    let plan = Plan::new(&none, &PlanOptions::default()).unwrap();
    has(&plan_page(&plan), &["0 tasks with 0 dependencies on 0 levels"]);
    has(&report_page(&Report::new(&plan)), &["Still running after 0 s: 0 of 0 tasks done"]);

    let mut script = script();
    script.events.truncate(7);
    has(
        &report_page(&script.report()),
        &["Still running after 3.0 s", "class=\"bar m-running", "class=\"bar m-retried"],
    );
    script.events.truncate(1);
    has(&report_page(&script.report()), &["Still running after 0 s: 0 of 5 tasks done"]);
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "</script><script>alert(1)</script><!--\"'\u{202e}\u{7}";
    let graph = Graph::builder(hostile).task(Task::new(hostile)).task(Task::new("b").after(hostile)).build().unwrap();
    let script = Script::new(&graph, None)
        .start(0, hostile)
        .fail(1_000, hostile, FailureKind::Error, hostile)
        .start(1_000, "b")
        .done_with(2_000, "b", json!([hostile]), None)
        .end(2_000, RunState::Failed);
    for page in [report_page(&script.report()), plan_page(&script.plan)] {
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains(['\u{202e}', '\u{7}']));
        assert_eq!(page.matches("<script").count(), 2, "its data and its script");
        assert_eq!(page.matches("</script").count(), 2);
        assert!(page.contains(r"\u{202e}\u{7}"), "shown, not hidden");
    }
}

#[test]
fn the_policy_lets_nothing_in() {
    let page = report_page(&script().report());
    let nonce = page.split("nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(nonce.len(), 64);
    has(
        &page,
        &["default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-", &format!("<script nonce=\"{nonce}\">")],
    );
    for source in ["http:", "https:", "url(//", "@import", "<link", "<img", "<iframe"] {
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains(source), "`{source}` in the page");
    }
    assert_eq!(page, report_page(&script().report()), "the same run has the same page");
}

/// The longest names of the worst characters, all of them failed with long errors, in a graph with many edges.
#[test]
fn ten_thousand_of_the_worst_tasks_stay_below_5_mb() {
    let name = |ix: usize| format!("{ix:05}{}", "<&\u{7}".repeat(160));
    let mut builder = Graph::builder("<".repeat(10_000));
    for ix in 0..10_000 {
        let mut task = Task::new(name(ix)).with(|options| options.agent = Some("&".repeat(500)));
        for back in [100, 101, 102, 103] {
            if ix >= back {
                task = task.after(name(ix - back));
            }
        }
        builder = builder.task(task);
    }
    let graph = builder.build().unwrap();
    let mut script = Script::new(&graph, None);
    let error = "<\u{202e}".repeat(5_000);
    for ix in 0..10_000 {
        let at = (ix as u64 / 60) * 100 + ix as u64 % 7;
        script = script.start(at, &name(ix)).fail(at + 90, &name(ix), FailureKind::Error, &error);
    }
    let page = report_page(&script.end(100_000, RunState::Failed).report());
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    has(&page, &["The first 300 of 10,000 are shown.", "With 10,000 tasks the graph is too large to draw"]);
    assert!(plan_page(&script_plan(&graph)).len() < 5_000_000);
}

fn script_plan(graph: &Graph) -> Plan {
    Plan::new(graph, &PlanOptions::default()).unwrap()
}
