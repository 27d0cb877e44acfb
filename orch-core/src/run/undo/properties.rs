//! Whatever happens, a run ends and is undone as the words say.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::super::{Actions, Attempt, FailurePolicy, Machine, Message, Rules};
use crate::{
    Event, EventKind, FailureKind, Graph, Outcome, Plan, PlanOptions, Retry, RunId, RunState, SkipReason, Task, TaskIx,
    Undo, UndoScope,
    recovery::saga::{self, Cause, End, Ended},
    testing::graphs::tasks,
};

/// What a task and its undo do.
#[derive(Debug, Clone)]
struct Case {
    /// How many attempts fail before one works, and how many there may be.
    failures: u32,
    attempts: u32,
    allow_failure: bool,
    critical: bool,
    /// (itself, failed attempts before one works, attempts, priority)
    undo: Option<(bool, u32, u32, i32)>,
    cascade: bool,
    /// Stops when it is told to; else it works all the same.
    obeys: bool,
    /// Longer than a step, so that some attempts are late.
    timeout: Option<u64>,
}

/// What happens at a step beside the answers.
#[derive(Debug, Clone, Copy)]
struct Turn {
    which: u16,
    how_many: u8,
    cancel: bool,
    wait: u8,
}

#[derive(Debug, Clone)]
struct Script {
    tasks: Vec<Task>,
    cases: Vec<Case>,
    turns: Vec<Turn>,
    max_parallel: u32,
    policy: FailurePolicy,
    deadline: Option<u64>,
    batch: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let often = |percent: u32| prop::bool::weighted(f64::from(percent) / 100.0);
    let undo = prop::option::weighted(0.7, (any::<bool>(), 0u32..4, 1u32..4, 0i32..2));
    ((0u32..3, 1u32..3, often(10), often(10)), undo, (often(20), often(80), prop::option::weighted(0.3, 1u64..20)))
        .prop_map(|((failures, attempts, allow_failure, critical), undo, (cascade, obeys, timeout))| Case {
            failures: if failures == 2 { 2 } else { 0 },
            attempts,
            allow_failure,
            critical,
            undo,
            cascade,
            obeys,
            timeout,
        })
}

fn script() -> impl Strategy<Value = Script> {
    let cancel = prop::bool::weighted(0.08);
    let turn = (any::<u16>(), 1u8..3, cancel, 0u8..8).prop_map(|(which, how_many, cancel, wait)| Turn {
        which,
        how_many,
        cancel,
        wait,
    });
    let policy = prop_oneof![Just(FailurePolicy::FailFast), Just(FailurePolicy::Continue)];
    let deadline = prop::option::weighted(0.2, 1u64..60);
    (tasks(1..=8), vec(case(), 8), vec(turn, 1..60), 1u32..4, policy, deadline, 1usize..4).prop_map(
        |(tasks, cases, turns, max_parallel, policy, deadline, batch)| Script {
            tasks,
            cases,
            turns,
            max_parallel,
            policy,
            deadline,
            batch,
        },
    )
}

/// What was seen of a run.
#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    cancels: usize,
}

impl Script {
    fn graph(&self) -> Graph {
        let retry = |attempts| Some(Retry { max_attempts: attempts, ..Retry::default() });
        let tasks = self.tasks.iter().cloned().zip(&self.cases).map(|(task, case)| {
            let task = if case.cascade { task.rollback(UndoScope::Cascade) } else { task };
            task.with(|options| {
                options.allow_failure = case.allow_failure;
                options.critical = case.critical;
                options.retry = retry(case.attempts);
                options.timeout = case.timeout.map(Duration::from_secs);
                options.undo = case.undo.map(|(itself, _, attempts, priority)| Undo {
                    itself,
                    priority,
                    retry: retry(attempts),
                    ..Undo::by("x")
                });
            })
        });
        Graph::builder("random").tasks(tasks).build().unwrap()
    }

    fn outcome(&self, attempt: Attempt) -> Outcome {
        let case = &self.cases[attempt.task.index()];
        let failures = if attempt.undo { case.undo.unwrap().1 } else { case.failures };
        if attempt.number > failures { Outcome::done(()) } else { Outcome::failed("as scripted") }
    }

    /// Plays it; checks on the way what must always hold.
    fn play(&self, graph: &Graph) -> Seen {
        let plan = Plan::new(graph, &PlanOptions::default()).unwrap();
        let rules = Rules {
            max_parallel: self.max_parallel,
            on_failure: self.policy,
            deadline: self.deadline.map(Duration::from_secs),
            batch: self.batch,
            ..Rules::default()
        };
        let mut machine = Machine::new(&plan, RunId::from_parts(0, 0), rules).unwrap();
        let mut turns = self.turns.iter().cycle();
        let mut seen = Seen::default();
        let (mut now, mut running, mut told) = (Duration::ZERO, Vec::<Attempt>::new(), Vec::<Attempt>::new());
        let (mut messages, mut actions) = (Vec::new(), Actions::default());
        for step in 0..10_000 {
            actions.clear();
            machine.step(now, &mut messages, &mut actions);
            seen.events.append(&mut actions.events);
            for attempt in &actions.start {
                assert!(!attempt.undo || running.is_empty(), "an undo begins when nothing else is under way");
                running.push(*attempt);
                assert!(!attempt.undo || running.len() == 1, "one at a time");
            }
            assert!(running.len() <= self.max_parallel as usize);
            assert_eq!(machine.running() as usize, running.len());
            told.extend(&actions.cancel);
            if machine.state() != RunState::Running {
                assert!(running.is_empty(), "nothing is under way after the end");
                assert_eq!(actions.wake_at, None);
                return seen;
            }
            if actions.more {
                continue;
            }
            let turn = turns.next().unwrap();
            // Only in the first half: a cycle of cancels would leave no run to look at.
            if turn.cancel && step < 40 {
                messages.push(Message::Cancel { reason: "enough".into() });
                seen.cancels += 1;
            }
            now = match actions.wake_at {
                Some(wake) if running.is_empty() => now.max(wake),
                _ => now + Duration::from_secs(turn.wait.into()),
            };
            for _ in 0..turn.how_many {
                if running.is_empty() {
                    break;
                }
                let attempt = running.remove(usize::from(turn.which) % running.len());
                let was_told = told.contains(&attempt);
                let outcome = if was_told && self.cases[attempt.task.index()].obeys {
                    Outcome::failed("stopped")
                } else {
                    self.outcome(attempt)
                };
                messages.push(Message::Finished { task: attempt.task, attempt: attempt.number, outcome });
            }
        }
        panic!("the run did not end");
    }
}

/// What the events alone say must be undone, by the rule that has a model of its own.
fn expected(graph: &Graph, script: &Script, events: &[Event]) -> (RunState, Vec<TaskIx>) {
    let (mut ended, mut causes, mut state) = (Vec::new(), Vec::new(), RunState::Succeeded);
    for event in events {
        match &event.kind {
            EventKind::TaskFinished { task, result, .. } => {
                let how = if result.is_ok() { End::Done } else { End::Broken };
                ended.push(Ended { task: *task, how });
                if let Err(failure) = result
                    && failure.kind != FailureKind::Cancelled
                    && !script.cases[task.index()].allow_failure
                {
                    causes.push(Cause { task: Some(*task), on: saga::on(failure.kind) });
                    state = RunState::Failed;
                }
            }
            EventKind::TaskSkipped { reason: SkipReason::Condition(_), .. } => unreachable!(),
            EventKind::RunStopping { reason } if reason == "enough" => {
                causes.push(Cause { task: None, on: saga::on(FailureKind::Cancelled) });
                state = RunState::Cancelled;
            }
            EventKind::RunStopping { reason } if reason.starts_with("the deadline") => {
                causes.push(Cause { task: None, on: saga::on(FailureKind::Timeout) });
                state = RunState::Failed;
            }
            _ => {}
        }
    }
    let order = if state == RunState::Succeeded { Vec::new() } else { saga::undo(graph, &ended, &causes, &[]).order };
    (state, order)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn whatever_happens_the_run_ends_and_is_undone_in_order(script in script()) {
        let graph = script.graph();
        let Seen { events, cancels } = script.play(&graph);
        prop_assert!(events.iter().map(|event| event.seq).eq(0..events.len() as u64));
        let (state, order) = expected(&graph, &script, &events);
        prop_assert_eq!(&events.last().unwrap().kind, &EventKind::RunFinished { state });

        let planned = events.iter().filter_map(|event| match &event.kind {
            EventKind::UndoPlanned { order, .. } => Some(order.to_vec()),
            _ => None,
        });
        prop_assert_eq!(planned.collect::<Vec<_>>().concat(), order.clone());
        // Everything of the run itself comes before, and each step ends before the next begins.
        let mut undoing = false;
        let mut finished: BTreeMap<TaskIx, bool> = BTreeMap::new();
        let mut turn = Vec::new();
        for event in &events {
            match &event.kind {
                EventKind::UndoPlanned { .. } => undoing = true,
                EventKind::TaskStarted { .. } | EventKind::TaskFinished { .. } | EventKind::TaskSkipped { .. } => {
                    prop_assert!(!undoing, "no undo before the last running attempt ended");
                }
                EventKind::UndoStarted { task, attempt } if *attempt == 1 => {
                    prop_assert!(finished.len() == turn.len(), "one after the other");
                    turn.push(*task);
                }
                EventKind::UndoFinished { task, attempt, result, .. } => {
                    if *attempt == 0 {
                        turn.push(*task);
                        prop_assert!(cancels >= 2, "only a second cancel leaves a task as it is");
                    }
                    prop_assert!(finished.insert(*task, result.is_ok()).is_none(), "each at most once");
                }
                _ => {}
            }
        }
        prop_assert_eq!(&turn, &order);
        prop_assert_eq!(finished.len(), order.len(), "a failed undo does not keep others from being done");
        if cancels < 2 {
            for task in &order {
                let case = &script.cases[task.index()];
                let (_, failures, attempts, _) = case.undo.unwrap();
                // With a timeout an attempt may end otherwise.
                let works = failures < attempts;
                prop_assert!(case.timeout.is_some() || finished[task] == works);
            }
        }
    }
}
