//! One computation per key, under the orders in which threads may run. See [`crate::sync`].

use super::*;
use crate::sync::{
    models::{explore, explore_all},
    thread,
};

type Numbers = Flights<u8, u32>;

fn leader(flights: &Numbers) -> Leader<u8, u32> {
    match flights.join(0) {
        Join::Leader(leader) => leader,
        Join::Follower(_) => panic!("somebody leads"),
    }
}

fn follower(flights: &Numbers) -> Follower<u8, u32> {
    match flights.join(0) {
        Join::Leader(_) => panic!("nobody leads"),
        Join::Follower(follower) => follower,
    }
}

/// Waits, and computes if it has to. Not by parking the thread: it may wake for no reason, endlessly many times.
fn stay(follower: Follower<u8, u32>) {
    match shuttle::future::block_on(follower) {
        Landing::Value(value) => assert_eq!(value, 1),
        Landing::Lead(leader) => leader.land(1),
    }
}

/// What a cache and its callers share.
#[derive(Default)]
struct World {
    flights: Numbers,
    stored: Mutex<Option<u32>>,
    computed: Mutex<u32>,
}

impl World {
    /// The computation: the first so many fail, the next one answers.
    fn compute(&self, failures: u32) -> Result<u32, ()> {
        let nth = {
            let mut computed = lock(&self.computed);
            *computed += 1;
            *computed
        };
        thread::yield_now();
        if nth <= failures {
            return Err(());
        }
        let before = lock(&self.stored).replace(nth);
        assert_eq!(before, None, "computed although there was a value");
        Ok(nth)
    }

    fn call(&self, failures: u32) -> Result<u32, ()> {
        let got = self.flights.get_blocking(0, || *lock(&self.stored), || self.compute(failures));
        got.map(Got::into_value)
    }
}

fn callers(count: u32, failures: u32) {
    let world = Arc::new(World::default());
    let callers: Vec<_> = (0..count)
        .map(|_| {
            let world = world.clone();
            thread::spawn(move || world.call(failures))
        })
        .collect();
    let got: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    assert_eq!(got.iter().filter(|got| got.is_err()).count(), failures as usize);
    assert!(got.iter().flatten().all(|&value| value == failures + 1), "{got:?}");
    assert_eq!(*lock(&world.computed), failures + 1);
    assert!(world.flights.is_empty());
}

#[test]
fn callers_share_one_computation() {
    explore(|| callers(6, 0));
}

#[test]
fn after_each_failure_one_other_goes_on() {
    explore(|| callers(5, 3));
}

/// Every order, of the smallest cases: the leader fails or lands while the only other one looks and goes, or waits, or comes.
#[test]
fn a_leader_and_another_in_every_order() {
    let ends: [fn(Leader<u8, u32>); 2] = [drop, |leader| leader.land(1)];
    // What each does at once, and what it then does in its own thread.
    type Later = Box<dyn FnOnce() + Send>;
    let others: [fn(Numbers) -> Later; 3] = [
        |flights| {
            let mut goes = follower(&flights);
            Box::new(move || drop(Pin::new(&mut goes).poll(&mut Context::from_waker(Waker::noop()))))
        },
        |flights| {
            let stays = follower(&flights);
            Box::new(move || stay(stays))
        },
        |flights| {
            Box::new(move || match flights.join(0) {
                Join::Leader(leader) => leader.land(1),
                Join::Follower(follower) => stay(follower),
            })
        },
    ];
    for (end, other) in ends.into_iter().flat_map(|end| others.map(|other| (end, other))) {
        explore_all(move || {
            let flights = Numbers::default();
            let first = leader(&flights);
            let other = thread::spawn(other(flights.clone()));
            end(first);
            other.join().unwrap();
            assert!(flights.is_empty());
        });
    }
}

/// One waits in a thread; the other looks once and goes, at any time, also after the lead was handed to it.
fn leave(last: fn(Leader<u8, u32>)) {
    let flights = Numbers::default();
    let first = leader(&flights);
    let (mut goes, stays) = (follower(&flights), follower(&flights));
    let going = thread::spawn(move || {
        let mut task = Context::from_waker(Waker::noop());
        drop(Pin::new(&mut goes).poll(&mut task));
    });
    let staying = thread::spawn(move || match stays.wait() {
        Landing::Value(value) => assert_eq!(value, 1),
        Landing::Lead(leader) => leader.land(2),
    });
    last(first);
    going.join().unwrap();
    staying.join().unwrap();
    assert!(flights.is_empty());
}

#[test]
fn one_who_goes_does_not_take_the_lead_along() {
    explore(|| leave(drop));
}

#[test]
fn one_who_goes_while_the_value_lands_costs_nothing() {
    explore(|| leave(|leader| leader.land(1)));
}

#[test]
fn a_panic_of_the_leader_leaves_nobody_behind() {
    explore(|| {
        let world = Arc::new(World::default());
        let first = leader(&world.flights);
        let waiting = [(); 2].map(|()| {
            let world = world.clone();
            thread::spawn(move || world.call(0))
        });
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _first = first;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panic.is_err());
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), Ok(1));
        }
        assert!(world.flights.is_empty());
    });
}

/// Tasks of one runtime, some of which are cancelled, beside a thread that waits.
#[test]
fn cancelled_tasks_lose_nothing() {
    explore(|| {
        let world = Arc::new(World::default());
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let world = world.clone();
                shuttle::future::spawn(async move {
                    let compute = || async {
                        shuttle::future::yield_now().await;
                        world.compute(0)
                    };
                    world.flights.get(0, || *lock(&world.stored), compute).await
                })
            })
            .collect();
        let waiting = {
            let world = world.clone();
            thread::spawn(move || world.call(0))
        };
        thread::yield_now();
        let mut tasks = tasks.into_iter();
        if let Some(gone) = tasks.next() {
            gone.abort();
            drop(shuttle::future::block_on(gone));
        }
        assert!(waiting.join().unwrap().is_ok());
        for task in tasks {
            assert!(shuttle::future::block_on(task).unwrap().is_ok());
        }
        assert!(lock(&world.stored).is_some());
        assert!(world.flights.is_empty());
    });
}

/// Keys come and go in one table.
#[test]
fn flights_of_several_keys_come_and_go() {
    explore(|| {
        let flights = Numbers::default();
        let threads: Vec<_> = (0..4u8)
            .map(|nth| {
                let flights = flights.clone();
                thread::spawn(move || {
                    for key in [nth % 2, 2] {
                        let got = flights.get_blocking(key, || None, || Ok::<_, ()>(u32::from(key)));
                        assert_eq!(got.unwrap().into_value(), u32::from(key));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(flights.is_empty());
    });
}
