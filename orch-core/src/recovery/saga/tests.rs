//! Undo orders, by hand and against a reference model.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{Rollback, Task, testing::graphs::tasks};

/// build → (docs, test) → publish → announce; all but `test` can be undone.
fn release() -> Graph {
    release_with(|task| task)
}

fn release_with(change: impl Fn(Task) -> Task) -> Graph {
    let tasks = [
        Task::new("build").undo("x"),
        Task::new("docs").after("build").undo("x"),
        Task::new("test").after("build"),
        Task::new("publish").after("docs").after("test").undo("x"),
        Task::new("announce").after("publish").undo("x"),
    ];
    Graph::builder("release").tasks(tasks.map(change)).build().unwrap()
}

fn change(id: &str, change: impl FnOnce(&mut crate::TaskOptions) + Clone) -> impl Fn(Task) -> Task {
    move |task: Task| if task.id().as_str() == id { task.with(change.clone()) } else { task }
}

fn ended(graph: &Graph, names: &str) -> Vec<Ended> {
    let how = |name: &str| match name.chars().last() {
        Some('!') => End::Broken,
        Some('-') => End::Passed,
        _ => End::Done,
    };
    let task = |name: &str| graph.find(name.trim_end_matches(['!', '-'])).unwrap();
    names.split_whitespace().map(|name| Ended { task: task(name), how: how(name) }).collect()
}

/// What is undone after that end, and what is kept. `!` marks who broke, `-` who did nothing.
#[track_caller]
fn check(graph: &Graph, names: &str, failed: &str, on: UndoOn, expected: &str) {
    check_with(graph, names, &[(failed, on)], &[], expected);
}

#[track_caller]
fn check_with(graph: &Graph, names: &str, causes: &[(&str, UndoOn)], marks: &[Mark<'_>], expected: &str) {
    let causes: Vec<Cause> = causes.iter().map(|&(task, on)| Cause { task: graph.find(task), on }).collect();
    let undo = undo(graph, &ended(graph, names), &causes, marks);
    let name = |task: TaskIx| graph.id(task).to_string();
    let order: Vec<String> = undo.order.iter().map(|&task| name(task)).collect();
    let kept = undo.kept.iter().map(|&(task, why)| format!(" {}:{why:?}", name(task)));
    assert_eq!(order.join(" ") + &kept.collect::<String>(), expected);
}

#[test]
fn the_latest_to_end_is_undone_first() {
    let graph = release();
    check(&graph, "build docs test publish announce!", "announce", UndoOn::Error, "publish docs build announce:Broken");
    check(&graph, "build test docs publish", "", UndoOn::Cancel, "publish docs build");
    check(&graph, "", "build", UndoOn::Error, "");
    check(&graph, "build docs-", "test", UndoOn::Error, "build");
}

#[test]
fn no_task_goes_before_what_was_built_on_it_whatever_the_list_says() {
    check(&release(), "publish docs build", "announce", UndoOn::Error, "publish docs build");
}

#[test]
fn whoever_broke_is_undone_only_if_it_says_so() {
    let itself = change("docs", |options| options.undo.as_mut().unwrap().itself = true);
    let graph = release_with(itself);
    check(&graph, "build test docs!", "docs", UndoOn::Error, "docs build");
    check(&release(), "build test docs!", "docs", UndoOn::Error, "build docs:Broken");
}

#[test]
fn some_are_undone_only_on_some_failures() {
    let graph = release_with(change("docs", |options| options.undo.as_mut().unwrap().on = vec![UndoOn::Validation]));
    check(&graph, "build docs test", "publish", UndoOn::Error, "build docs:On");
    check(&graph, "build docs test", "publish", UndoOn::Validation, "docs build");
    check_with(
        &graph,
        "build docs test",
        &[("test", UndoOn::Error), ("publish", UndoOn::Validation)],
        &[],
        "docs build",
    );
}

#[test]
fn a_rollback_goes_back_to_its_task_and_leaves_it() {
    let to_docs = |options: &mut crate::TaskOptions| {
        options.rollback = Some(Rollback { scope: UndoScope::To("docs".into()), on: vec![UndoOn::Validation] });
    };
    let graph = release_with(change("announce", to_docs));
    let names = "build docs test publish announce!";
    check(&graph, names, "announce", UndoOn::Validation, "publish announce:Broken docs:Scope build:Scope");
    check(&graph, names, "announce", UndoOn::Error, "publish docs build announce:Broken");
    check(&graph, "build test publish", "announce", UndoOn::Validation, "publish build");
    check_with(
        &graph,
        names,
        &[("announce", UndoOn::Validation), ("test", UndoOn::Timeout)],
        &[],
        "publish docs build announce:Broken",
    );
}

#[test]
fn a_rollback_goes_back_to_the_latest_checkpoint_of_its_name() {
    let to = |options: &mut crate::TaskOptions| {
        options.rollback = Some(Rollback { scope: UndoScope::ToCheckpoint("good".into()), on: Vec::new() });
    };
    let graph = release_with(change("announce", to));
    let mark = |name, ended| Mark { name, ended };
    let check = |marks: &[Mark<'_>], expected| {
        check_with(&graph, "build docs publish", &[("announce", UndoOn::Error)], marks, expected);
    };
    check(&[mark("good", 0), mark("good", 1), mark("late", 3)], "publish docs build:Scope");
    check(&[mark("late", 3)], "publish docs build");
    check(&[mark("good", 9)], " publish:Scope docs:Scope build:Scope");
}

#[test]
fn a_cascade_undoes_the_chain_and_what_was_built_on_it() {
    // a → b → fails; a → c; d → e; a cannot be undone, b can.
    let build = |a: Task| {
        Graph::builder("two")
            .task(a)
            .task(Task::new("b").after("a").undo("x"))
            .task(Task::new("c").after("a").undo("x"))
            .task(Task::new("d").undo("x"))
            .task(Task::new("e").after("d").undo("x"))
            .task(Task::new("fails").after("b").rollback(UndoScope::Cascade))
            .build()
            .unwrap()
    };
    let plain = build(Task::new("a"));
    check(&plain, "a b c d e fails!", "fails", UndoOn::Error, "b e:Scope d:Scope c:Scope");
    let undoable = build(Task::new("a").undo("x"));
    check(&undoable, "a b c d e fails!", "fails", UndoOn::Error, "c b a e:Scope d:Scope");
}

#[test]
fn the_most_urgent_goes_first_but_not_before_what_was_built_on_it() {
    let urgent = |id: &'static str, priority: i32| change(id, move |o| o.undo.as_mut().unwrap().priority = priority);
    let sides = Graph::builder("sides")
        .tasks(["a", "b", "c"].map(|id| urgent("b", 1)(Task::new(id).undo("x"))))
        .build()
        .unwrap();
    check(&sides, "a b c", "", UndoOn::Error, "b c a");
    check(&release_with(urgent("build", 9)), "build docs publish", "", UndoOn::Error, "publish docs build");
}

#[test]
fn places_of_another_graph_do_no_harm() {
    let graph = release();
    let far = Ended { task: TaskIx(99), how: End::Done };
    let causes = [Cause { task: Some(TaskIx(77)), on: UndoOn::Error }];
    assert_eq!(undo(&graph, &[far], &causes, &[]), UndoOrder::default());
}

#[test]
fn every_sort_of_failure_is_some_sort_of_end() {
    assert_eq!(on(FailureKind::Idle), UndoOn::Timeout);
    assert_eq!(on(FailureKind::Fatal), UndoOn::Error);
    assert_eq!(on(FailureKind::CircuitOpen), UndoOn::Error);
    assert_eq!(on(FailureKind::Validation), UndoOn::Validation);
    assert_eq!(on(FailureKind::Cancelled), UndoOn::Cancel);
}

/// A random graph, what became of its tasks, and why it failed.
#[derive(Debug, Clone)]
struct Case {
    graph: Graph,
    ended: Vec<Ended>,
    causes: Vec<Cause>,
}

fn any_on() -> impl Strategy<Value = UndoOn> {
    (0usize..4).prop_map(|at| UndoOn::ALL[at])
}

fn case() -> impl Strategy<Value = Case> {
    let undo = prop::option::weighted(0.7, (vec(any_on(), 0..3), prop::bool::weighted(0.3), 0i32..3));
    let scope = prop::option::weighted(0.4, (0u8..3, any::<Index>(), vec(any_on(), 0..2)));
    let how = prop_oneof![6 => Just(End::Done), 2 => Just(End::Broken), 1 => Just(End::Passed)];
    let each = vec((undo, scope, how), 10);
    let causes = vec((prop::option::weighted(0.8, any::<Index>()), any_on()), 1..3);
    // Which share of the tasks ended, in some order that the graph allows.
    (tasks(1..=10), each, causes, 0usize..=10, any::<u64>()).prop_map(|(tasks, each, causes, share, seed)| {
        let count = tasks.len();
        let mut changed = Vec::new();
        for (task, (undo, scope, _)) in tasks.into_iter().zip(&each) {
            changed.push(task.with(|options| {
                options.undo =
                    undo.clone().map(|(on, itself, priority)| Undo { on, itself, priority, ..Undo::by("x") });
                options.rollback = scope.clone().map(|(scope, target, on)| {
                    let scope = match scope {
                        0 => UndoScope::Run,
                        1 => UndoScope::Cascade,
                        _ => UndoScope::To(format!("t{}", target.index(count)).into()),
                    };
                    Rollback { scope, on }
                });
            }));
        }
        let graph = Graph::builder("random").tasks(changed).build().unwrap();
        let mut ended: Vec<Ended> = Vec::new();
        let mut seed = seed;
        while ended.len() < share.min(count) {
            let has = |ix: TaskIx| ended.iter().any(|ended| ended.task == ix);
            let ready: Vec<TaskIx> = graph.indices().filter(|&ix| !has(ix) && graph.parents(ix).all(has)).collect();
            seed = crate::recovery::retry::mix(seed);
            let task = ready[(seed % ready.len() as u64) as usize];
            ended.push(Ended { task, how: each[task.index()].2 });
        }
        let causes = causes
            .into_iter()
            .map(|(task, on)| Cause { task: task.map(|task| TaskIx(task.index(count) as u32)), on })
            .collect();
        Case { graph, ended, causes }
    })
}

/// Everything that waits for the task, directly or not, by the definition.
fn built_on(graph: &Graph, task: TaskIx) -> BTreeSet<TaskIx> {
    let mut all = BTreeSet::new();
    for child in graph.children(task) {
        all.insert(child);
        all.extend(built_on(graph, child));
    }
    all
}

impl Case {
    fn undo_of(&self, task: TaskIx) -> Option<&Undo> {
        self.graph.task(task).options().undo.as_ref()
    }

    fn may(&self, ended: &Ended, on: UndoOn) -> bool {
        self.undo_of(ended.task).is_some_and(|undo| {
            let how = match ended.how {
                End::Done => true,
                End::Broken => undo.itself,
                End::Passed => false,
            };
            how && (undo.on.is_empty() || undo.on.contains(&on))
        })
    }

    /// Who is undone, task by task and cause by cause, as the documentation says it.
    fn chosen(&self) -> BTreeSet<TaskIx> {
        let mut chosen = BTreeSet::new();
        for cause in &self.causes {
            let rollback = cause.task.and_then(|task| self.graph.task(task).options().rollback.clone());
            let scope = match rollback {
                Some(Rollback { scope, on }) if on.is_empty() || on.contains(&cause.on) => scope,
                _ => UndoScope::Run,
            };
            let able: Vec<(usize, TaskIx)> = self
                .ended
                .iter()
                .enumerate()
                .filter(|(_, ended)| self.may(ended, cause.on))
                .map(|(at, ended)| (at, ended.task))
                .collect();
            let after = |target: &str| self.ended.iter().position(|ended| self.graph.id(ended.task).as_str() == target);
            let root = |task: TaskIx| {
                cause.task.is_some_and(|failed| task == failed || built_on(&self.graph, task).contains(&failed))
            };
            chosen.extend(
                able.iter()
                    .filter(|&&(at, task)| match &scope {
                        UndoScope::To(target) => after(target.as_str()).is_none_or(|after| at > after),
                        UndoScope::Cascade => {
                            let on_undone = |&&(_, other): &&(usize, TaskIx)| {
                                root(other) && built_on(&self.graph, other).contains(&task)
                            };
                            root(task) || able.iter().any(|other| on_undone(&other))
                        }
                        _ => true,
                    })
                    .map(|&(_, task)| task),
            );
        }
        chosen
    }

    /// One after the other: of those on which nothing stands any more, the most urgent, the latest.
    fn order(&self, mut left: BTreeSet<TaskIx>) -> Vec<TaskIx> {
        let mut order = Vec::new();
        while !left.is_empty() {
            let place = |task: TaskIx| self.ended.iter().position(|ended| ended.task == task);
            let next = left
                .iter()
                .copied()
                .filter(|&task| built_on(&self.graph, task).is_disjoint(&left))
                .max_by_key(|&task| (self.undo_of(task).unwrap().priority, place(task)))
                .unwrap();
            left.remove(&next);
            order.push(next);
        }
        order
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_saga_does_what_the_words_say(case in case()) {
        let got = undo(&case.graph, &case.ended, &case.causes, &[]);
        let chosen = case.chosen();
        prop_assert_eq!(&got.order, &case.order(chosen.clone()));
        // Nobody is forgotten: who could be undone is undone, or kept for a reason.
        let able = case.ended.iter().filter(|ended| ended.how != End::Passed && case.undo_of(ended.task).is_some());
        let kept: BTreeSet<TaskIx> = got.kept.iter().map(|&(task, _)| task).collect();
        prop_assert!(able.map(|ended| ended.task).all(|task| chosen.contains(&task) != kept.contains(&task)));
        prop_assert_eq!(got.order.len() + got.kept.len(), chosen.len() + kept.len());
    }

    #[test]
    fn without_priorities_it_is_the_reverse_of_how_they_ended(case in case()) {
        let tasks = case.graph.tasks().iter().map(|task| task.clone().with(|options| {
            options.undo.iter_mut().for_each(|undo| undo.priority = 0);
        }));
        let mut builder = Graph::builder("even").tasks(tasks);
        for ix in case.graph.indices() {
            for parent in case.graph.parents(ix) {
                builder.link(parent, ix);
            }
        }
        let graph = builder.build().unwrap();
        let order = undo(&graph, &case.ended, &case.causes, &[]).order;
        let place = |task: &TaskIx| case.ended.iter().position(|ended| ended.task == *task);
        prop_assert!(order.is_sorted_by(|a, b| place(a) > place(b)));
    }
}

#[test]
fn a_chain_of_100_000_needs_no_stack() {
    let mut builder = Graph::builder("chain");
    let places: Vec<TaskIx> = (0..100_000).map(|nth| builder.add(Task::new(nth.to_string()).undo("x"))).collect();
    places.windows(2).for_each(|pair| builder.link(pair[0], pair[1]));
    let graph = builder.build().unwrap();
    let ended: Vec<Ended> = places.iter().map(|&task| Ended { task, how: End::Done }).collect();
    let order = undo(&graph, &ended, &[Cause { task: None, on: UndoOn::Cancel }], &[]).order;
    assert!(order.iter().eq(places.iter().rev()));
}

#[test]
fn going_back_undoes_what_ended_later_whatever_it_is_undone_on() {
    let graph = release_with(change("publish", |options| {
        options.undo = Some(Undo { on: vec![UndoOn::Validation], ..Undo::by("x") })
    }));
    let check = |names: &str, from: usize, expected: &str| {
        let undo = back(&graph, &ended(&graph, names), from);
        let name = |task: TaskIx| graph.id(task).to_string();
        let order: Vec<String> = undo.order.iter().map(|&task| name(task)).collect();
        let kept = undo.kept.iter().map(|&(task, why)| format!(" {}:{why:?}", name(task)));
        assert_eq!(order.join(" ") + &kept.collect::<String>(), expected);
    };
    check("build docs test publish announce!", 1, "publish docs announce:Broken build:Scope");
    check("build docs- test publish", 0, "publish build");
    check("build docs", 2, " docs:Scope build:Scope");
    check("build docs", 9, " docs:Scope build:Scope");
}
