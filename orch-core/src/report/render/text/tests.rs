use super::*;
use crate::{
    definition::{Graph, Task},
    event::{EventKind, FailureKind, RunState, SkipReason},
    id::TaskIx,
    report::script::Script,
    units::{Usage, Usd},
};

fn report() -> Report {
    let graph = Graph::builder("review-all")
        .task(Task::new("scan"))
        .task(Task::new("security-specialist").after("scan"))
        .task(Task::new("性能").after("scan"))
        .task(Task::new("docs").after("scan"))
        .task(Task::new("verdict").after("security-specialist").after("性能"))
        .build()
        .unwrap();
    let mut report = Script::new(&graph, Some(2))
        .start(0, "scan")
        .done_with(1_200, "scan", serde_json::Value::Null, Some(Usage::tokens("haiku", 4_000, 800)))
        .start(1_200, "security-specialist")
        .start_after(1_250, "性能", 1, 50)
        .skip(1_250, "docs", SkipReason::Condition("inputs.deep == true".into()))
        .retry(3_000, "性能", "rate limited", None)
        .start_after(4_000, "性能", 2, 0)
        .push(4_500, EventKind::Warning { task: Some(TaskIx(0)), message: "writes to\u{1b}[2J stderr".into() })
        .done(62_000, "security-specialist")
        .fail(70_500, "性能", FailureKind::Error, "exit code 1\nthread 'main' panicked\n\u{202e}tail")
        .skip(70_500, "verdict", SkipReason::Upstream(TaskIx(2)))
        .end(70_501, RunState::Failed)
        .report();
    report.price_with(|_| Some(Usd::from_cents(3)));
    report
}

#[test]
fn a_wide_terminal_shows_why_beside_the_task() {
    insta::assert_snapshot!(text(&report(), 100), @r"
    task                 state      tries  queued        took  why
    scan                 succeeded      1               1.2 s
    security-specialist  succeeded      1          1 min 01 s
    性能                 failed         2   50 ms  1 min 08 s  exit code 1
    docs                 skipped                               inputs.deep == true
    verdict              cancelled                             `性能` did not succeed

    failed: 性能 (error)
      exit code 1
      thread 'main' panicked
      \u{202e}tail

    review-all: failed in 1 min 11 s
    5 tasks: 2 succeeded, 1 failed, 1 skipped, 1 cancelled
    2 min 10 s of work, 1.8 × as fast as one after the other
    4800 tokens, $0.0300
    critical path: 1 min 11 s, of which 1.1 s waiting
      scan → 性能
    best possible: 1 min 09 s; this run took 1.02 × that
    workers: at most 2 at once (limit 2), 92 % busy
    warning: scan: writes to\u{1b}[2J stderr
    ");
}

#[test]
fn a_narrow_terminal_shows_why_below_the_task() {
    insta::assert_snapshot!(text(&report(), 60), @r"
    task                 state      tries  queued        took
    scan                 succeeded      1               1.2 s
    security-specialist  succeeded      1          1 min 01 s
    性能                 failed         2   50 ms  1 min 08 s
      └ exit code 1
    docs                 skipped
      └ inputs.deep == true
    verdict              cancelled
      └ `性能` did not succeed

    failed: 性能 (error)
      exit code 1
      thread 'main' panicked
      \u{202e}tail

    review-all: failed in 1 min 11 s
    5 tasks: 2 succeeded, 1 failed, 1 skipped, 1 cancelled
    2 min 10 s of work, 1.8 × as fast as one after the other
    4800 tokens, $0.0300
    critical path: 1 min 11 s, of which 1.1 s waiting
      scan → 性能
    best possible: 1 min 09 s; this run took 1.02 × that
    workers: at most 2 at once (limit 2), 92 % busy
    warning: scan: writes to\u{1b}[2J stderr
    ");
}

#[test]
fn no_line_of_the_table_passes_the_width_whatever_the_names() {
    let names = ["x".repeat(200), "日本".repeat(50), "a\u{1b}[31m\nb".into(), "ok".into()];
    let graph = Graph::builder("g\n").tasks(names.iter().map(|name| Task::new(name.as_str()))).build().unwrap();
    let mut script = Script::new(&graph, None);
    for name in &names {
        script = script.start_after(5, name, 1, 5).fail(3_600_000, name, FailureKind::Error, &"why ".repeat(90));
    }
    let report = script.end(3_600_001, RunState::Failed).report();
    for width in [0, 60, 61, 75, 80, 100, 140, 300] {
        let text = text(&report, width);
        assert!(!text.contains('\u{1b}'));
        for line in text.split("\n\n").next().unwrap().lines() {
            assert!(columns(line) <= width.max(NARROWEST), "{width}: {line}");
        }
    }
}

#[test]
fn of_many_tasks_those_that_matter_are_shown() {
    let count = MOST_ROWS + 10;
    let graph = Graph::builder("wide").tasks((0..count).map(|n| Task::new(format!("t{n}")))).build().unwrap();
    let mut script = Script::new(&graph, None);
    for n in 0..count as u64 {
        let id = format!("t{n}");
        script = script.start(n, &id);
        script = if n == 3 { script.fail(n + 1, &id, FailureKind::Error, "bad") } else { script.done(n + 1, &id) };
    }
    let text = text(&script.end(10_000, RunState::Failed).report(), 80);
    assert!(text.contains("\nt3  "), "{text}");
    assert!(text.contains("… and 10 more tasks"), "{text}");
}

#[test]
fn long_messages_are_cut_and_say_so() {
    let graph = Graph::builder("g").task(Task::new("a")).build().unwrap();
    let message = (0..50).map(|n| format!("line {n}\n")).collect::<String>();
    let script = Script::new(&graph, None).start(0, "a").fail(1, "a", FailureKind::Error, &message);
    let text = text(&script.end(1, RunState::Failed).report(), 80);
    assert!(text.contains("  line 19\n  … and 30 more lines\n"), "{text}");
}

#[test]
fn an_empty_run_has_no_table() {
    let graph = Graph::builder("none").build().unwrap();
    insta::assert_snapshot!(text(&Script::new(&graph, None).end(0, RunState::Succeeded).report(), 80), @"
    none: succeeded in 0 s
    0 tasks
    ");
}
