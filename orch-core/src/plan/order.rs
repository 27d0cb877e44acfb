//! Who starts first when several are ready: for a known number of workers, the best of a few orders.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::model::Planned;
use crate::definition::Graph;

/// Graphs with more tasks keep the first order: trying others costs as much as planning several times.
const MOST_TASKS: usize = 50_000;

/// By what ready tasks are compared, after their explicit priority.
#[derive(Clone, Copy)]
enum Order {
    /// The longest way to the end first: optimal where the critical path sets the time.
    Critical,
    FirstIn,
    LastIn,
    /// The longest task first: packs well where the work sets the time (Graham, 1969).
    Longest,
    /// Level by level.
    Level,
}

/// The places in the order in which ready tasks start: the longest way to the end first, or, where `workers` are known and
/// another order ends earlier by the estimates, that one.
///
/// No order of list scheduling is best on every graph (Graham's anomalies): where the work and not the critical path sets
/// the time, the last few tasks decide. So the candidates are played through and the earliest end wins.
#[inline]
pub(super) fn order(graph: &Graph, tasks: &[Planned], workers: Option<u32>) -> Vec<u32> {
    let mut by_rank: Vec<u32> = (0..tasks.len() as u32).collect();
    let remaining = |ix: u32| Reverse(tasks.get(ix as usize).map_or(0, |task| task.remaining));
    if graph.with_options(0).next().is_none() {
        // Nobody has a priority, and the order of definition is kept.
        by_rank.sort_by_key(|&ix| remaining(ix));
    } else {
        by_rank.sort_by_cached_key(|&ix| (Reverse(priority(graph, ix)), remaining(ix), ix));
    }
    let Some(workers) = workers.filter(|_| tasks.len() <= MOST_TASKS) else { return by_rank };
    let (mut shortest, _) = play(graph, tasks, workers, Order::Critical);
    for order in [Order::FirstIn, Order::LastIn, Order::Longest, Order::Level] {
        let (end, starts) = play(graph, tasks, workers, order);
        if end < shortest {
            (shortest, by_rank) = (end, starts);
            // The starts of a schedule, as an order, give the same schedule again; explicit priorities go before.
            by_rank.sort_by_key(|&ix| Reverse(priority(graph, ix)));
        }
    }
    by_rank
}

#[inline]
fn priority(graph: &Graph, ix: u32) -> i32 {
    graph.task(ix.into()).options.as_ref().map_or(0, |options| options.priority)
}

/// When the last task ends and in which order they start, if every task takes its estimate.
#[expect(clippy::indexing_slicing, reason = "places of a graph are below its length, the length of `tasks`")]
fn play(graph: &Graph, tasks: &[Planned], workers: u32, order: Order) -> (u64, Vec<u32>) {
    let mut waiting: Vec<u32> = graph.indices().map(|ix| graph.parents(ix).len() as u32).collect();
    let (mut ready, mut arrived) = (BinaryHeap::new(), 0i128);
    let mut arrive = |ready: &mut BinaryHeap<_>, ix: u32| {
        arrived += 1;
        let task = &tasks[ix as usize];
        let turn = match order {
            Order::Critical => -i128::from(task.remaining),
            Order::FirstIn => arrived,
            Order::LastIn => -arrived,
            Order::Longest => -i128::from(task.estimate),
            Order::Level => i128::from(task.level),
        };
        ready.push(Reverse((Reverse(priority(graph, ix)), turn, ix)));
    };
    (0..tasks.len() as u32).filter(|&ix| waiting[ix as usize] == 0).for_each(|ix| arrive(&mut ready, ix));
    let mut running: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let (mut now, mut starts) = (0, Vec::with_capacity(tasks.len()));
    loop {
        while running.len() < workers as usize
            && let Some(Reverse((_, _, ix))) = ready.pop()
        {
            starts.push(ix);
            running.push(Reverse((tasks[ix as usize].estimate.saturating_add(now), ix)));
        }
        let Some(&Reverse((end, _))) = running.peek() else { return (now, starts) };
        now = end;
        while let Some(&Reverse((end, ix))) = running.peek()
            && end == now
        {
            running.pop();
            for child in graph.children(ix.into()) {
                waiting[child.index()] -= 1;
                if waiting[child.index()] == 0 {
                    arrive(&mut ready, child.0);
                }
            }
        }
    }
}
