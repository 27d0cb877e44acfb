//! Undoing as a dialogue.

use std::time::Duration;

use super::super::{FailurePolicy, Message, Rules, tests::Dialogue};
use crate::{
    EventKind, FailureKind, Graph, Kept, Outcome, Retry, RunState, Task, TaskOptions, Undo, UndoOn, UndoScope,
};

fn undoable(id: &str) -> Task {
    Task::new(id).undo("undo").with(|options| undo(options).retry = Some(Retry { jitter: false, ..Retry::default() }))
}

fn undo(options: &mut TaskOptions) -> &mut Undo {
    options.undo.as_mut().unwrap()
}

/// build → publish → announce, side by side with `docs`; all can be undone.
fn release() -> Graph {
    release_with(|task| task)
}

fn release_with(change: impl Fn(Task) -> Task) -> Graph {
    let tasks = [
        undoable("build"),
        undoable("publish").after("build"),
        undoable("announce").after("publish"),
        undoable("docs").after("build"),
    ];
    Graph::builder("release").tasks(tasks.map(change)).build().unwrap()
}

/// Up to the moment in which `announce` and `docs` run.
fn announcing(graph: &Graph, rules: Rules) -> Dialogue {
    let mut run = Dialogue::new(graph, rules);
    assert_eq!(run.step(0, vec![]), ["build"]);
    assert_eq!(run.step(1, vec![run.done("build")]), ["publish", "docs"]);
    assert_eq!(run.step(2, vec![run.done("publish")]), ["announce"]);
    run
}

fn failed() -> Outcome {
    Outcome::failed("no")
}

fn cancel() -> Message {
    Message::Cancel { reason: "enough".into() }
}

fn told(run: &Dialogue, after: &str) -> Vec<String> {
    let story = run.story();
    let from = story.iter().position(|word| word == after).unwrap();
    story[from + 1..].to_vec()
}

fn kept(run: &Dialogue) -> Vec<(String, Kept)> {
    let found = run.events.iter().find_map(|event| match &event.kind {
        EventKind::UndoPlanned { kept, .. } => Some(kept.clone()),
        _ => None,
    });
    let graph = run.machine.graph();
    found.unwrap().iter().map(|&(task, why)| (graph.id(task).to_string(), why)).collect()
}

#[test]
fn nothing_is_undone_before_the_last_sibling_has_stopped() {
    let mut run = announcing(&release(), Rules::default());
    assert!(run.step(3, vec![run.ends("announce", 1, failed())]).is_empty());
    assert_eq!(run.cancelled(), ["docs"], "told to stop, and waited for");
    assert!(run.step(50, vec![]).is_empty());
    assert_eq!(run.machine.state(), RunState::Running);
    assert_eq!(run.step(60, vec![run.ends("docs", 1, failed())]), ["publish"]);
    assert!(run.actions.start[0].undo);
    assert_eq!(run.machine.running(), 1);
    assert_eq!(run.step(61, vec![run.done("publish")]), ["build"]);
    assert_eq!(run.machine.state(), RunState::Running);
    assert!(run.step(62, vec![run.done("build")]).is_empty());
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(
        told(&run, "docs cancelled"),
        ["publish undo starts", "publish undone", "build undo starts", "build undone"]
    );
    assert_eq!(kept(&run), [("docs".to_owned(), Kept::Broken), ("announce".to_owned(), Kept::Broken)]);
    assert!(run.events.iter().map(|event| event.seq).eq(0..run.events.len() as u64));
}

#[test]
fn a_sibling_that_worked_all_the_same_is_undone_first() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![run.ends("announce", 1, failed())]);
    assert_eq!(run.step(4, vec![run.done("docs")]), ["docs"]);
    assert_eq!(run.step(5, vec![run.done("docs")]), ["publish"]);
}

#[test]
fn a_run_that_succeeds_undoes_nothing() {
    let mut run = announcing(&release_with(|task| task.with(|options| options.allow_failure = true)), Rules::default());
    run.step(3, vec![run.done("docs"), run.ends("announce", 1, failed())]);
    assert_eq!(run.machine.state(), RunState::Succeeded);
    assert!(!run.story().iter().any(|word| word.contains("undo")));
}

#[test]
fn a_failed_undo_is_tried_again_then_told_and_the_others_are_still_done() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![run.done("docs"), run.ends("announce", 1, failed())]);
    assert_eq!(run.step(4, vec![run.done("docs")]), ["publish"]);
    assert!(run.step(5, vec![run.ends("publish", 1, failed())]).is_empty());
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(6)));
    assert_eq!(run.machine.running(), 0);
    // What is said of an attempt that is over is not heard.
    assert!(run.step(5, vec![run.done("publish")]).is_empty());
    assert_eq!(run.step(6, vec![]), ["publish"]);
    assert_eq!(run.actions.start[0].number, 2);
    assert!(run.step(6, vec![run.done("publish")]).is_empty(), "that was the first attempt");
    assert!(run.step(7, vec![run.ends("publish", 2, failed())]).is_empty());
    assert_eq!(run.step(9, vec![]), ["publish"]);
    assert_eq!(run.step(10, vec![run.ends("publish", 3, failed())]), ["build"], "three attempts in all");
    run.step(11, vec![run.done("build")]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(
        told(&run, "docs undone"),
        [
            "publish undo starts",
            "publish undo again in 1s",
            "publish undo starts",
            "publish undo again in 2s",
            "publish undo starts",
            "publish undo error",
            "build undo starts",
            "build undone"
        ]
    );
}

#[test]
fn an_undo_that_takes_too_long_is_stopped_and_tried_again() {
    let graph = release_with(|task| task.timeout(Duration::from_secs(5)).with(|o| undo(o).timeout = None));
    let mut run = announcing(&graph, Rules::default());
    run.step(3, vec![run.ends("announce", 1, failed()), run.ends("docs", 1, failed())]);
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(8)), "the task's own timeout");
    run.step(8, vec![]);
    assert_eq!(run.cancelled(), ["publish"]);
    assert!(run.actions.cancel[0].undo);
    run.step(9, vec![run.ends("publish", 1, failed())]);
    assert_eq!(told(&run, "publish undo starts"), ["publish undo again in 1s"]);
    let timed_out = run.events.iter().any(|event| match &event.kind {
        EventKind::UndoRetrying { failure, .. } => failure.kind == FailureKind::Timeout,
        _ => false,
    });
    assert!(timed_out);
    // An undo that works although it was told to stop has worked.
    assert_eq!(run.step(10, vec![]), ["publish"]);
    run.step(15, vec![]);
    assert_eq!(run.step(16, vec![run.ends("publish", 2, Outcome::done(()))]), ["build"]);
}

#[test]
fn an_undo_has_a_timeout_of_its_own() {
    let graph = release_with(|task| {
        task.timeout(Duration::from_secs(5)).with(|o| undo(o).timeout = Some(Duration::from_secs(70)))
    });
    let mut run = announcing(&graph, Rules::default());
    run.step(3, vec![run.ends("announce", 1, failed()), run.ends("docs", 1, failed())]);
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(73)));
}

#[test]
fn a_cancelled_run_is_undone_and_a_second_cancel_leaves_the_rest() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![run.done("docs"), cancel()]);
    assert_eq!(run.step(4, vec![run.ends("announce", 1, failed())]), ["docs"]);
    assert_eq!(run.step(5, vec![run.done("docs")]), ["publish"]);
    run.step(6, vec![cancel()]);
    assert_eq!(run.cancelled(), ["publish"], "the undo under way is told to stop");
    assert_eq!(run.machine.state(), RunState::Running, "and waited for");
    run.step(7, vec![run.ends("publish", 1, failed())]);
    assert_eq!(run.machine.state(), RunState::Cancelled);
    assert_eq!(
        told(&run, "announce cancelled"),
        ["docs undo starts", "docs undone", "publish undo starts", "publish undo cancelled", "build left"]
    );
}

#[test]
fn a_second_cancel_before_the_undo_leaves_all() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![cancel()]);
    run.step(4, vec![cancel()]);
    assert!(run.step(5, vec![run.done("docs"), run.ends("announce", 1, failed())]).is_empty());
    assert_eq!(run.machine.state(), RunState::Cancelled);
    assert_eq!(told(&run, "announce cancelled"), ["docs left", "publish left", "build left"]);
}

#[test]
fn a_first_cancel_while_a_failed_run_is_undone_changes_nothing() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![run.ends("announce", 1, failed()), run.ends("docs", 1, failed())]);
    run.step(4, vec![cancel()]);
    assert!(run.cancelled().is_empty());
    let warned = run.events.iter().any(|event| matches!(&event.kind, EventKind::Warning { message, .. }
        if message == "asked to stop (enough) while tasks are undone, which goes on; ask again to leave the rest as it is"));
    assert!(warned);
    assert_eq!(run.step(5, vec![run.done("publish")]), ["build"]);
    run.step(6, vec![run.done("build")]);
    assert_eq!(run.machine.state(), RunState::Failed);
}

#[test]
fn a_second_cancel_between_two_attempts_ends_at_once() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![run.ends("announce", 1, failed()), run.ends("docs", 1, failed())]);
    run.step(4, vec![run.ends("publish", 1, failed())]);
    run.step(4, vec![cancel(), cancel()]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(told(&run, "publish undo again in 1s"), ["publish undo cancelled", "build left"]);
    assert_eq!(run.actions.wake_at, None);
}

#[test]
fn the_deadline_of_the_run_does_not_end_its_undo() {
    let rules = Rules { deadline: Some(Duration::from_secs(10)), ..Rules::default() };
    let graph = release_with(|task| match task.id().as_str() {
        "publish" => task.with(|options| undo(options).on = vec![UndoOn::Timeout]),
        "build" => task.with(|options| undo(options).on = vec![UndoOn::Error]),
        _ => task,
    });
    let mut run = announcing(&graph, rules);
    run.step(10, vec![]);
    assert_eq!(run.cancelled(), ["announce", "docs"]);
    assert_eq!(run.step(11, vec![run.ends("docs", 1, failed()), run.ends("announce", 1, failed())]), ["publish"]);
    assert_eq!(run.actions.wake_at, None);
    run.step(5_000, vec![run.done("publish")]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(kept(&run)[2], ("build".to_owned(), Kept::On), "it is undone on errors only");
}

#[test]
fn what_goes_on_after_a_failure_is_undone_too() {
    let graph =
        Graph::builder("two").task(undoable("a")).task(Task::new("b").after("a")).task(undoable("c")).build().unwrap();
    let mut run = Dialogue::new(&graph, Rules { on_failure: FailurePolicy::Continue, ..Rules::default() });
    run.step(0, vec![]);
    run.step(1, vec![run.done("a")]);
    assert!(run.step(2, vec![run.ends("b", 1, failed())]).is_empty(), "`c` still runs");
    assert!(run.cancelled().is_empty());
    assert_eq!(run.step(3, vec![run.done("c")]), ["c"]);
    assert_eq!(run.step(4, vec![run.done("c")]), ["a"]);
}

#[test]
fn a_critical_failure_stops_a_run_that_goes_on_after_failures() {
    let graph = Graph::builder("two")
        .task(undoable("a"))
        .task(Task::new("b").after("a").with(|options| options.critical = true))
        .task(Task::new("c"))
        .build()
        .unwrap();
    let mut run = Dialogue::new(&graph, Rules { on_failure: FailurePolicy::Continue, ..Rules::default() });
    run.step(0, vec![]);
    run.step(1, vec![run.done("a")]);
    run.step(2, vec![run.ends("b", 1, failed())]);
    assert_eq!(run.cancelled(), ["c"]);
    assert_eq!(run.step(3, vec![run.ends("c", 1, failed())]), ["a"]);
}

#[test]
fn the_scope_of_the_failed_task_counts() {
    let graph = release_with(|task| match task.id().as_str() {
        "announce" => task.rollback(UndoScope::To("publish".into())),
        _ => task,
    });
    let mut run = announcing(&graph, Rules::default());
    assert!(run.step(3, vec![run.done("docs")]).is_empty());
    assert_eq!(run.step(4, vec![run.ends("announce", 1, failed())]), ["docs"]);
    run.step(5, vec![run.done("docs")]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(kept(&run)[1..], [("publish".to_owned(), Kept::Scope), ("build".to_owned(), Kept::Scope)]);
}

#[test]
fn a_rollback_may_name_a_task_that_has_no_options() {
    let graph = Graph::builder("g")
        .task(undoable("a"))
        .task(Task::new("plain").after("a"))
        .task(undoable("b").after("plain"))
        .task(Task::new("c").after("b").rollback(UndoScope::To("plain".into())))
        .build()
        .unwrap();
    let mut run = Dialogue::new(&graph, Rules::default());
    run.step(0, vec![]);
    for (at, id) in [(1, "a"), (2, "plain"), (3, "b")] {
        run.step(at, vec![run.done(id)]);
    }
    assert_eq!(run.step(4, vec![run.ends("c", 1, failed())]), ["b"]);
    run.step(5, vec![run.done("b")]);
    assert_eq!(run.machine.state(), RunState::Failed);
}

#[test]
fn a_run_that_is_not_to_undo_says_what_it_left() {
    let mut run = announcing(&release(), Rules { undo: false, ..Rules::default() });
    run.step(3, vec![run.done("docs"), run.ends("announce", 1, failed())]);
    assert_eq!(run.machine.state(), RunState::Failed);
    let off = |id: &str| (id.to_owned(), Kept::Off);
    assert_eq!(kept(&run)[..3], [off("docs"), off("publish"), off("build")]);
}

#[test]
fn lines_of_an_undo_are_heard() {
    let mut run = announcing(&release(), Rules::default());
    run.step(3, vec![run.ends("announce", 1, failed()), run.ends("docs", 1, failed())]);
    let line = |run: &Dialogue, id: &str| Message::Line {
        task: run.ix(id),
        stream: crate::Stream::Stdout,
        text: "rolling back".into(),
    };
    run.step(4, vec![line(&run, "publish"), line(&run, "build")]);
    let lines = run.events.iter().filter(|event| matches!(event.kind, EventKind::TaskOutput { .. }));
    assert_eq!(lines.count(), 1, "only of the one that is being undone");
}

#[test]
fn a_task_that_waits_for_its_next_attempt_has_begun() {
    let retried = undoable("a").with(|options| {
        undo(options).itself = true;
        options.retry = Some(Retry { jitter: false, ..Retry::default() });
    });
    let graph = Graph::builder("g").task(retried).task(Task::new("b")).build().unwrap();
    let mut run = Dialogue::new(&graph, Rules::default());
    run.step(0, vec![]);
    run.step(1, vec![run.ends("a", 1, failed())]);
    assert_eq!(run.step(1, vec![run.ends("b", 1, failed())]), ["a"]);
}
