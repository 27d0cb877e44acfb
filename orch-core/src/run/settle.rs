//! How attempts and runs end: success, another try, failure and what it means for the others.

use std::{collections::HashSet, time::Duration};

use super::{
    machine::{Machine, Phase, TimerKind},
    message::{Actions, Attempt, FailurePolicy},
};
use crate::{
    definition::{Task, expand},
    event::{EventKind, Failure, FailureKind, Outcome, Output, RunState, SkipReason},
    id::{TaskId, TaskIx},
    plan::Plan,
    recovery::{retry, saga::End},
    units::Usage,
};

#[expect(clippy::indexing_slicing, reason = "places of the graph are below its length, the length of `rows`")]
impl Machine {
    /// An attempt ended. What is needed of the outcome is taken out of it.
    #[inline]
    pub(super) fn finished(&mut self, task: TaskIx, attempt: u32, outcome: &mut Outcome, actions: &mut Actions) {
        let Some(&row) = self.rows.get(task.index()) else { return };
        if row.attempt != attempt || !matches!(row.phase, Phase::Running | Phase::Stopping) {
            return self.undo_finished(task, attempt, outcome, actions);
        }
        self.running -= 1;
        let additions = if self.additions.is_empty() { None } else { self.additions.remove(&task.0) };
        if row.special {
            self.gives_back(task, actions);
            self.signs.remove(&task.0);
            self.has_read_prefix(task, outcome.result.is_ok());
        }
        if row.phase == Phase::Stopping
            && let Some(why) = self.stops.remove(&task.0)
            && outcome.result.is_err()
        {
            outcome.result = Err(Box::new(why));
        }
        if let (Ok(_), Some(tasks)) = (&outcome.result, additions)
            && let Err(message) = self.add(task, tasks, &[], actions)
        {
            outcome.result = Err(Box::new(Failure::fatal(message)));
        }
        match &mut outcome.result {
            Ok(output) => self.succeeded(task, attempt, output, &mut outcome.usage, actions),
            Err(failure) => {
                let (failure, usage) = (failure.clone(), outcome.usage.take());
                self.attempt_failed(task, attempt, failure, usage, Duration::ZERO, actions);
            }
        }
        if !self.unblocked.is_empty() {
            self.admit_unblocked(actions);
        }
    }

    #[inline]
    fn succeeded(
        &mut self,
        task: TaskIx,
        attempt: u32,
        output: &mut Output,
        usage: &mut Option<Box<Usage>>,
        actions: &mut Actions,
    ) {
        let expands = self.rows[task.index()].special && self.graph().task(task).options().expand.is_some();
        if expands && let Err(failure) = self.expand(task, output, actions) {
            return self.task_failed(task, attempt, failure, usage.take(), actions);
        }
        if output.is_nothing() {
            self.say_with(actions, || EventKind::TaskFinished {
                task,
                attempt,
                result: Ok(Output::NOTHING),
                usage: usage.take(),
            });
        } else {
            self.keep_output(task, output);
            self.say_with(actions, || {
                let result = Ok(std::mem::take(output));
                EventKind::TaskFinished { task, attempt, result, usage: usage.take() }
            });
        }
        if self.rows[task.index()].special {
            self.ended(task, End::Done);
        }
        self.satisfy(task);
    }

    /// Adds the tasks that the output describes. Without them the run goes on, unless the task is strict about it.
    pub(super) fn expand(&mut self, task: TaskIx, output: &Output, actions: &mut Actions) -> Result<(), Box<Failure>> {
        let graph = self.graph().clone();
        let Some(spec) = &graph.task(task).options().expand else { return Ok(()) };
        // Not a bad output: so ends a planner with nothing to add, and every task of a dry run and of a forecast.
        if output.is_nothing() {
            let message = "made no output, so it adds no tasks".to_owned();
            self.say(actions, EventKind::Warning { task: Some(task), message });
            return Ok(());
        }
        let added = output
            .json()
            .ok_or_else(|| "the output is no JSON value, so no tasks can be made of it".to_owned())
            .and_then(|output| expand(spec, output, &graph).map_err(|problems| list(&problems)))
            .and_then(|tasks| self.add(task, tasks, &spec.before, actions));
        match added {
            Err(message) if spec.strict => Err(Box::new(Failure::fatal(message))),
            Err(message) => {
                self.say(actions, EventKind::Warning { task: Some(task), message });
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Adds tasks to the graph, by the wish of one, and lets those in `before` that have not started wait for them. Says why not.
    fn add(&mut self, by: TaskIx, tasks: Vec<Task>, before: &[TaskId], actions: &mut Actions) -> Result<(), String> {
        let graph = self.graph().clone();
        let tasks = after_their_maker(tasks, graph.id(by));
        // A task that has started cannot come to wait.
        let open = |id: &&TaskId| {
            graph.find(id.as_str()).is_some_and(|ix| {
                matches!(
                    self.rows[ix.index()].phase,
                    Phase::Waiting | Phase::Ready | Phase::Checking | Phase::Looking | Phase::Claiming | Phase::Granted
                )
            })
        };
        let before: Vec<_> = before.iter().filter(open).cloned().collect();
        let wider = graph.extended(tasks.clone(), &before).map_err(|error| match error.problems() {
            [] => error.to_string(),
            problems => format!("the added tasks are refused: {}", list(problems)),
        })?;
        let plan = Plan::new(&wider, self.plan.options()).map_err(|error| error.to_string())?;
        before.iter().filter_map(|id| graph.find(id.as_str())).for_each(|ix| self.unclaim(ix, actions));
        let first = self.rows.len();
        self.adopt(plan);
        self.say(actions, EventKind::TasksAdded { by, tasks: tasks.into(), before: before.into() });
        self.welcome(first, actions);
        Ok(())
    }

    /// The tasks from place `first` on are new: those that wait for nothing may start, and those that wait for a task that
    /// is dead already will never run.
    fn welcome(&mut self, first: usize, actions: &mut Actions) {
        let graph = self.graph().clone();
        for task in graph.indices().skip(first) {
            let dead = graph.parents(task).find(|parent| self.rows[parent.index()].phase == Phase::Dead);
            if self.rows[task.index()].phase != Phase::Waiting {
            } else if let Some(root) = dead {
                self.say(actions, EventKind::TaskSkipped { task, reason: SkipReason::Upstream(root) });
                self.bury(task);
                self.doom(task, actions);
            } else if self.rows[task.index()].waiting == 0 {
                self.unblocked.push(task.0);
            }
        }
    }

    pub(super) fn attempt_failed(
        &mut self,
        task: TaskIx,
        attempt: u32,
        failure: Box<Failure>,
        usage: Option<Box<Usage>>,
        again_in: Duration,
        actions: &mut Actions,
    ) {
        let policy = self.plan.graph().task(task).options().retry.as_ref().filter(|_| self.stopping.is_none());
        let seed = retry::mix(self.rules.seed ^ (u64::from(task.0) << 32 | u64::from(attempt)));
        if let Some(delay) = policy.and_then(|policy| retry::next(policy, &failure, attempt, seed)) {
            let delay = delay.max(again_in);
            self.rows[task.index()].phase = Phase::Delayed;
            self.set_timer(delay, task, attempt, TimerKind::Retry);
            return self.say(actions, EventKind::TaskRetrying { task, attempt, failure, delay, usage });
        }
        self.task_failed(task, attempt, failure, usage, actions);
    }

    fn task_failed(
        &mut self,
        task: TaskIx,
        attempt: u32,
        failure: Box<Failure>,
        usage: Option<Box<Usage>>,
        actions: &mut Actions,
    ) {
        let stopped = failure.kind == FailureKind::Cancelled && self.stopping.is_some();
        self.ended(task, if self.has_begun(task) { End::Broken } else { End::Passed });
        let forgiven = !stopped && (self.graph().task(task).options().allow_failure || self.quorum_forgives(task));
        if !stopped && !forgiven {
            self.blame(Some(task), &failure);
        }
        self.say(actions, EventKind::TaskFinished { task, attempt, result: Err(failure), usage });
        if stopped {
            self.bury(task);
        } else if forgiven {
            self.satisfy(task);
        } else {
            self.bury(task);
            self.failed = true;
            self.doom(task, actions);
            let critical = self.graph().task(task).options().critical;
            if critical || self.rules.on_failure == FailurePolicy::FailFast {
                let reason = format!("task `{}` failed", self.graph().id(task));
                self.stop(RunState::Failed, reason, actions);
            }
        }
    }

    /// The task is final and its dependents may not go on.
    fn bury(&mut self, task: TaskIx) {
        self.rows[task.index()].phase = Phase::Dead;
        self.open -= 1;
    }

    /// Counts a failed member; whether the others of its group can still reach the quorum.
    pub(super) fn quorum_forgives(&mut self, task: TaskIx) -> bool {
        let graph = self.plan.graph();
        let Some(group) = graph.task(task).options().group.as_ref() else { return false };
        let Some(group) = self.groups.get_mut(group) else { return false };
        group.failed += 1;
        group.members - group.failed >= group.needed
    }

    /// Everything that needs that task will not run.
    fn doom(&mut self, root: TaskIx, actions: &mut Actions) {
        let graph = self.graph().clone();
        let mut doomed: Vec<TaskIx> = graph.children(root).collect();
        doomed.reverse();
        while let Some(task) = doomed.pop() {
            if self.rows[task.index()].phase != Phase::Waiting {
                continue;
            }
            self.say(actions, EventKind::TaskSkipped { task, reason: SkipReason::Upstream(root) });
            if self.rows[task.index()].special && self.quorum_forgives(task) {
                self.satisfy(task);
            } else {
                self.bury(task);
                doomed.extend(graph.children(task));
            }
        }
    }

    /// Ends the run before its time: nothing more starts, what runs is told to stop.
    pub(super) fn stop(&mut self, state: RunState, reason: String, actions: &mut Actions) {
        if self.stopping.is_some() || self.state != RunState::Running {
            return;
        }
        self.stopping = Some(state);
        self.say(actions, EventKind::RunStopping { reason: reason.clone() });
        self.unblocked.clear();
        // What this very step has started is told to stop as well: the driver begins before it cancels.
        for at in 0..self.rows.len() {
            let task = TaskIx(at as u32);
            match self.rows[at].phase {
                Phase::Waiting | Phase::Checking | Phase::Looking | Phase::Ready | Phase::Claiming | Phase::Granted => {
                    self.unclaim(task, actions);
                    self.say(actions, EventKind::TaskSkipped { task, reason: SkipReason::Stopped });
                    self.bury(task);
                }
                Phase::Delayed => {
                    let failure = Failure { kind: FailureKind::Cancelled, message: reason.clone() };
                    let attempt = self.rows[at].attempt;
                    let result = Err(Box::new(failure));
                    self.say(actions, EventKind::TaskFinished { task, attempt, result, usage: None });
                    self.ended(task, End::Broken);
                    self.bury(task);
                }
                Phase::Running => self.stop_attempt(task, FailureKind::Cancelled, reason.clone(), actions),
                Phase::Stopping => {
                    // It was late already; now it will not be tried again either.
                    self.stops.insert(task.0, Failure { kind: FailureKind::Cancelled, message: reason.clone() });
                }
                Phase::Satisfied | Phase::Dead => {}
            }
        }
    }

    pub(super) fn stop_attempt(&mut self, task: TaskIx, kind: FailureKind, message: String, actions: &mut Actions) {
        let row = &mut self.rows[task.index()];
        row.phase = Phase::Stopping;
        self.stops.insert(task.0, Failure { kind, message });
        actions.cancel.push(Attempt { task, number: row.attempt, undo: false });
    }
}

fn list(problems: &[crate::Problem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Lets the first of the new tasks wait for the task that made them, as they did: else nobody who reads the graph would
/// know why they began so late.
fn after_their_maker(tasks: Vec<Task>, maker: &TaskId) -> Vec<Task> {
    let new: HashSet<TaskId> = tasks.iter().map(|task| task.id().clone()).collect();
    let follows = |task: &Task| task.dependencies().iter().any(|dependency| new.contains(dependency));
    tasks.into_iter().map(|task| if follows(&task) { task } else { task.after(maker) }).collect()
}
