//! Checkpoints as a dialogue.

use super::super::{Machine, Message, Rules, tests::Dialogue};
use crate::{
    EventKind, Graph, Kept, Outcome, Report, Rollback, RunState, Task, TaskState, Undo, UndoOn, UndoScope,
    definition::command::{Condition, Expression, Test},
    recovery::{
        checkpoint::{Checkpoint, Restored},
        saga,
    },
};

/// build → publish → announce, side by side with `docs`; all can be undone, `publish` on validation only.
fn release() -> Graph {
    let publish = Undo { on: vec![UndoOn::Validation], ..Undo::by("x") };
    Graph::builder("release")
        .task(Task::new("build").undo("x"))
        .task(Task::new("publish").after("build").undo(publish))
        .task(Task::new("announce").after("publish").undo("x"))
        .task(Task::new("docs").after("build").undo("x"))
        .build()
        .unwrap()
}

fn checkpoint(name: &str) -> Message {
    Message::Checkpoint { name: name.into() }
}

fn back_to(name: &str) -> Message {
    Message::BackTo { checkpoint: name.into() }
}

/// Up to the moment in which `announce` and `docs` run; the checkpoint `built` was made before `publish` had ended.
fn announcing(graph: &Graph, rules: Rules) -> Dialogue {
    let mut run = Dialogue::new(graph, rules);
    assert_eq!(run.step(0, vec![checkpoint("empty")]), ["build"]);
    assert_eq!(run.step(1, vec![run.done("build"), checkpoint("built")]), ["publish", "docs"]);
    assert_eq!(run.step(2, vec![run.done("publish")]), ["announce"]);
    run
}

fn warnings(run: &Dialogue) -> Vec<String> {
    let warning = |kind: &EventKind| match kind {
        EventKind::Warning { message, .. } => Some(message.clone()),
        _ => None,
    };
    run.events.iter().filter_map(|event| warning(&event.kind)).collect()
}

fn report(run: &Dialogue) -> Report {
    let mut report = Report::new(run.machine.plan());
    run.events.iter().for_each(|event| report.on(event));
    report
}

#[test]
fn it_has_what_had_ended_and_may_be_built_on() {
    let graph = Graph::builder("g")
        .task(Task::new("good"))
        .task(Task::new("bad"))
        .task(Task::new("may").with(|options| options.allow_failure = true))
        .task(Task::new("long"))
        .build()
        .unwrap();
    let rules = Rules { on_failure: crate::FailurePolicy::Continue, ..Rules::default() };
    let mut run = Dialogue::new(&graph, rules);
    run.step(0, vec![]);
    run.step(1, vec![run.ends("may", 1, Outcome::failed("no"))]);
    run.step(2, vec![run.done("good"), run.ends("bad", 1, Outcome::failed("no")), checkpoint("half")]);
    let report = report(&run);
    let made: Vec<&str> = report.checkpoints()[0].tasks.iter().map(|&task| graph.id(task).as_str()).collect();
    assert_eq!(made, ["good", "may"], "in the order of definition");
    let saved = Checkpoint::of(&report, "half").unwrap();
    let saved: Vec<_> = saved.tasks.iter().map(|saved| (saved.task.as_str(), saved.state)).collect();
    assert_eq!(saved, [("may", TaskState::Failed), ("good", TaskState::Succeeded)], "in the order in which they ended");
    assert_eq!(Checkpoint::of(&report, "whole"), None);
}

#[test]
fn a_rollback_to_it_keeps_what_was_before() {
    let graph = Graph::builder("g")
        .task(Task::new("a").undo("x"))
        .task(Task::new("b").after("a").undo("x"))
        .task(Task::new("c").after("b").with(|options| {
            options.rollback =
                Some(Rollback { scope: UndoScope::ToCheckpoint("middle".into()), ..Rollback::default() });
        }))
        .build()
        .unwrap();
    let mut run = Dialogue::new(&graph, Rules::default());
    run.step(0, vec![]);
    run.step(1, vec![run.done("a"), checkpoint("middle")]);
    run.step(2, vec![run.done("b")]);
    assert_eq!(run.step(3, vec![run.ends("c", 1, Outcome::failed("no"))]), ["b"]);
    assert!(run.step(4, vec![run.done("b")]).is_empty(), "`a` stays");
    assert_eq!(run.machine.state(), RunState::Failed);
}

#[test]
fn going_back_waits_for_what_runs_and_undoes_what_ended_since_then_the_run_is_cancelled() {
    // An explicit wish, so it counts more than the rule for failures.
    let mut run = announcing(&release(), Rules { undo: false, ..Rules::default() });
    assert!(run.step(3, vec![back_to("built")]).is_empty());
    assert_eq!(run.cancelled(), ["announce", "docs"]);
    assert!(run.step(4, vec![run.done("docs")]).is_empty(), "`announce` has not stopped yet");
    assert_eq!(run.step(5, vec![run.ends("announce", 1, Outcome::failed("stopped"))]), ["docs"]);
    assert_eq!(run.step(6, vec![run.done("docs")]), ["publish"], "although it is undone on validation only");
    assert!(run.step(7, vec![run.done("publish")]).is_empty());
    assert_eq!(run.machine.state(), RunState::Cancelled);
    let report = report(&run);
    let kept: Vec<_> =
        report.undo().unwrap().kept.iter().map(|&(task, why)| (report.graph().id(task).as_str(), why)).collect();
    assert_eq!(kept, [("announce", Kept::Broken), ("build", Kept::Scope)]);
    assert_eq!(report.stopped(), Some("back to the checkpoint `built`"));
    assert_eq!(run.machine.undo_why().unwrap().message, "back to the checkpoint `built`");
}

#[test]
fn of_several_with_the_same_name_the_latest_counts() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![checkpoint("built")]);
    run.step(4, vec![back_to("built")]);
    run.step(5, vec![run.ends("announce", 1, Outcome::failed("no")), run.ends("docs", 1, Outcome::failed("no"))]);
    assert_eq!(run.machine.state(), RunState::Cancelled, "nothing has ended since that could be undone");
}

#[test]
fn a_failure_on_the_way_back_changes_nothing() {
    let mut run = announcing(&release(), Rules::default());
    // Both failed at the moment of the wish, and would undo all.
    let failed = |run: &Dialogue, task| run.ends(task, 1, Outcome::failed("no"));
    run.step(3, vec![back_to("built"), failed(&run, "announce")]);
    assert_eq!(run.step(4, vec![failed(&run, "docs")]), ["publish"]);
    run.step(5, vec![run.done("publish")]);
    assert_eq!(run.machine.state(), RunState::Cancelled);
}

#[test]
fn what_cannot_be_is_told_and_the_run_goes_on() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![back_to("buil")]);
    assert!(run.cancelled().is_empty());
    run.step(4, vec![run.done("docs"), run.done("announce"), checkpoint("late\u{1b}"), back_to("built")]);
    assert_eq!(run.machine.state(), RunState::Succeeded);
    insta::assert_snapshot!(warnings(&run).join("\n"), @r"
    asked to go back to the checkpoint `buil`: there is no such checkpoint, so the run goes on (there is `empty`, `built`); did you mean `built`?
    the checkpoint `late\u{1b}` was not made: the run ends already
    asked to go back to the checkpoint `built`: the run ends already
    ");
}

#[test]
fn going_back_counts_as_the_first_cancellation() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![back_to("built"), run.done("docs"), run.done("announce")]);
    assert_eq!(run.step(4, vec![]), [""; 0]);
    run.step(5, vec![Message::Cancel { reason: "enough".into() }]);
    assert_eq!(run.cancelled(), ["announce"], "the undo under way is told to stop");
    run.step(6, vec![run.ends("announce", 1, Outcome::failed("no"))]);
    assert_eq!(run.machine.state(), RunState::Cancelled);
    let report = report(&run);
    insta::assert_snapshot!(report.undo_summary().unwrap(), @"0 of 3 tasks undone, 1 could not be, 2 left, 1 kept");
}

#[test]
fn a_run_that_continues_from_it_takes_over_what_was_before_and_undoes_only_what_it_did() {
    let graph = release();
    let mut first = announcing(&graph, Rules::default());
    first.step(3, vec![back_to("built"), first.done("docs"), first.done("announce")]);
    for (at, task) in [(4, "announce"), (5, "docs"), (6, "publish")] {
        first.step(at, vec![first.done(task)]);
    }
    let report = report(&first);
    assert_eq!(report.counts().undone, 3);
    let back = Checkpoint::of(&report, "built").unwrap().back(&graph, &saga::standing(&report)).unwrap();
    assert!(back.undo.is_empty(), "that is done");
    let names = |tasks: Vec<crate::TaskIx>| tasks.iter().map(|&ix| graph.id(ix).to_string()).collect::<Vec<_>>();
    assert_eq!(names(back.restore.iter().map(|restored| restored.task).collect()), ["build"]);
    assert_eq!(Checkpoint::left(&report, "built").unwrap().restore(&graph).unwrap(), back.restore);

    let mut second = Dialogue::new(&graph, Rules { restore: back.restore, ..Rules::default() });
    assert_eq!(second.step(0, vec![]), ["publish", "docs"], "not `build`");
    second.step(1, vec![second.done("publish")]);
    second.step(2, vec![second.done("docs"), second.ends("announce", 1, Outcome::failed("no"))]);
    assert_eq!(
        second.step(3, vec![second.done("docs")]),
        [""; 0],
        "`publish` is undone on validation only, `build` stays"
    );
    assert_eq!(second.machine.state(), RunState::Failed);
}

#[test]
fn who_waits_for_what_is_restored_reads_its_output_and_starts_once() {
    let test = Test::Expression(Expression::parse("context.maker.go == true").unwrap());
    let condition = Condition { test, run_when: true, message: None };
    let graph = Graph::builder("g")
        .task(Task::new("maker"))
        .task(Task::new("reader").after("maker").when(condition))
        .task(Task::new("plain").after("maker"))
        .build()
        .unwrap();
    let restored = |at: u32| Restored {
        task: at.into(),
        state: TaskState::Succeeded,
        output: serde_json::json!({"go": true}).into(),
    };
    // Twice, and a child without its parent: odd, but no harm.
    let rules = Rules { restore: vec![restored(0), restored(0)], ..Rules::default() };
    let mut run = Dialogue::new(&graph, rules);
    let mut started = run.step(0, vec![]);
    started.sort();
    assert_eq!(started, ["plain", "reader"]);
    let rules = Rules { restore: vec![restored(2)], ..Rules::default() };
    let mut run = Dialogue::new(&graph, rules);
    assert_eq!(run.step(0, vec![]), ["maker"]);
    assert_eq!(run.step(1, vec![run.done("maker")]), [""; 0], "the condition reads what the new one made");
    assert_eq!(run.machine.state(), RunState::Succeeded);

    let rules = Rules { restore: vec![restored(3)], ..Rules::default() };
    let plan = crate::Plan::new(&graph, &crate::PlanOptions::default()).unwrap();
    let error = Machine::new(&plan, crate::RunId::from_parts(0, 0), rules).unwrap_err();
    insta::assert_snapshot!(error, @"`restore` names place 3, but the graph has 3 tasks; restore by its own graph");
}

/// A plain task becomes ready as soon as the last one that it waits for has ended. One that is restored itself must not.
#[test]
fn a_restored_task_is_not_run_although_what_it_waits_for_is_restored_before_it() {
    let tasks = [Task::new("a"), Task::new("b").after("a"), Task::new("c").after("b")];
    let graph = Graph::builder("g").tasks(tasks).build().unwrap();
    let restored = |name: &str| Restored {
        task: graph.find(name).unwrap(),
        state: TaskState::Succeeded,
        output: crate::Output::NOTHING,
    };
    let mut run = Dialogue::new(&graph, Rules { restore: vec![restored("a"), restored("b")], ..Rules::default() });
    assert_eq!(run.step(0, vec![]), ["c"]);
    run.step(1, vec![run.done("c")]);
    assert_eq!(run.machine.state(), RunState::Succeeded);
}

/// What an earlier process of the same run did is this run's to undo; what another run did is not.
#[test]
fn a_resumed_run_undoes_what_it_did_before() {
    for resumed in [false, true] {
        let graph = release();
        let build = Restored {
            task: graph.find("build").unwrap(),
            state: TaskState::Succeeded,
            output: crate::Output::NOTHING,
        };
        let mut run = Dialogue::new(&graph, Rules { restore: vec![build], resumed, ..Rules::default() });
        assert_eq!(run.step(0, vec![]), ["publish", "docs"]);
        let undone = |run: &Dialogue| {
            let planned = run.events.iter().find_map(|event| match &event.kind {
                EventKind::UndoPlanned { order, .. } => Some(order.len()),
                _ => None,
            });
            planned.unwrap_or_default()
        };
        run.step(1, vec![run.done("docs"), Message::Cancel { reason: "enough".into() }]);
        let publish = graph.find("publish").unwrap();
        run.step(2, vec![Message::Finished { task: publish, attempt: 1, outcome: Outcome::failed("no") }]);
        assert_eq!(undone(&run), 1 + usize::from(resumed));
    }
}
