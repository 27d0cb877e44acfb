//! One of several goes first: as a dialogue, and for any graph and order of answers.

use proptest::prelude::*;

use super::{super::tests::Dialogue, *};
use crate::{
    Claim, EventKind, FailurePolicy, Graph, Outcome, Resource, Retry, RunState, Task,
    definition::{Prefix, PrefixKept},
    run::{Message, Rules},
};

const WAIT: u64 = 30;

fn prefix() -> Prefix {
    Prefix::new("codebase", "m", 1000)
}

fn rules(least: u32) -> Rules {
    let least = BTreeMap::from([(prefix().id(), least)]);
    Rules { warm: Some(Warm { wait: Duration::from_secs(WAIT), least }), ..Rules::default() }
}

fn siblings(count: usize) -> Vec<Task> {
    ["a", "b", "c", "d"].into_iter().take(count).map(|id| Task::new(id).prefix(prefix())).collect()
}

fn graph(tasks: Vec<Task>) -> Graph {
    Graph::builder("g").tasks(tasks).build().unwrap()
}

fn held(run: &Dialogue) -> Vec<String> {
    let held = run.events.iter().filter_map(|event| match &event.kind {
        EventKind::TaskHeld { task, by, at_most } => {
            let graph = run.machine.graph();
            Some(format!("{} for {}, at most {at_most:?}", graph.id(*task), graph.id(*by)))
        }
        _ => None,
    });
    held.collect()
}

fn heartbeat(run: &Dialogue, id: &str) -> Message {
    Message::Heartbeat { task: run.ix(id) }
}

#[test]
fn the_first_word_of_the_first_lets_the_others_begin() {
    let mut tasks = siblings(3);
    tasks.push(Task::new("other"));
    let mut run = Dialogue::new(&graph(tasks), rules(2));
    assert_eq!(run.step(0, vec![]), ["a", "other"]);
    assert_eq!(held(&run), ["b for a, at most 30s", "c for a, at most 30s"]);
    assert_eq!(run.actions.wake_at, Some(Duration::from_secs(WAIT)));
    assert!(run.step(2, vec![heartbeat(&run, "other")]).is_empty());
    assert_eq!(run.step(5, vec![heartbeat(&run, "a")]), ["b", "c"]);
    assert_eq!(run.actions.wake_at, None);
    assert_eq!(held(&run).len(), 2);
}

#[test]
fn its_success_does_too_and_who_comes_later_is_not_held() {
    let mut tasks = siblings(2);
    tasks.push(Task::new("late").prefix(prefix()).after("a"));
    let mut run = Dialogue::new(&graph(tasks), rules(2));
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert_eq!(run.step(5, vec![run.done("a")]), ["b", "late"]);
    run.step(6, vec![run.done("b"), run.done("late")]);
    assert_eq!((run.machine.state(), held(&run).len()), (RunState::Succeeded, 1));
}

#[test]
fn nobody_waits_longer_than_declared() {
    let mut tasks = siblings(2);
    tasks.push(Task::new("timer"));
    tasks.push(Task::new("late").prefix(prefix()).after("timer"));
    let mut run = Dialogue::new(&graph(tasks), rules(2));
    assert_eq!(run.step(0, vec![]), ["timer", "a"]);
    assert!(run.step(WAIT - 1, vec![]).is_empty());
    assert_eq!(run.step(WAIT, vec![]), ["b"]);
    assert_eq!(run.step(WAIT + 1, vec![run.done("timer")]), ["late"], "it was given up");
    assert_eq!(held(&run).len(), 1);
}

#[test]
fn where_it_does_not_pay_nobody_waits() {
    let mut run = Dialogue::new(&graph(siblings(2)), rules(3));
    assert_eq!(run.step(0, vec![]), ["a", "b"]);
    let mut run = Dialogue::new(&graph(siblings(3)), rules(3));
    assert_eq!(run.step(0, vec![]), ["a"]);
    let mut run = Dialogue::new(&graph(siblings(3)), Rules::default());
    assert_eq!(run.step(0, vec![]), ["a", "b", "c"]);
    let unknown = Rules { warm: Some(Warm { wait: Duration::from_secs(WAIT), ..Warm::default() }), ..Rules::default() };
    assert_eq!(Dialogue::new(&graph(siblings(3)), unknown).step(0, vec![]), ["a", "b", "c"]);
    let mut no_wait = rules(2);
    no_wait.warm.as_mut().unwrap().wait = Duration::ZERO;
    assert_eq!(Dialogue::new(&graph(siblings(3)), no_wait).step(0, vec![]), ["a", "b", "c"]);
}

#[test]
fn other_models_and_other_texts_are_no_siblings() {
    let other_model = Task::new("x").prefix(Prefix::new("codebase", "other", 1));
    let other_text = Task::new("y").prefix(Prefix::new("other", "m", 1));
    let mut tasks = siblings(2);
    tasks.extend([other_model, other_text]);
    assert_eq!(Dialogue::new(&graph(tasks), rules(2)).step(0, vec![]), ["a", "x", "y"]);
}

#[test]
fn a_first_that_fails_holds_nobody_up() {
    let retry = Retry { jitter: false, ..Retry::default() };
    let mut tasks = siblings(3);
    tasks[0] = tasks[0].clone().with(|options| options.retry = Some(retry));
    let mut run = Dialogue::new(&graph(tasks), rules(2));
    assert_eq!(run.step(0, vec![]), ["a"]);
    // They were held once, so they begin together, and the one that was not comes back meanwhile.
    assert_eq!(run.step(1, vec![run.ends("a", 1, Outcome::failed("overloaded"))]), ["b", "c"]);
    assert!(run.step(2, vec![]).is_empty(), "it is held for `b` now");
    assert_eq!(held(&run).last().unwrap(), "a for b, at most 29s");
    assert_eq!(run.step(3, vec![heartbeat(&run, "b")]), ["a"]);
}

#[test]
fn what_the_provider_has_forgotten_is_read_again() {
    let mut tasks = siblings(2);
    let keeper = |id: &str, after: &str| Task::new(id).prefix(prefix()).after(after);
    tasks.extend([keeper("c", "a"), keeper("d", "a"), keeper("e", "c"), keeper("f", "c")]);
    tasks.extend([keeper("g", "e"), keeper("h", "e")]);
    let mut run = Dialogue::new(&graph(tasks), rules(2));
    assert_eq!(run.step(0, vec![]), ["a"]);
    assert_eq!(run.step(10, vec![heartbeat(&run, "a")]), ["b"]);
    // It stays five minutes after it was read last.
    assert_eq!(run.step(309, vec![run.done("a")]), ["c", "d"]);
    assert_eq!(run.step(608, vec![run.done("c")]), ["e", "f"]);
    assert_eq!(run.step(908, vec![run.done("e")]), ["g"]);
    assert_eq!(held(&run).last().unwrap(), "h for g, at most 30s");
}

#[test]
fn a_claim_is_not_kept_by_who_is_held() {
    let mut tasks: Vec<Task> = siblings(2);
    tasks[1] = tasks[1].clone().claim(Claim::exclusive("site"));
    tasks.push(Task::new("site-too").claim(Claim::exclusive("site")));
    let graph = Graph::builder("g").tasks(tasks).resource(Resource::new("site").capacity(1)).build().unwrap();
    let mut run = Dialogue::new(&graph, rules(2));
    assert_eq!(run.step(0, vec![]), ["a", "site-too"]);
    assert!(run.step(1, vec![heartbeat(&run, "a")]).is_empty(), "it waits for the site now");
    assert_eq!(run.step(2, vec![run.done("site-too")]), ["b"]);
}

#[test]
fn a_run_that_stops_forgets_who_was_held() {
    let mut run = Dialogue::new(&graph(siblings(3)), rules(2));
    run.step(0, vec![]);
    run.step(1, vec![Message::Cancel { reason: "enough".into() }]);
    assert!(run.step(2, vec![run.ends("a", 1, Outcome::failed("stopped"))]).is_empty());
    assert_eq!(run.machine.state(), RunState::Cancelled);
}

/// A task: its prefix, whether it keeps for an hour, who it waits for, whether it fails, whether it speaks.
type Drawn = (u8, bool, Option<u8>, bool, bool);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let task = (0u8..3, any::<bool>(), prop::option::of(any::<u8>()), prop::bool::weighted(0.3), any::<bool>());
    prop::collection::vec(task, 1..12)
}

proptest! {
    /// Whatever happens: every run ends, nobody is held twice or longer than declared, and while somebody who holds others
    /// has said nothing, no sibling that was never held begins.
    #[test]
    fn holding_keeps_its_promises(
        tasks in drawn(), least in 2u32..4, places in 1u32..5, order in prop::collection::vec((any::<u16>(), 0u64..40), 1..20),
    ) {
        let name = |prefix: u8| Prefix {
            kept: PrefixKept::default(),
            ..Prefix::new(format!("p{prefix}"), "m", 1)
        };
        let definitions = tasks.iter().enumerate().map(|(nth, (prefix, hour, after, _, _))| {
            let mut task = Task::new(format!("t{nth}"));
            if *prefix > 0 {
                let kept = if *hour { PrefixKept::Hour } else { PrefixKept::FiveMinutes };
                task = task.prefix(Prefix { kept, ..name(*prefix) });
            }
            match after {
                Some(after) if nth > 0 => task.after(format!("t{}", usize::from(*after) % nth)),
                _ => task,
            }
        });
        let least = (1..3).map(|prefix| (name(prefix).id(), least)).collect();
        let rules = Rules {
            max_parallel: places,
            on_failure: FailurePolicy::Continue,
            warm: Some(Warm { wait: Duration::from_secs(WAIT), least }),
            ..Rules::default()
        };
        let mut run = Dialogue::new(&graph(definitions.collect()), rules);
        let (mut now, mut running, mut seen) = (0, Vec::new(), 0);
        // By task: until when it is held. By prefix: who goes first, and until when others are held for it.
        let mut held_until: BTreeMap<usize, u64> = BTreeMap::new();
        let mut holding: BTreeMap<u8, (usize, u64)> = BTreeMap::new();
        let mut order = order.into_iter().cycle();
        let (mut messages, mut spoken) = (Vec::new(), BTreeSet::new());
        for _ in 0..300 {
            running.extend(run.step(now, std::mem::take(&mut messages)).iter().map(|id| run.ix(id).index()));
            for event in &run.events[seen..] {
                match &event.kind {
                    EventKind::TaskHeld { task, by, at_most } => {
                        let until = now + at_most.as_secs();
                        prop_assert!(held_until.insert(task.index(), until).is_none(), "held twice");
                        prop_assert!(at_most.as_secs() <= WAIT && !at_most.is_zero());
                        prop_assert_eq!(tasks[task.index()].0, tasks[by.index()].0);
                        holding.insert(tasks[by.index()].0, (by.index(), until));
                    }
                    EventKind::TaskStarted { task, .. } => {
                        let at = task.index();
                        let first = holding.get(&tasks[at].0).filter(|_| tasks[at].0 > 0);
                        prop_assert!(first.is_none() || held_until.contains_key(&at), "{at} began beside {first:?}");
                    }
                    EventKind::RunFinished { .. } => prop_assert!(running.is_empty()),
                    _ => {}
                }
            }
            seen = run.events.len();
            let waiting: usize = run.machine.siblings.values().map(|siblings| siblings.held.len()).sum();
            let late = held_until.values().all(|&until| now >= until);
            prop_assert!(waiting == 0 || !late, "held beyond the time");
            if run.machine.state() != RunState::Running {
                break;
            }
            let (which, later) = order.next().unwrap();
            now += later;
            holding.retain(|_, (_, until)| now < *until);
            if let Some(at) = (!running.is_empty()).then(|| usize::from(which) % running.len()) {
                let task = running[at];
                let ix = TaskIx::from(u32::try_from(task).unwrap());
                holding.retain(|_, (first, _)| *first != task);
                if tasks[task].4 && which % 2 == 0 && spoken.insert(task) {
                    messages.push(Message::Heartbeat { task: ix });
                } else {
                    running.swap_remove(at);
                    let outcome = if tasks[task].3 { Outcome::failed("no") } else { Outcome::done(()) };
                    messages.push(Message::Finished { task: ix, attempt: 1, outcome });
                }
            } else if let Some(at) = run.actions.wake_at {
                now = now.max(at.as_secs());
                holding.retain(|_, (_, until)| now < *until);
            }
        }
        prop_assert_ne!(run.machine.state(), RunState::Running, "it never ends");
    }
}
