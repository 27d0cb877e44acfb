//! Graphs of a size and shape that break careless code.

use crate::{Graph, Plan, PlanOptions, Task, definition::Sources};

#[test]
fn a_cycle_of_50_000_tasks_is_told_as_its_path() {
    let mut builder = Graph::builder("round");
    let tasks: Vec<_> = (0..50_000).map(|nth| builder.add(Task::new(format!("t{nth}")))).collect();
    tasks.windows(2).for_each(|pair| builder.link(pair[0], pair[1]));
    builder.link(tasks[49_999], tasks[0]);
    let error = builder.build().unwrap_err();
    insta::assert_snapshot!(error, @r#"
    the graph `round` has 1 problem
      error[CIRCULAR_DEPENDENCY] tasks.t0: these tasks wait for each other: t0 → t1 → t2 → t3 → t4 → t5 → t6 → t7 → t8 → t9 → t10 → t11 → … 49988 more … → t0
    "#);
}

#[test]
fn a_million_tasks_side_by_side_build_and_plan() {
    let mut builder = Graph::builder("wide");
    let first = builder.add(Task::new("first"));
    for nth in 0..1_000_000 {
        let ix = builder.add(Task::new(nth.to_string()));
        builder.link(first, ix);
    }
    let graph = builder.build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    assert_eq!((plan.levels(), plan.widest(), graph.edges()), (2, 1_000_000, 1_000_000));
    let found = graph.redundant_edges(Graph::SEARCH_STEPS);
    assert!(found.complete && found.edges.is_empty());
}

#[test]
fn a_chain_of_a_million_tasks_needs_no_stack() {
    let mut builder = Graph::builder("chain");
    let tasks: Vec<_> = (0..1_000_000).map(|nth| builder.add(Task::new(nth.to_string()))).collect();
    tasks.windows(2).for_each(|pair| builder.link(pair[0], pair[1]));
    let graph = builder.build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    assert_eq!((plan.levels(), plan.critical_path().len()), (1_000_000, 1_000_000));
}

#[test]
fn of_two_names_as_near_the_suggestion_is_always_the_same() {
    use super::check::nearest;
    assert_eq!(nearest("te@t", ["test", "text"].into_iter()), Some("test"));
    assert_eq!(nearest("te@t", ["text", "test"].into_iter()), Some("test"));
    assert_eq!(nearest("@", ["a"].into_iter()), None, "a name of one character is near to everything");
}

#[test]
fn functions_of_tasks_are_among_their_sources() {
    let task = |id: &str| Task::new(id).after("a").sources(Sources::files(["x"]).tool("rg", "1"));
    let build = |a: Task, b: Task| Graph::builder("g").task(a).task(b).build().unwrap();
    let of = |hash: &str| Sources::default().tool("function", hash);
    let with = |hash: &str| Sources { files: vec!["x".into()], ..of(hash).tool("rg", "1") };
    let plain = build(Task::new("a"), task("b"));
    assert_ne!(plain.hash(), plain.with_functions(["1", "2"]).hash(), "what was computed before does not count");

    let made = build(Task::new("a").sources(of("1")), Task::new("b").after("a").sources(with("2")));
    let given = plain.with_functions(["0", "0"]).with_functions(["1", "2"]);
    assert_eq!(given.hash(), made.hash());
    assert_eq!(given.find("b"), plain.find("b"));
    assert_eq!(given.parents(1.into()).collect::<Vec<_>>(), plain.parents(1.into()).collect::<Vec<_>>());
    assert_eq!(plain.task(0.into()).options().sources, None, "the other is as it was");
    assert_eq!(plain.with_functions(["1"]).task(1.into()).options(), plain.task(1.into()).options());
}
