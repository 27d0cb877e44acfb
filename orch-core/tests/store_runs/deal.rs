//! What stored runs teach about agents, and whoever follows a run hears.

use orch_core::{
    PriceTable, Rates, Usage, Usd,
    plan::{Assigned, Candidate, Performance},
    session::{Follow, deal, performance},
};

use super::*;

const SKILL: &str = "security review";

fn candidate(name: &str, at_once: Option<u32>) -> Candidate {
    Candidate { name: name.into(), capabilities: vec![SKILL.into()], at_once, ..Candidate::default() }
}

fn prices() -> PriceTable {
    PriceTable::default().with("house", Rates::new(Usd::from_cents(300), Usd::ZERO))
}

/// `flaky` fails, all others work, and use a million tokens.
async fn work(task: TaskContext) -> Outcome {
    let used = Usage::tokens("house", 1_000_000, 0);
    match task.agent().as_deref() {
        Some("flaky") => Outcome::failed("not today").used(used),
        _ => Outcome::done("made").used(used),
    }
}

fn by(id: &str, agent: &str) -> Task {
    Task::new(id).agent(agent)
}

fn asks(id: &str) -> Task {
    Task::new(id).capability("Security")
}

async fn ran(store: &MemoryStore, graph: &Graph, options: RunOptions) -> Report {
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    engine.run(&plan(graph), options).await.unwrap()
}

fn agents(assigned: &[Assigned]) -> Vec<(&str, bool)> {
    assigned.iter().map(|one| (one.agent.as_str(), one.again)).collect()
}

#[tokio::test]
async fn what_agents_did_is_known_by_agent() {
    let store = memory();
    let waits = by("c", "late").after("b");
    let first = graph([by("a", "steady"), by("b", "flaky").after("a"), waits, Task::new("nobody")]);
    ran(&store, &first, options(1)).await;
    ran(&store, &graph([by("x", "steady")]), options(2)).await;
    let known = performance(&store, 10, &prices()).unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["flaky", "steady"], "who never began did nothing");
    let Performance { succeeded, failed, cost, median } = known["steady"].clone();
    assert_eq!((succeeded, failed, cost), (2, 0, Some(Usd::from_cents(300))));
    assert!(median.is_some());
    assert_eq!(known["flaky"], Performance { failed: 1, ..Performance::default() });
    assert_eq!(performance(&store, 1, &prices()).unwrap()["steady"].succeeded, 1, "the latest only");

    // Of a run that goes on the latest part counts, and what it kept it did not do.
    let resume = Resume::load(&store, run(1), None, None, None).unwrap();
    let whole = resume.graph().clone();
    ran(&store, &whole, RunOptions { resume: Some(resume), ..RunOptions::default() }).await;
    assert_eq!(performance(&store, 10, &prices()).unwrap()["steady"].succeeded, 1);
}

#[tokio::test]
async fn tasks_are_dealt_by_what_the_store_knows() {
    let (store, prices) = (memory(), prices());
    let both = || vec![candidate("flaky", None), candidate("steady", Some(2))];
    let wanted = graph([asks("look"), by("write", "steady")]);
    let (dealt, assigned) = deal(&wanted, both(), Some(&store), None, &prices).unwrap();
    assert_eq!(agents(&assigned), [("flaky", false)], "of equals the earlier name");
    ran(&store, &dealt, options(1)).await;

    let (next, assigned) = deal(&wanted, both(), Some(&store), None, &prices).unwrap();
    assert_eq!(agents(&assigned), [("steady", false)]);
    let (_, assigned) = deal(&wanted, both(), None, None, &prices).unwrap();
    assert_eq!(agents(&assigned), [("flaky", false)], "without a store nobody knows");
    let claims =
        |graph: &Graph| -> Vec<usize> { graph.tasks().iter().map(|task| task.options().claims.len()).collect() };
    assert_eq!((claims(&next), claims(&dealt)), (vec![1, 1], vec![0, 1]));
    let (named, assigned) = deal(&graph([by("write", "steady")]), both(), None, None, &prices).unwrap();
    assert_eq!((claims(&named), assigned), (vec![1], Vec::new()), "who is named is held to it as well");

    // Who goes on keeps its task, also where nobody says who can what.
    let (_, assigned) = deal(&wanted, both(), Some(&store), Some(run(1)), &prices).unwrap();
    assert_eq!(agents(&assigned), [("flaky", true)]);
    let (_, assigned) = deal(&wanted, Vec::new(), Some(&store), Some(run(1)), &prices).unwrap();
    assert_eq!(agents(&assigned), [("flaky", true)]);
}

#[tokio::test]
async fn each_event_of_a_run_is_heard_once() {
    let (store, go) = (memory(), Arc::new(Notify::new()));
    let (shared, held) = (Arc::new(store.clone()), go.clone());
    let body = move |task: TaskContext| {
        let held = held.clone();
        async move {
            if task.id().as_str() == "b" {
                held.notified().await;
            }
        }
    };
    let engine = Engine::builder().executor(body).store(store.clone()).build().unwrap();
    let line = graph([Task::new("a"), Task::new("b").after("a"), Task::new("c").after("b")]);
    let mut running = engine.start(&plan(&line), options(1));
    let began =
        |event: &Event| matches!(&event.kind, EventKind::TaskStarted { task, .. } if line.id(*task).as_str() == "b");
    while !running.next_event().await.is_some_and(|event| began(&event)) {}
    let mut follow = Follow::new(shared, run(1)).unwrap();
    let mut heard = follow.next(Duration::ZERO).unwrap();
    assert!(heard.begins && heard.events.iter().any(began));
    go.notify_one();
    running.report().await.unwrap();
    let rest = follow.next(Duration::ZERO).unwrap();
    assert!(!rest.begins && !rest.events.is_empty());
    heard.events.extend(rest.events);
    assert_eq!(heard.events, StoredRun::load(&store, run(1)).unwrap().events);
    assert_eq!(follow.report().state(), RunState::Succeeded);
}
