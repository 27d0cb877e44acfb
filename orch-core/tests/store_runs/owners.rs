//! One owner at a time, and what others may wish of it.

use super::*;

/// An engine whose tasks wait until they are let go, one permission each.
fn gated(store: impl Store + 'static) -> (Engine, Arc<tokio::sync::Semaphore>) {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let inside = gate.clone();
    let work = move |task: TaskContext| {
        let gate = inside.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            task.id().to_string()
        }
    };
    (Engine::builder().executor(work).store(store).build().unwrap(), gate)
}

/// Waits until that task has begun.
async fn begun(run: &mut orch_core::Run, graph: &Graph, name: &str) {
    while let Some(event) = run.next_event().await {
        if matches!(event.kind, EventKind::TaskStarted { task, .. } if graph.id(task).as_str() == name) {
            return;
        }
    }
    panic!("`{name}` did not begin");
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_is_silent_for_too_long() {
    let (clock, hand) = Clock::manual();
    let store = MemoryStore::new(clock);
    let line = graph([Task::new("a"), Task::new("b").after("a")]);
    let (first, gate) = gated(store.clone());
    let mut run_of_first = first.start(&plan(&line), options(1));
    gate.add_permits(1);
    begun(&mut run_of_first, &line, "b").await;

    let (second, other_gate) = gated(store.clone());
    other_gate.add_permits(9);
    let refused = second.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("belongs to process"), "{refused}");

    hand.advance(Duration::from_secs(31));
    let report = second.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded);
    assert!(report.find("a").unwrap().is_restored());

    // The first one was only asleep: what it does now is not recorded.
    gate.add_permits(1);
    let late = run_of_first.report().await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict, "{late}");
    assert!(StoredRun::load(&store, run(1)).unwrap().report.find("a").unwrap().is_restored());
}

#[tokio::test]
async fn a_run_that_is_dropped_is_given_back() {
    let store = memory();
    let (engine, gate) = gated(store.clone());
    let mut first = engine.start(&plan(&diamond()), options(1));
    gate.add_permits(1);
    begun(&mut first, &diamond(), "b").await;
    drop(first);
    // The driver is a task of this thread; it goes with the next turn.
    tokio::task::yield_now().await;
    gate.add_permits(9);
    let report = engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded);
    assert!(report.find("a").unwrap().is_restored() && !report.find("b").unwrap().is_restored());
}

#[tokio::test]
async fn a_run_that_went_on_since_it_was_read_is_not_begun_anew() {
    let store = memory();
    let (engine, gate) = gated(store.clone());
    gate.add_permits(99);
    let broken = graph([Task::new("a"), Task::new("b").after("a")]);
    engine.run(&plan(&broken), options(1)).await.unwrap();
    let read = Resume::load(&store, run(1), None, None, None).unwrap();
    engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    let options = RunOptions { resume: Some(read), ..RunOptions::default() };
    let late = engine.run(&plan(&broken), options).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict, "{late}");
    engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
}

#[tokio::test]
async fn another_process_can_stop_a_run() {
    let store = memory();
    let (engine, _gate) = gated(store.clone());
    let mut going = engine.start(&plan(&diamond()), options(1));
    begun(&mut going, &diamond(), "a").await;
    store.wish(run(1), &Wish::Cancel { reason: "enough".into() }).unwrap();
    let report = going.report().await.unwrap();
    assert_eq!((report.state(), report.stopped()), (RunState::Cancelled, Some("enough")));
    let stored = StoredRun::load(&store, run(1)).unwrap();
    assert_eq!(stored.row.state, RunState::Cancelled);
}
