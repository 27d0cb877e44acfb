//! The plan against what its words mean, by asking every chain of tasks.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Graph, TaskIx, testing::graphs::graphs};

const DEFAULT: Duration = Duration::from_secs(60);

fn estimate(graph: &Graph, ix: TaskIx) -> Duration {
    graph.task(ix).estimated().unwrap_or(DEFAULT)
}

/// Every chain of tasks that ends before `ix`, by its longest: in tasks and in time.
fn before(graph: &Graph, ix: TaskIx) -> (u32, Duration) {
    graph
        .parents(ix)
        .map(|parent| {
            let (tasks, time) = before(graph, parent);
            (tasks + 1, time + estimate(graph, parent))
        })
        .fold((0, Duration::ZERO), |(tasks, time), (more, longer)| (tasks.max(more), time.max(longer)))
}

/// The longest chain from the start of `ix` to the end of the run.
fn rest(graph: &Graph, ix: TaskIx) -> Duration {
    estimate(graph, ix) + graph.children(ix).map(|child| rest(graph, child)).max().unwrap_or_default()
}

proptest! {
    #[test]
    fn a_plan_is_what_its_words_mean(graph in graphs(14)) {
        let plan = Plan::new(&graph, &PlanOptions { default_estimate: DEFAULT, ..PlanOptions::default() }).unwrap();
        let critical = graph.indices().map(|ix| rest(&graph, ix)).max().unwrap();
        prop_assert_eq!(plan.critical(), critical);
        prop_assert_eq!(plan.serial(), graph.indices().map(|ix| estimate(&graph, ix)).sum::<Duration>());
        for ix in graph.indices() {
            let step = plan.step(ix);
            let (level, earliest) = before(&graph, ix);
            prop_assert_eq!((step.level, step.earliest), (level, earliest));
            prop_assert_eq!(step.remaining, rest(&graph, ix));
            prop_assert_eq!(step.slack, critical - earliest - step.remaining);
        }
        let by_level = plan.by_level();
        prop_assert_eq!(by_level.len(), plan.levels() as usize);
        prop_assert_eq!(by_level.iter().map(Vec::len).max().unwrap(), plan.widest() as usize);
        prop_assert!(by_level.iter().all(|level| !level.is_empty()));
    }

    #[test]
    fn the_critical_path_is_a_chain_of_that_length(graph in graphs(40)) {
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let path = plan.critical_path();
        prop_assert_eq!(path.iter().map(|&ix| estimate(&graph, ix)).sum::<Duration>(), plan.critical());
        prop_assert!(path.windows(2).all(|pair| graph.children(pair[0]).any(|child| child == pair[1])));
        prop_assert!(path.iter().all(|&ix| plan.step(ix).slack == Duration::ZERO));
        prop_assert!(graph.parents(path[0]).len() == 0, "it begins at the beginning");
    }

    #[test]
    fn ranks_put_the_most_urgent_first_and_never_before_what_it_needs(graph in graphs(40)) {
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let order: Vec<_> = plan.by_rank().collect();
        prop_assert_eq!(order.len(), graph.len());
        for (rank, &ix) in (0..).zip(&order) {
            prop_assert_eq!(plan.step(ix).rank, rank);
        }
        let urgency: Vec<_> = order.iter().map(|&ix| plan.step(ix).remaining).collect();
        prop_assert!(urgency.is_sorted_by(|a, b| a >= b));
    }
}

#[test]
fn absurd_estimates_saturate() {
    let mut builder = Graph::builder("absurd");
    let tasks: Vec<_> =
        (0..3).map(|nth| builder.add(crate::Task::new(nth.to_string()).estimate(Duration::MAX))).collect();
    tasks.windows(2).for_each(|pair| builder.link(pair[0], pair[1]));
    let plan = Plan::new(&builder.build().unwrap(), &PlanOptions::default()).unwrap();
    assert_eq!(plan.critical(), Duration::from_nanos(u64::MAX));
    for ix in plan.graph().indices() {
        plan.step(ix);
    }
}
