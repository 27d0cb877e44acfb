//! What a journal holds up, and lets go of.

use std::sync::mpsc;

use super::*;
use crate::{
    definition::Task,
    plan::{Plan, PlanOptions},
    session::{Session, SessionOptions},
    store::MemoryStore,
};

/// A session that keeps its run, and where it rings when there is something to hear.
fn session(tasks: impl IntoIterator<Item = Task>) -> (Session, mpsc::Receiver<()>) {
    let graph = Graph::builder("g").tasks(tasks).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let (ring, rings) = mpsc::channel();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let options = SessionOptions { store: Some(store), ..SessionOptions::default() };
    // A bell that nobody hears any more may ring.
    let bell = Arc::new(move || ring.send(()).unwrap_or_default());
    (Session::new(&plan, options, bell).unwrap(), rings)
}

/// Steps until everything that was said is stored; answers what began meanwhile.
fn settle(session: &mut Session, rings: &mpsc::Receiver<()>, messages: Vec<Message>) -> Vec<Attempt> {
    let mut messages = messages;
    let mut began = session.step(Duration::ZERO, &mut messages).start.clone();
    while session.journal().is_behind() {
        rings.recv().unwrap();
        began.extend_from_slice(&session.step(Duration::ZERO, &mut Vec::new()).start);
    }
    began
}

fn done(attempt: Attempt) -> Vec<Message> {
    vec![Message::Finished { task: attempt.task, attempt: attempt.number, outcome: Outcome::done(()) }]
}

fn wish(session: &Session, wish: Wish) {
    let writer = &session.journal().writer;
    writer.queue().wishes.push(wish);
    writer.shared.news.ring();
}

#[test]
fn what_builds_on_a_task_waits_until_its_result_is_stored() {
    let (mut session, rings) = session([Task::new("a"), Task::new("b").after("a")]);
    let first = session.step(Duration::ZERO, &mut Vec::new());
    assert_eq!((first.start.len(), first.events.len()), (1, 0), "it begins at once; nothing is told yet");
    let a = first.start[0];
    settle(&mut session, &rings, Vec::new());
    // Nothing is written while the lock is held.
    let writer = session.journal().writer.clone();
    let second = session.step(Duration::ZERO, &mut done(a));
    assert!(second.start.is_empty() && second.events.is_empty(), "{:?}", second.start);
    let began = settle(&mut session, &rings, Vec::new());
    assert_eq!(began.len(), 1);
    assert!(writer.queue().stored >= 3);
    settle(&mut session, &rings, done(began[0]));
    assert_eq!(session.state(), RunState::Succeeded);
}

#[test]
fn a_session_may_be_let_go_of_by_who_is_told_of_news() {
    let graph = Graph::builder("g").task(Task::new("a")).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let store = Arc::new(MemoryStore::default());
    let held: Arc<Mutex<Option<Session>>> = Arc::default();
    let (tell, told) = mpsc::channel();
    let bell = {
        let held = held.clone();
        move || {
            // The bell holds the last reference for a moment, and its thread is the one that writes.
            drop(held.lock().unwrap().take());
            tell.send(()).unwrap_or_default();
        }
    };
    let options = SessionOptions { store: Some(store.clone()), ..SessionOptions::default() };
    let mut session = Session::new(&plan, options, Arc::new(bell)).unwrap();
    let lease = format!("run/{}", session.run());
    let mut first = held.lock().unwrap();
    session.step(Duration::ZERO, &mut Vec::new());
    *first = Some(session);
    drop(first);
    told.recv_timeout(Duration::from_secs(20)).unwrap();
    // The run is given back a moment after the bell has rung.
    let clock = Clock::system();
    while store.lock(&lease, "another", LEASE).unwrap().granted().is_none() {
        assert!(clock.elapsed() < Duration::from_secs(20), "the run was not given back");
        thread::yield_now();
    }
}

#[test]
fn a_paused_run_begins_nothing_until_it_goes_on() {
    let (mut session, rings) = session([Task::new("a"), Task::new("b").after("a")]);
    let a = settle(&mut session, &rings, Vec::new())[0];
    wish(&session, Wish::Pause);
    assert_eq!(settle(&mut session, &rings, done(a)), []);
    wish(&session, Wish::Resume);
    let b = settle(&mut session, &rings, Vec::new());
    assert_eq!(b.len(), 1);
    settle(&mut session, &rings, done(b[0]));
    assert_eq!(session.state(), RunState::Succeeded);
}

#[test]
fn an_attempt_that_is_stopped_before_it_began_never_begins() {
    let (mut session, rings) = session([Task::new("a"), Task::new("b").after("a")]);
    let a = settle(&mut session, &rings, Vec::new())[0];
    wish(&session, Wish::Pause);
    settle(&mut session, &rings, done(a));
    session.cancel("enough");
    assert_eq!(settle(&mut session, &rings, Vec::new()), []);
    assert_eq!(settle(&mut session, &rings, Vec::new()), []);
    assert_eq!(session.state(), RunState::Cancelled);
}
