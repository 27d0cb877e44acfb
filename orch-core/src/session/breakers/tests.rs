//! What runs hear that share breakers, on a manual clock.

use std::sync::{
    RwLock,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::mpsc;

use super::*;
use crate::{
    clock::Hand,
    definition::{Graph, Task},
    event::{FailureKind, Output},
    executor::News,
    id::RunId,
    plan::{Plan, PlanOptions},
    run::Rules,
};

/// A run of tasks that all name the breaker `api`.
struct Run {
    machine: Machine,
    breakers: RunBreakers,
    rung: Arc<AtomicUsize>,
    heard: usize,
    said: Vec<Message>,
}

impl Run {
    fn new(breakers: &Breakers, options: BreakerOptions) -> Self {
        let tasks = ["a", "b", "c"].map(|name| Task::new(name).breaker("api"));
        let graph = Graph::builder("g").breaker("api", options).tasks(tasks).task(Task::new("plain")).build().unwrap();
        let rung = Arc::new(AtomicUsize::new(0));
        let bell = rung.clone();
        let news = News::new(Arc::new(move || {
            bell.fetch_add(1, SeqCst);
        }));
        let (notes, _) = mpsc::channel(1);
        let id = RunId::from_parts(0, 0);
        let shared = RunShared { id, rounds: Default::default(), graph: RwLock::new(graph.clone()), notes, news };
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let machine = Machine::new(&plan, id, Rules::default()).unwrap();
        Self { machine, breakers: RunBreakers::new(breakers, &Arc::new(shared)), rung, heard: 0, said: Vec::new() }
    }

    fn look(&mut self, task: u32) -> Permit {
        self.breakers.look(TaskIx(task), &self.machine, &mut self.said)
    }

    fn ask(&mut self, task: u32) -> Permit {
        self.breakers.ask(TaskIx(task), &self.machine, &mut self.said)
    }

    fn end(&mut self, task: u32, kind: Option<FailureKind>) {
        let result = match kind {
            None => Ok(Output::NOTHING),
            Some(kind) => Err(Box::new(Failure { kind, message: "503".to_owned() })),
        };
        let kind = EventKind::TaskFinished { task: TaskIx(task), attempt: 1, result, usage: None };
        self.breakers.hear(&Event { seq: 0, at: Duration::ZERO, kind }, &mut self.said);
    }

    /// Who may begin of those who wait, as a session does it.
    fn admitted(&mut self) -> Vec<u32> {
        if mem::replace(&mut self.heard, self.rung.load(SeqCst)) != self.heard {
            self.breakers.stir();
        }
        let again = self.breakers.turn(&self.machine, &mut self.said);
        again.into_iter().map(|task| task.0).filter(|&task| self.ask(task) == Permit::Begin).collect()
    }

    /// What was told of breakers since the last look.
    fn told(&mut self) -> Vec<BreakerState> {
        let state = |message| match message {
            Message::Breaker { state, .. } => state,
            other => panic!("{other:?}"),
        };
        self.said.drain(..).map(state).collect()
    }
}

fn options(when_open: WhenOpen) -> BreakerOptions {
    BreakerOptions { failure_threshold: 1, success_threshold: 1, when_open, ..BreakerOptions::default() }
}

fn breakers() -> (Breakers, Hand) {
    let (clock, hand) = Clock::manual();
    (Breakers::new(clock), hand)
}

const FAILED: Option<FailureKind> = Some(FailureKind::Error);

#[test]
fn who_waits_is_admitted_one_by_one_when_it_is_half_open() {
    let (breakers, hand) = breakers();
    let mut run = Run::new(&breakers, options(WhenOpen::Wait));
    assert_eq!((run.look(3), run.ask(3), breakers.list()), (Permit::Begin, Permit::Begin, vec![]), "none is asked");
    assert_eq!(run.ask(0), Permit::Begin);
    run.end(0, FAILED);
    assert_eq!(run.told(), [BreakerState::Open]);
    assert_eq!([run.look(1), run.ask(2)], [Permit::Wait, Permit::Wait]);
    assert_eq!((run.breakers.wake_in(), run.admitted()), (Some(Duration::from_secs(60)), vec![]));
    hand.advance(Duration::from_secs(60));
    assert_eq!((run.look(0), run.told()), (Permit::Begin, vec![]), "who only looks is no probe");
    assert_eq!((run.admitted(), run.told()), (vec![1], vec![BreakerState::HalfOpen]), "one probe, the most critical");
    assert_eq!(run.look(0), Permit::Wait);
    run.breakers.give_back(TaskIx(0), &mut Vec::new());
    assert_eq!(run.breakers.wake_in(), Some(Duration::from_secs(60)), "unless the probe is lost");
    run.end(1, None);
    assert_eq!((run.admitted(), run.told()), (vec![2], vec![BreakerState::Closed]));
    assert_eq!(run.breakers.wake_in(), None);
}

#[test]
fn who_is_not_to_wait_is_refused_with_the_reason_and_the_time() {
    let (breakers, hand) = breakers();
    let mut run = Run::new(&breakers, options(WhenOpen::Fail));
    run.ask(0);
    run.end(0, FAILED);
    hand.advance(Duration::from_secs(20));
    let Permit::Refused(failure, wait) = run.ask(1) else { panic!("it does not wait") };
    assert_eq!((failure.kind, wait), (FailureKind::CircuitOpen, Duration::from_secs(40)));
    insta::assert_snapshot!(
        failure,
        @"circuit breaker `api` is open, since an attempt failed (503); it lets a probe through in 40.0 s"
    );
    run.end(1, Some(FailureKind::CircuitOpen));
    hand.advance(Duration::from_secs(40));
    assert_eq!(run.ask(2), Permit::Begin, "a refusal is no failure of what is called");
}

#[test]
fn runs_share_a_breaker_and_wake_each_other() {
    let (breakers, hand) = breakers();
    let (mut one, mut two) =
        (Run::new(&breakers, options(WhenOpen::Wait)), Run::new(&breakers, options(WhenOpen::Wait)));
    one.ask(0);
    one.end(0, FAILED);
    assert_eq!((two.ask(0), two.told()), (Permit::Wait, vec![BreakerState::Open]), "opened by the other");
    hand.advance(Duration::from_secs(60));
    assert_eq!(one.ask(1), Permit::Begin);
    assert_eq!(two.admitted(), [0; 0], "the other has the only probe");
    assert_eq!(two.told(), [BreakerState::HalfOpen]);
    assert_eq!((one.rung.load(SeqCst), two.rung.load(SeqCst)), (0, 0));
    one.end(1, None);
    assert_eq!((one.rung.load(SeqCst), two.rung.load(SeqCst)), (0, 1), "who waits is woken, who knows is not");
    assert_eq!((two.admitted(), two.told()), (vec![0], vec![BreakerState::Closed]));
}

#[test]
fn a_probe_frees_its_place_when_it_is_cancelled_skipped_or_dropped() {
    type End = fn(Run);
    let cancelled: End = |mut run| {
        run.end(1, Some(FailureKind::Cancelled));
        mem::forget(run);
    };
    let given_back: End = |mut run| {
        run.breakers.give_back(TaskIx(1), &mut Vec::new());
        mem::forget(run);
    };
    for end in [cancelled, given_back, drop] {
        let (breakers, hand) = breakers();
        let mut run = Run::new(&breakers, options(WhenOpen::Wait));
        run.ask(0);
        run.end(0, FAILED);
        hand.advance(Duration::from_secs(60));
        assert_eq!(run.ask(1), Permit::Begin);
        let mut other = Run::new(&breakers, options(WhenOpen::Wait));
        assert_eq!(other.ask(0), Permit::Wait);
        end(run);
        assert_eq!((other.rung.load(SeqCst), other.admitted()), (1, vec![0]));
        assert_eq!(breakers.find("api").unwrap().state, BreakerState::HalfOpen, "it said nothing");
    }
}

#[test]
fn a_reset_lets_through_who_waits() {
    let (breakers, _) = breakers();
    let mut run = Run::new(&breakers, options(WhenOpen::Wait));
    run.ask(0);
    run.end(0, FAILED);
    assert_eq!(run.ask(1), Permit::Wait);
    assert!(breakers.reset("api") && !breakers.reset("crm"));
    assert_eq!((run.rung.load(SeqCst), run.admitted()), (1, vec![1]));
    assert_eq!(run.told(), [BreakerState::Open, BreakerState::Closed]);
}

#[test]
fn runs_that_are_over_are_forgotten() {
    let (breakers, _) = breakers();
    for _ in 0..10 {
        Run::new(&breakers, options(WhenOpen::Wait)).ask(0);
    }
    breakers.set("api", BreakerOptions::default());
    assert_eq!(lock(&breakers.0.state).runs.len(), 0);
}
