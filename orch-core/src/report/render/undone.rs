//! A run that was undone, in every form.

use super::{chrome_trace, github_annotations, github_summary, json, junit, text};
use crate::{
    definition::{Graph, Task, Undo, UndoOn},
    event::{EventKind, FailureKind, Kept, RunState, SkipReason},
    report::{Report, script::Script, xml},
};

/// build → (docs, publish) → announce, which fails. `publish` cannot be undone, `docs` only after validation.
fn report() -> Report {
    let on = |on: Vec<UndoOn>| Undo { on, ..Undo::by("x") };
    let graph = Graph::builder("release")
        .task(Task::new("build").undo("x"))
        .task(Task::new("docs").after("build").undo(on(vec![UndoOn::Validation])))
        .task(Task::new("pub\u{1b}lish").after("build").undo("x"))
        .task(Task::new("announce").after("docs").after("pub\u{1b}lish").undo("x"))
        .task(Task::new("celebrate").after("announce"))
        .build()
        .unwrap();
    Script::new(&graph, Some(2))
        .start(0, "build")
        .done(1_000, "build")
        .push(1_000, EventKind::CheckpointMade { name: "bu\u{1b}ilt".into(), tasks: [0.into(), 99.into()].into() })
        .start(1_000, "docs")
        .start(1_000, "pub\u{1b}lish")
        .done(2_000, "docs")
        .done(3_000, "pub\u{1b}lish")
        .start(3_000, "announce")
        .fail(4_000, "announce", FailureKind::Error, "no network")
        .skip(4_000, "celebrate", SkipReason::Upstream(3.into()))
        .undo(4_000, &["pub\u{1b}lish", "build"], &[("announce", Kept::Broken), ("docs", Kept::On)])
        .undo_again((4_000, 4_500), "pub\u{1b}lish", 1, "still no network")
        .undoing((5_500, 6_000), "pub\u{1b}lish", 2, Some("gone\u{1b}[2J\nfor good"))
        .undoing((6_000, 8_000), "build", 1, None)
        .end(8_000, RunState::Failed)
        .report()
}

#[test]
fn undoing_does_not_make_the_run_slow() {
    let report = report();
    assert_eq!((report.makespan().as_secs(), report.worked().as_secs(), report.serial().as_secs()), (8, 4, 5));
    assert_eq!(report.speedup(), Some(1.25));
    assert_eq!((report.counts().succeeded, report.counts().undone, report.counts().failed), (2, 1, 1));
    assert_eq!(
        report.clone().into_result().unwrap_err().to_string(),
        "the run of `release` failed: `announce` no network; undo: 1 of 2 tasks undone, 1 could not be, 2 kept"
    );
}

#[test]
fn text_has_the_order_and_what_stays() {
    insta::assert_snapshot!(text(&report(), 80), @r"
    task           state      tries  queued   took  why
    build          undone         1          1.0 s
    docs           succeeded      1          1.0 s
    pub\u{1b}lish  succeeded      1          2.0 s
    announce       failed         1          1.0 s  no network
    celebrate      cancelled                        `announce` did not succeed

    failed: announce (error)
      no network

    checkpoints:
      bu\u{1b}ilt after 1.0 s, 1 task done

    undo, from 4.0 s on, in this order:
      1. pub\u{1b}lish: failed 2.0 s, 2 tries
         gone\u{1b}[2J
         for good
      2. build: undone 2.0 s
      kept: announce: it did not complete
      kept: docs: it is undone on validation only

    release: failed in 8.0 s
    5 tasks: 2 succeeded, 1 undone, 1 failed, 1 cancelled
    5.0 s of work, 1.2 × as fast as one after the other
    undo: 1 of 2 tasks undone, 1 could not be, 2 kept
    critical path: 4.0 s, of which 0 s waiting
      build → pub\u{1b}lish → announce
    best possible: 4.0 s; this run took 1.00 × that
    workers: at most 2 at once (limit 2), 62 % busy
    ");
    insta::assert_snapshot!(report(), @r"
    release: failed in 8.0 s
    5 tasks: 2 succeeded, 1 undone, 1 failed, 1 cancelled
    5.0 s of work, 1.2 × as fast as one after the other
    undo: 1 of 2 tasks undone, 1 could not be, 2 kept
    failed: `announce`: no network
    not undone: `pub\u{1b}lish`: gone\u{1b}[2J\nfor good
    ");
}

#[test]
fn json_has_it_as_data() {
    let value: serde_json::Value = serde_json::from_str(&json(&report())).unwrap();
    insta::assert_snapshot!(value["undo"], @r#"{"began_ms":4000,"steps":[{"id":"pub\u001blish","state":"failed","attempts":2,"started_ms":4000,"finished_ms":6000,"error":"gone\u001b[2J\nfor good","error_kind":"error","output":null},{"id":"build","state":"undone","attempts":1,"started_ms":6000,"finished_ms":8000,"error":null,"error_kind":null,"output":null}],"kept":[{"id":"announce","why":"broken"},{"id":"docs","why":"on"}]}"#);
    let states = value["tasks"].as_array().unwrap().iter().map(|task| format!("{} {}", task["state"], task["undo"]));
    insta::assert_snapshot!(states.collect::<Vec<_>>().join("\n"), @r#"
    "undone" "undone"
    "succeeded" null
    "succeeded" "failed"
    "failed" null
    "cancelled" null
    "#);
    assert_eq!(value["counts"]["undone"], 1);
    insta::assert_snapshot!(value["checkpoints"], @r#"[{"name":"bu\u001bilt","at_ms":1000,"tasks":["build"]}]"#);
}

#[test]
fn junit_has_a_case_for_each_step() {
    let text = junit(&report());
    xml::check(&text);
    assert!(text.contains(r#"tests="7" failures="1" errors="1" skipped="1""#), "{text}");
    let undo: Vec<&str> = text.lines().skip_while(|line| !line.contains(r#"classname="undo""#)).collect();
    insta::assert_snapshot!(undo.join("\n"), @r#"
        <testcase classname="undo" name="undo pub\u{1b}lish" time="2.000">
          <error message="gone\u{1b}[2J\nfor good" type="error">gone\u{1b}[2J
    for good</error>
        </testcase>
        <testcase classname="undo" name="undo build" time="2.000"/>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn github_is_told() {
    let summary = github_summary(&report());
    insta::assert_snapshot!(summary.split_once("### ").unwrap().1, @r"
    Undo: 1 of 2 tasks undone, 1 could not be, 2 kept

    1. ❌ pub\\u\{1b\}lish failed: gone\\u\{1b\}\[2J
    2. ↩️ build undone

    - kept: announce, it did not complete
    - kept: docs, it is undone on validation only
    ");
    insta::assert_snapshot!(github_annotations(&report()), @r"
    ::error title=announce::no network
    ::error title=undo pub\u{1b}lish::could not be undone: gone\u{1b}[2J%0Afor good
    ::notice title=release::failed in 8.0 s
    ");
}

#[test]
fn a_trace_has_a_row_for_it() {
    let trace = chrome_trace(&report());
    let undo: Vec<&str> = trace.lines().filter(|line| line.contains("undo")).collect();
    insta::assert_snapshot!(undo.join("\n"), @r#"
    {"name":"build","cat":"task","ph":"X","ts":0,"dur":1000000,"pid":1,"tid":1,"args":{"state":"undone","attempt":1,"queued_ms":0}},
    {"name":"thread_name","ph":"M","ts":0,"pid":1,"tid":3,"args":{"name":"undo"}},
    {"name":"undo pub\\u{1b}lish","cat":"undo","ph":"X","ts":4000000,"dur":500000,"pid":1,"tid":3,"args":{"state":"failed","attempt":1,"error":"still no network"}},
    {"name":"undo pub\\u{1b}lish","cat":"undo","ph":"X","ts":5500000,"dur":500000,"pid":1,"tid":3,"args":{"state":"failed","attempt":2,"error":"gone\u001b[2J\nfor good"}},
    {"name":"undo build","cat":"undo","ph":"X","ts":6000000,"dur":2000000,"pid":1,"tid":3,"args":{"state":"undone","attempt":1,"error":null}},
    "#);
}

#[test]
fn an_interrupted_undo_says_what_is_left() {
    let graph = Graph::builder("g").task(Task::new("a").undo("x")).task(Task::new("b").undo("x")).build().unwrap();
    let left = Script::new(&graph, None)
        .start(0, "a")
        .start(0, "b")
        .done(1, "a")
        .done(2, "b")
        .undo(3, &["b", "a"], &[])
        .undoing((3, 4), "b", 1, Some("enough"))
        .undoing((4, 4), "a", 0, Some("enough"))
        .end(4, RunState::Cancelled)
        .report();
    assert_eq!(left.undo_summary().unwrap(), "0 of 2 tasks undone, 1 could not be, 1 left");
    assert!(junit(&left).contains(r#"<skipped message="not undone: enough"/>"#));
}
