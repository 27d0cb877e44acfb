//! Random graphs, for property tests with proptest.

use std::{ops::RangeInclusive, time::Duration};

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{Graph, Task};

/// Graphs of 1 to `max_tasks` tasks, with estimates of whole seconds up to a minute, some with none.
///
/// They shrink to fewer tasks, fewer dependencies and shorter estimates. The order of definition is not a topological
/// one: a task may stand before what it waits for.
///
/// ```
/// use orch_core::{Plan, PlanOptions, testing::graphs::graphs};
/// use proptest::prelude::*;
///
/// proptest!(|(graph in graphs(20))| {
///     let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
///     prop_assert!(plan.critical() <= plan.serial());
/// });
/// ```
pub fn graphs(max_tasks: usize) -> impl Strategy<Value = Graph> {
    tasks(1..=max_tasks.max(1)).prop_map(|tasks| {
        #[expect(clippy::expect_used, reason = "`tasks` gives unique names and no cycle; else the strategy is broken")]
        Graph::builder("random").tasks(tasks).build().expect("the strategy makes valid graphs")
    })
}

/// The tasks of such a graph, to be changed before they become one: named `t0`, `t1` … in the order of definition.
pub fn tasks(count: RangeInclusive<usize>) -> impl Strategy<Value = Vec<Task>> {
    count.prop_flat_map(|count| {
        let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
        let pairs = vec((any::<Index>(), any::<Index>()), 0..=count * 2);
        let estimates = vec(proptest::option::weighted(0.8, 0u64..=60), count);
        (order, pairs, estimates).prop_map(|(order, pairs, estimates)| assemble(&order, &pairs, &estimates))
    })
}

/// A pair of places in `order` becomes a dependency of the later on the earlier, so there is no cycle.
#[expect(clippy::indexing_slicing, reason = "`order` holds each place once, and `Index` stays below the length given")]
fn assemble(order: &[usize], pairs: &[(Index, Index)], estimates: &[Option<u64>]) -> Vec<Task> {
    let mut tasks: Vec<Task> = (0..)
        .zip(estimates)
        .map(|(nth, estimate): (usize, _)| {
            let task = Task::new(format!("t{nth}"));
            estimate.map_or(task.clone(), |seconds| task.estimate(Duration::from_secs(seconds)))
        })
        .collect();
    for (a, b) in pairs {
        let (a, b) = (a.index(order.len()), b.index(order.len()));
        if a != b {
            let (earlier, later) = (order[a.min(b)], order[a.max(b)]);
            tasks[later] = tasks[later].clone().after(format!("t{earlier}"));
        }
    }
    tasks
}
