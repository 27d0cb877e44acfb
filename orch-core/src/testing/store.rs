//! What every [`Store`] must do, as a list of checks: for the tests of whoever writes one.
//!
//! ```
//! use orch_core::{store::MemoryStore, testing::store};
//!
//! store::check(&|clock| Box::new(MemoryStore::new(clock)));
//! ```

#![expect(clippy::expect_used, reason = "a check says what is wrong by a panic, as every test does")]

use std::{sync::Barrier, thread, time::Duration};

use crate::{
    Clock, ErrorKind, Hand, RunId, RunState,
    store::{Append, Blob, CacheRow, Lease, Locked, RunHeader, Store, Wish},
};

mod facts;
mod ledger;
mod letters;

/// Makes an empty store whose leases and entries end by that clock's time of day.
pub type Maker<'a> = &'a dyn Fn(Clock) -> Box<dyn Store>;

const TEN: Duration = Duration::from_secs(10);

/// Every check, one after the other, each with a store of its own.
///
/// # Panics
///
/// Where the store does something else than it must.
pub fn check(make: Maker<'_>) {
    for (name, check) in CHECKS {
        let (clock, hand) = Clock::manual();
        let store = make(clock);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&*store, &hand)));
        assert!(outcome.is_ok(), "the store does not pass: {name}");
    }
}

type Check = fn(&dyn Store, &Hand);

const CHECKS: &[(&str, Check)] = &[
    ("what is appended is read back, from any event on", appends_are_read_back),
    ("an append elsewhere than at the end is a conflict", appends_have_a_place),
    ("who was taken over cannot write", late_writers_are_refused),
    ("a part can be begun only after the one that was read", parts_have_an_order),
    ("a part begins whole or not at all", parts_begin_whole),
    ("of many who append at one place one does", one_of_many_appends),
    ("runs are listed, the latest first", runs_are_listed),
    ("a watch ends when something changes, and in time when nothing does", watches_end),
    ("blobs are kept by what they hold", blobs_are_kept),
    ("a lease has one holder, and its fence rises", leases_have_one_holder),
    ("a lease ends by time, not before, and can be made longer", leases_end),
    ("a clock that goes back does not make a lease eternal", leases_survive_clocks),
    ("of many who want a lease one gets it", one_of_many_locks),
    ("who has a lease is told", holders_are_told),
    ("what was done under a lease that another has had since is refused", lost_leases_are_seen),
    ("entries of a cache end, are replaced and dropped", entries_end),
    ("an entry does not outlive a clock that is set back", entries_survive_clocks),
    ("a cache takes no more than it may", a_cache_takes_no_more_than_it_may),
    ("word for a run is taken once, in order", wishes_are_taken_once),
    ("a booking is there as a whole or not at all", ledger::bookings_are_whole),
    ("a cell holds a value or a text", ledger::cells_hold_values),
    ("charges are listed by time", ledger::charges_are_listed),
    ("nobody books in between", ledger::bookings_take_turns),
    ("a letter is posted once for each target, ever", letters::are_posted_once),
    ("a letter that was taken comes back when nobody says how it went", letters::come_back),
    ("of many who take letters each gets others", letters::have_one_taker),
    ("a clock that goes back does not hold letters for ever", letters::survive_clocks),
    ("a fact is kept once, as it was written", facts::are_kept_once),
    ("facts are found by kind, time and what they are about", facts::are_found),
];

fn run(number: u128) -> RunId {
    RunId::from_parts(1, number)
}

fn open(store: &dyn Store, run: RunId, fence: u64) {
    store.open_run(&RunHeader { run, fence, ..RunHeader::default() }, None).expect("a run can be opened");
}

fn append(store: &dyn Store, run: RunId, fence: u64, seq: u64, body: &str) -> Result<(), ErrorKind> {
    let events = body.split(' ').count() as u32;
    let append = Append { run, fence, seq, events, body: body.as_bytes(), ..Append::default() };
    store.append(&append).map_err(|error| error.kind())
}

fn texts(store: &dyn Store, run: RunId, fence: u64, from: u64) -> Vec<(u64, String)> {
    let records = store.read(run, fence, from).expect("a run can be read");
    records.into_iter().map(|record| (record.seq, String::from_utf8(record.body).expect("it was text"))).collect()
}

fn appends_are_read_back(store: &dyn Store, _: &Hand) {
    open(store, run(1), 1);
    open(store, run(2), 1);
    assert_eq!(texts(store, run(1), 1, 0), []);
    assert_eq!(append(store, run(1), 1, 0, "a b"), Ok(()));
    assert_eq!(append(store, run(2), 1, 0, "other"), Ok(()));
    assert_eq!(append(store, run(1), 1, 2, "c"), Ok(()));
    assert_eq!(append(store, run(1), 1, 3, "d e f"), Ok(()));
    let (ab, c, def) = ((0, "a b".to_owned()), (2, "c".to_owned()), (3, "d e f".to_owned()));
    for from in 0..2 {
        assert_eq!(texts(store, run(1), 1, from), [ab.clone(), c.clone(), def.clone()], "from {from}");
    }
    assert_eq!(texts(store, run(1), 1, 2), [c, def.clone()]);
    for from in 3..6 {
        assert_eq!(texts(store, run(1), 1, from), std::slice::from_ref(&def), "from {from}");
    }
    assert_eq!(texts(store, run(1), 1, 6), []);
    assert_eq!(texts(store, run(3), 1, 0), [], "nobody knows it");
}

fn appends_have_a_place(store: &dyn Store, _: &Hand) {
    assert_eq!(append(store, run(1), 1, 0, "a"), Err(ErrorKind::NotFound), "it was not opened");
    open(store, run(1), 1);
    assert_eq!(append(store, run(1), 1, 0, "a b"), Ok(()));
    for seq in [0, 1, 3] {
        assert_eq!(append(store, run(1), 1, seq, "x"), Err(ErrorKind::Conflict), "at {seq}");
    }
    assert_eq!(append(store, run(1), 1, 2, "c"), Ok(()));
    open(store, run(1), 1);
    assert_eq!(append(store, run(1), 1, 3, "d"), Ok(()), "to open it again changes nothing");
}

fn late_writers_are_refused(store: &dyn Store, _: &Hand) {
    open(store, run(1), 4);
    assert_eq!(append(store, run(1), 4, 0, "a"), Ok(()));
    open(store, run(1), 7);
    assert_eq!(append(store, run(1), 4, 1, "late"), Err(ErrorKind::Conflict));
    assert_eq!(append(store, run(1), 8, 0, "early"), Err(ErrorKind::Conflict), "it was not opened with that fence");
    assert_eq!(append(store, run(1), 7, 0, "b"), Ok(()));
    let header = RunHeader { run: run(1), fence: 4, ..RunHeader::default() };
    assert_eq!(store.open_run(&header, None).map_err(|error| error.kind()), Err(ErrorKind::Conflict));
    assert_eq!(texts(store, run(1), 4, 0), [(0, "a".to_owned())]);
    assert_eq!(texts(store, run(1), 7, 0), [(0, "b".to_owned())]);
}

fn parts_have_an_order(store: &dyn Store, _: &Hand) {
    let open_after = |fence, after| {
        let header = RunHeader { run: run(1), fence, after, ..RunHeader::default() };
        store.open_run(&header, None).map_err(|error| error.kind())
    };
    assert_eq!(open_after(1, Some((0, 0))), Err(ErrorKind::Conflict), "there is no such run");
    assert_eq!(open_after(1, None), Ok(()));
    assert_eq!(append(store, run(1), 1, 0, "a b"), Ok(()));
    for after in [(1, 1), (1, 3), (2, 2)] {
        assert_eq!(open_after(5, Some(after)), Err(ErrorKind::Conflict), "{after:?}");
    }
    assert_eq!(open_after(5, Some((1, 2))), Ok(()));
    assert_eq!(append(store, run(1), 1, 2, "c"), Err(ErrorKind::Conflict));
    assert_eq!(append(store, run(1), 5, 0, "d"), Ok(()));
}

fn parts_begin_whole(store: &dyn Store, _: &Hand) {
    let open_with = |fence, after, first: &Append<'_>| {
        let header = RunHeader { run: run(1), fence, after, ..RunHeader::default() };
        store.open_run(&header, Some(first)).map_err(|error| error.kind())
    };
    let first = |fence| Append { run: run(1), fence, events: 2, body: b"a b", ..Append::default() };
    for wrong in [Append { seq: 1, ..first(3) }, Append { run: run(2), ..first(3) }, first(2)] {
        assert_eq!(open_with(3, None, &wrong), Err(ErrorKind::Misuse));
    }
    assert_eq!(open_with(3, Some((1, 1)), &first(3)), Err(ErrorKind::Conflict));
    assert_eq!(store.run(run(1)).expect("it can be read"), None);
    assert_eq!(open_with(3, None, &first(3)), Ok(()));
    assert_eq!(texts(store, run(1), 3, 0), [(0, "a b".to_owned())]);
    assert_eq!(open_with(5, Some((3, 2)), &first(5)), Ok(()));
    assert_eq!(texts(store, run(1), 5, 0), [(0, "a b".to_owned())]);
    assert_eq!(open_with(5, None, &first(5)), Err(ErrorKind::Conflict), "it has begun");
}

fn one_of_many_appends(store: &dyn Store, _: &Hand) {
    const EACH: u64 = 20;
    open(store, run(1), 1);
    let wins: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut wins = 0;
                    for seq in 0..EACH {
                        wins += u64::from(append(store, run(1), 1, seq, "x").is_ok());
                        // Who lost waits until somebody has won.
                        while store.run(run(1)).ok().flatten().is_none_or(|row| row.events <= seq) {
                            thread::yield_now();
                        }
                    }
                    wins
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    assert_eq!(wins.iter().sum::<u64>(), EACH);
    assert_eq!(texts(store, run(1), 1, 0).len() as u64, EACH);
}

fn runs_are_listed(store: &dyn Store, hand: &Hand) {
    let header = |number, source: &str| RunHeader {
        run: run(number),
        fence: 1,
        source: source.into(),
        name: format!("graph {number}"),
        options: "{}".into(),
        ..RunHeader::default()
    };
    for (number, source) in [(1, "a.json"), (2, "b.json"), (3, "a.json")] {
        store.open_run(&header(number, source), None).expect("a run can be opened");
        hand.advance(Duration::from_secs(1));
    }
    let names = |source: Option<&str>, limit| {
        let rows = store.runs(source, limit).expect("runs can be listed");
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 9), ["graph 3", "graph 2", "graph 1"]);
    assert_eq!(names(None, 2), ["graph 3", "graph 2"]);
    assert_eq!(names(Some("a.json"), 9), ["graph 3", "graph 1"]);
    assert_eq!(names(Some("' OR 1 = 1 --"), 9), [""; 0]);
    let end = Append { run: run(1), fence: 1, events: 1, body: b"x", state: RunState::Failed, ..Append::default() };
    store.append(&end).expect("it is the end");
    let row = store.run(run(1)).expect("it can be read").expect("it is there");
    assert_eq!((row.state, row.events, row.source.as_str()), (RunState::Failed, 1, "a.json"));
    assert_eq!(row.updated.0 - row.created.0, 3_000);
    assert_eq!(store.run(run(9)).expect("it can be read"), None);
}

fn watches_end(store: &dyn Store, _: &Hand) {
    open(store, run(1), 1);
    let seen = store.run(run(1)).expect("it can be read").expect("it is there");
    assert_eq!(store.watch(&seen, Duration::ZERO).expect("it can be read"), seen);
    thread::scope(|scope| {
        let watch = scope.spawn(|| store.watch(&seen, Duration::from_secs(600)).expect("it can be read"));
        append(store, run(1), 1, 0, "a").expect("it is the end");
        assert_eq!(watch.join().expect("no thread panics").events, 1);
    });
    let gone = store.watch(&crate::store::RunRow { run: run(9), ..seen }, Duration::ZERO);
    assert_eq!(gone.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
}

fn blobs_are_kept(store: &dyn Store, _: &Hand) {
    let (large, empty) = (Blob::new(vec![7; 100_000]), Blob::new(Vec::new()));
    store.put_blobs(&[large.clone(), empty.clone(), large.clone()]).expect("blobs can be put");
    assert_eq!(store.blob(large.hash()).expect("it can be read").as_deref(), Some(large.bytes()));
    assert_eq!(store.blob(empty.hash()).expect("it can be read").as_deref(), Some(&[][..]));
    let with = Blob::new("with an append");
    assert_eq!(store.blob(with.hash()).expect("it can be read"), None);
    open(store, run(1), 1);
    let append = Append { run: run(1), fence: 1, events: 1, blobs: std::slice::from_ref(&with), ..Append::default() };
    store.append(&append).expect("it is the end");
    assert_eq!(store.blob(with.hash()).expect("it can be read").as_deref(), Some(with.bytes()));
    let lost = Blob::new("with an append that is refused");
    let refused = Append { seq: 9, blobs: std::slice::from_ref(&lost), ..append };
    store.append(&refused).expect_err("it is not the end");
    assert_eq!(store.blob(lost.hash()).expect("it can be read"), None, "an append is whole or not there");
}

fn lock(store: &dyn Store, name: &str) -> Option<Lease> {
    store.lock(name, "somebody", TEN).expect("a lease can be asked for").granted()
}

fn leases_have_one_holder(store: &dyn Store, hand: &Hand) {
    let first = lock(store, "a").expect("nobody has it");
    assert!(!first.taken_over && first.fence > 0);
    hand.advance(Duration::from_secs(4));
    let held = store.lock("a", "another", TEN).expect("a lease can be asked for");
    assert_eq!(held, Locked::Held { holder: "somebody".into(), left: Duration::from_secs(6) });
    assert!(lock(store, "b").is_some(), "another name is another lease");
    assert!(!store.release("a", first.fence + 1).expect("it can be asked"), "not by another fence");
    assert!(!store.release("c", 1).expect("it can be asked"), "nobody has it");
    assert!(store.release("a", first.fence).expect("it can be asked"));
    assert!(!store.release("a", first.fence).expect("it can be asked"), "once");
    let second = lock(store, "a").expect("it was given back");
    assert!(second.fence > first.fence && !second.taken_over);
}

fn leases_end(store: &dyn Store, hand: &Hand) {
    let first = lock(store, "a").expect("nobody has it");
    hand.advance(TEN - Duration::from_millis(1));
    assert_eq!(lock(store, "a"), None, "not before its time");
    assert!(store.renew("a", first.fence, TEN).expect("it can be asked"));
    hand.advance(TEN - Duration::from_millis(1));
    assert_eq!(lock(store, "a"), None);
    hand.advance(Duration::from_millis(1));
    let second = lock(store, "a").expect("its time is over");
    assert!(second.taken_over && second.fence > first.fence);
    assert!(!store.renew("a", first.fence, TEN).expect("it can be asked"), "it is another's now");
    assert!(!store.release("a", first.fence).expect("it can be asked"));
    assert!(store.renew("a", second.fence, TEN).expect("it can be asked"));
}

fn leases_survive_clocks(store: &dyn Store, hand: &Hand) {
    let first = lock(store, "a").expect("nobody has it");
    hand.wall_back(Duration::from_secs(3_600));
    assert_eq!(lock(store, "a"), None, "its holder may well be alive");
    hand.advance(TEN);
    let second = lock(store, "a").expect("it lasts no longer than it would have, from when somebody asked");
    assert!(second.fence > first.fence);
    hand.wall_forward(Duration::from_secs(3_600));
    let third = lock(store, "a").expect("by the clock it is over");
    assert!(!store.renew("a", second.fence, TEN).expect("it can be asked"), "and its holder finds out");
    assert!(third.fence > second.fence);
}

fn holders_are_told(store: &dyn Store, hand: &Hand) {
    let holder = || store.holder("a").expect("it can be asked");
    assert_eq!(holder(), None);
    let first = store.lock("a", "ann", TEN).expect("it can be asked").granted().expect("nobody has it");
    assert_eq!(holder().as_deref(), Some("ann"));
    assert!(store.release("a", first.fence).expect("it can be given back"));
    assert_eq!(holder(), None);
    store.lock("a", "bob", TEN).expect("it can be asked").granted().expect("nobody has it");
    hand.advance(TEN);
    assert_eq!(holder(), None, "it is over");
}

fn lost_leases_are_seen(store: &dyn Store, hand: &Hand) {
    open(store, run(1), 1);
    let append = |seq, held: &[(&str, u64)]| {
        let append = Append { run: run(1), fence: 1, seq, events: 1, body: b"x", held, ..Append::default() };
        store.append(&append).map_err(|error| error.kind())
    };
    let (a, b) = (lock(store, "a").expect("nobody has it"), lock(store, "b").expect("nobody has it"));
    assert_eq!(append(0, &[("a", a.fence), ("b", b.fence)]), Ok(()));
    hand.advance(TEN);
    assert_eq!(append(1, &[("a", a.fence)]), Ok(()), "it is over, but nobody has had it since");
    assert!(store.release("b", b.fence).expect("it can be given back"));
    assert_eq!(append(2, &[("b", b.fence)]), Ok(()));
    let later = lock(store, "a").expect("it is over");
    assert_eq!(append(3, &[("b", b.fence), ("a", a.fence)]), Err(ErrorKind::Conflict));
    assert_eq!(append(3, &[("c", 1)]), Err(ErrorKind::Conflict), "nobody ever had it");
    assert_eq!(texts(store, run(1), 1, 0).len(), 3, "nothing of it is there");
    assert_eq!(append(3, &[("a", later.fence)]), Ok(()));
}

fn one_of_many_locks(store: &dyn Store, _: &Hand) {
    for round in 0..10 {
        let name = format!("lease {round}");
        let ready = Barrier::new(4);
        let granted: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        ready.wait();
                        usize::from(lock(store, &name).is_some())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
        });
        assert_eq!(granted, 1, "round {round}");
    }
}

fn entries_end(store: &dyn Store, hand: &Hand) {
    let row = |value: &str| CacheRow { value: value.into(), about: "{}".into(), worth: 7, left: TEN };
    let put = |row: &CacheRow| assert!(store.cache_put("a", row, TEN, 1_000).expect("it can be put"));
    let get = |key: &str| store.cache_get(key).expect("it can be read");
    assert_eq!(get("a"), None);
    put(&row("one"));
    assert_eq!(get("a"), Some(row("one")));
    hand.advance(Duration::from_secs(4));
    assert_eq!(get("a"), Some(CacheRow { left: Duration::from_secs(6), ..row("one") }));
    put(&row("two"));
    assert_eq!(get("a"), Some(row("two")));
    hand.advance(TEN);
    assert_eq!(get("a"), None, "it is over");
    put(&row("three"));
    assert!(store.cache_drop("a").expect("it can be dropped"));
    assert!(!store.cache_drop("a").expect("it can be dropped"));
    assert_eq!(get("a"), None);
}

fn entries_survive_clocks(store: &dyn Store, hand: &Hand) {
    let row = CacheRow { value: b"one".to_vec(), about: String::new(), worth: 1, left: TEN };
    let put = || assert!(store.cache_put("a", &row, TEN, 1_000).expect("it can be put"));
    let get = || store.cache_get("a").expect("it can be read").map(|row| row.left);
    put();
    // As clocks are set every day.
    hand.wall_back(Duration::from_secs(5));
    assert_eq!(get(), Some(TEN), "no longer than it would have");
    hand.advance(Duration::from_secs(15));
    assert_eq!(get(), None);
    put();
    hand.wall_back(Duration::from_secs(3_600));
    assert_eq!(get(), None, "nobody knows how old it is");
    put();
    assert_eq!(get(), Some(TEN));
    hand.wall_forward(Duration::from_secs(3_600));
    assert_eq!(get(), None, "by the clock it is over");
}

fn a_cache_takes_no_more_than_it_may(store: &dyn Store, hand: &Hand) {
    // Each counts for 201 bytes: 1 of the key, 100 of the value, 100 for the rest.
    let row = |worth| CacheRow { value: vec![0; 100], about: String::new(), worth, left: TEN };
    let put = |key, worth, lasts, limit| store.cache_put(key, &row(worth), lasts, limit).expect("it can be put");
    let there = || {
        let is_there = |key: &&str| store.cache_get(key).expect("it can be read").is_some();
        ["a", "b", "c", "d", "e"].iter().filter(|key| is_there(key)).copied().collect::<String>()
    };
    for (key, worth) in [("a", 5), ("b", 1), ("c", 3)] {
        assert!(put(key, worth, TEN, 603));
    }
    assert_eq!(there(), "abc", "just enough room");
    assert!(put("c", 4, TEN, 603), "it takes its own place");
    assert_eq!(there(), "abc");
    assert!(put("d", 2, TEN, 603));
    assert_eq!(there(), "acd", "`b` is worth the least");
    assert!(!put("e", 1, TEN, 603), "less than all the others");
    assert_eq!(there(), "acd");
    assert!(put("e", 2, TEN * 2, 603), "as much as `d`, but longer");
    assert_eq!(there(), "ace");
    assert!(!put("a", 9, TEN, 200), "larger than all the room; its old value is not served either");
    assert_eq!(there(), "ce");
    hand.advance(TEN);
    assert!(put("a", 1, TEN, 402), "`c` is over, whatever it was worth");
    assert_eq!(there(), "ae");
}

fn wishes_are_taken_once(store: &dyn Store, _: &Hand) {
    let stop = Wish::Cancel { reason: "enough".into() };
    assert_eq!(store.wish(run(1), &stop).map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    open(store, run(1), 1);
    open(store, run(2), 1);
    for wish in [&Wish::Pause, &Wish::Resume, &stop] {
        store.wish(run(1), wish).expect("the run is there");
    }
    assert_eq!(store.take_wishes(run(2)).expect("it can be asked"), []);
    assert_eq!(store.take_wishes(run(1)).expect("it can be asked"), [Wish::Pause, Wish::Resume, stop]);
    assert_eq!(store.take_wishes(run(1)).expect("it can be asked"), []);
}
