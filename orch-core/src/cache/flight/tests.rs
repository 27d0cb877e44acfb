//! One computation per key: the rules one by one, against a model, and by many callers at once.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use proptest::prelude::*;

use super::*;

type Numbers = Flights<&'static str, u32>;

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn leader<V: Clone>(flights: &Flights<&'static str, V>) -> Leader<&'static str, V> {
    match flights.join("k") {
        Join::Leader(leader) => leader,
        Join::Follower(_) => panic!("somebody leads"),
    }
}

fn follower<V: Clone>(flights: &Flights<&'static str, V>) -> Follower<&'static str, V> {
    match flights.join("k") {
        Join::Leader(_) => panic!("nobody leads"),
        Join::Follower(follower) => follower,
    }
}

fn poll<V: Clone>(follower: &mut Follower<&'static str, V>, bell: &Arc<Bell>) -> Poll<Landing<&'static str, V>> {
    Pin::new(follower).poll(&mut Context::from_waker(&Waker::from(bell.clone())))
}

#[test]
fn a_landing_reaches_all_who_wait_and_is_forgotten() {
    let flights = Flights::<&'static str, Arc<u32>>::default();
    let first = leader(&flights);
    let mut others: Vec<_> = (0..3).map(|_| (follower(&flights), Arc::new(Bell::default()))).collect();
    for (other, bell) in others.iter_mut().skip(1) {
        assert!(poll(other, bell).is_pending());
    }
    assert_eq!((flights.len(), first.followers(), *first.key()), (1, 3, "k"));
    let value = Arc::new(7);
    first.land(value.clone());
    assert_eq!(flights.len(), 0);
    for (at, (other, bell)) in others.iter_mut().enumerate() {
        assert_eq!(bell.rung(), usize::from(at > 0));
        assert!(matches!(poll(other, bell), Poll::Ready(Landing::Value(seven)) if *seven == 7));
    }
    drop(others);
    assert_eq!(Arc::strong_count(&value), 1, "nobody keeps it");
}

#[test]
fn only_the_one_who_waited_longest_takes_over() {
    let flights = Numbers::default();
    let first = leader(&flights);
    let mut others: Vec<_> = (0..3).map(|_| (follower(&flights), Arc::new(Bell::default()))).collect();
    for (other, bell) in &mut others {
        assert!(poll(other, bell).is_pending());
    }
    drop(first);
    assert_eq!(others.iter().map(|(_, bell)| bell.rung()).collect::<Vec<_>>(), [1, 0, 0]);
    assert!(matches!(flights.join("k"), Join::Follower(_)), "the lead is taken, although nobody noticed yet");
    let (second, bell) = &mut others[0];
    let Poll::Ready(Landing::Lead(second)) = poll(second, bell) else { panic!("it leads") };
    let (third, bell) = &mut others[1];
    assert!(poll(third, bell).is_pending());
    second.land(1);
    assert!(others.iter().skip(1).all(|(_, bell)| bell.rung() == 1));
}

#[test]
fn a_follower_that_goes_away_passes_the_lead_on() {
    let flights = Numbers::default();
    let first = leader(&flights);
    let bells = [(); 3].map(|()| Arc::new(Bell::default()));
    let [mut a, mut b, mut c] = [(); 3].map(|()| follower(&flights));
    for (other, bell) in [&mut a, &mut b, &mut c].into_iter().zip(&bells) {
        assert!(poll(other, bell).is_pending());
    }
    drop(b);
    drop(first);
    drop(a);
    assert_eq!(bells.each_ref().map(|bell| bell.rung()), [1, 0, 1]);
    let Poll::Ready(Landing::Lead(last)) = poll(&mut c, &bells[2]) else { panic!("it leads") };
    assert_eq!(flights.len(), 1);
    drop(last);
    assert!(flights.is_empty());
    drop(leader(&flights));
}

#[test]
fn a_new_waker_takes_the_place_of_the_old() {
    let flights = Numbers::default();
    let first = leader(&flights);
    let mut other = follower(&flights);
    let (old, new) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    assert!(poll(&mut other, &old).is_pending());
    assert!(poll(&mut other, &new).is_pending());
    assert_eq!(Arc::strong_count(&old), 1);
    first.land(1);
    assert_eq!((old.rung(), new.rung()), (0, 1));
}

#[test]
fn keys_do_not_know_each_other() {
    let flights = Numbers::default();
    let first = leader(&flights);
    assert!(flights.try_lead("k").is_none());
    let other = flights.try_lead("other").unwrap();
    assert_eq!(flights.len(), 2);
    first.land(1);
    assert!(flights.try_lead("other").is_none());
    drop(other);
    assert!(flights.is_empty());
}

#[test]
fn a_panic_hands_over() {
    let flights = Numbers::default();
    let first = leader(&flights);
    let second = follower(&flights);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _first = first;
        panic!("out of luck");
    }));
    assert!(panic.is_err());
    assert!(matches!(second.wait(), Landing::Lead(_)));
    assert!(flights.is_empty());
}

#[test]
fn a_burst_of_keys_leaves_no_memory() {
    let flights = Flights::<usize, u32>::default();
    let leaders: Vec<_> = (0..10 * KEPT).map(|key| flights.try_lead(key).unwrap()).collect();
    assert_eq!(flights.len(), 10 * KEPT);
    drop(leaders);
    assert!(lock(&flights.0.flights).capacity() <= KEPT);
}

/// A waker may own the task that owns another follower of the same flight.
#[test]
fn dropping_a_waker_may_drop_another_follower() {
    struct Owner(#[expect(dead_code, reason = "owned, to be dropped")] Follower<&'static str, u32>);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    let flights = Numbers::default();
    let first = leader(&flights);
    let mut other = follower(&flights);
    let bell = Arc::new(Bell::default());
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(Owner(follower(&flights))));
        assert!(Pin::new(&mut other).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(first.followers(), 2, "the first owner went with its waker");
    assert!(poll(&mut other, &bell).is_pending());
    assert_eq!(first.followers(), 1);
    let waker = Waker::from(Arc::new(Owner(follower(&flights))));
    assert!(Pin::new(&mut other).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(other);
    assert_eq!(first.followers(), 0);
}

#[tokio::test]
async fn what_landed_between_two_looks_is_found() {
    let flights = Numbers::default();
    let got = flights.get("k", || Some(1), || async { Err::<u32, _>("computed again") }).await;
    assert_eq!(got, Ok(Got::Found(1)));
    assert_eq!(flights.get_blocking("k", || None, || Err::<u32, _>("no luck")), Err("no luck"));
    assert_eq!(flights.get("k", || None, || async { Ok::<_, ()>(2) }).await.map(Got::into_value), Ok(2));
    assert!(flights.is_empty());
}

/// Callers arrive and go as they like; some computations fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_cause_one_computation() {
    for round in 0..30 {
        let (flights, computed) = (Numbers::default(), Arc::new(AtomicUsize::new(0)));
        let stored = Arc::new(OnceLock::new());
        let callers: Vec<_> = (0..1000usize)
            .map(|caller| {
                let (flights, computed, stored) = (flights.clone(), computed.clone(), stored.clone());
                tokio::spawn(async move {
                    let compute = || async {
                        tokio::task::yield_now().await;
                        // The first so many fail.
                        if computed.fetch_add(1, Ordering::SeqCst) < round {
                            return Err(caller);
                        }
                        stored.set(7).unwrap();
                        Ok(7)
                    };
                    flights.get("k", || stored.get().copied(), compute).await
                })
            })
            .collect();
        for gone in callers.iter().skip(round).step_by(97) {
            gone.abort();
        }
        for caller in callers {
            match caller.await {
                Ok(got) => assert!(got.is_err() || got.unwrap().into_value() == 7),
                Err(gone) => assert!(gone.is_cancelled()),
            }
        }
        assert!(flights.is_empty());
        assert_eq!(stored.get(), Some(&7));
    }
}

#[test]
fn threads_wait_for_one_computation() {
    for _ in 0..50 {
        let (flights, computed, stored) = (Numbers::default(), AtomicUsize::new(0), OnceLock::new());
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let compute = || {
                        if computed.fetch_add(1, Ordering::SeqCst) == 0 {
                            return Err("the first one fails");
                        }
                        stored.set(7).unwrap();
                        Ok(7)
                    };
                    let got = flights.get_blocking("k", || stored.get().copied(), compute);
                    assert!(got.is_err() || got.unwrap().into_value() == 7);
                });
            }
        });
        assert_eq!(computed.into_inner(), 2);
        assert!(flights.is_empty());
    }
}

/// What may happen to a flight, with a number that picks one of those who wait.
#[derive(Debug, Clone, Copy)]
enum Step {
    Join,
    Poll(usize),
    Fail,
    Land,
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Join),
        4 => (0usize..8).prop_map(Step::Poll),
        2 => Just(Step::Fail),
        1 => Just(Step::Land),
        2 => (0usize..8).prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// The model: a line of people. The one in front leads, unless they have not noticed.
    #[test]
    fn a_flight_is_a_line_of_people(steps in steps()) {
        let flights = Numbers::default();
        let mut leads: Option<Leader<_, _>> = None;
        let mut line: VecDeque<(Follower<_, _>, Arc<Bell>, bool)> = VecDeque::new();
        for (nth, step) in (0..).zip(steps) {
            // Whether the first in line leads without having noticed.
            let handed = leads.is_none() && !line.is_empty();
            match step {
                Step::Join => match flights.join("k") {
                    Join::Leader(leader) => {
                        prop_assert!(leads.is_none() && line.is_empty());
                        leads = Some(leader);
                    }
                    Join::Follower(follower) => {
                        prop_assert!(leads.is_some() || handed);
                        line.push_back((follower, Arc::default(), false));
                    }
                },
                Step::Poll(at) => {
                    let Some((follower, bell, polled)) = line.get_mut(at) else { continue };
                    *polled = true;
                    match poll(follower, bell) {
                        Poll::Ready(Landing::Lead(leader)) => {
                            prop_assert!(handed && at == 0);
                            leads = Some(leader);
                            line.pop_front();
                        }
                        Poll::Ready(Landing::Value(_)) => prop_assert!(false, "nothing has landed"),
                        Poll::Pending => prop_assert!(!(handed && at == 0)),
                    }
                }
                Step::Fail => drop(leads.take()),
                Step::Land => {
                    let Some(leader) = leads.take() else { continue };
                    leader.land(nth);
                    for (mut follower, bell, polled) in line.drain(..) {
                        prop_assert_eq!(bell.rung(), usize::from(polled), "woken once if it ever waited");
                        let landed = poll(&mut follower, &bell);
                        prop_assert!(matches!(landed, Poll::Ready(Landing::Value(value)) if value == nth));
                    }
                }
                Step::Leave(at) => drop(line.remove(at)),
            }
            let handed = leads.is_none() && !line.is_empty();
            prop_assert_eq!(flights.is_empty(), leads.is_none() && line.is_empty());
            for (at, (_, bell, polled)) in line.iter().enumerate() {
                let due = handed && at == 0 && *polled;
                prop_assert_eq!(bell.rung() > 0, due, "who waits is woken when it is their turn, and only then");
            }
        }
    }
}
