//! What is wrong with a graph: every problem, each with its place and its mend.

use std::{collections::BTreeMap, fmt::Write as _};

use petgraph::visit::{
    GraphBase, GraphRef, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, NodeIndexable, VisitMap, Visitable,
};

use super::{breaker::BreakerOptions, claim::Resource, csr::Csr, task::Task, undo::UndoScope};
use crate::{
    error::Problem,
    id::{Printable, ResourceId, TaskId},
};

/// Names that are empty or too long.
#[inline]
pub(super) fn names(tasks: &[Task]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let bytes = task.id.as_str().len();
        if bytes == 0 {
            problems.push(Problem::error("INVALID_NAME", "a task needs a name").at(format!("tasks[{at}].id")));
        } else if bytes > TaskId::MAX_BYTES {
            let message = format!("a name has at most {} bytes, this one has {bytes}", TaskId::MAX_BYTES);
            problems.push(Problem::error("INVALID_NAME", message).at(format!("tasks[{at}].id")));
        }
    }
    problems
}

pub(super) fn double_name(tasks: &[Task], earlier: u32, later: u32) -> Problem {
    let name = name(tasks, later);
    Problem::error("DUPLICATE_ID", format!("`{name}` is already the name of tasks[{earlier}]; names are unique"))
        .at(format!("tasks[{later}].id"))
}

pub(super) fn unknown(tasks: &[Task], by: &str, dependency: &TaskId) -> Problem {
    let mut message = format!("depends on `{dependency}`, which is no task");
    // A suggestion costs a comparison with every name: only where a person can still read the list.
    if tasks.len() <= 10_000
        && let Some(near) = nearest(dependency.as_str(), tasks.iter().map(|task| task.id.as_str()))
    {
        let _ = write!(message, "; did you mean `{}`?", Printable(near));
    }
    Problem::error("MISSING_REFERENCE", message).at(format!("tasks.{}", Printable(by)))
}

pub(super) fn foreign_place(place: u32, count: usize) -> Problem {
    Problem::error("MISSING_REFERENCE", format!("a link names place {place}, but there are only {count} tasks"))
}

/// Resources that nobody could claim, and claims that could never be granted.
pub(super) fn resources(resources: &BTreeMap<ResourceId, Resource>, tasks: &[Task], problems: &mut Vec<Problem>) {
    for (name, resource) in resources {
        problems.extend(resource.problems(&format!("resources.{name}")));
    }
    for task in tasks.iter().filter(|task| task.options.is_some()) {
        for (nth, claim) in task.options().claims.iter().enumerate() {
            let capacity = resources.get(&claim.resource).and_then(|resource| resource.capacity);
            problems.extend(claim.problems(capacity, || format!("tasks.{}.claims[{nth}]", task.id)));
        }
    }
}

pub(super) fn quorums(quorums: &BTreeMap<String, u32>, tasks: &[Task], problems: &mut Vec<Problem>) {
    for (group, &least) in quorums {
        let members = tasks.iter().filter(|task| task.options().group.as_deref() == Some(group)).count();
        if least as usize > members {
            let message = format!("asks for {least} successes, but the group has {members} tasks");
            problems.push(Problem::error("INVALID_VALUE", message).at(format!("quorums.{}", Printable(group))));
        }
    }
}

/// Breakers that could never open, or never close again.
pub(super) fn breakers(breakers: &BTreeMap<String, BreakerOptions>, problems: &mut Vec<Problem>) {
    for (name, options) in breakers {
        let place = format!("breakers.{}", Printable(name));
        let counts = [
            ("failure_threshold", options.failure_threshold),
            ("success_threshold", options.success_threshold),
            ("probes", options.probes),
        ];
        for (field, _) in counts.into_iter().filter(|&(_, count)| count == 0) {
            let message = "a breaker needs at least 1 here";
            problems.push(Problem::error("INVALID_VALUE", message).at(format!("{place}.{field}")));
        }
        if options.monitoring_period.is_zero() {
            let message = "in a period of 0 no two failures would count; give a time, as the default of 300 s";
            problems.push(Problem::error("INVALID_VALUE", message).at(format!("{place}.monitoring_period_ms")));
        }
    }
}

/// Rollbacks to tasks that do not exist.
pub(super) fn rollbacks(tasks: &[Task], exists: impl Fn(&str) -> bool, problems: &mut Vec<Problem>) {
    for task in tasks {
        let Some(options) = task.options.as_ref() else { continue };
        if let Some(UndoScope::To(target)) = options.rollback.as_ref().map(|rollback| &rollback.scope)
            && !exists(target.as_str())
        {
            let message = format!("rolls back to `{target}`, which is no task");
            problems.push(
                Problem::error("MISSING_REFERENCE", message)
                    .at(format!("tasks.{}.rollback", Printable(task.id.as_str()))),
            );
        }
    }
}

/// Sources that no run could read.
pub(super) fn sources(tasks: &[Task], problems: &mut Vec<Problem>) {
    for task in tasks {
        let Some(sources) = task.options.as_ref().and_then(|options| options.sources.as_ref()) else { continue };
        problems.extend(sources.problems(|| format!("tasks.{}.sources", Printable(task.id.as_str()))));
    }
}

/// The cycle as a problem.
pub(super) fn cycle(tasks: &[Task], cycle: &[u32]) -> Problem {
    let first = cycle.first().copied().unwrap_or_default();
    let path = cycle_path(cycle, |ix| name(tasks, ix).as_str());
    Problem::error("CIRCULAR_DEPENDENCY", format!("these tasks wait for each other: {path}"))
        .at(format!("tasks.{}", name(tasks, first)))
}

/// The cycle as its path: `a → b → a`.
pub(super) fn cycle_path<'a>(cycle: &[u32], name: impl Fn(u32) -> &'a str) -> String {
    /// A longer path helps nobody.
    const SHOWN: usize = 12;
    let mut path = String::new();
    for &ix in cycle.iter().take(SHOWN) {
        let _ = write!(path, "{} → ", Printable(name(ix)));
    }
    if cycle.len() > SHOWN {
        let _ = write!(path, "… {} more … → ", cycle.len() - SHOWN);
    }
    let _ = write!(path, "{}", Printable(name(cycle.first().copied().unwrap_or_default())));
    path
}

fn name(tasks: &[Task], ix: u32) -> &TaskId {
    static NONE: std::sync::LazyLock<TaskId> = std::sync::LazyLock::new(|| TaskId::from(""));
    tasks.get(ix as usize).map_or(&NONE, |task| &task.id)
}

/// The candidate that a typing slip would turn into `wanted`, if one is near enough; of several the first by name. Names of
/// one or two characters are near to everything, so nothing is near to them.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wanted.chars().count() / 3).min(3);
    candidates
        .filter(|candidate| candidate.len().abs_diff(wanted.len()) <= 2 * allowed)
        .map(|candidate| (distance(wanted, candidate), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance, on characters.
#[expect(clippy::indexing_slicing, reason = "`row` is one longer than `b`, and `at` stays below its length")]
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, a) in a.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for at in 0..b.len() {
            let cost = if a == b[at] { diagonal } else { 1 + diagonal.min(row[at]).min(row[at + 1]) };
            diagonal = row[at + 1];
            row[at + 1] = cost;
        }
    }
    row[b.len()]
}

/// Every place after its parents (Kahn, smallest place first within a level), or the cycles: one shortest-found path a
/// strongly connected part, in the order of definition.
#[expect(clippy::indexing_slicing, reason = "every place in a row is below rows(), the length of `waiting`")]
#[inline]
pub(super) fn topological(parents: &Csr, children: &Csr) -> Result<Vec<u32>, Vec<Vec<u32>>> {
    let rows = parents.rows();
    let mut waiting: Vec<u32> = (0..rows as u32).map(|ix| parents.row(ix).len() as u32).collect();
    let mut order: Vec<u32> = Vec::with_capacity(rows);
    order.extend((0..rows as u32).filter(|&ix| waiting[ix as usize] == 0));
    let mut at = 0;
    while let Some(&ix) = order.get(at) {
        at += 1;
        for &child in children.row(ix) {
            waiting[child as usize] -= 1;
            if waiting[child as usize] == 0 {
                order.push(child);
            }
        }
    }
    if order.len() == rows {
        return Ok(order);
    }
    let mut cycles: Vec<Vec<u32>> = petgraph::algo::kosaraju_scc(View { parents, children })
        .into_iter()
        .filter(|part| part.len() > 1 || part.iter().any(|&ix| parents.row(ix).contains(&ix)))
        .map(|part| path_round(&part, children))
        .collect();
    cycles.sort();
    Err(cycles)
}

/// A way round inside a strongly connected part, from its smallest place, by breadth-first search: so it is a shortest one
/// through that place.
#[expect(clippy::indexing_slicing, reason = "`seen` and `from` are as long as the largest place of the part")]
fn path_round(part: &[u32], children: &Csr) -> Vec<u32> {
    let (Some(&start), Some(&last)) = (part.iter().min(), part.iter().max()) else { return Vec::new() };
    let mut inside = vec![false; last as usize + 1];
    part.iter().for_each(|&ix| inside[ix as usize] = true);
    let mut from = vec![u32::MAX; last as usize + 1];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(ix) = queue.pop_front() {
        for &child in children.row(ix) {
            if child == start {
                let mut path = vec![ix];
                while path.last() != Some(&start) {
                    path.push(from[path[path.len() - 1] as usize]);
                }
                path.reverse();
                return path;
            }
            if child <= last && inside[child as usize] && from[child as usize] == u32::MAX {
                from[child as usize] = ix;
                queue.push_back(child);
            }
        }
    }
    part.to_vec()
}

/// Lets petgraph's algorithms walk the rows as they are, without a copy.
#[derive(Clone, Copy)]
struct View<'a> {
    parents: &'a Csr,
    children: &'a Csr,
}

impl GraphBase for View<'_> {
    type NodeId = u32;
    type EdgeId = (u32, u32);
}

impl GraphRef for View<'_> {}

impl<'a> IntoNeighbors for View<'a> {
    type Neighbors = std::iter::Copied<std::slice::Iter<'a, u32>>;

    fn neighbors(self, ix: u32) -> Self::Neighbors {
        self.children.row(ix).iter().copied()
    }
}

impl<'a> IntoNeighborsDirected for View<'a> {
    type NeighborsDirected = std::iter::Copied<std::slice::Iter<'a, u32>>;

    fn neighbors_directed(self, ix: u32, direction: petgraph::Direction) -> Self::NeighborsDirected {
        match direction {
            petgraph::Direction::Outgoing => self.children.row(ix).iter().copied(),
            petgraph::Direction::Incoming => self.parents.row(ix).iter().copied(),
        }
    }
}

impl IntoNodeIdentifiers for View<'_> {
    type NodeIdentifiers = std::ops::Range<u32>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        0..self.parents.rows() as u32
    }
}

impl NodeIndexable for View<'_> {
    fn node_bound(&self) -> usize {
        self.parents.rows()
    }

    fn to_index(&self, ix: u32) -> usize {
        ix as usize
    }

    fn from_index(&self, index: usize) -> u32 {
        index as u32
    }
}

/// Which places were visited.
struct Visited(Vec<bool>);

impl VisitMap<u32> for Visited {
    fn visit(&mut self, ix: u32) -> bool {
        self.0.get_mut(ix as usize).is_some_and(|seen| !std::mem::replace(seen, true))
    }

    fn is_visited(&self, ix: &u32) -> bool {
        self.0.get(*ix as usize).copied().unwrap_or_default()
    }

    fn unvisit(&mut self, ix: u32) -> bool {
        self.0.get_mut(ix as usize).is_some_and(std::mem::take)
    }
}

impl Visitable for View<'_> {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited(vec![false; self.parents.rows()])
    }

    fn reset_map(&self, map: &mut Visited) {
        map.0.clear();
        map.0.resize(self.parents.rows(), false);
    }
}
