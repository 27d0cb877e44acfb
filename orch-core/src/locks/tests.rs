//! Locks as their callers see them.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::{
    table::{Ask, Asked, Asker, Ticket, Word},
    *,
};
use crate::{Claim, ClaimMode, Clock, ErrorKind, Resource, ResourceKind};

const LOCK: Acquire = Acquire { mode: None, units: 1, priority: 0, wait: Some(Acquire::WAIT), lease: None, tokens: 0 };

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_for_thirty_seconds_unless_it_says_otherwise() {
    let locks = Locks::default();
    let started = tokio::time::Instant::now();
    let _held = locks.acquire("db", "alice", LOCK).await.unwrap();
    let error = locks.acquire("db", "bob", LOCK).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (ErrorKind::LockTimeout, secs(30)));
    assert_eq!(error.to_string(), "lock acquisition timeout for `db` after 30s; held by `alice`");
    assert!(error.is_retryable());
    let error = locks.acquire("db", "bob", Acquire { wait: Some(secs(5)), ..LOCK }).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (ErrorKind::LockTimeout, secs(35)));
    assert_eq!(locks.stats("db").unwrap().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_it_when_the_holder_lets_go() {
    let locks = Locks::default();
    let held = locks.acquire("db", "alice", LOCK).await.unwrap();
    let other = tokio::spawn({
        let locks = locks.clone();
        async move { locks.acquire("db", "bob", LOCK).await.map(|guard| guard.fence()) }
    });
    tokio::time::sleep(secs(3)).await;
    assert_eq!(locks.stats("db").unwrap().waiting, 1);
    let fence = held.fence();
    assert!(held.release());
    assert!(other.await.unwrap().unwrap() > fence);
    let stats = locks.stats("db").unwrap();
    assert_eq!((stats.waited, stats.granted, stats.used), (secs(3), 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_by_time_though_nobody_says_a_word() {
    let locks = Locks::default();
    let started = tokio::time::Instant::now();
    let lost = locks.acquire("db", "alice", Acquire { lease: Some(secs(10)), ..LOCK }).await.unwrap();
    let next = locks.acquire("db", "bob", LOCK).await.unwrap();
    assert_eq!(started.elapsed(), secs(10));
    assert!(!lost.is_held() && !lost.renew() && next.is_held());
    assert!(next.fence() > lost.fence());
    drop(lost);
    assert!(next.is_held(), "what is over takes nothing along");
    assert!(locks.acquire("x", "alice", Acquire { lease: Some(secs(1)), ..LOCK }).await.unwrap().renew());
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_hears_of_a_lease_that_began_after_it_fell_asleep() {
    let locks = Locks::default();
    let started = tokio::time::Instant::now();
    let held = locks.acquire("db", "first", LOCK).await.unwrap();
    let urgent = Acquire { priority: 1, lease: Some(secs(2)), ..LOCK };
    let waits = |name: &'static str, how: Acquire| {
        let locks = locks.clone();
        tokio::spawn(async move { locks.acquire("db", name, how).await })
    };
    let patient = waits("patient", LOCK);
    tokio::time::sleep(secs(1)).await;
    let urgent = waits("urgent", urgent);
    tokio::time::sleep(secs(1)).await;
    held.release();
    // It gets the lock at 2 s, never lets go, and loses it at 4 s.
    let leaked = urgent.await.unwrap().unwrap();
    drop(patient.await.unwrap().unwrap());
    assert_eq!(started.elapsed(), secs(4));
    assert!(!leaked.is_held());
}

#[tokio::test(start_paused = true)]
async fn rates_let_callers_through_in_time() {
    let locks = Locks::default();
    locks.register(&Resource::new("api").kind(ResourceKind::Api).requests_per_minute(2)).unwrap();
    let started = tokio::time::Instant::now();
    let shared = Acquire { mode: Some(ClaimMode::Shared), wait: None, ..LOCK };
    let mut times = Vec::new();
    for _ in 0..5 {
        drop(locks.acquire("api", "caller", shared.clone()).await.unwrap());
        times.push(started.elapsed().as_secs());
    }
    assert_eq!(times, [0, 0, 30, 60, 90]);
}

#[tokio::test(start_paused = true)]
async fn several_claims_are_granted_all_at_once() {
    let locks = Locks::default();
    let disk = locks.acquire("disk", "alice", LOCK).await.unwrap();
    let both = [Claim::exclusive("db"), Claim::exclusive("disk")];
    let waits = tokio::spawn({
        let (locks, both) = (locks.clone(), both.clone());
        async move { locks.acquire_all(&both, "bob", None).await }
    });
    tokio::time::sleep(secs(100)).await;
    assert!(locks.try_acquire("db", "carol", LOCK).unwrap().is_some(), "who waits holds nothing");
    drop(disk);
    assert_eq!(locks.stats("db").unwrap().holders, ["bob".into()], "granted before it has run");
    let both_held = waits.await.unwrap().unwrap();
    assert!(locks.try_acquire("db", "carol", LOCK).unwrap().is_none());
    drop(both_held);
    let error = locks.acquire_all(&both, "bob", Some(secs(1))).await;
    assert!(error.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_waited_for_and_may_be_given_up() {
    let locks = Locks::default();
    let read = |how| Acquire { mode: Some(how), ..LOCK };
    let mut upgrades = locks.acquire("db", "u", read(ClaimMode::Upgradable)).await.unwrap();
    let reader = locks.acquire("db", "r", read(ClaimMode::Shared)).await.unwrap();
    let before = upgrades.fence();
    // Dropped before its time: the claim stays, and others may join again.
    assert!(tokio::time::timeout(secs(1), upgrades.upgrade("db", None)).await.is_err());
    drop(locks.try_acquire("db", "r2", read(ClaimMode::Shared)).unwrap().expect("nobody waits for an upgrade"));
    let error = upgrades.upgrade("db", Some(secs(2))).await.unwrap_err();
    assert_eq!(error.to_string(), "lock acquisition timeout for `db` after 2s; held by `r`");
    assert_eq!(upgrades.upgrade("disk", None).await.unwrap_err().kind(), ErrorKind::Misuse);
    let leaves = tokio::spawn(async move {
        tokio::time::sleep(secs(3)).await;
        drop(reader);
    });
    upgrades.upgrade("db", None).await.unwrap();
    leaves.await.unwrap();
    assert!(upgrades.fence() > before);
    assert!(locks.try_acquire("db", "r", read(ClaimMode::Shared)).unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deadlock_is_an_error_for_one_and_the_other_goes_on() {
    let locks = Locks::default();
    let a = locks.acquire("a", "alice", LOCK).await.unwrap();
    let b = locks.acquire("b", "bob", LOCK).await.unwrap();
    let alice = tokio::spawn({
        let locks = locks.clone();
        async move {
            let more = locks.acquire("b", "alice", Acquire { wait: None, ..LOCK }).await;
            drop(a);
            more.map(drop)
        }
    });
    tokio::task::yield_now().await;
    let error = locks.acquire("a", b.owner(), Acquire { wait: None, ..LOCK }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadlock);
    assert_eq!(error.message(), "ended a deadlock: `bob` waits for `a` of `alice`, `alice` waits for `b` of `bob`");
    drop(b);
    alice.await.unwrap().unwrap();
    assert!(locks.detect_deadlock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn deadlocks_are_only_reported_where_that_is_wanted() {
    let locks = Locks::new(MemoryLocks::default().report_deadlocks());
    let _held = locks.acquire("a", "alice", LOCK).await.unwrap();
    let mut waits = pin!(locks.acquire("a", "alice", LOCK));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let found = locks.detect_deadlock();
    assert_eq!(found[0].to_string(), "`alice` waits for `a` of `alice`");
    assert!(locks.resolve_deadlock(&found[0]));
    assert_eq!(waits.await.unwrap_err().kind(), ErrorKind::Deadlock);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_takes_its_request_along() {
    let locks = Locks::default();
    let held = locks.acquire("db", "alice", LOCK).await.unwrap();
    let (gone, stays) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let mut stays_waiting = pin!(locks.acquire("db", "stays", LOCK));
    {
        let urgent = Acquire { priority: 9, ..LOCK };
        let mut going = pin!(locks.acquire("db", "gone", urgent.clone()));
        assert!(going.as_mut().poll(&mut Context::from_waker(&gone.clone().into())).is_pending());
        assert!(stays_waiting.as_mut().poll(&mut Context::from_waker(&stays.clone().into())).is_pending());
        assert_eq!(locks.stats("db").unwrap().waiting, 2);
    }
    assert_eq!(locks.stats("db").unwrap().waiting, 1);
    {
        // This one is granted, woken, and dropped before it looks.
        let mut going = pin!(locks.acquire("db", "gone", Acquire { priority: 9, ..LOCK }));
        assert!(going.as_mut().poll(&mut Context::from_waker(&gone.clone().into())).is_pending());
        held.release();
        assert_eq!((gone.0.load(Ordering::Relaxed), stays.0.load(Ordering::Relaxed)), (1, 0));
    }
    assert_eq!(stays.0.load(Ordering::Relaxed), 1, "it is the next one's turn");
    assert!(matches!(stays_waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn a_lock_is_given_back_by_its_owner_only_and_twice_does_no_harm() {
    let locks = Locks::default();
    let id = locks.acquire("db\n", "alice\u{1b}", LOCK).await.unwrap().keep();
    assert_eq!(id.to_string().parse::<Ticket>().unwrap(), id);
    let error = locks.release(id, "bob").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotOwner);
    assert_eq!(error.to_string(), format!(r"`alice\u{{1b}}` holds the lock, not `bob` (lock: {id})"));
    assert!(locks.release(id, "alice\u{1b}").unwrap());
    assert!(!locks.release(id, "alice\u{1b}").unwrap());
    assert!(!locks.release(id, "bob").unwrap());
    for text in ["", "1", "a-b", "-", "01-1", "1-+1", "1-1-1", "99999999999-1"] {
        assert_eq!(text.parse::<Ticket>().unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
    }
    // Everything of an owner.
    for resource in ["a", "b"] {
        locks.acquire(resource, "alice", LOCK).await.unwrap().keep();
    }
    assert_eq!((locks.release_all("alice"), locks.release_all("alice")), (2, 0));
}

#[tokio::test]
async fn a_resource_that_nobody_registered_has_one_holder_and_a_registered_one_as_many_as_it_says() {
    let locks = Locks::default();
    let _first = locks.acquire("unknown", "alice", LOCK).await.unwrap();
    assert!(locks.try_acquire("unknown", "bob", LOCK).unwrap().is_none());
    locks.register(&Resource::new("pool").capacity(2)).unwrap();
    let _places = [(); 2].map(|()| locks.try_acquire("pool", "alice", LOCK).unwrap().expect("a place"));
    assert!(locks.try_acquire("pool", "alice", LOCK).unwrap().is_none());
    assert_eq!(locks.stats("pool").unwrap().capacity, Some(2));
    assert_eq!(locks.stats("never seen"), None);
}

#[tokio::test]
async fn bad_input_is_refused_with_its_place() {
    let locks = Locks::default();
    let century = Claim::LONGEST + Duration::from_nanos(1);
    let refused = async |how: Acquire| {
        let error = locks.acquire("db", "a", how).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
        error.to_string()
    };
    assert_eq!(
        refused(Acquire { units: 0, ..LOCK }).await,
        "claim.units: a claim on no units is none; give at least 1"
    );
    assert_eq!(
        refused(Acquire { lease: Some(Duration::ZERO), ..LOCK }).await,
        "claim.lease: a lease of 0 ends before it begins; leave it out for none"
    );
    assert_eq!(
        refused(Acquire { lease: Some(century), ..LOCK }).await,
        "claim.lease: is longer than 100 years; leave it out for no limit"
    );
    assert!(refused(Acquire { wait: Some(century), ..LOCK }).await.starts_with("claim.wait: is longer"));
    assert_eq!(locks.acquire("", "a", LOCK).await.unwrap_err().to_string(), "claim: a resource needs a name");
    let long = "x".repeat(513);
    assert!(locks.acquire(long.as_str(), "a", LOCK).await.is_err());
    assert_eq!(locks.register(&Resource::new("db").capacity(0)).unwrap_err().kind(), ErrorKind::InvalidValue);
    locks.register(&Resource::new("db").capacity(2)).unwrap();
    assert_eq!(refused(Acquire { units: 3, ..LOCK }).await, "asks for 3 units of `db`, which has 2");
    assert!(locks.try_acquire("db", "a", Acquire { units: 3, ..LOCK }).is_err());
    let error = locks.acquire_all(&[Claim::shared("db").units(0)], "a", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    // The longest there is goes.
    drop(
        locks
            .acquire("db", "a", Acquire { lease: Some(Claim::LONGEST), wait: Some(Claim::LONGEST), ..LOCK })
            .await
            .unwrap(),
    );
}

#[test]
fn without_a_runtime_only_a_wait_with_a_limit_is_refused() {
    let locks = Locks::default();
    let held = crate::sync::block_on(locks.acquire("db", "alice", LOCK)).unwrap();
    let error = crate::sync::block_on(locks.acquire("db", "bob", LOCK)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert_eq!(locks.stats("db").unwrap().waiting, 0);
    let other = std::thread::spawn({
        let locks = locks.clone();
        move || crate::sync::block_on(locks.acquire("db", "bob", Acquire { wait: None, ..LOCK })).map(drop)
    });
    drop(held);
    other.join().unwrap().unwrap();
}

#[test]
fn time_is_that_of_the_clock() {
    let (clock, hand) = Clock::manual();
    let locks = Locks::new(MemoryLocks::new(clock));
    let leased = Acquire { lease: Some(secs(60)), ..LOCK };
    let held = locks.try_acquire("db", "alice", leased).unwrap().unwrap();
    assert_eq!(locks.table().turn(), Some(secs(60)));
    hand.advance(secs(59));
    assert!(held.is_held() && locks.try_acquire("db", "bob", LOCK).unwrap().is_none());
    hand.advance(secs(1));
    assert!(locks.try_acquire("db", "bob", LOCK).unwrap().is_some());
    assert_eq!(locks.table().turn(), None);
}

/// Hears, and asks again from within.
struct Asks {
    locks: Mutex<Option<Locks>>,
    heard: Mutex<Vec<String>>,
    panics: bool,
}

impl Ear for Asks {
    fn told(&self, key: u64, word: Word) {
        self.heard.lock().unwrap().push(format!("{key} {word:?}"));
        if let Some(locks) = &*self.locks.lock().unwrap() {
            drop(locks.try_acquire("elsewhere", "me", LOCK).unwrap().unwrap());
        }
        assert!(!self.panics, "as planned");
    }
}

#[test]
fn ears_hear_in_order_may_ask_from_within_and_may_panic() {
    let memory = Arc::new(MemoryLocks::new(Clock::manual().0));
    let locks = Locks::default();
    let ears = [false, true, false]
        .map(|panics| Arc::new(Asks { locks: Mutex::new(Some(locks.clone())), heard: Mutex::default(), panics }));
    let db = [Claim::exclusive("db")];
    let ask = |nth: u64| {
        let once = Arc::from(format!("t{nth}"));
        let ask = Ask { asker: Asker::Once(&once), scope: 0, claims: &db, rank: 0, wait: None };
        memory.ask(&ask, &mut || (ears[nth as usize - 1].clone(), nth))
    };
    let once = Arc::from("first");
    let first = Ask { asker: Asker::Once(&once), scope: 0, claims: &db, rank: 0, wait: None };
    let Asked::Granted(first) = memory.ask(&first, &mut || unreachable!()) else { panic!() };
    let tickets = [1, 2, 3].map(|nth| match ask(nth) {
        Asked::Waits(waits) => waits.ticket,
        other => panic!("{other:?}"),
    });
    assert!(memory.release(first.ticket));
    // The second one panics while it is told; the third is told all the same.
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| memory.release(tickets[0]))).is_err());
    assert!(memory.release(tickets[1]));
    assert!(memory.release(tickets[2]));
    let heard: Vec<String> = ears.iter().flat_map(|ear| ear.heard.lock().unwrap().clone()).collect();
    assert_eq!(heard, ["1 Granted { fence: 2 }", "2 Granted { fence: 3 }", "3 Granted { fence: 4 }"]);
}
