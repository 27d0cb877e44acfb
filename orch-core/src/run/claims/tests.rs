//! Claims as a dialogue; the resources are those of the test.

use std::time::Duration;

use crate::{
    Backoff, Claim, FailureKind, Graph, Outcome, Resource, Retry, RunState, Task, Undo,
    run::{FailurePolicy, Message, Rules, tests::Dialogue},
};

fn graph(tasks: impl IntoIterator<Item = Task>) -> Graph {
    Graph::builder("g").resource(Resource::new("db").capacity(1)).tasks(tasks).build().unwrap()
}

fn db(id: &str) -> Task {
    Task::new(id).claim(Claim::shared("db"))
}

fn one_place() -> Rules {
    Rules { max_parallel: 1, ..Rules::default() }
}

#[test]
fn who_waits_for_a_resource_has_no_place() {
    let mut run = Dialogue::new(
        &graph([db("a").priority(2), db("b").priority(1), Task::new("c")]),
        Rules { max_parallel: 2, ..Rules::default() },
    );
    assert_eq!(run.step(0, vec![]), ["a", "c"]);
    assert_eq!(run.story(), ["b waits for db of a", "a starts", "c starts"].map(str::to_owned).as_slice().to_vec());
    assert_eq!(run.step(1, vec![run.done("a")]), ["b"]);
}

#[test]
fn what_is_given_back_is_offered_before_anything_else_begins() {
    // Without the second look `next` would have the place that `a` leaves, and `b` would hold the resource without one.
    let tasks = [db("a").priority(2), db("b"), Task::new("long"), Task::new("next").after("a").priority(-1)];
    let mut run = Dialogue::new(&graph(tasks), Rules { max_parallel: 2, ..Rules::default() });
    assert_eq!(run.step(0, vec![]), ["a", "long"]);
    assert_eq!(run.step(1, vec![run.done("a")]), ["b"]);
    assert_eq!(run.step(2, vec![run.done("b")]), ["next"]);
}

#[test]
fn a_grant_without_a_free_place_comes_before_more_critical_tasks() {
    let tasks = [db("b").priority(9), Task::new("long").priority(5), Task::new("critical").priority(7).after("long")];
    let mut run = Dialogue::new(&graph(tasks), one_place());
    let other = run.hold("db");
    assert_eq!(run.step(0, vec![]), ["long"], "b waits for db, so its place is for another");
    run.give_back(other);
    assert!(run.step(1, vec![]).is_empty(), "granted, and no place is free");
    assert_eq!(run.step(2, vec![run.done("long")]), ["b"]);
    assert_eq!(run.step(3, vec![run.done("b")]), ["critical"]);
}

#[test]
fn a_wait_that_is_over_fails_the_attempt_and_may_be_repeated() {
    let retry =
        Retry { max_attempts: 2, strategy: Backoff::Immediate, on: vec!["lock_timeout".into()], ..Retry::default() };
    let impatient =
        Task::new("b").claim(Claim::shared("db").wait(Duration::from_secs(5))).with(|it| it.retry = Some(retry));
    let mut run = Dialogue::new(&graph([impatient]), Rules::default());
    let _other = run.hold("db");
    assert!(run.step(0, vec![]).is_empty());
    assert_eq!(run.resources.wake_at(), Some(Duration::from_secs(5)));
    assert!(run.step(5, vec![]).is_empty(), "it asks again");
    assert!(run.step(10, vec![]).is_empty());
    let waits = "b waits for db of somebody else";
    assert_eq!(run.story(), [waits, "b again in 0ns", waits, "b lock_timeout"]);
    assert_eq!(run.machine.state(), RunState::Failed);
}

#[test]
fn claims_are_given_back_before_the_wait_for_the_next_attempt() {
    let retry = Retry {
        max_attempts: 2,
        strategy: Backoff::Linear,
        initial_delay: Duration::from_secs(9),
        jitter: false,
        ..Retry::default()
    };
    let mut run =
        Dialogue::new(&graph([db("a").priority(1).with(|it| it.retry = Some(retry)), db("b")]), Rules::default());
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert_eq!(run.step(1, vec![run.ends("a", 1, Outcome::failed("x"))]), ["b"]);
    assert!(run.step(10, vec![]).is_empty(), "its time has come, and `b` has the resource");
    assert_eq!(run.step(11, vec![run.done("b")]), ["a"]);
}

#[test]
fn a_run_that_stops_withdraws_what_it_waits_for() {
    let mut run = Dialogue::new(&graph([db("a"), Task::new("c")]), Rules::default());
    let other = run.hold("db");
    assert_eq!(run.step(0, vec![]), ["c"]);
    run.step(1, vec![Message::Cancel { reason: "enough".into() }]);
    run.step(2, vec![run.ends("c", 1, Outcome::failed("stopped"))]);
    assert_eq!(run.machine.state(), RunState::Cancelled);
    run.give_back(other);
    run.hold("db");
}

#[test]
fn an_attempt_whose_lease_is_over_is_stopped() {
    let leased = Task::new("a").claim(Claim::exclusive("db").lease(Duration::from_secs(3)));
    let rules = Rules { on_failure: FailurePolicy::Continue, ..Rules::default() };
    let mut run = Dialogue::new(&graph([leased.priority(1), db("b")]), rules);
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert_eq!(run.step(3, vec![]), ["b"], "the resource goes on");
    assert_eq!(run.cancelled(), ["a"]);
    run.step(4, vec![run.ends("a", 1, Outcome::failed("stopped"))]);
    run.step(5, vec![run.done("b")]);
    assert_eq!(run.story().iter().filter(|it| it.contains(FailureKind::LeaseExpired.name())).count(), 1);
    assert_eq!(run.failure("a"), "held `db` longer than its lease of 3s");
}

#[test]
fn a_lease_that_ends_before_the_attempt_begins_is_asked_for_again() {
    let leased = Task::new("b").priority(9).claim(Claim::exclusive("db").lease(Duration::from_secs(3)));
    let mut run = Dialogue::new(&graph([leased, Task::new("long")]), one_place());
    let other = run.hold("db");
    assert_eq!(run.step(0, vec![]), ["long"]);
    run.give_back(other);
    run.step(1, vec![]);
    run.step(9, vec![]);
    let other = run.hold("db");
    assert!(run.step(10, vec![run.done("long")]).is_empty(), "it has lost what it was granted");
    run.give_back(other);
    assert_eq!(run.step(11, vec![]), ["b"]);
    assert!(run.cancelled().is_empty());
}

#[test]
fn a_task_that_waits_for_a_resource_can_come_to_wait_for_a_new_task() {
    let mut maker = Task::new("maker");
    maker = maker.with(|it| {
        it.expand = Some(serde_json::from_value(serde_json::json!({"path": ["tasks"], "before": ["b"]})).unwrap());
    });
    let mut run = Dialogue::new(&graph([maker, db("b")]), Rules::default());
    let other = run.hold("db");
    assert_eq!(run.step(0, vec![]), ["maker"]);
    let output = serde_json::json!({"tasks": [{"id": "new"}]});
    assert_eq!(run.step(1, vec![run.ends("maker", 1, Outcome::done(output))]), ["new"]);
    run.give_back(other);
    assert!(run.step(2, vec![]).is_empty(), "it waits for `new` now");
    run.hold("db");
    assert!(run.step(3, vec![run.done("new")]).is_empty());
}

#[test]
fn an_undo_claims_what_the_task_claimed() {
    let undone = db("a").with(|it| it.undo = Some(Undo::default()));
    let mut run = Dialogue::new(&graph([undone, Task::new("bad").after("a")]), Rules::default());
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert_eq!(run.step(1, vec![run.done("a")]), ["bad"]);
    let other = run.hold("db");
    assert!(run.step(2, vec![run.ends("bad", 1, Outcome::failed("x"))]).is_empty(), "somebody else has the database");
    run.give_back(other);
    assert_eq!(run.step(3, vec![]), ["a"]);
    run.step(4, vec![run.done("a")]);
    assert_eq!(run.machine.state(), RunState::Failed);
    assert_eq!(run.story().last().unwrap(), "a undone");
    run.hold("db");
}
