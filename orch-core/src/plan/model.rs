//! The plan of a graph.

use std::{sync::Arc, time::Duration};

use super::{
    history::{History, Learned},
    order::order,
};
use crate::{definition::Graph, error::Result, id::TaskIx};

/// How a graph is planned. `PlanOptions::default()` takes 60 s for a task without an estimate.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The duration of a task that has no estimate. Default: 60 s, as command definitions have it.
    pub default_estimate: Duration,
    /// How many tasks will run at once, where that is known: then the order in which ready tasks start is the best of a few
    /// for that number and these estimates. Default: `None`, the longest way to the end first.
    pub workers: Option<u32>,
    /// How long tasks took in past runs: a task that is known from there takes its median, whatever its definition says.
    /// Default: `None`.
    pub history: Option<Arc<History>>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { default_estimate: Duration::from_secs(60), workers: None, history: None }
    }
}

/// How the tasks of a graph would run. Cheap to clone; the same graph and options give the same plan.
#[derive(Debug, Clone)]
pub struct Plan(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    graph: Graph,
    options: PlanOptions,
    levels: u32,
    widest: u32,
    serial: u64,
    critical: u64,
    critical_path: Vec<TaskIx>,
    tasks: Vec<Planned>,
    /// The rank of each task.
    ranks: Vec<u32>,
    /// Places in the order in which ready tasks start.
    by_rank: Vec<u32>,
}

/// What the plan knows of one task. Times in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    pub(super) level: u32,
    pub(super) estimate: u64,
    /// The earliest start with unlimited workers.
    earliest: u64,
    /// The longest way from this task's start to the end.
    pub(super) remaining: u64,
}

/// One task in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which task.
    pub task: TaskIx,
    /// How many tasks must be done one after the other before it, from 0.
    pub level: u32,
    /// Its median in past runs, else its estimate, or the default.
    pub estimate: Duration,
    /// When it could start with unlimited workers, since the start of the run.
    pub earliest: Duration,
    /// How much later it could start without delaying the end. Zero on the critical path.
    pub slack: Duration,
    /// The longest way from its start to the end of the run, itself included: its priority among the ready.
    pub remaining: Duration,
    /// Its turn among all tasks when several are ready, from 0: by explicit priority, then by `remaining`, or
    /// by the order that [`PlanOptions::workers`] found.
    pub rank: u32,
}

impl Plan {
    /// Plans a graph, in time and memory linear in tasks and dependencies (but for one sort).
    ///
    /// # Errors
    ///
    /// None today; a plan may come to refuse options.
    #[expect(
        clippy::indexing_slicing,
        reason = "places of a graph are below its length, the length of every list here"
    )]
    #[inline]
    pub fn new(graph: &Graph, options: &PlanOptions) -> Result<Self> {
        let default = nanos(options.default_estimate);
        let mut tasks: Vec<Planned> = graph
            .tasks()
            .iter()
            .map(|task| {
                let learned = options.history.as_ref().and_then(|history| history.of(task));
                let estimate = learned.map(|learned| learned.median).or(task.estimated()).map_or(default, nanos);
                Planned { level: 0, estimate, earliest: 0, remaining: estimate }
            })
            .collect();
        for ix in graph.topological() {
            let Planned { level, earliest, estimate, .. } = tasks[ix.index()];
            for child in graph.children(ix) {
                let child = &mut tasks[child.index()];
                child.level = child.level.max(level + 1);
                child.earliest = child.earliest.max(earliest.saturating_add(estimate));
            }
        }
        for ix in graph.topological().rev() {
            let longest = graph.children(ix).map(|child| tasks[child.index()].remaining).max().unwrap_or(0);
            let task = &mut tasks[ix.index()];
            task.remaining = task.estimate.saturating_add(longest);
        }
        let levels = tasks.iter().map(|task| task.level + 1).max().unwrap_or(0);
        let mut widths = vec![0u32; levels as usize];
        tasks.iter().for_each(|task| widths[task.level as usize] += 1);
        let by_rank = order(graph, &tasks, options.workers.filter(|&workers| workers > 0));
        let mut ranks = vec![0; tasks.len()];
        for (rank, &ix) in (0..).zip(&by_rank) {
            ranks[ix as usize] = rank;
        }
        let critical = tasks.iter().map(|task| task.remaining).max().unwrap_or(0);
        let serial = tasks.iter().fold(0u64, |sum, task| sum.saturating_add(task.estimate));
        let critical_path = critical_path(graph, &tasks, critical);
        Ok(Self(Arc::new(Inner {
            graph: graph.clone(),
            options: options.clone(),
            levels,
            widest: widths.iter().copied().max().unwrap_or(0),
            serial,
            critical,
            critical_path,
            tasks,
            ranks,
            by_rank,
        })))
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// How it was planned.
    pub fn options(&self) -> &PlanOptions {
        &self.0.options
    }

    /// How many levels: the longest chain of tasks.
    pub fn levels(&self) -> u32 {
        self.0.levels
    }

    /// The tasks of each level, in the order of definition.
    #[expect(clippy::indexing_slicing, reason = "levels are below levels()")]
    pub fn by_level(&self) -> Vec<Vec<TaskIx>> {
        let mut levels = vec![Vec::new(); self.0.levels as usize];
        for (ix, task) in (0..).zip(&self.0.tasks) {
            levels[task.level as usize].push(TaskIx(ix));
        }
        levels
    }

    /// The most tasks on one level.
    pub fn widest(&self) -> u32 {
        self.0.widest
    }

    /// How long the tasks take one after the other.
    pub fn serial(&self) -> Duration {
        Duration::from_nanos(self.0.serial)
    }

    /// How long the run takes with unlimited workers: the length of the critical path.
    pub fn critical(&self) -> Duration {
        Duration::from_nanos(self.0.critical)
    }

    /// The longest chain, from first to last; of several, the one through the earliest places.
    pub fn critical_path(&self) -> &[TaskIx] {
        &self.0.critical_path
    }

    /// The shortest time that any order can reach with `workers` at once: the critical path, or the work divided evenly,
    /// whichever is longer.
    pub fn lower_bound(&self, workers: Option<u32>) -> Duration {
        let share = workers.map_or(0, |workers| self.0.serial.div_ceil(u64::from(workers.max(1))));
        Duration::from_nanos(self.0.critical.max(share))
    }

    /// What past runs say of that task; `None`: nothing, or none were given. Panics as [`Graph::task`] does.
    pub fn learned(&self, ix: TaskIx) -> Option<Learned> {
        self.0.options.history.as_ref()?.of(self.0.graph.task(ix))
    }

    /// What the plan says of that task. Panics as [`Graph::task`] does.
    #[expect(clippy::indexing_slicing, reason = "a place of another graph is the caller's bug, as with a slice")]
    pub fn step(&self, ix: TaskIx) -> Step {
        let task = &self.0.tasks[ix.index()];
        Step {
            task: ix,
            level: task.level,
            estimate: Duration::from_nanos(task.estimate),
            earliest: Duration::from_nanos(task.earliest),
            // Absurd estimates saturate, and then the sum of the two may pass the whole.
            slack: Duration::from_nanos(self.0.critical.saturating_sub(task.earliest.saturating_add(task.remaining))),
            remaining: Duration::from_nanos(task.remaining),
            rank: self.rank(ix),
        }
    }

    /// The turn of that task when several are ready. Panics as [`Graph::task`] does.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a place of another graph is the caller's bug, as with a slice")]
    pub(crate) fn rank(&self, ix: TaskIx) -> u32 {
        self.0.ranks[ix.index()]
    }

    /// The [rank](Step::rank) of each task, in the order of definition.
    pub(crate) fn ranks(&self) -> &[u32] {
        &self.0.ranks
    }

    /// The task with that [rank](Step::rank). Panics as [`Graph::task`] does.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a rank of another plan is the caller's bug, as with a slice")]
    pub fn ranked(&self, rank: u32) -> TaskIx {
        TaskIx(self.0.by_rank[rank as usize])
    }

    /// Every task in the order in which ready tasks are started.
    pub fn by_rank(&self) -> impl ExactSizeIterator<Item = TaskIx> + '_ {
        self.0.by_rank.iter().map(|&ix| TaskIx(ix))
    }
}

#[inline]
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::indexing_slicing, reason = "places of a graph are below its length, the length of `tasks`")]
#[inline]
fn critical_path(graph: &Graph, tasks: &[Planned], critical: u64) -> Vec<TaskIx> {
    let mut path = Vec::new();
    let mut next = graph.indices().find(|ix| tasks[ix.index()].remaining == critical && graph.parents(*ix).len() == 0);
    while let Some(ix) = next {
        path.push(ix);
        let left = tasks[ix.index()].remaining - tasks[ix.index()].estimate;
        next = graph.children(ix).find(|child| tasks[child.index()].remaining == left);
    }
    path
}
