//! Dependencies that say nothing new.

use super::graph::Graph;
use crate::id::TaskIx;

/// A dependency that another one implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RedundantEdge {
    /// What is waited for.
    pub from: TaskIx,
    /// Who waits for it.
    pub to: TaskIx,
    /// Another dependency of `to`, which itself waits for `from`, at once or by way of others.
    pub through: TaskIx,
}

/// The answer of [`Graph::redundant_edges`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedundantEdges {
    /// By `to`, in the order of definition; for each in the order of its dependencies.
    pub edges: Vec<RedundantEdge>,
    /// Whether the whole graph was searched. If not, the edges named are redundant, but there may be more.
    pub complete: bool,
}

impl Graph {
    /// How far [`redundant_edges`](Graph::redundant_edges) searches by default: about a second.
    pub const SEARCH_STEPS: u64 = 200_000_000;

    /// Every dependency that the others imply: `c` waits for `a` and for `b`, and `b` waits for `a`.
    ///
    /// Without these edges the order of the tasks is the same. They are not always useless: a task sees the outputs of the
    /// tasks that it waits for directly. [`optimize`](Graph::optimize) drops those that carry nothing.
    ///
    /// The search looks back from each task with several dependencies, and only as far as the lowest of their levels. In
    /// the worst case that is every pair of tasks, so it ends after `steps` looks at a dependency.
    ///
    /// ```
    /// use orch_core::{Graph, Task};
    ///
    /// let graph = Graph::builder("g")
    ///     .task(Task::new("a"))
    ///     .task(Task::new("b").after("a"))
    ///     .task(Task::new("c").after("a").after("b"))
    ///     .build()?;
    /// let found = graph.redundant_edges(Graph::SEARCH_STEPS);
    /// assert!(found.complete);
    /// let edge = found.edges[0];
    /// assert_eq!((graph.id(edge.from).as_str(), graph.id(edge.to).as_str()), ("a", "c"));
    /// assert_eq!(graph.id(edge.through).as_str(), "b");
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn redundant_edges(&self, steps: u64) -> RedundantEdges {
        self.redundant_edges_through(steps, |_| true)
    }

    /// As [`redundant_edges`](Graph::redundant_edges), but only ways through tasks that `may_pass` allows count.
    #[expect(clippy::indexing_slicing, reason = "every list has one entry a task, and places are below their number")]
    pub(super) fn redundant_edges_through(&self, mut steps: u64, may_pass: impl Fn(TaskIx) -> bool) -> RedundantEdges {
        const NONE: u32 = u32::MAX;
        let levels = self.levels();
        // For each task, the last task whose search reached it, and through which dependency of that task.
        let mut reached_for = vec![NONE; self.len()];
        let mut through = vec![TaskIx(NONE); self.len()];
        let mut stack: Vec<(TaskIx, TaskIx)> = Vec::new();
        let mut edges = Vec::new();
        for to in self.indices() {
            let Some(lowest) = self.parents(to).map(|parent| levels[parent.index()]).min() else { continue };
            // A parent on the lowest level cannot reach another parent, so it is no start.
            stack.extend(
                self.parents(to)
                    .filter(|parent| levels[parent.index()] > lowest && may_pass(*parent))
                    .map(|parent| (parent, parent)),
            );
            if stack.is_empty() {
                continue;
            }
            while let Some((ix, start)) = stack.pop() {
                for parent in self.parents(ix) {
                    if steps == 0 {
                        return RedundantEdges { edges, complete: false };
                    }
                    steps -= 1;
                    let at = parent.index();
                    if levels[at] >= lowest && reached_for[at] != to.0 {
                        reached_for[at] = to.0;
                        through[at] = start;
                        if levels[at] > lowest && may_pass(parent) {
                            stack.push((parent, start));
                        }
                    }
                }
            }
            edges.extend(self.parents(to).filter(|from| reached_for[from.index()] == to.0).map(|from| RedundantEdge {
                from,
                to,
                through: through[from.index()],
            }));
        }
        RedundantEdges { edges, complete: true }
    }

    /// How many tasks must be done one after the other before each.
    #[expect(clippy::indexing_slicing, reason = "places are below the number of tasks")]
    pub(super) fn levels(&self) -> Vec<u32> {
        let mut levels = vec![0; self.len()];
        for ix in self.topological() {
            let next = levels[ix.index()] + 1;
            for child in self.children(ix) {
                let level = &mut levels[child.index()];
                *level = next.max(*level);
            }
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Task, testing::graphs::graphs};

    /// Whether `from` reaches `to` when that one edge is left out, by asking every way.
    fn reaches_otherwise(graph: &Graph, from: TaskIx, to: TaskIx) -> bool {
        let mut seen = vec![false; graph.len()];
        let mut stack: Vec<_> = graph.children(from).filter(|&child| child != to).collect();
        while let Some(ix) = stack.pop() {
            if ix == to {
                return true;
            }
            if !std::mem::replace(&mut seen[ix.index()], true) {
                stack.extend(graph.children(ix));
            }
        }
        false
    }

    proptest! {
        #[test]
        fn exactly_the_edges_that_another_way_implies(graph in graphs(24)) {
            let found = graph.redundant_edges(Graph::SEARCH_STEPS);
            prop_assert!(found.complete);
            let expected: Vec<_> = graph
                .indices()
                .flat_map(|to| graph.parents(to).map(move |from| (from, to)))
                .filter(|&(from, to)| reaches_otherwise(&graph, from, to))
                .collect();
            let edges: Vec<_> = found.edges.iter().map(|edge| (edge.from, edge.to)).collect();
            prop_assert_eq!(edges, expected);
            for edge in found.edges {
                prop_assert!(graph.parents(edge.to).any(|parent| parent == edge.through));
                prop_assert_ne!(edge.through, edge.from);
                prop_assert!(
                    graph.parents(edge.through).any(|parent| parent == edge.from)
                        || reaches_otherwise(&graph, edge.from, edge.through)
                );
            }
        }

        #[test]
        fn a_search_that_ends_early_names_only_redundant_edges(graph in graphs(24), steps in 0u64..60) {
            let all = graph.redundant_edges(Graph::SEARCH_STEPS).edges;
            let some = graph.redundant_edges(steps);
            prop_assert!(some.edges.iter().all(|edge| all.contains(edge)));
            if some.complete {
                prop_assert_eq!(some.edges, all);
            }
        }
    }

    #[test]
    fn a_graph_too_tangled_to_search_ends_in_time() {
        // Every task waits for all before it: the worst case of the search.
        let mut builder = Graph::builder("tangle");
        let tasks: Vec<_> = (0..2_000).map(|nth| builder.add(Task::new(format!("t{nth}")))).collect();
        for (at, &to) in tasks.iter().enumerate() {
            tasks[..at].iter().for_each(|&from| builder.link(from, to));
        }
        let graph = builder.build().unwrap();
        let found = graph.redundant_edges(1_000_000);
        assert!(!found.complete);
        assert!(found.edges.len() > 100);
    }
}
