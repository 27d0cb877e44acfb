//! Collects tasks and makes a checked graph of them.

use std::{collections::BTreeMap, sync::OnceLock};

use super::{
    breaker::BreakerOptions,
    check,
    claim::Resource,
    csr::Csr,
    graph::{Graph, Index, Inner},
    task::Task,
};
use crate::{
    error::{Error, ErrorKind, Problem, Result},
    id::{ResourceId, TaskId, TaskIx},
};

/// Collects tasks; [`build`](GraphBuilder::build) checks them all at once.
///
/// Tasks may be given in any order: a dependency may be named before the task that it names.
///
/// ```
/// use orch_core::{ErrorKind, Graph, Task};
///
/// let error = Graph::builder("broken")
///     .task(Task::new("a").after("b"))
///     .task(Task::new("b").after("a"))
///     .task(Task::new("c").after("d"))
///     .build()
///     .unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
/// assert_eq!(error.problems().len(), 2, "the missing task and the cycle are both named");
/// ```
#[derive(Debug, Clone, Default)]
pub struct GraphBuilder {
    name: String,
    tasks: Vec<Task>,
    /// Dependencies by place (to, from), beside those that tasks name.
    links: Vec<(u32, u32)>,
    /// Dependencies by name (from, to), beside those that tasks name.
    named_links: Vec<(TaskId, TaskId)>,
    resources: BTreeMap<ResourceId, Resource>,
    quorums: BTreeMap<String, u32>,
    breakers: BTreeMap<String, BreakerOptions>,
    warnings: Vec<Problem>,
}

impl GraphBuilder {
    pub(super) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Adds a task.
    #[must_use]
    pub fn task(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }

    /// Changes each task that it has so far.
    #[must_use]
    pub fn each_task(mut self, change: impl FnMut(Task) -> Task) -> Self {
        self.tasks = self.tasks.into_iter().map(change).collect();
        self
    }

    /// Adds many tasks.
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        self.tasks.extend(tasks);
        self
    }

    /// Adds a task and answers its place, which [`link`](GraphBuilder::link) takes: the quick way to build large graphs.
    ///
    /// ```
    /// use orch_core::{Graph, Task};
    ///
    /// let mut builder = Graph::builder("quick");
    /// let a = builder.add(Task::new("a"));
    /// let b = builder.add(Task::new("b"));
    /// builder.link(a, b);
    /// assert_eq!(builder.build()?.edges(), 1);
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    #[inline]
    pub fn add(&mut self, task: Task) -> TaskIx {
        // More than u32::MAX tasks are refused by `build`.
        let ix = TaskIx(self.tasks.len() as u32);
        self.tasks.push(task);
        ix
    }

    /// Lets `to` wait for `from`, by place.
    #[inline]
    pub fn link(&mut self, from: TaskIx, to: TaskIx) {
        self.links.push((to.0, from.0));
    }

    /// Makes room for that many more tasks, and links between places: a large graph whose size is known grows without being moved.
    #[inline]
    pub fn reserve(&mut self, tasks: usize, links: usize) {
        self.tasks.reserve(tasks);
        self.links.reserve(links);
    }

    /// Lets `to` wait for `from`, by name.
    #[must_use]
    pub fn dependency(mut self, from: impl Into<TaskId>, to: impl Into<TaskId>) -> Self {
        self.named_links.push((from.into(), to.into()));
        self
    }

    /// Declares a resource that tasks [claim](crate::Claim). Of two with one name the later counts.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.insert(resource.name.clone(), resource);
        self
    }

    /// The group is good when `at_least` of its tasks succeed: failures of the others are forgiven.
    #[must_use]
    pub fn quorum(mut self, group: impl Into<String>, at_least: u32) -> Self {
        self.quorums.insert(group.into(), at_least);
        self
    }

    /// How the circuit breaker of that name behaves. Tasks may name a breaker that is not declared: it behaves as
    /// [`BreakerOptions::default`].
    #[must_use]
    pub fn breaker(mut self, name: impl Into<String>, options: BreakerOptions) -> Self {
        self.breakers.insert(name.into(), options);
        self
    }

    /// What is odd about where the tasks come from: [`Graph::warnings`] tells it.
    #[must_use]
    pub(super) fn warnings(mut self, warnings: Vec<Problem>) -> Self {
        self.warnings = warnings;
        self
    }

    /// The most tasks of one graph.
    pub const MAX_TASKS: usize = 50_000_000;

    /// The most dependencies of one graph.
    pub const MAX_EDGES: usize = 500_000_000;

    /// Checks everything and makes the graph.
    ///
    /// # Errors
    ///
    /// [`InvalidDefinition`](ErrorKind::InvalidDefinition) with *every* problem: empty, too long and double names, unknown
    /// dependencies, tasks that wait for themselves, each cycle with its path, limits of 0, claims that could never be granted,
    /// rollbacks to unknown tasks, breakers that could never open or close, sources out of reach.
    /// [`TooLarge`](ErrorKind::TooLarge) above [`MAX_TASKS`](Self::MAX_TASKS) and [`MAX_EDGES`](Self::MAX_EDGES).
    #[inline]
    pub fn build(self) -> Result<Graph> {
        let Self { name, mut tasks, links, named_links, resources, quorums, breakers, warnings } = self;
        let edges = tasks.iter().map(|task| task.after.len()).sum::<usize>() + links.len() + named_links.len();
        if tasks.len() > Self::MAX_TASKS || edges > Self::MAX_EDGES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("a graph holds at most {} tasks and {} dependencies", Self::MAX_TASKS, Self::MAX_EDGES),
            )
            .with("tasks", tasks.len().to_string())
            .with("dependencies", edges.to_string()));
        }
        let mut problems = check::names(&tasks);
        let mut index = Index::with_capacity(tasks.len());
        for ix in 0..tasks.len() as u32 {
            if let Some(earlier) = index.insert(&tasks, ix) {
                problems.push(check::double_name(&tasks, earlier, ix));
            }
        }
        let parents = parents(&tasks, &index, links, &named_links, &mut problems);
        check::quorums(&quorums, &tasks, &mut problems);
        check::resources(&resources, &tasks, &mut problems);
        check::breakers(&breakers, &mut problems);
        check::rollbacks(&tasks, |target| index.find(&tasks, target).is_some(), &mut problems);
        check::sources(&tasks, &mut problems);
        let children = parents.reversed();
        let order = match check::topological(&parents, &children) {
            Ok(order) => order,
            Err(cycles) => {
                problems.extend(cycles.iter().map(|cycle| check::cycle(&tasks, cycle)));
                Vec::new()
            }
        };
        if !problems.is_empty() {
            let count = problems.len();
            return Err(Error::invalid_definition(
                format!(
                    "the graph `{}` has {count} problem{}",
                    crate::id::Printable(&name),
                    if count == 1 { "" } else { "s" }
                ),
                problems,
            ));
        }
        for task in &mut tasks {
            task.after = Vec::new();
        }
        Ok(Graph::from_inner(Inner {
            name,
            tasks,
            // The graph finds them.
            optioned: Vec::new(),
            index,
            parents,
            children,
            order,
            resources,
            quorums,
            breakers,
            warnings,
            hash: OnceLock::new(),
        }))
    }
}

/// The dependencies of each task by place, each once, in the order given. Unknown ones become problems.
#[expect(clippy::indexing_slicing, reason = "`extra` has one list a task, and places were checked against it")]
#[inline]
fn parents(
    tasks: &[Task],
    index: &Index,
    links: Vec<(u32, u32)>,
    named: &[(TaskId, TaskId)],
    problems: &mut Vec<Problem>,
) -> Csr {
    let count = tasks.len() as u32;
    let mut pairs = links;
    pairs.retain(|&(to, from)| {
        let known = from < count && to < count;
        if !known {
            problems.push(check::foreign_place(from.max(to), tasks.len()));
        }
        known
    });
    for (from, to) in named {
        match (index.find(tasks, from.as_str()), index.find(tasks, to.as_str())) {
            (Some(from), Some(to)) => pairs.push((to, from)),
            (None, _) => problems.push(check::unknown(tasks, to.as_str(), from)),
            (_, None) => problems.push(check::unknown(tasks, from.as_str(), to)),
        }
    }
    let in_order = pairs.is_sorted_by_key(|&(to, _)| to);
    if !in_order {
        pairs.sort_by_key(|&(to, _)| to);
    }
    let mut starts = Vec::with_capacity(tasks.len() + 1);
    let mut items: Vec<u32> =
        Vec::with_capacity(pairs.len() + tasks.iter().map(|task| task.after.len()).sum::<usize>());
    // The last task that named a place, so that naming it twice is the same as once, in constant time.
    let mut named_by = vec![u32::MAX; tasks.len()];
    let mut pairs = pairs.into_iter().peekable();
    starts.push(0);
    for (ix, task) in (0..count).zip(tasks) {
        let mut push = |parent: u32| {
            if named_by[parent as usize] != ix {
                named_by[parent as usize] = ix;
                items.push(parent);
            }
        };
        for dependency in &task.after {
            match index.find(tasks, dependency.as_str()) {
                Some(parent) => push(parent),
                None => problems.push(check::unknown(tasks, task.id.as_str(), dependency)),
            }
        }
        while let Some((_, parent)) = pairs.next_if(|&(to, _)| to == ix) {
            push(parent);
        }
        starts.push(items.len() as u32);
    }
    Csr::from_starts(starts, items)
}
