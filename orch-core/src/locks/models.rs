//! Locks under the orders in which threads may run. See [`crate::sync`].

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use shuttle::future::block_on;

use super::*;
use crate::{
    Claim, ClaimMode, Clock, Resource,
    sync::{Mutex, lock, models::explore, thread},
};

/// Waits as long as it takes: no clock, no runtime.
fn how(mode: ClaimMode, priority: i32) -> Acquire {
    Acquire { mode: Some(mode), priority, wait: None, ..Acquire::default() }
}

fn locks(capacity: u32) -> Locks {
    let locks = Locks::new(MemoryLocks::new(Clock::manual().0));
    locks.register(&Resource::new("r").capacity(capacity)).unwrap();
    locks
}

/// Who is inside: sharing, and alone.
#[derive(Default)]
struct Inside(Mutex<(u32, u32)>);

impl Inside {
    fn enter(&self, mode: ClaimMode, capacity: u32) {
        let mut inside = lock(&self.0);
        match mode {
            ClaimMode::Exclusive => inside.1 += 1,
            _ => inside.0 += 1,
        }
        assert!(inside.0 <= capacity && (inside.1 == 0 || *inside == (0, 1)), "over capacity: {inside:?}");
        drop(inside);
        thread::yield_now();
    }

    fn leave(&self, mode: ClaimMode) {
        let mut inside = lock(&self.0);
        match mode {
            ClaimMode::Exclusive => inside.1 -= 1,
            _ => inside.0 -= 1,
        }
    }
}

fn callers(capacity: u32, modes: &'static [ClaimMode]) {
    let (locks, inside) = (locks(capacity), Arc::new(Inside::default()));
    let callers: Vec<_> = (0..)
        .zip(modes)
        .map(|(nth, &mode)| {
            let (locks, inside) = (locks.clone(), inside.clone());
            thread::spawn(move || {
                let guard = block_on(locks.acquire("r", nth.to_string(), how(mode, nth % 2))).unwrap();
                inside.enter(mode, capacity);
                inside.leave(mode);
                guard.fence()
            })
        })
        .collect();
    let mut fences: Vec<u64> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    fences.sort_unstable();
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "every grant has its own fence");
    let stats = locks.stats("r").unwrap();
    assert_eq!((stats.used, stats.waiting, stats.granted), (0, 0, modes.len() as u64));
}

#[test]
fn never_over_capacity_and_everybody_gets_in() {
    explore(|| callers(2, &[ClaimMode::Shared; 5]));
}

#[test]
fn readers_and_writers_get_in() {
    use ClaimMode::{Exclusive, Shared};
    explore(|| callers(3, &[Shared, Exclusive, Shared, Exclusive, Shared]));
}

#[test]
fn one_lets_go_while_another_comes() {
    explore(|| {
        let locks = locks(1);
        let held = locks.try_acquire("r", "held", how(ClaimMode::Shared, 0)).unwrap().unwrap();
        let comes = {
            let locks = locks.clone();
            thread::spawn(move || block_on(locks.acquire("r", "comes", how(ClaimMode::Shared, 0))).unwrap().keep())
        };
        drop(held);
        let id = comes.join().unwrap();
        assert!(locks.release(id, "comes").unwrap());
    });
}

/// One waits in a thread; the other looks once and goes, at any time, also after it was granted what it does not take.
fn one_goes(priority: i32) {
    let locks = locks(1);
    let held = block_on(locks.acquire("r", "held", how(ClaimMode::Shared, 0))).unwrap();
    let going = {
        let locks = locks.clone();
        thread::spawn(move || {
            let mut waits = pin!(locks.acquire("r", "goes", how(ClaimMode::Shared, priority)));
            if let Poll::Ready(guard) = waits.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                drop(guard.unwrap());
            }
            thread::yield_now();
        })
    };
    let staying = {
        let locks = locks.clone();
        thread::spawn(move || drop(block_on(locks.acquire("r", "stays", how(ClaimMode::Shared, 0))).unwrap()))
    };
    drop(held);
    going.join().unwrap();
    staying.join().unwrap();
    assert_eq!(locks.stats("r").unwrap().waiting, 0);
    assert_eq!(locks.stats("r").unwrap().used, 0);
}

#[test]
fn one_that_goes_does_not_take_the_wake_up_along() {
    explore(|| one_goes(1));
}

#[test]
fn one_that_goes_from_behind_costs_nothing() {
    explore(|| one_goes(-1));
}

#[test]
fn requests_for_several_all_end() {
    explore(|| {
        let locks = Locks::new(MemoryLocks::new(Clock::manual().0));
        let wants = [["a", "b"], ["b", "c"], ["c", "a"], ["a", "c"]];
        let callers = wants.map(|names| {
            let locks = locks.clone();
            thread::spawn(move || {
                let claims = names.map(Claim::exclusive);
                for _ in 0..2 {
                    drop(block_on(locks.acquire_all(&claims, names.concat(), None)).unwrap());
                }
            })
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_eq!(locks.stats("a").unwrap().granted, 6);
    });
}

/// Two that ask one by one, in opposite order: whatever happens, both end, and at most one is refused.
#[test]
fn a_deadlock_always_ends() {
    explore(|| {
        let locks = Locks::new(MemoryLocks::new(Clock::manual().0));
        let callers = [["a", "b"], ["b", "a"]].map(|[first, second]| {
            let locks = locks.clone();
            thread::spawn(move || {
                let held = block_on(locks.acquire(first, first, how(ClaimMode::Exclusive, 0))).unwrap();
                let more = block_on(locks.acquire(second, first, how(ClaimMode::Exclusive, 0)));
                drop(held);
                more.is_err()
            })
        });
        let refused = callers.map(|caller| caller.join().unwrap());
        assert!(refused.iter().filter(|refused| **refused).count() <= 1, "{refused:?}");
    });
}

#[test]
fn an_upgrade_and_its_readers_all_end() {
    explore(|| {
        let locks = locks(9);
        let upgrades = {
            let locks = locks.clone();
            thread::spawn(move || {
                let mut guard = block_on(locks.acquire("r", "u", how(ClaimMode::Upgradable, 0))).unwrap();
                block_on(guard.upgrade("r", None)).unwrap();
                assert_eq!(locks.stats("r").unwrap().holders.len(), 1);
            })
        };
        let readers = [0, 1].map(|nth| {
            let locks = locks.clone();
            thread::spawn(move || {
                drop(block_on(locks.acquire("r", nth.to_string(), how(ClaimMode::Shared, 0))).unwrap());
            })
        });
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        upgrades.join().unwrap();
        assert_eq!(locks.stats("r").unwrap().used, 0);
    });
}
