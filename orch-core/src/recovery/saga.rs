//! What a run that did not succeed undoes, and in which order.
//!
//! A saga is a run whose tasks can be undone one by one, instead of all at once as in a transaction (H. Garcia-Molina,
//! K. Salem: "Sagas", SIGMOD 1987). The rules here need the graph, in which order its tasks ended, and why the run failed:
//!
//! ```
//! use orch_core::{Graph, Task, UndoOn};
//! use orch_core::recovery::saga::{self, Cause, End, Ended};
//!
//! let graph = Graph::builder("release")
//!     .task(Task::new("build").undo("delete-build"))
//!     .task(Task::new("test").after("build"))
//!     .task(Task::new("publish").after("test").undo("unpublish"))
//!     .task(Task::new("announce").after("publish").undo("retract"))
//!     .build()?;
//! let ended: Vec<Ended> = (0..3).map(|at| Ended { task: at.into(), how: End::Done }).collect();
//! let failed = Cause { task: graph.find("announce"), on: UndoOn::Error };
//!
//! let undo = saga::undo(&graph, &ended, &[failed], &[]);
//! let names: Vec<&str> = undo.order.iter().map(|&task| graph.id(task).as_str()).collect();
//! assert_eq!(names, ["publish", "build"], "the latest first; `announce` failed itself, and `test` has nothing to undo");
//! # Ok::<(), orch_core::Error>(())
//! ```

use std::{collections::BinaryHeap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    definition::{Graph, Undo, UndoOn, UndoScope},
    event::{FailureKind, Kept, TaskState},
    id::TaskIx,
    report::{Report, UndoState},
};

/// That a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which task.
    pub task: TaskIx,
    /// How.
    pub how: End,
}

/// How a task ended, as far as an undo asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It worked: there is something to undo.
    Done,
    /// It had begun and did not work: it failed, or was stopped. Only an [`Undo::itself`] undoes it.
    Broken,
    /// It did nothing: it was skipped, or its output came from elsewhere.
    Passed,
}

/// Why a run did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The task that failed; `None`: the run as a whole was stopped.
    pub task: Option<TaskIx>,
    /// What sort of failure.
    pub on: UndoOn,
}

/// That a checkpoint was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many tasks had ended by then.
    pub ended: usize,
}

/// What to undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoOrder {
    /// The tasks to undo, first to last.
    pub order: Vec<TaskIx>,
    /// The tasks that stay although they could be undone, the latest first, and why.
    pub kept: Vec<(TaskIx, Kept)>,
}

/// What stands of a run, in the order in which it ended: what worked, what broke after it had begun, and what was skipped
/// or forgiven. What was undone is not among it.
pub fn standing(report: &Report) -> Vec<Ended> {
    let mut rank = vec![0usize; report.graph().len()];
    for (at, ix) in report.graph().topological().enumerate() {
        if let Some(rank) = rank.get_mut(ix.index()) {
            *rank = at;
        }
    }
    let is_undone = |task: TaskIx| {
        report.undo().and_then(|undo| undo.step(task)).is_some_and(|step| step.state == UndoState::Undone)
    };
    let mut ended: Vec<(Option<Duration>, usize, Ended)> = report
        .tasks()
        .filter(|task| !is_undone(task.ix()))
        .filter_map(|task| {
            let how = match task.state() {
                TaskState::Succeeded => End::Done,
                TaskState::Skipped => End::Passed,
                TaskState::Failed | TaskState::Cancelled if task.attempts() > 0 => End::Broken,
                _ => return None,
            };
            let task = task.ix();
            Some((
                report.task(task).finished(),
                rank.get(task.index()).copied().unwrap_or_default(),
                Ended { task, how },
            ))
        })
        .collect();
    // Of those that ended at once, none before what it was built on.
    ended.sort_by_key(|&(at, rank, _)| (at, rank));
    ended.into_iter().map(|(_, _, ended)| ended).collect()
}

/// What sort of end a failure is for the `on` of [`Undo`] and [`Rollback`](crate::Rollback).
pub fn on(kind: FailureKind) -> UndoOn {
    match kind {
        FailureKind::Timeout | FailureKind::Idle | FailureKind::LockTimeout | FailureKind::LeaseExpired => {
            UndoOn::Timeout
        }
        FailureKind::Validation => UndoOn::Validation,
        FailureKind::Cancelled => UndoOn::Cancel,
        FailureKind::Error | FailureKind::Fatal | FailureKind::Panic | FailureKind::CircuitOpen => UndoOn::Error,
    }
}

/// What is undone, and in which order, when a run did not succeed.
///
/// `ended` has every task that ended and has an [`Undo`] or is named by a [`Rollback`](crate::Rollback), in the order in
/// which they ended (others do no harm); `causes` has every failure that made the run fail. Each cause goes back as far as
/// the rollback of its task says, where that is [on](crate::Rollback::on) such a failure; else it goes back to the
/// beginning. A task within reach is undone if it is [done](End::Done), or [broken](End::Broken) and says
/// [`itself`](Undo::itself), and is [on](Undo::on) such a failure.
///
/// The order is [`order`]'s. Takes time linear in the graph, and a sort of what is undone.
pub fn undo(graph: &Graph, ended: &[Ended], causes: &[Cause], marks: &[Mark<'_>]) -> UndoOrder {
    let mut why: Vec<Option<Kept>> = vec![Some(Kept::Scope); ended.len()];
    for cause in causes {
        let reached = reach(graph, ended, cause, marks);
        for ((ended, reached), why) in ended.iter().zip(reached).zip(&mut why) {
            match judge(graph, *ended, cause.on) {
                _ if !reached => {}
                None => *why = None,
                // A later cause may still reach what an earlier one left.
                Some(kept) if why.is_some() => *why = Some(kept),
                Some(_) => {}
            }
        }
    }
    let mut chosen = vec![false; graph.len()];
    let mut kept = Vec::new();
    for (ended, why) in ended.iter().zip(why).rev() {
        match why {
            _ if undo_of(graph, ended.task).is_none() || ended.how == End::Passed => {}
            None => set(&mut chosen, ended.task),
            Some(why) => kept.push((ended.task, why)),
        }
    }
    UndoOrder { order: order(graph, ended, |task| get(&chosen, task)), kept }
}

/// What is undone, and in which order, when somebody goes back to the moment at which `from` tasks had ended: all that ended
/// later, is [done](End::Done) or [broken](End::Broken) with an [`itself`](Undo::itself), whatever its [`on`](Undo::on) says.
pub fn back(graph: &Graph, ended: &[Ended], from: usize) -> UndoOrder {
    let mut chosen = vec![false; graph.len()];
    let mut kept = Vec::new();
    for (at, ended) in ended.iter().enumerate().rev() {
        let Some(undo) = undo_of(graph, ended.task).filter(|_| ended.how != End::Passed) else { continue };
        match at < from {
            true => kept.push((ended.task, Kept::Scope)),
            false if ended.how == End::Broken && !undo.itself => kept.push((ended.task, Kept::Broken)),
            false => set(&mut chosen, ended.task),
        }
    }
    UndoOrder { order: order(graph, ended, |task| get(&chosen, task)), kept }
}

/// The `chosen` tasks among `ended` in the order in which they are undone: the latest to end first, but of tasks with
/// different [priorities](Undo::priority) the highest, and no task before every chosen one that depends on it, directly or
/// not. Of a task that ended twice the last time counts.
pub fn order(graph: &Graph, ended: &[Ended], chosen: impl Fn(TaskIx) -> bool) -> Vec<TaskIx> {
    let mut place = vec![None; graph.len()];
    for (at, ended) in ended.iter().enumerate() {
        if let Some(place) = place.get_mut(ended.task.index()).filter(|_| chosen(ended.task)) {
            *place = Some(at);
        }
    }
    // Kahn's algorithm from the leaves up. Who is not undone keeps nobody waiting.
    let mut waiting: Vec<usize> = graph.indices().map(|ix| graph.children(ix).len()).collect();
    let mut free: Vec<TaskIx> = graph.indices().filter(|ix| graph.children(*ix).len() == 0).collect();
    let mut next = BinaryHeap::new();
    let mut order = Vec::new();
    loop {
        while let Some(task) = free.pop() {
            match place.get(task.index()).copied().flatten() {
                Some(at) => next.push((undo_of(graph, task).map_or(0, |undo| undo.priority), at, task)),
                None => leave(graph, task, &mut waiting, &mut free),
            }
        }
        let Some((_, _, task)) = next.pop() else { return order };
        order.push(task);
        leave(graph, task, &mut waiting, &mut free);
    }
}

fn leave(graph: &Graph, task: TaskIx, waiting: &mut [usize], free: &mut Vec<TaskIx>) {
    for parent in graph.parents(task) {
        if let Some(waiting) = waiting.get_mut(parent.index()) {
            *waiting -= 1;
            if *waiting == 0 {
                free.push(parent);
            }
        }
    }
}

/// Why the task stays; `None`: it is undone.
fn judge(graph: &Graph, ended: Ended, on: UndoOn) -> Option<Kept> {
    let undo = undo_of(graph, ended.task)?;
    if ended.how == End::Broken && !undo.itself {
        Some(Kept::Broken)
    } else if !undo.on.is_empty() && !undo.on.contains(&on) {
        Some(Kept::On)
    } else {
        None
    }
}

/// For each that ended, whether that cause goes back so far.
fn reach(graph: &Graph, ended: &[Ended], cause: &Cause, marks: &[Mark<'_>]) -> Vec<bool> {
    let rollback = cause.task.and_then(|task| graph.tasks().get(task.index())?.options().rollback.as_ref());
    let scope = match rollback {
        Some(rollback) if rollback.on.is_empty() || rollback.on.contains(&cause.on) => &rollback.scope,
        _ => &UndoScope::Run,
    };
    let from = match scope {
        UndoScope::Run => 0,
        UndoScope::Cascade => return chain(graph, ended, cause),
        UndoScope::To(target) => {
            let target = graph.find(target.as_str());
            ended.iter().rposition(|ended| Some(ended.task) == target).map_or(0, |at| at + 1)
        }
        UndoScope::ToCheckpoint(name) => marks.iter().rev().find(|mark| mark.name == name).map_or(0, |mark| mark.ended),
    };
    (0..ended.len()).map(|at| at >= from).collect()
}

/// The chain of the failed task: itself, what it waited for, and what was built on any of those that are undone.
fn chain(graph: &Graph, ended: &[Ended], cause: &Cause) -> Vec<bool> {
    let mut waited_for = vec![false; graph.len()];
    if let Some(task) = cause.task {
        set(&mut waited_for, task);
    }
    for ix in graph.topological().rev() {
        if get(&waited_for, ix) {
            graph.parents(ix).for_each(|parent| set(&mut waited_for, parent));
        }
    }
    let mut undone = vec![false; graph.len()];
    for ended in ended.iter().filter(|ended| get(&waited_for, ended.task) && ended.how != End::Passed) {
        if undo_of(graph, ended.task).is_some() && judge(graph, *ended, cause.on).is_none() {
            set(&mut undone, ended.task);
        }
    }
    for ix in graph.topological() {
        if get(&undone, ix) {
            graph.children(ix).for_each(|child| set(&mut undone, child));
        }
    }
    ended.iter().map(|ended| get(&waited_for, ended.task) || get(&undone, ended.task)).collect()
}

fn undo_of(graph: &Graph, task: TaskIx) -> Option<&Undo> {
    graph.tasks().get(task.index())?.options().undo.as_ref()
}

fn get(list: &[bool], task: TaskIx) -> bool {
    list.get(task.index()).copied().unwrap_or_default()
}

fn set(list: &mut [bool], task: TaskIx) {
    if let Some(entry) = list.get_mut(task.index()) {
        *entry = true;
    }
}

#[cfg(test)]
mod tests;
