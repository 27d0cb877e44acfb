//! Groups of tasks, for pictures of graphs that are too large to draw.

use std::collections::{BTreeMap, BTreeSet};

use crate::{definition::Graph, event::TaskState, id::TaskIx};

/// A partition of the tasks.
pub(super) struct Groups {
    names: Vec<String>,
    /// The group of each task.
    of: Vec<u32>,
}

impl Groups {
    /// By phase, in the order of first appearance, if there are several and every task has one.
    pub(super) fn by_phase(graph: &Graph) -> Option<Self> {
        let mut places: BTreeMap<&str, u32> = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        let mut of = Vec::with_capacity(graph.len());
        for task in graph.tasks() {
            let phase = task.options().phase.as_deref()?;
            of.push(*places.entry(phase).or_insert_with(|| {
                names.push(phase.to_owned());
                names.len() as u32 - 1
            }));
        }
        (names.len() > 1).then_some(Self { names, of })
    }

    /// By level, counted from 1 for people, if there are not too many.
    pub(super) fn by_level(graph: &Graph) -> Option<Self> {
        const MOST: u32 = 200;
        let of = graph.levels();
        let levels = of.iter().max().map_or(0, |last| last + 1);
        let names = (0..levels.min(MOST)).map(|level| format!("level {}", level + 1)).collect();
        (levels <= MOST).then_some(Self { names, of })
    }

    /// Runs of levels, few enough that even an edge between each two of them can be drawn.
    pub(super) fn few(graph: &Graph) -> Self {
        const MOST: u32 = 30;
        let mut of = graph.levels();
        let levels = of.iter().max().map_or(0, |last| last + 1);
        let run = levels.div_ceil(MOST).max(1);
        of.iter_mut().for_each(|level| *level /= run);
        let names = (0..levels.div_ceil(run))
            .map(|nth| match (nth * run, (levels - 1).min((nth + 1) * run - 1)) {
                (first, last) if first == last => format!("level {}", first + 1),
                (first, last) => format!("levels {} to {}", first + 1, last + 1),
            })
            .collect();
        Self { names, of }
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn members<'a>(&'a self, group: usize, graph: &'a Graph) -> impl Iterator<Item = TaskIx> + 'a {
        graph.indices().zip(&self.of).filter(move |&(_, &of)| of as usize == group).map(|(ix, _)| ix)
    }

    pub(super) fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.names.len()];
        for &group in &self.of {
            if let Some(size) = sizes.get_mut(group as usize) {
                *size += 1;
            }
        }
        sizes
    }

    /// Which group waits for which other, each pair once.
    #[expect(clippy::indexing_slicing, reason = "`of` has one entry a task")]
    pub(super) fn edges(&self, graph: &Graph) -> BTreeSet<(u32, u32)> {
        let edges = graph.indices().flat_map(|to| graph.parents(to).map(move |from| (from, to)));
        edges.map(|(from, to)| (self.of[from.index()], self.of[to.index()])).filter(|(from, to)| from != to).collect()
    }

    /// The state of each group: what a person should see first of its tasks.
    pub(super) fn states(&self, states: &[TaskState]) -> Vec<TaskState> {
        let mut seen: Vec<Vec<TaskState>> = vec![Vec::new(); self.names.len()];
        for (nth, &group) in self.of.iter().enumerate() {
            let state = states.get(nth).copied().unwrap_or_default();
            if let Some(seen) = seen.get_mut(group as usize)
                && !seen.contains(&state)
            {
                seen.push(state);
            }
        }
        seen.iter().map(|seen| together(seen)).collect()
    }
}

/// What a group is whose tasks are in these states: begun and not done is running.
fn together(seen: &[TaskState]) -> TaskState {
    let any = |state| seen.contains(&state);
    match () {
        () if any(TaskState::Failed) => TaskState::Failed,
        () if any(TaskState::Running) => TaskState::Running,
        () if any(TaskState::Pending) && seen.len() > 1 => TaskState::Running,
        () if any(TaskState::Cancelled) => TaskState::Cancelled,
        () if any(TaskState::Succeeded) => TaskState::Succeeded,
        () => seen.first().copied().unwrap_or_default(),
    }
}
