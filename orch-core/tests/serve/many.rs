//! Many readers, slow ones, and none.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use orch_core::{Error, ErrorKind};
use serde_json::json;

use super::*;

#[test]
fn readers_are_bounded_and_places_come_free() {
    let store = store();
    let options = ServeOptions { store: Some(shared(&store)), readers: 2, ..ServeOptions::default() };
    let serving = Serving::new(options, Vec::new());
    let (mut one, mut two) = (serving.events(None, None), serving.events(None, None));
    one.wait("hello");
    two.wait("hello");
    let third = serving.get("events");
    assert_eq!((third.status, third.header("retry-after")), (503, Some("5")));
    assert_eq!(serving.get("").status, 200, "the page is there all the same");
    one.leave();
    // Free as soon as the server has seen it.
    while serving.get("events").status != 200 {
        std::thread::yield_now();
    }
    two.leave();
}

#[test]
fn who_reads_nothing_is_let_go_and_hinders_nobody() {
    let store = store();
    // More than the system keeps for a connection.
    let work = async |_: TaskContext| "x".repeat(100_000);
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let run = runtime().block_on(engine.run(&chain(120), RunOptions::default())).unwrap().run().unwrap();
    let options = ServeOptions {
        store: Some(shared(&store)),
        readers: 2,
        patience: Duration::from_secs(2),
        output: 1_000_000,
        ..ServeOptions::default()
    };
    let serving = Serving::new(options, Vec::new());
    let mut slow = serving.events(Some(run), None);
    let path = format!("events?run={run}");
    assert_eq!(serving.get(&path).status, 200);
    // Also who reads may be let go, where the machine stands still for long: as a page does, he comes back to where he was.
    let mut last: Option<String> = None;
    let mut succeeded = None;
    while succeeded.is_none() {
        let Some(mut quick) = serving.try_events(run, last.as_deref()) else {
            std::thread::yield_now();
            continue;
        };
        while let Some(said) = quick.next() {
            last = said.id.clone().or(last);
            if said.event == "head" && said.data["run"]["state"] != "running" {
                succeeded = Some(said.data["counts"]["succeeded"].clone());
                break;
            }
        }
    }
    assert_eq!(succeeded, Some(json!(120)));
    // Both places come free, without a word of the slow one.
    let held = loop {
        let one = serving.get("events");
        if one.status == 200 {
            break one;
        }
        std::thread::yield_now();
    };
    while serving.get("events").status != 200 {
        std::thread::yield_now();
    }
    drop(held);
    let mut heard = 0;
    while let Some(said) = slow.next() {
        heard += said.data.as_array().map_or(0, Vec::len);
    }
    assert!(heard < 240 && !slow.whole, "it was let go before the end, and its connection with it");
}

#[test]
fn panes_are_looked_at_while_somebody_reads_and_told_when_they_change() {
    let (looks, stage) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, staged) = (looks.clone(), stage.clone());
    let pane = Pane::new("worktrees", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        match staged.load(Ordering::SeqCst) {
            0 => Ok(json!({"items": ["a"]})),
            1 => Err(Error::new(ErrorKind::Io, "the disk is gone")),
            _ => Ok(json!({"items": ["b"]})),
        }
    });
    let serving = Serving::new(ServeOptions::default(), vec![pane.every(Duration::from_millis(1))]);
    // Long enough for a thread that looked all the same.
    for _ in 0..20 {
        assert_eq!(serving.get("").status, 200);
    }
    assert_eq!(looks.load(Ordering::SeqCst), 0, "nobody reads");
    let mut events = serving.events(None, None);
    let wanted = [json!({"items": ["a"]}), json!({"error": "the disk is gone"}), json!({"items": ["b"]})];
    for (nth, wanted) in wanted.into_iter().enumerate() {
        assert_eq!(events.wait("worktrees").data, wanted);
        // What stays the same is not told again, however often it is looked at.
        let seen = looks.load(Ordering::SeqCst);
        while looks.load(Ordering::SeqCst) < seen + 5 {
            std::thread::yield_now();
        }
        stage.store(nth + 1, Ordering::SeqCst);
    }
    events.leave();
    let mut later = serving.events(None, None);
    assert_eq!(later.wait("worktrees").data, json!({"items": ["b"]}));
}

#[test]
fn nothing_is_left_when_the_server_goes() {
    let store = store();
    let serving = Serving::of(&store);
    let going = Going::start(&store, &chain(2));
    let mut events = serving.events(Some(going.run), None);
    events.wait("part");
    let port = serving.port;
    drop(serving);
    while events.next().is_some() {}
    // Its tasks end one after the other.
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
        std::thread::yield_now();
    }
}

/// A page of a store that is there once somebody says so.
fn serving_later(store: &MemoryStore) -> (Arc<AtomicBool>, Serving) {
    let there = Arc::new(AtomicBool::new(false));
    let (asked, found) = (there.clone(), shared(store));
    let options = ServeOptions {
        finds: Some(Arc::new(move || Ok(asked.load(Ordering::SeqCst).then(|| found.clone())))),
        every: Duration::from_millis(5),
        ..ServeOptions::default()
    };
    (there, Serving::new(options, Vec::new()))
}

#[test]
fn without_a_store_there_are_no_runs_until_there_is_one() {
    let store = store();
    let (there, serving) = serving_later(&store);
    let mut events = serving.events(None, None);
    assert_eq!(events.wait("runs").data, json!({"store": false, "runs": []}));
    there.store(true, Ordering::SeqCst);
    let going = Going::start(&store, &chain(1));
    events.until(|said| said.event == "runs" && said.data["runs"][0]["run"] == json!(going.run));
}

#[test]
fn a_run_is_followed_once_there_is_a_store() {
    let store = store();
    let (there, serving) = serving_later(&store);
    let going = Going::start(&store, &chain(1));
    let mut events = serving.events(Some(going.run), None);
    assert_eq!(events.wait("head").data["error"], "there is no store yet");
    there.store(true, Ordering::SeqCst);
    assert_eq!(events.wait("part").data["run"], json!(going.run));
}
