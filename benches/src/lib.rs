//! What the benchmarks share: work, numbers, and the shapes of graphs, as edges, and graphs made of them.
//!
//! The shapes are those of the peers' table: a chain, a fan-out with its fan-in, a binary tree, and layers in which each
//! task waits for three random tasks of the layer before (fixed seed).

pub mod numbers;
pub mod programs;
pub mod random;
pub mod work;

use orch_core::{Graph, Task};

/// A graph as numbers: task `to` waits for task `from`.
#[derive(Debug, Clone)]
pub struct Shape {
    /// What it is called in tables.
    pub name: &'static str,
    /// How many tasks.
    pub tasks: u32,
    /// (from, to), where `from < to`.
    pub edges: Vec<(u32, u32)>,
}

impl Shape {
    /// Each task waits for the one before.
    pub fn chain(tasks: u32) -> Self {
        Self { name: "chain", tasks, edges: (1..tasks).map(|to| (to - 1, to)).collect() }
    }

    /// One task, all others but the last wait for it, the last waits for those.
    pub fn fan(tasks: u32) -> Self {
        let last = tasks - 1;
        let middle = 1..last;
        let edges = middle.clone().map(|to| (0, to)).chain(middle.map(|from| (from, last))).collect();
        Self { name: "fan", tasks, edges }
    }

    /// A binary tree from its root, of about that many tasks.
    pub fn tree(tasks: u32) -> Self {
        Self { name: "tree", tasks, edges: (1..tasks).map(|to| ((to - 1) / 2, to)).collect() }
    }

    /// `layers` layers of `width` tasks, three random parents each.
    pub fn layered(layers: u32, width: u32) -> Self {
        let mut edges = Vec::new();
        let mut seed = 42u64;
        for layer in 1..layers {
            for at in 0..width {
                let mut parents = Vec::with_capacity(3);
                while parents.len() < 3.min(width as usize) {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let parent = (layer - 1) * width + (seed >> 33) as u32 % width;
                    if !parents.contains(&parent) {
                        parents.push(parent);
                    }
                }
                edges.extend(parents.into_iter().map(|from| (from, layer * width + at)));
            }
        }
        Self { name: "layered", tasks: layers * width, edges }
    }

    /// The four shapes of about 10,000 tasks.
    pub fn all() -> [Self; 4] {
        [Self::chain(10_000), Self::fan(10_000), Self::tree((1 << 14) - 1), Self::layered(100, 100)]
    }

    /// The tasks as orch's builder takes them.
    pub fn definitions(&self) -> Vec<Task> {
        (0..self.tasks).map(|ix| Task::new(format!("t{ix}"))).collect()
    }

    /// As a graph of orch.
    ///
    /// # Panics
    ///
    /// Never: the shapes are acyclic.
    #[expect(clippy::expect_used, reason = "the shapes are acyclic")]
    pub fn graph(&self) -> Graph {
        Self::build(self.definitions(), &self.edges).expect("the shapes are acyclic")
    }

    /// Builds and checks a graph from tasks that are there already.
    ///
    /// # Errors
    ///
    /// Those of [`GraphBuilder::build`](orch_core::GraphBuilder::build).
    pub fn build(tasks: Vec<Task>, edges: &[(u32, u32)]) -> orch_core::Result<Graph> {
        let mut builder = Graph::builder("bench").tasks(tasks);
        edges.iter().for_each(|&(from, to)| builder.link(from.into(), to.into()));
        builder.build()
    }
}
