//! The machine against a small reference model, over random graphs, outcomes and orders of answers.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    Backoff, Claim, Event, EventKind, Graph, Outcome, Plan, PlanOptions, Resource, Retry, RunId, RunState, SkipReason,
    Task, TaskIx, TaskState,
    definition::command::{Condition, Expression, Test},
};

/// One task of a random graph, and what its attempts will do.
#[derive(Debug, Clone)]
struct Case {
    parents: Vec<u32>,
    /// How many attempts fail before one works.
    failures: u32,
    max_attempts: u32,
    allow_failure: bool,
    skipped: bool,
    claims: [bool; 2],
    priority: i32,
}

#[derive(Debug, Clone)]
struct Script {
    cases: Vec<Case>,
    max_parallel: u32,
    batch: usize,
    capacity: u32,
    policy: FailurePolicy,
    /// Which of the running attempts answers next, and how many answer in one step.
    answers: Vec<(u16, u8)>,
}

fn case(at: u32) -> impl Strategy<Value = Case> {
    let parents = prop::collection::vec(0..at.max(1), 0..4).prop_map(move |mut parents| {
        parents.retain(|&parent| parent < at);
        parents
    });
    let often = |percent: u32| prop::bool::weighted(f64::from(percent) / 100.0);
    (parents, 0u32..3, 1u32..3, often(15), often(10), any::<[bool; 2]>(), -1i32..2).prop_map(
        |(parents, failures, max_attempts, allow_failure, skipped, claims, priority)| Case {
            parents,
            failures: if failures == 2 { 2 } else { 0 },
            max_attempts,
            allow_failure,
            skipped,
            claims,
            priority,
        },
    )
}

fn script() -> impl Strategy<Value = Script> {
    let cases = (0u32..30).prop_flat_map(|count| (0..count).map(case).collect::<Vec<_>>());
    let policy = prop_oneof![Just(FailurePolicy::FailFast), Just(FailurePolicy::Continue)];
    let answers = prop::collection::vec((any::<u16>(), 1u8..4), 1..20);
    (cases, 1u32..8, 1usize..5, 1u32..3, policy, answers).prop_map(
        |(cases, max_parallel, batch, capacity, policy, answers)| Script {
            cases,
            max_parallel,
            batch,
            capacity,
            policy,
            answers,
        },
    )
}

impl Script {
    fn graph(&self) -> Graph {
        let mut builder = Graph::builder("random")
            .resource(Resource::new("0").capacity(self.capacity))
            .resource(Resource::new("1").capacity(1));
        for (at, case) in self.cases.iter().enumerate() {
            let task = Task::new(format!("t{at}")).priority(case.priority).with(|options| {
                options.allow_failure = case.allow_failure;
                let claims = (0..2).filter(|&nth| case.claims[nth]);
                options.claims.extend(claims.map(|nth| Claim::shared(nth.to_string())));
                let strategy = Backoff::Linear;
                options.retry = Some(Retry { max_attempts: case.max_attempts, strategy, ..Retry::default() });
                if case.skipped {
                    let test = Test::Expression(Expression::parse("inputs.missing == 1").unwrap());
                    options.conditions.push(Condition { test, run_when: true, message: None });
                }
            });
            builder = builder.task(task);
            for parent in &case.parents {
                builder = builder.dependency(format!("t{parent}"), format!("t{at}"));
            }
        }
        builder.build().unwrap()
    }

    /// What becomes of each task when nothing stops the run: by the definition of the words, not by the machine.
    fn expected(&self) -> Vec<TaskState> {
        let mut states: Vec<TaskState> = Vec::new();
        for case in &self.cases {
            let blocked = case.parents.iter().any(|&parent| match states[parent as usize] {
                TaskState::Succeeded | TaskState::Skipped => false,
                TaskState::Failed => !self.cases[parent as usize].allow_failure,
                _ => true,
            });
            states.push(match case {
                _ if blocked => TaskState::Cancelled,
                Case { skipped: true, .. } => TaskState::Skipped,
                Case { failures, max_attempts, .. } if failures < max_attempts => TaskState::Succeeded,
                _ => TaskState::Failed,
            });
        }
        states
    }

    /// Plays the script; answers the events and every start, in order. Checks on the way what must always hold.
    fn play(&self) -> (Vec<Event>, Vec<Attempt>) {
        let graph = self.graph();
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let rules =
            Rules { max_parallel: self.max_parallel, on_failure: self.policy, batch: self.batch, ..Rules::default() };
        let mut machine = Machine::new(&plan, RunId::from_parts(0, 0), rules).unwrap();
        let mut resources = Resources::new(&graph).unwrap();
        let mut answers = self.answers.iter().cycle();
        let (mut now, mut running, mut starts, mut events) = (Duration::ZERO, Vec::new(), Vec::new(), Vec::new());
        let mut satisfied = vec![false; graph.len()];
        let (mut messages, mut actions) = (Vec::new(), Actions::default());
        for _ in 0..10_000 {
            actions.clear();
            machine.step(now, &mut messages, &mut actions);
            while resources.answer(now, &machine, &mut actions, &mut messages) {
                machine.step(now, &mut messages, &mut actions);
            }
            for event in &actions.events {
                match &event.kind {
                    EventKind::TaskFinished { task, result, .. } => {
                        satisfied[task.index()] = result.is_ok() || self.cases[task.index()].allow_failure;
                    }
                    EventKind::TaskSkipped { task, reason: SkipReason::Condition(_) } => satisfied[task.index()] = true,
                    _ => {}
                }
            }
            events.append(&mut actions.events);
            for attempt in &actions.start {
                assert!(!running.contains(attempt), "each at most once at a time");
                assert!(
                    graph.parents(attempt.task).all(|parent| satisfied[parent.index()]),
                    "never before its dependencies"
                );
                running.push(*attempt);
            }
            starts.extend(&actions.start);
            assert!(running.len() <= self.max_parallel as usize, "never over the limit");
            assert!(actions.start.len() <= self.batch);
            for (nth, limit) in [(0, self.capacity), (1, 1)] {
                let used = running.iter().filter(|at| self.cases[at.task.index()].claims[nth]).count();
                assert!(used <= limit as usize, "never over a capacity");
            }
            assert_eq!(machine.running() as usize, running.len());
            if machine.state() != RunState::Running {
                assert!(running.is_empty(), "nothing runs after the end");
                return (events, starts);
            }
            if actions.more {
                continue;
            }
            self.check_nobody_waits_in_vain(&graph, &events, &running, &satisfied);
            if running.is_empty() {
                now = actions.wake_at.expect("a run that waits for nothing would never end");
                continue;
            }
            now += Duration::from_millis(100);
            let &(which, how_many) = answers.next().unwrap();
            for _ in 0..how_many {
                if !running.is_empty() {
                    let attempt = running.remove(usize::from(which) % running.len());
                    let works = attempt.number > self.cases[attempt.task.index()].failures;
                    let outcome = if works { Outcome::done(()) } else { Outcome::failed("as scripted") };
                    messages.push(Message::Finished { task: attempt.task, attempt: attempt.number, outcome });
                }
            }
        }
        panic!("the run did not end");
    }
}

impl Script {
    /// A task that could run runs: whoever waits with all dependencies done finds the run or one of its resources full.
    fn check_nobody_waits_in_vain(&self, graph: &Graph, events: &[Event], running: &[Attempt], satisfied: &[bool]) {
        let untouched = |task: TaskIx| {
            !events.iter().any(|event| match &event.kind {
                EventKind::TaskStarted { task: other, .. } | EventKind::TaskSkipped { task: other, .. } => {
                    *other == task
                }
                EventKind::RunStopping { .. } => true,
                _ => false,
            })
        };
        let limits = [self.capacity as usize, 1];
        let full =
            |nth: usize| running.iter().filter(|at| self.cases[at.task.index()].claims[nth]).count() >= limits[nth];
        if running.len() < self.max_parallel as usize {
            for task in graph.indices().filter(|&task| untouched(task)) {
                let waits = graph.parents(task).any(|parent| !satisfied[parent.index()]);
                let claims = self.cases[task.index()].claims;
                assert!(waits || (0..2).any(|nth| claims[nth] && full(nth)), "{task:?} waits in vain");
            }
        }
    }
}

/// How each task ended, by the events alone.
fn states(events: &[Event], tasks: usize) -> Vec<TaskState> {
    let mut states: BTreeMap<TaskIx, TaskState> = BTreeMap::new();
    for event in events {
        let (task, state) = match &event.kind {
            EventKind::TaskFinished { task, result: Ok(_), .. } => (task, TaskState::Succeeded),
            EventKind::TaskFinished { task, result: Err(failure), .. } => match failure.kind {
                crate::FailureKind::Cancelled => (task, TaskState::Cancelled),
                _ => (task, TaskState::Failed),
            },
            EventKind::TaskSkipped { task, reason: SkipReason::Condition(_) } => (task, TaskState::Skipped),
            EventKind::TaskSkipped { task, .. } => (task, TaskState::Cancelled),
            _ => continue,
        };
        assert!(states.insert(*task, state).is_none(), "each task ends once");
    }
    assert_eq!(states.len(), tasks, "each task ends");
    states.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_machine_does_what_the_words_say(script in script()) {
        let (events, starts) = script.play();
        let ended = states(&events, script.cases.len());
        prop_assert!(events.iter().map(|event| event.seq).eq(0..events.len() as u64));
        let expected = script.expected();
        let fails = (0..).zip(&expected).any(|(at, state): (usize, _)| {
            *state == TaskState::Failed && !script.cases[at].allow_failure
        });
        let state = if fails { RunState::Failed } else { RunState::Succeeded };
        prop_assert_eq!(&events.last().unwrap().kind, &EventKind::RunFinished { state });
        if script.policy == FailurePolicy::Continue || !fails {
            prop_assert_eq!(ended, expected);
        } else {
            // What ended otherwise than expected was stopped with the run.
            for (ended, expected) in ended.iter().zip(&expected) {
                prop_assert!(ended == expected || *ended == TaskState::Cancelled);
            }
        }
        prop_assert_eq!((events, starts), script.play(), "the same messages give the same actions");
    }
}

/// A random graph of tasks that take from 1 to 100 s.
fn timed() -> impl Strategy<Value = Graph> {
    let task = |at: u32| (prop::collection::vec(0..at.max(1), 0..3), 1u64..100);
    (1u32..40).prop_flat_map(move |count| (0..count).map(task).collect::<Vec<_>>()).prop_map(|tasks| {
        let mut builder = Graph::builder("timed");
        for (at, (parents, seconds)) in tasks.iter().enumerate() {
            builder = builder.task(Task::new(format!("t{at}")).estimate(Duration::from_secs(*seconds)));
            for &parent in parents.iter().filter(|&&parent| (parent as usize) < at) {
                builder = builder.dependency(format!("t{parent}"), format!("t{at}"));
            }
        }
        builder.build().unwrap()
    })
}

/// How long the graph takes on that many workers, planned for them or not.
fn makespan(graph: &Graph, workers: u32, known: bool) -> Duration {
    let options = PlanOptions { workers: known.then_some(workers), ..PlanOptions::default() };
    let plan = Plan::new(graph, &options).unwrap();
    let rules = Rules { max_parallel: workers, ..Rules::default() };
    simulate(&plan, rules, |task| plan.step(task).estimate).unwrap().makespan
}

proptest! {
    #[test]
    fn to_know_the_workers_never_makes_a_plan_longer(graph in timed(), workers in 1u32..6) {
        prop_assert!(makespan(&graph, workers, true) <= makespan(&graph, workers, false));
    }
}

#[test]
fn to_know_the_workers_helps_where_packing_decides() {
    // The longest way first starts `a` and `c`, and `b` with `d` are left for the end: 9 + 4 + 4 s. First in, first out
    // starts `a` and `b`, and both workers end together.
    let task = |id: &str, seconds: u64| Task::new(id).estimate(Duration::from_secs(seconds));
    let tasks = [task("a", 9), task("b", 4), task("c", 9), task("d", 4).after("b")];
    let graph = Graph::builder("packing").tasks(tasks).build().unwrap();
    assert_eq!(makespan(&graph, 2, false), Duration::from_secs(17));
    assert_eq!(makespan(&graph, 2, true), Duration::from_secs(13));
}
