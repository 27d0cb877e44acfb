//! The real driver, under the orders in which threads may run: wake-ups, cancellation and the end of spawned bodies. See
//! [`crate::sync`].

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::{
    driver::{Driver, Seams},
    inbox::{Inbox, Mail, NONE, PlaceWaker},
    options::{Inline, RunOptions},
    place::work,
};
use crate::{
    clock::Clock,
    definition::{Graph, Task},
    event::{Outcome, RunState},
    executor::{Body, Executor, Inputs, TaskContext},
    id::TaskIx,
    locks::Locks,
    plan::{Plan, PlanOptions},
    report::Report,
    run::Message,
    session::Breakers,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        block_on, lock,
        models::explore,
        thread,
    },
};

/// Opens once. The one who waits at it is woken then.
#[derive(Default)]
struct Gate(Mutex<(bool, Option<Waker>)>);

impl Gate {
    fn open(&self) {
        let mut gate = lock(&self.0);
        gate.0 = true;
        let waker = gate.1.take();
        drop(gate);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn pass(&self) {
        poll_fn(|task| {
            let mut gate = lock(&self.0);
            if gate.0 {
                return Poll::Ready(());
            }
            gate.1 = Some(task.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// An executor that lets its bodies end by themselves.
struct Patient<F>(F);

impl<F: Executor> Executor for Patient<F> {
    fn run(&self, context: TaskContext) -> Body {
        self.0.run(context)
    }

    fn grace(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

fn graph(tasks: impl IntoIterator<Item = Task>) -> Graph {
    Graph::builder("model").tasks(tasks).build().unwrap()
}

fn driver(graph: &Graph, max_parallel: u32, executor: impl Executor) -> Driver {
    let plan = Plan::new(graph, &PlanOptions::default()).unwrap();
    let seams = Arc::new(Seams {
        executor: Box::new(executor),
        sinks: Vec::new(),
        cache: None,
        breakers: Breakers::default(),
        locks: Locks::default(),
        prices: None,
        budget: None,
        store: None,
    });
    let options = RunOptions { max_parallel, inline: Inline::Always, ..RunOptions::default() };
    Driver::new(seams, &plan, options, None).unwrap()
}

fn succeeds(report: &Report) {
    assert_eq!(report.state(), RunState::Succeeded);
}

/// The driver's sleeps need a runtime to be made in. They never end here: only wake-ups go on.
fn explore_with_timers(model: fn()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    explore(model);
}

#[test]
fn no_wake_up_is_lost() {
    explore(|| {
        let gates: Arc<[[Gate; 2]; 2]> = Arc::default();
        let openers: Vec<_> = (0..2)
            .map(|task: usize| {
                let gates = gates.clone();
                thread::spawn(move || gates[task].iter().for_each(Gate::open))
            })
            .collect();
        let body = move |context: TaskContext| {
            let gates = gates.clone();
            async move {
                for gate in &gates[context.ix().index()] {
                    gate.pass().await;
                }
            }
        };
        let driver = driver(&graph([Task::new("a"), Task::new("b")]), 2, body);
        succeeds(&block_on(driver.drive()).unwrap());
        openers.into_iter().for_each(|opener| opener.join().unwrap());
    });
}

/// The first body leaves its waker behind; it is woken while the second one waits in the same place.
#[test]
fn a_late_wake_up_of_an_earlier_body_does_no_harm() {
    explore(|| {
        let (first, second, left): (Arc<Gate>, Arc<Gate>, Arc<Mutex<Vec<Waker>>>) = Default::default();
        let late = {
            let (first, second, left) = (first.clone(), second.clone(), left.clone());
            thread::spawn(move || {
                first.open();
                let left = std::mem::take(&mut *lock(&left));
                left.iter().for_each(Waker::wake_by_ref);
                second.open();
                left.into_iter().for_each(Waker::wake);
            })
        };
        let body = move |context: TaskContext| {
            let (first, second, left) = (first.clone(), second.clone(), left.clone());
            async move {
                poll_fn(|task| {
                    lock(&left).push(task.waker().clone());
                    Poll::Ready(())
                })
                .await;
                let gate = if context.ix().index() == 0 { first } else { second };
                gate.pass().await;
                serde_json::Value::from(context.ix().index())
            }
        };
        let graph = graph([Task::new("first"), Task::new("second").after("first"), Task::new("third").after("second")]);
        let report = block_on(driver(&graph, 1, body).drive()).unwrap();
        succeeds(&report);
        let made: Vec<_> = report.tasks().map(|task| task.output().json().cloned()).collect();
        assert_eq!(made, [0, 1, 2].map(|nth| Some(nth.into())));
        late.join().unwrap();
    });
}

/// The run is cancelled from outside while a body and a thread of its own wait for just that.
#[test]
fn a_cancellation_reaches_all_who_wait_for_it() {
    explore_with_timers(|| {
        let helpers: Arc<Mutex<Vec<thread::JoinHandle<()>>>> = Arc::default();
        let body = {
            let helpers = helpers.clone();
            move |context: TaskContext| {
                let helpers = helpers.clone();
                async move {
                    let other = context.clone();
                    lock(&helpers).push(thread::spawn(move || block_on(other.cancelled())));
                    context.cancelled().await;
                }
            }
        };
        let driver = driver(&graph([Task::new("a"), Task::new("b")]), 2, Patient(body));
        let inbox = driver.inbox();
        let cancels =
            thread::spawn(move || inbox.put(|mail| mail.asked.push(Message::Cancel { reason: "enough".into() })));
        let report = block_on(driver.drive()).unwrap();
        assert_eq!(report.state(), RunState::Cancelled);
        cancels.join().unwrap();
        let helpers = std::mem::take(&mut *lock(&helpers));
        helpers.into_iter().for_each(|helper| helper.join().unwrap());
    });
}

/// When an attempt is over, nobody waits for its cancellation any more, although its place is used again.
#[test]
fn the_end_of_an_attempt_frees_who_waits_for_its_cancellation() {
    explore(|| {
        let graph = graph([Task::new("a")]);
        let (context, controls) = TaskContext::detached(&graph, TaskIx::from(0), Inputs::default());
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let context = context.clone();
                thread::spawn(move || block_on(context.cancelled()))
            })
            .collect();
        controls.cancel();
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
        assert!(context.is_cancelled());
    });
}

/// A spawned body tells the inbox once that it is over: when it worked, and when it is dropped at any time.
#[test]
fn the_end_of_a_spawned_body_reaches_the_driver() {
    explore(|| {
        let inbox = Arc::new(Inbox::default());
        let gates: Arc<[Gate; 2]> = Arc::default();
        let bodies: Vec<_> = (0..2)
            .map(|place: u32| {
                let (inbox, gates) = (inbox.clone(), gates.clone());
                thread::spawn(move || {
                    let body: Body = Box::pin(async move {
                        gates[place as usize].pass().await;
                        Outcome::done(())
                    });
                    let mut end = Box::pin(work(place, body, inbox, Clock::system()));
                    // The second one is polled once and dropped, as an aborted one is.
                    let first = end.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    if place == 0 && first.is_pending() {
                        block_on(end);
                    }
                })
            })
            .collect();
        let opener = thread::spawn(move || gates.iter().for_each(Gate::open));
        let (mut mail, mut done) = (Mail::default(), Vec::new());
        while done.len() < 2 {
            block_on(poll_fn(|task| inbox.poll(task)));
            assert!(inbox.take(&mut mail, |_| NONE), "it said that there is something");
            done.append(&mut mail.done);
        }
        done.sort_by_key(|done| done.place);
        assert_eq!(done.iter().map(|done| done.place).collect::<Vec<_>>(), [0, 1]);
        assert!(matches!(&done[0].outcome, Some(Outcome { result: Ok(_), .. })));
        bodies.into_iter().for_each(|body| body.join().unwrap());
        opener.join().unwrap();
        assert!(!inbox.take(&mut mail, |_| NONE));
    });
}

/// Word from several threads at once: nothing is lost, and the driver is woken for all of it.
#[test]
fn the_inbox_keeps_all_word() {
    struct Bell(thread::Thread);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    explore(|| {
        let inbox = Arc::new(Inbox::default());
        let places: Arc<[PlaceWaker; 2]> = Arc::new([0, 1].map(|place| PlaceWaker::new(place, inbox.clone())));
        // How often something happened that the body in a place waits for.
        let happened: Arc<[AtomicU32; 2]> = Arc::default();
        let writers: Vec<_> = (0..2)
            .map(|first: usize| {
                let (inbox, places, happened) = (inbox.clone(), places.clone(), happened.clone());
                thread::spawn(move || {
                    inbox.put(|mail| mail.asked.push(Message::Cancel { reason: "enough".into() }));
                    for place in [first, 1 - first] {
                        happened[place].fetch_add(1, Ordering::SeqCst);
                        places[place].wake_up();
                    }
                })
            })
            .collect();
        let waker = Waker::from(Arc::new(Bell(thread::current())));
        let (mut mail, mut seen, mut asked) = (Mail::default(), [0; 2], 0);
        while seen != [2; 2] || asked < 2 {
            if inbox.take(&mut mail, |place| places[place as usize].before()) {
                for place in mail.woken.drain(..) {
                    places[place as usize].heard();
                    seen[place as usize] = happened[place as usize].load(Ordering::SeqCst);
                }
                asked += mail.asked.drain(..).count();
            } else if inbox.poll(&mut Context::from_waker(&waker)).is_pending() {
                thread::park();
                inbox.awake();
            }
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}
