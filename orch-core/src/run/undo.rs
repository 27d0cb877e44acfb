//! How a run that did not succeed is undone: one step after the other, when nothing else is under way.

use std::{sync::Arc, time::Duration};

use super::{
    machine::{Machine, TimerKind},
    message::{Actions, Attempt},
};
use crate::{
    definition::{Graph, UndoScope},
    event::{EventKind, Failure, FailureKind, Kept, Outcome, RunState},
    id::{ResourceId, TaskIx},
    recovery::{
        retry,
        saga::{self, Cause, End, Ended, Mark, UndoOrder},
    },
};

/// What a run must remember to be undone. Only runs of graphs in which some task has an undo have one.
#[derive(Debug, Default)]
pub(super) struct Saga {
    /// In the order in which they ended.
    ended: Vec<Ended>,
    causes: Vec<Cause>,
    /// The first cause, as it was told.
    why: Option<Failure>,
    /// Checkpoints, with how many tasks had ended by then.
    marks: Vec<(Arc<str>, usize)>,
    /// How many tasks had ended at the checkpoint that the run goes back to: then no failure counts.
    back: Option<usize>,
    undoing: Option<Undoing>,
    /// The run was cancelled a second time: what is not undone by now stays.
    given_up: Option<String>,
}

/// The undo steps, once they have begun.
#[derive(Debug)]
struct Undoing {
    /// The next one is the last.
    left: Vec<TaskIx>,
    current: Option<Current>,
}

/// The task that is being undone. INVARIANT: at most one attempt to undo is under way, and then nothing else is.
#[derive(Debug)]
struct Current {
    task: TaskIx,
    /// Attempts begun.
    attempt: u32,
    stage: Stage,
}

#[derive(Debug, PartialEq)]
enum Stage {
    Running,
    /// It was told to stop, and why.
    Stopping(Failure),
    /// It waits for the time of its next attempt.
    Delayed,
    /// It waits for what the task claims.
    Claiming,
}

impl Current {
    /// Whether an attempt has begun and not ended.
    fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Stopping(_))
    }
}

impl Saga {
    /// The tasks that rollbacks name: when they ended matters, whatever else they are.
    pub(super) fn targets(graph: &Graph) -> impl Iterator<Item = TaskIx> + '_ {
        graph.tasks().iter().filter_map(|task| match &task.options().rollback.as_ref()?.scope {
            UndoScope::To(target) => graph.find(target.as_str()),
            _ => None,
        })
    }

    /// Remembers that a checkpoint was made.
    pub(super) fn mark(&mut self, name: Arc<str>) {
        self.marks.push((name, self.ended.len()));
    }

    /// How many tasks had ended at the latest checkpoint of that name.
    pub(super) fn find_mark(&self, name: &str) -> Option<usize> {
        self.marks.iter().rev().find(|(known, _)| &**known == name).map(|(_, ended)| *ended)
    }

    /// The names of the checkpoints.
    pub(super) fn marks(&self) -> impl Iterator<Item = &str> + Clone {
        self.marks.iter().map(|(name, _)| &**name)
    }

    /// Remembers that the run goes back to where that many tasks had ended.
    pub(super) fn go_back(&mut self, ended: usize, why: Failure) {
        self.back = Some(ended);
        self.why = Some(why);
    }

    fn current(&self) -> Option<&Current> {
        self.undoing.as_ref()?.current.as_ref()
    }

    fn current_mut(&mut self) -> Option<&mut Current> {
        self.undoing.as_mut()?.current.as_mut()
    }

    fn order(&self, graph: &Graph, may_undo: bool) -> UndoOrder {
        let marks: Vec<Mark<'_>> = self.marks.iter().map(|(name, ended)| Mark { name, ended: *ended }).collect();
        if let Some(ended) = self.back {
            return saga::back(graph, &self.ended, ended);
        }
        let mut order = saga::undo(graph, &self.ended, &self.causes, &marks);
        if !may_undo {
            let off = std::mem::take(&mut order.order).into_iter().map(|task| (task, Kept::Off));
            order.kept = off.chain(order.kept).collect();
        }
        order
    }
}

impl Machine {
    /// Remembers that a task ended, and how.
    pub(super) fn ended(&mut self, task: TaskIx, how: End) {
        if let Some(saga) = &mut self.saga {
            saga.ended.push(Ended { task, how });
        }
    }

    /// Remembers why the run does not succeed.
    pub(super) fn blame(&mut self, task: Option<TaskIx>, failure: &Failure) {
        if let Some(saga) = &mut self.saga {
            saga.causes.push(Cause { task, on: saga::on(failure.kind) });
            saga.why.get_or_insert_with(|| failure.clone());
        }
    }

    /// Whether an attempt to undo that task is under way.
    pub(super) fn is_undoing(&self, task: TaskIx) -> bool {
        self.undoing().is_some_and(|current| current.task == task && current.is_under_way())
    }

    fn undoing(&self) -> Option<&Current> {
        self.saga.as_ref()?.current()
    }

    /// Why the run is undone: the first failure of those that made it fail.
    pub(crate) fn undo_why(&self) -> Option<&Failure> {
        self.saga.as_ref()?.why.as_ref()
    }

    /// Goes on with undoing; nothing else is open. Answers whether there is still something to wait for.
    pub(super) fn undo(&mut self, state: RunState, actions: &mut Actions) -> bool {
        if state == RunState::Succeeded {
            return false;
        }
        let Some(mut saga) = self.saga.take() else { return false };
        let goes_on = self.undo_next(&mut saga, actions);
        self.saga = Some(saga);
        goes_on
    }

    fn undo_next(&mut self, saga: &mut Saga, actions: &mut Actions) -> bool {
        if saga.undoing.is_none() {
            let UndoOrder { order, kept } = saga.order(self.graph(), self.rules.undo);
            if !order.is_empty() || !kept.is_empty() {
                let left = order.iter().rev().copied().collect();
                self.say(actions, EventKind::UndoPlanned { order: order.into(), kept: kept.into() });
                saga.undoing = Some(Undoing { left, current: None });
            }
        }
        let Some(undoing) = &mut saga.undoing else { return false };
        while undoing.current.is_none() {
            let Some(task) = undoing.left.pop() else { return false };
            match &saga.given_up {
                None => undoing.current = Some(self.begin_undo(task, 1, actions)),
                Some(reason) => {
                    let result = Err(Box::new(cancelled(reason)));
                    self.say(actions, EventKind::UndoFinished { task, attempt: 0, result, usage: None });
                }
            }
        }
        true
    }

    /// Begins an attempt to undo; where the task claims something, that claims the same.
    fn begin_undo(&mut self, task: TaskIx, attempt: u32, actions: &mut Actions) -> Current {
        if self.plan.graph().task(task).options().claims.is_empty() {
            self.start_undo(task, attempt, actions);
            return Current { task, attempt, stage: Stage::Running };
        }
        actions.claim.push(task);
        Current { task, attempt, stage: Stage::Claiming }
    }

    fn start_undo(&mut self, task: TaskIx, attempt: u32, actions: &mut Actions) {
        self.running += 1;
        let options = self.plan.graph().task(task).options();
        let timeout = options.undo.as_ref().and_then(|undo| undo.timeout).or(options.timeout);
        if let Some(timeout) = timeout {
            self.set_timer(timeout, task, attempt, TimerKind::UndoTimeout);
        }
        self.say(actions, EventKind::UndoStarted { task, attempt });
        actions.start.push(Attempt { task, number: attempt, undo: true });
    }

    /// Does something about the attempt to undo the task that asks for what it claims, if there is one.
    fn when_claiming(&mut self, task: TaskIx, then: impl FnOnce(&mut Self, &mut Saga, u32)) {
        let Some(mut saga) = self.saga.take() else { return };
        if let Some(current) = saga.current()
            && (current.task, &current.stage) == (task, &Stage::Claiming)
        {
            let attempt = current.attempt;
            then(self, &mut saga, attempt);
        }
        self.saga = Some(saga);
    }

    /// What the task that is to be undone claims is granted.
    pub(super) fn undo_granted(&mut self, task: TaskIx, actions: &mut Actions) {
        self.when_claiming(task, |machine, saga, attempt| {
            machine.start_undo(task, attempt, actions);
            saga.current_mut().into_iter().for_each(|current| current.stage = Stage::Running);
        });
    }

    /// What the task that is to be undone claims is refused: the attempt to undo it has failed.
    pub(super) fn undo_refused(&mut self, task: TaskIx, failure: Box<Failure>, actions: &mut Actions) {
        self.when_claiming(task, |machine, saga, attempt| {
            machine.undo_ended(saga, task, attempt, Outcome { result: Err(failure), usage: None }, actions);
        });
    }

    /// The attempt to undo the task holds what it claims too long.
    pub(super) fn undo_lease_expired(&mut self, task: TaskIx, resource: &ResourceId, actions: &mut Actions) {
        let message = self.lease_message(task, resource);
        let Some(current) = self.saga.as_mut().and_then(|saga| saga.current_mut()) else { return };
        if current.task == task && current.stage == Stage::Running {
            current.stage = Stage::Stopping(Failure { kind: FailureKind::LeaseExpired, message });
            actions.cancel.push(Attempt { task, number: current.attempt, undo: true });
        }
    }

    /// Hears how an attempt to undo ended.
    pub(super) fn undo_finished(&mut self, task: TaskIx, attempt: u32, outcome: &mut Outcome, actions: &mut Actions) {
        let Some(mut saga) = self.saga.take() else { return };
        if let Some(current) = saga.current_mut()
            && (current.task, current.attempt) == (task, attempt)
            && current.is_under_way()
        {
            self.running -= 1;
            self.gives_back(task, actions);
            let mut outcome = std::mem::replace(outcome, Outcome::done(()));
            if let Stage::Stopping(why) = std::mem::replace(&mut current.stage, Stage::Running)
                && outcome.result.is_err()
            {
                outcome.result = Err(Box::new(why));
            }
            self.undo_ended(&mut saga, task, attempt, outcome, actions);
        }
        self.saga = Some(saga);
    }

    fn undo_ended(&mut self, saga: &mut Saga, task: TaskIx, attempt: u32, outcome: Outcome, actions: &mut Actions) {
        let Outcome { result, usage } = outcome;
        if let Err(failure) = &result
            && saga.given_up.is_none()
            && let Some(delay) = self.next_undo(task, attempt, failure)
        {
            self.set_timer(delay, task, attempt, TimerKind::UndoRetry);
            let failure = failure.clone();
            self.say(actions, EventKind::UndoRetrying { task, attempt, failure, delay, usage });
            saga.current_mut().into_iter().for_each(|current| current.stage = Stage::Delayed);
            return;
        }
        self.say(actions, EventKind::UndoFinished { task, attempt, result, usage });
        saga.undoing.iter_mut().for_each(|undoing| undoing.current = None);
    }

    fn next_undo(&self, task: TaskIx, attempt: u32, failure: &Failure) -> Option<Duration> {
        let policy = self.graph().task(task).options().undo.as_ref()?.retry();
        // Other draws than those of the task's own retries.
        let seed = retry::mix(!self.rules.seed ^ (u64::from(task.0) << 32 | u64::from(attempt)));
        retry::next(&policy, failure, attempt, seed)
    }

    /// A timer of the undo is due, and live.
    pub(super) fn ring_undo(&mut self, kind: TimerKind, actions: &mut Actions) {
        let Some(mut saga) = self.saga.take() else { return };
        if let Some(current) = saga.current_mut() {
            let (task, attempt) = (current.task, current.attempt);
            if kind == TimerKind::UndoRetry {
                *current = self.begin_undo(task, attempt + 1, actions);
            } else {
                let options = self.graph().task(task).options();
                let timeout = options.undo.as_ref().and_then(|undo| undo.timeout).or(options.timeout);
                let message = format!("took longer than {:?}", timeout.unwrap_or_default());
                current.stage = Stage::Stopping(Failure { kind: FailureKind::Timeout, message });
                actions.cancel.push(Attempt { task, number: attempt, undo: true });
            }
        }
        self.saga = Some(saga);
    }

    /// Whether what a timer of the undo was set for still goes on.
    pub(super) fn is_undo_live(&self, task: TaskIx, attempt: u32, kind: TimerKind) -> bool {
        let stage = if kind == TimerKind::UndoRetry { Stage::Delayed } else { Stage::Running };
        self.undoing().is_some_and(|current| (current.task, current.attempt, &current.stage) == (task, attempt, &stage))
    }

    /// The run was cancelled while it is undone: the first time that changes nothing, the second time no further task is
    /// undone.
    pub(super) fn cancel_undo(&mut self, reason: &str, actions: &mut Actions) {
        let Some(mut saga) = self.saga.take() else { return };
        if self.cancels < 2 {
            if saga.undoing.is_some() {
                let message = format!(
                    "asked to stop ({reason}) while tasks are undone, which goes on; ask again to leave the rest as it is"
                );
                self.say(actions, EventKind::Warning { task: None, message });
            }
        } else if saga.given_up.is_none() {
            saga.given_up = Some(reason.to_owned());
            if let Some(current) = saga.current_mut() {
                let (task, attempt) = (current.task, current.attempt);
                match current.stage {
                    Stage::Running => {
                        current.stage = Stage::Stopping(cancelled(reason));
                        actions.cancel.push(Attempt { task, number: attempt, undo: true });
                    }
                    Stage::Stopping(_) => current.stage = Stage::Stopping(cancelled(reason)),
                    Stage::Delayed | Stage::Claiming => {
                        if current.stage == Stage::Claiming {
                            actions.release.push(task);
                        }
                        let outcome = Outcome::from(cancelled(reason));
                        self.undo_ended(&mut saga, task, attempt, outcome, actions);
                    }
                }
            }
        }
        self.saga = Some(saga);
    }
}

fn cancelled(reason: &str) -> Failure {
    Failure { kind: FailureKind::Cancelled, message: reason.to_owned() }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
