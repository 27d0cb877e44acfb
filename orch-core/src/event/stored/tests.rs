use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::event::{Change, FailureKind, Part};

/// Writes and reads back; answers the line.
#[track_caller]
fn check(kind: EventKind) -> String {
    let event = Event { seq: 3, at: Duration::from_nanos(1_500), kind };
    let (mut out, mut blobs) = (Vec::new(), BTreeMap::new());
    let mut keep = |bytes: Vec<u8>| {
        let name = format!("blob{}", blobs.len());
        blobs.insert(name.clone(), bytes);
        name
    };
    write(&event, &mut keep, &mut out);
    assert_eq!(out.pop(), Some(b'\n'));
    assert!(!out.contains(&b'\n'), "one line");
    let read = read(&out, &mut |name| Ok(serde_json::from_slice(&blobs[name]).unwrap())).unwrap();
    assert_eq!(read, Line::Event(event.kind, event.at));
    String::from_utf8(out).unwrap()
}

#[test]
fn every_event_is_read_back_as_it_was() {
    let (a, b) = (TaskIx(0), TaskIx(1));
    let ms = Duration::from_millis;
    let failure = || Box::new(Failure { kind: FailureKind::Timeout, message: "late\n\"".into() });
    let usage = || Some(Box::new(Usage::tokens("sonnet", 4_000, 800)));
    let cost = || Box::new(Cost { time: ms(3), ..Cost::default() });
    let run = RunId::from_parts(1, 2);
    let hash = Box::new(GraphHash([7; 32]));
    check(EventKind::RunStarted { run, graph: hash.clone(), max_parallel: Some(4) });
    check(EventKind::RunStarted { run, graph: hash, max_parallel: None });
    let plain = check(EventKind::TaskStarted { task: b, attempt: 1, queued: Duration::ZERO });
    assert_eq!(plain, r#"[1500,{"task_started":{"task":1,"attempt":1}}]"#);
    check(EventKind::TaskStarted { task: b, attempt: 2, queued: ms(5) });
    check(EventKind::TaskWaits { task: a, resource: "db".into(), holder: Some("b".into()) });
    check(EventKind::TaskWaits { task: a, resource: "db".into(), holder: None });
    check(EventKind::Heartbeat { task: a });
    check(EventKind::TaskOutput { task: a, stream: Stream::Stderr, text: "\u{1b}[2J".into() });
    check(EventKind::TaskHeld { task: a, by: b, at_most: ms(9) });
    check(EventKind::TaskRetrying { task: a, attempt: 1, failure: failure(), delay: ms(2), usage: usage() });
    let done = |output: Output| EventKind::TaskFinished { task: b, attempt: 1, result: Ok(output), usage: None };
    let plain = check(done(Output::NOTHING));
    assert_eq!(plain, r#"[1500,{"task_finished":{"task":1,"attempt":1}}]"#);
    check(done(Output::from(json!({"files": [1, 2.5, null, "x"]}))));
    let large = check(done(Output::from("x".repeat(10_000))));
    assert!(large.len() < 200, "{large}");
    let wide = check(done(Output::from(json!(vec![1; 1_000]))));
    assert!(wide.len() < 200, "{wide}");
    check(EventKind::TaskFinished { task: b, attempt: 3, result: Err(failure()), usage: usage() });
    check(EventKind::TaskCached { task: a, output: Output::from("map"), saved: cost() });
    check(EventKind::TaskRestored { task: a, state: TaskState::Skipped, output: Output::NOTHING });
    let changes = vec![
        Change::Changed(Part::File("a.rs".into())),
        Change::Added(Part::Definition("agent")),
        Change::Removed(Part::RunInput("x".into())),
    ];
    for why in [Miss::First, Miss::Gone, Miss::Changed(changes)] {
        check(EventKind::TaskMissed { task: a, key: "task#1".into(), why: Box::new(why) });
    }
    check(EventKind::ContextRead { task: a, key: "k".into(), saved: None });
    check(EventKind::ContextRead { task: a, key: "k".into(), saved: Some(cost()) });
    for reason in [SkipReason::Condition("no".into()), SkipReason::Upstream(b), SkipReason::Stopped] {
        check(EventKind::TaskSkipped { task: a, reason });
    }
    let tasks = [Task::new("c").after("a").retries(2)].into();
    check(EventKind::TasksAdded { by: a, tasks, before: ["b".into()].into() });
    check(EventKind::Warning { task: None, message: "odd".into() });
    check(EventKind::Warning { task: Some(a), message: "odd".into() });
    check(EventKind::RunStopping { reason: "enough".into() });
    check(EventKind::UndoPlanned { order: [b, a].into(), kept: [(a, Kept::Scope)].into() });
    check(EventKind::UndoStarted { task: b, attempt: 1 });
    check(EventKind::UndoRetrying { task: b, attempt: 1, failure: failure(), delay: ms(1), usage: None });
    check(EventKind::UndoFinished { task: b, attempt: 2, result: Ok(Output::from("gone")), usage: None });
    check(EventKind::UndoFinished { task: b, attempt: 0, result: Err(failure()), usage: None });
    for (why, probe_in) in [(None, None), (Some(failure()), Some(ms(60)))] {
        check(EventKind::BreakerChanged { breaker: "api".into(), state: BreakerState::Open, why, probe_in });
    }
    check(EventKind::CheckpointMade { name: "built".into(), tasks: [a, b].into() });
    check(EventKind::RunFinished { state: RunState::Cancelled });
}

#[test]
fn what_had_no_json_form_is_lost() {
    let kind = EventKind::TaskRestored { task: TaskIx(0), state: TaskState::Succeeded, output: Output::typed(7u8) };
    let mut out = Vec::new();
    write(&Event { seq: 0, at: Duration::ZERO, kind }, &mut |_| unreachable!(), &mut out);
    let Line::Event(EventKind::TaskRestored { output, .. }, _) = read(&out, &mut |_| unreachable!()).unwrap() else {
        panic!("{}", String::from_utf8_lossy(&out));
    };
    assert!(output.downcast::<Lost>().is_some() && output.json().is_none());
}

#[test]
fn other_lines_are_refused() {
    for line in ["", "[1]", "[1,{\"surprise\":{}}]", "{\"task_started\":{}}", "[-1,{\"heartbeat\":{\"task\":1}}]"] {
        assert_eq!(read(line.as_bytes(), &mut |_| unreachable!()).unwrap_err().kind(), ErrorKind::Corrupt, "{line}");
    }
    let mut out = Vec::new();
    write_files(TaskIx(4), "abc".into(), &mut out);
    let read = read(&out, &mut |_| unreachable!()).unwrap();
    assert_eq!(read, Line::Files { task: TaskIx(4), hash: "abc".into() });
}
