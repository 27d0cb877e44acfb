use serde_json::{Value, json};

use super::*;
use crate::event::FailureKind;
use crate::{definition::Task, id::TaskId, report::script::Script};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// scan → (style, logic) → verdict
fn diamond() -> Graph {
    Graph::builder("review")
        .task(Task::new("scan"))
        .task(Task::new("style").after("scan"))
        .task(Task::new("logic").after("scan"))
        .task(Task::new("verdict").after("style").after("logic"))
        .build()
        .unwrap()
}

fn played() -> Script {
    Script::new(&diamond(), Some(2))
        .start(0, "scan")
        .done_with(100, "scan", json!({"files": 3}), Some(Usage::tokens("haiku", 10, 5)))
        .start(100, "style")
        .start_after(150, "logic", 1, 50)
        .done(200, "style")
        .done(450, "logic")
        .start_after(460, "verdict", 1, 10)
        .done(500, "verdict")
        .end(500, RunState::Succeeded)
}

#[test]
fn a_run_adds_up() {
    let report = played().report();
    assert_eq!(report.state(), RunState::Succeeded);
    assert_eq!((report.makespan(), report.serial()), (ms(500), ms(100 + 100 + 300 + 40)));
    assert_eq!(report.speedup(), Some(1.08));
    assert_eq!(report.utilisation(), Some(0.54));
    // The longest chain is scan, logic, verdict: 100 + 300 + 40; the work shared by two is less.
    assert_eq!(report.lower_bound(), ms(440));
    assert_eq!(report.over_lower_bound(), Some(500.0 / 440.0));
    assert_eq!((report.peak(), report.max_parallel()), (2, Some(2)));
    assert_eq!(report.counts(), Counts { succeeded: 4, ..Counts::default() });
    let logic = report.find("logic").unwrap();
    assert_eq!((logic.ready(), logic.queued()), (Some(ms(100)), ms(50)));
    assert_eq!((logic.started(), logic.duration(), logic.finished()), (Some(ms(150)), ms(300), Some(ms(450))));
    assert_eq!(report.find("scan").unwrap().output().json().unwrap()["files"], 3);
    assert_eq!(report.usage().total_tokens(), 15);
    report.into_result().unwrap();
}

#[test]
fn shared_work_bounds_a_narrow_run() {
    let graph = Graph::builder("wide").tasks((0..4).map(|n| Task::new(n.to_string()))).build().unwrap();
    let mut script = Script::new(&graph, Some(1));
    for n in 0..4u64 {
        script = script.start_after(n * 10, &n.to_string(), 1, n * 10).done(n * 10 + 10, &n.to_string());
    }
    let report = script.end(40, RunState::Succeeded).report();
    assert_eq!((report.lower_bound(), report.over_lower_bound()), (ms(40), Some(1.0)));
    assert_eq!(report.utilisation(), Some(1.0));
}

#[test]
fn the_critical_path_is_the_one_that_was() {
    let report = played().report();
    let path = report.critical_path();
    let names: Vec<&str> = path.iter().map(|step| report.graph().id(step.task).as_str()).collect();
    assert_eq!(names, ["scan", "logic", "verdict"]);
    assert_eq!(path.iter().map(|step| step.waited).collect::<Vec<_>>(), [ms(0), ms(50), ms(10)]);
    let filled: Duration = path.iter().map(|step| step.waited + (step.finished - step.started)).sum();
    assert_eq!(filled, report.makespan());
}

#[test]
fn the_critical_path_passes_over_skipped_tasks() {
    let report = Script::new(&diamond(), None)
        .start(0, "scan")
        .done(100, "scan")
        .skip(100, "style", SkipReason::Condition("no".into()))
        .skip(100, "logic", SkipReason::Condition("no".into()))
        .start(100, "verdict")
        .done(130, "verdict")
        .end(130, RunState::Succeeded)
        .report();
    let names: Vec<_> = report.critical_path().iter().map(|step| report.graph().id(step.task).to_string()).collect();
    assert_eq!(names, ["scan", "verdict"]);
}

#[test]
fn retries_count_as_work_but_their_waits_do_not() {
    let graph = Graph::builder("g").task(Task::new("flaky")).build().unwrap();
    let report = Script::new(&graph, None)
        .start_after(5, "flaky", 1, 5)
        .retry(25, "flaky", "no network", Some(Usage::tokens("haiku", 100, 0)))
        .start_after(1_030, "flaky", 2, 5)
        .done_with(1_040, "flaky", Value::Null, Some(Usage::tokens("haiku", 1, 1)))
        .end(1_040, RunState::Succeeded)
        .report();
    let flaky = report.find("flaky").unwrap();
    assert_eq!((flaky.attempts(), flaky.duration(), flaky.queued()), (2, ms(30), ms(10)));
    assert_eq!((flaky.ready(), flaky.started(), flaky.finished()), (Some(ms(0)), Some(ms(5)), Some(ms(1_040))));
    assert_eq!(flaky.usage().unwrap().total_tokens(), 102);
    assert_eq!(flaky.error(), None, "it worked in the end");
    let [step] = report.critical_path()[..] else { panic!("one task") };
    assert_eq!((step.started, step.finished, step.worked), (ms(5), ms(1_040), ms(30)));
    let [attempt] = flaky.failed_attempts() else { panic!("one attempt was repeated") };
    assert_eq!((attempt.number, attempt.started, attempt.finished), (1, ms(5), ms(25)));
    assert_eq!(attempt.failure.message, "no network");
}

/// What it claims was refused: that is an attempt, which did not start.
#[test]
fn a_refused_attempt_is_counted_and_took_no_time() {
    let graph = Graph::builder("g").task(Task::new("migrate")).build().unwrap();
    let script = Script::new(&graph, None).retry(5, "migrate", "`db` was not free", None);
    let waits = script.report();
    let before = waits.find("migrate").unwrap();
    assert_eq!((before.attempts(), before.started(), before.duration()), (0, None, ms(0)));
    let report = script.start_after(70, "migrate", 2, 10).end(90, RunState::Cancelled).report();
    let task = report.find("migrate").unwrap();
    assert_eq!((task.attempts(), task.queued(), task.duration()), (2, ms(10), ms(20)));
    assert_eq!((task.ready(), task.started(), task.last_started()), (Some(ms(60)), Some(ms(70)), Some(ms(70))));
}

#[test]
fn a_failed_run_is_an_error_that_names_its_tasks() {
    let report = Script::new(&diamond(), None)
        .start(0, "scan")
        .fail(10, "scan", FailureKind::Error, "exit code 1\n\u{1b}[2J")
        .skip(10, "style", SkipReason::Upstream(TaskIx(0)))
        .skip(10, "logic", SkipReason::Upstream(TaskIx(0)))
        .skip(10, "verdict", SkipReason::Stopped)
        .end(10, RunState::Failed)
        .report();
    assert_eq!(report.counts(), Counts { failed: 1, cancelled: 3, ..Counts::default() });
    assert_eq!(report.find("style").unwrap().error().unwrap(), "`scan` did not succeed");
    assert_eq!(report.find("verdict").unwrap().error().unwrap(), "the run stopped first");
    assert_eq!(report.find("verdict").unwrap().started(), None);
    insta::assert_snapshot!(report, @r"
    review: failed in 10 ms
    4 tasks: 1 failed, 3 cancelled
    10 ms of work, 1.0 × as fast as one after the other
    failed: `scan`: exit code 1\n\u{1b}[2J
    ");
    let error = report.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunFailed);
    insta::assert_snapshot!(error, @r"the run of `review` failed: `scan` exit code 1\n\u{1b}[2J");
}

#[test]
fn an_error_names_a_few_of_many_tasks() {
    let graph = Graph::builder("wide").tasks((0..20).map(|n| Task::new(n.to_string()))).build().unwrap();
    let mut script = Script::new(&graph, None);
    for n in 0..20 {
        script = script.start(0, &n.to_string()).fail(1, &n.to_string(), FailureKind::Timeout, "late");
    }
    let report = script.end(1, RunState::Failed).report();
    assert!(report.to_string().ends_with("and 12 more failed"), "{report}");
    let error = report.into_result().unwrap_err().to_string();
    assert!(error.ends_with("`7` late; and 12 more"), "{error}");
}

#[test]
fn a_cancelled_run_and_an_open_one_are_errors_too() {
    let script = Script::new(&diamond(), None)
        .start(0, "scan")
        .push(5, EventKind::RunStopping { reason: "deadline of 5 ms".into() })
        .fail(6, "scan", FailureKind::Cancelled, "stopped");
    let open = script.report();
    assert_eq!(open.counts(), Counts { cancelled: 1, pending: 3, ..Counts::default() });
    assert_eq!(open.into_result().unwrap_err().kind(), ErrorKind::Misuse);
    let error = script.end(7, RunState::Cancelled).report().into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.to_string(), "the run of `review` was cancelled (deadline of 5 ms)");
}

#[test]
fn a_running_task_counts_up_to_the_last_event() {
    let script = Script::new(&diamond(), None).start(0, "scan");
    let report = script.push(70, EventKind::Heartbeat { task: TaskIx(0) }).report();
    assert_eq!((report.find("scan").unwrap().duration(), report.serial()), (ms(70), ms(70)));
    assert_eq!(report.critical_path().len(), 1);
}

#[test]
fn tasks_that_the_run_added_are_tasks() {
    let added: [Task; 2] = [Task::new("extra"), Task::new("more").after("extra")];
    let script = Script::new(&diamond(), None).start(0, "scan").done(10, "scan").push(
        10,
        EventKind::TasksAdded { by: TaskIx(0), tasks: added.into(), before: [TaskId::from("verdict")].into() },
    );
    let report = script.report();
    assert_eq!(report.counts(), Counts { succeeded: 1, pending: 5, ..Counts::default() });
    let verdict = report.find("verdict").unwrap().ix();
    assert_eq!(report.graph().parents(verdict).len(), 4);
    assert_eq!(report.find("more").unwrap().ix(), TaskIx(5));
}

#[test]
fn added_tasks_that_do_not_fit_are_a_warning() {
    let tasks: [Task; 1] = [Task::new("scan")];
    let event = EventKind::TasksAdded { by: TaskIx(0), tasks: tasks.into(), before: [].into() };
    let report = Script::new(&diamond(), None).push(1, event).report();
    assert_eq!((report.counts().total(), report.warnings().len()), (4, 1));
    assert!(report.warnings()[0].message.contains("scan"), "{:?}", report.warnings());
}

#[test]
fn warnings_are_bounded() {
    let mut script = Script::new(&diamond(), None);
    for _ in 0..Report::MAX_WARNINGS + 3 {
        script = script.push(1, EventKind::Warning { task: None, message: "odd".into() });
    }
    let report = script.report();
    assert_eq!((report.warnings().len(), report.warnings_left_out()), (Report::MAX_WARNINGS, 3));
}

#[test]
fn events_that_make_no_sense_change_nothing() {
    let report = Script::new(&diamond(), None)
        .start(0, "scan")
        .done(10, "scan")
        .start(20, "scan")
        .fail(30, "scan", FailureKind::Error, "late news")
        .retry(30, "style", "it never ran", None)
        .push(30, EventKind::TaskSkipped { task: TaskIx(99), reason: SkipReason::Stopped })
        .push(30, EventKind::TaskStarted { task: TaskIx(99), attempt: 1, queued: ms(0) })
        .report();
    let scan = report.find("scan").unwrap();
    assert_eq!((scan.state(), scan.attempts(), scan.duration()), (TaskState::Succeeded, 1, ms(10)));
    assert_eq!(report.counts(), Counts { succeeded: 1, pending: 3, ..Counts::default() });
}

#[test]
fn prices_come_from_outside() {
    let script = played();
    let mut report = script.report();
    assert_eq!((report.cost(), report.unpriced()), (None, 1));
    report.price_with(|usage| (usage.total_tokens() == 15).then_some(Usd::from_cents(3)));
    assert_eq!((report.cost(), report.unpriced()), (Some(Usd::from_cents(3)), 0));
    assert_eq!(report.find("scan").unwrap().cost(), Some(Usd::from_cents(3)));
    report.price_with(|_| None);
    assert_eq!((report.cost(), report.unpriced()), (None, 1));
}

#[test]
fn a_task_that_may_fail_is_not_named_as_the_runs_failure() {
    let graph = Graph::builder("g")
        .task(Task::new("may").with(|options| options.allow_failure = true))
        .task(Task::new("must"))
        .build()
        .unwrap();
    let script = Script::new(&graph, None).start(0, "may").start(0, "must");
    let failed = script.fail(1, "may", FailureKind::Error, "soft").fail(1, "must", FailureKind::Error, "hard");
    let report = failed.end(1, RunState::Failed).report();
    assert!(report.find("may").unwrap().is_forgiven() && !report.find("must").unwrap().is_forgiven());
    assert!(report.to_string().ends_with("failed, as it may: `may`: soft\nfailed: `must`: hard"), "{report}");
    assert_eq!(report.into_result().unwrap_err().to_string(), "the run of `g` failed: `must` hard");
}
