//! The machine: its state, and how it hears.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

use serde_json::Value;

use super::{
    message::{Actions, Message, Rules, drop_all, push_with},
    ready::ReadyQueue,
    scope::Names,
    undo::Saga,
    warm::Siblings,
};
use crate::{
    definition::{Graph, Task},
    error::{Error, ErrorKind, Result},
    event::{Event, EventKind, Failure, FailureKind, Outcome, Output, RunState},
    id::{RunId, TaskIx},
    plan::Plan,
};

/// One run: what is done, what runs, what may start. See the [module](super).
#[derive(Debug)]
pub struct Machine {
    pub(super) plan: Plan,
    pub(super) rules: Rules,
    pub(super) inputs: Value,
    pub(super) run: RunId,
    pub(super) rows: Vec<Row>,
    /// Empty until a task makes something.
    pub(super) outputs: Vec<Output>,
    pub(super) ready: ReadyQueue,
    /// Ranks that became ready while others still wait for nothing but the next batch: those go first, or a chain of critical
    /// tasks would keep them waiting although there is a place for each.
    pub(super) next: Vec<u32>,
    /// A batch was full while tasks were ready and places free.
    pub(super) more: bool,
    pub(super) timers: BinaryHeap<Reverse<Timer>>,
    /// Ranks of tasks that have what they claim and wait for a place.
    pub(super) granted: BTreeSet<u32>,
    /// How many attempts of a task did not begin, since what it claims was refused.
    pub(super) refused: BTreeMap<u32, u32>,
    /// Groups with a quorum.
    pub(super) groups: BTreeMap<String, Group>,
    /// The last sign of life of running tasks with an idle timeout.
    pub(super) signs: BTreeMap<u32, u64>,
    /// Why running attempts were told to stop.
    pub(super) stops: BTreeMap<u32, Failure>,
    /// By prefix: the tasks that begin their prompts with it.
    pub(super) siblings: BTreeMap<(String, String), Siblings>,
    /// Tasks that were held for another once.
    pub(super) once_held: BTreeSet<u32>,
    /// Which condition a task waits for.
    pub(super) asked: BTreeMap<u32, usize>,
    /// Built when a condition or an input first asks.
    pub(super) names: Option<Names>,
    /// What attempts that are under way want added.
    pub(super) additions: BTreeMap<u32, Vec<Task>>,
    /// Tasks whose dependencies are satisfied and that need a closer look. A list, not recursion: a chain may be long.
    pub(super) unblocked: Vec<u32>,
    pub(super) running: u32,
    /// How many tasks are not final.
    pub(super) open: usize,
    pub(super) state: RunState,
    pub(super) failed: bool,
    pub(super) stopping: Option<RunState>,
    /// How often the run was asked to stop.
    pub(super) cancels: u32,
    /// What an undo must know, where some task can be undone.
    pub(super) saga: Option<Box<Saga>>,
    /// The simulator has no outputs to judge conditions by: every task runs.
    pub(super) unconditional: bool,
    begun: bool,
    seq: u64,
    /// The time of the latest step, in nanoseconds since the start.
    pub(super) now: u64,
    /// The same, as events have it.
    at: Duration,
}

/// What a machine knows of one task: small, because there may be millions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) ready_at: u64,
    /// Dependencies that are not yet satisfied.
    pub(super) waiting: u32,
    pub(super) rank: u32,
    /// Attempts begun.
    pub(super) attempt: u32,
    pub(super) phase: Phase,
    /// Has options, so that more than a count decides. Spares the plain task a look at its definition.
    pub(super) special: bool,
}

/// Where a task stands inside the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// For dependencies.
    Waiting,
    /// For the answer to a check.
    Checking,
    /// For word whether its result is known.
    Looking,
    /// For its turn: a place, and then what it claims.
    Ready,
    /// For what it claims.
    Claiming,
    /// For a place; it has what it claims.
    Granted,
    /// For the time of its next attempt.
    Delayed,
    Running,
    /// It was told to stop and has not answered.
    Stopping,
    /// Final, and its dependents may go on.
    Satisfied,
    /// Final, and they may not.
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: u64,
    pub(super) task: u32,
    pub(super) attempt: u32,
    pub(super) kind: TimerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKind {
    Retry,
    Warm,
    Timeout,
    Idle,
    Deadline,
    UndoRetry,
    UndoTimeout,
}

/// A group with a quorum.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: u32,
    pub(super) needed: u32,
    pub(super) failed: u32,
}

#[expect(clippy::indexing_slicing, reason = "places of the graph are below its length, the length of `rows`")]
impl Machine {
    /// A run that has not begun. The first [`step`](Machine::step) begins it.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) if `max_parallel` or `batch` is 0, or `restore` names a place that the graph
    /// does not have.
    #[inline]
    pub fn new(plan: &Plan, run: RunId, mut rules: Rules) -> Result<Self> {
        for (option, zero) in [("max_parallel", rules.max_parallel == 0), ("batch", rules.batch == 0)] {
            if zero {
                return Err(Error::new(ErrorKind::InvalidValue, format!("`{option}` must be at least 1")));
            }
        }
        if let Some(unknown) = rules.restore.iter().find(|restored| restored.task.index() >= plan.graph().len()) {
            let (place, tasks) = (unknown.task.index(), plan.graph().len());
            let message =
                format!("`restore` names place {place}, but the graph has {tasks} tasks; restore by its own graph");
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        let inputs = Value::Object(std::mem::take(&mut rules.inputs));
        let mut machine = Self {
            plan: plan.clone(),
            rules,
            inputs,
            run,
            rows: Vec::with_capacity(plan.graph().len()),
            outputs: Vec::new(),
            ready: ReadyQueue::default(),
            next: Vec::new(),
            more: false,
            timers: BinaryHeap::new(),
            granted: BTreeSet::new(),
            refused: BTreeMap::new(),
            groups: BTreeMap::new(),
            signs: BTreeMap::new(),
            stops: BTreeMap::new(),
            siblings: BTreeMap::new(),
            once_held: BTreeSet::new(),
            asked: BTreeMap::new(),
            names: None,
            additions: BTreeMap::new(),
            unblocked: Vec::new(),
            running: 0,
            open: 0,
            state: RunState::Running,
            failed: false,
            stopping: None,
            cancels: 0,
            saga: None,
            unconditional: false,
            begun: false,
            seq: 0,
            now: 0,
            at: Duration::ZERO,
        };
        machine.groups = plan
            .graph()
            .quorums()
            .iter()
            .map(|(group, &needed)| (group.clone(), Group { members: 0, needed, failed: 0 }))
            .collect();
        machine.adopt(plan.clone());
        Ok(machine)
    }

    /// Takes a plan that continues the present one: rows for new tasks, new ranks for all.
    #[inline]
    pub(super) fn adopt(&mut self, plan: Plan) {
        let graph = plan.graph().clone();
        self.plan = plan;
        let first_time = self.rows.is_empty();
        let mut undoes = false;
        let first = self.rows.len();
        self.open += graph.len() - first;
        // The tasks themselves are not looked at: a million of them are much memory.
        let special = self.rules.asks;
        let new = graph.waits().zip(self.plan.ranks()).skip(first).map(|(waiting, &rank)| {
            let waiting = waiting as u32;
            Row { ready_at: 0, waiting, rank, attempt: 0, phase: Phase::Waiting, special }
        });
        self.rows.extend(new);
        for ix in graph.with_options(first) {
            self.rows[ix.index()].special = true;
            let options = graph.task(ix).options();
            if let Some(group) = options.group.as_ref() {
                self.groups.entry(group.clone()).and_modify(|group| group.members += 1);
            }
            undoes |= options.undo.is_some();
            self.joins_siblings(ix);
        }
        if undoes {
            self.saga.get_or_insert_default();
        }
        if self.saga.is_some() {
            Saga::targets(&graph).for_each(|target| self.rows[target.index()].special = true);
        }
        self.ready = ReadyQueue::new(self.rows.len());
        self.next.clear();
        if !first_time {
            self.reconsider(&graph);
        }
    }

    /// After the graph has grown: new ranks for all, and some old tasks wait for new ones.
    fn reconsider(&mut self, graph: &Graph) {
        if !self.outputs.is_empty() {
            self.outputs.resize(self.rows.len(), Output::NOTHING);
        }
        self.names = None;
        for ix in graph.indices() {
            self.rows[ix.index()].rank = self.plan.rank(ix);
            if matches!(self.rows[ix.index()].phase, Phase::Waiting | Phase::Checking | Phase::Looking | Phase::Ready) {
                let unsatisfied = |parent: &TaskIx| self.rows[parent.index()].phase != Phase::Satisfied;
                let waiting = graph.parents(ix).filter(unsatisfied).count() as u32;
                let row = &mut self.rows[ix.index()];
                row.waiting = waiting;
                if waiting > 0 {
                    row.phase = Phase::Waiting;
                }
            }
        }
        self.granted.clear();
        self.forget_held();
        for row in &self.rows {
            match row.phase {
                Phase::Ready => self.ready.push(row.rank),
                Phase::Granted => drop(self.granted.insert(row.rank)),
                _ => {}
            }
        }
    }

    /// Hears what happened until `now` (time since the start of the run; an earlier time than before counts as the same),
    /// and adds to `actions` what to do. `messages` is left empty.
    #[inline]
    pub fn step(&mut self, now: Duration, messages: &mut Vec<Message>, actions: &mut Actions) {
        if now > self.at {
            self.now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            self.at = now;
        }
        if !self.begun {
            self.begin(actions);
        }
        // Read where they lie: the processor would wait for each copy of what was just written by parts.
        for message in &mut *messages {
            self.hear(message, actions);
        }
        drop_all(messages, |message| match message {
            Message::Finished { outcome: Outcome { result: Ok(output), usage: None }, .. } => output.is_nothing(),
            _ => false,
        });
        self.ring(actions);
        if self.stopping.is_none() {
            self.dispatch(actions);
        }
        if self.open == 0 && self.state == RunState::Running {
            let state = match self.stopping {
                Some(state) => state,
                None if self.failed => RunState::Failed,
                None => RunState::Succeeded,
            };
            if !self.undo(state, actions) {
                self.state = state;
                self.say(actions, EventKind::RunFinished { state });
            }
        }
        actions.wake_at = self.next_timer().map(Duration::from_nanos);
    }

    #[inline]
    fn begin(&mut self, actions: &mut Actions) {
        self.begun = true;
        let limit = (self.rules.max_parallel != Rules::UNLIMITED).then_some(self.rules.max_parallel);
        let graph = Box::new(self.plan.graph().hash());
        self.say(actions, EventKind::RunStarted { run: self.run, graph, max_parallel: limit });
        if let Some(deadline) = self.rules.deadline {
            self.set_timer(deadline, TaskIx(0), 0, TimerKind::Deadline);
        }
        self.restore(actions);
        for ix in 0..self.rows.len() as u32 {
            let row = &mut self.rows[ix as usize];
            if row.waiting > 0 || row.phase != Phase::Waiting {
            } else if row.special {
                self.unblocked.push(ix);
            } else {
                row.phase = Phase::Ready;
                row.ready_at = self.now;
                self.ready.push(row.rank);
            }
        }
        // Taken from the end, so that conditions are asked in the order of definition.
        self.unblocked.reverse();
        self.admit_unblocked(actions);
    }

    /// Hears a message, which is dropped afterwards: what is taken out of it need not be copied.
    #[inline]
    fn hear(&mut self, message: &mut Message, actions: &mut Actions) {
        match message {
            &mut Message::Finished { task, attempt, ref mut outcome } => self.finished(task, attempt, outcome, actions),
            &mut Message::Checked { task, holds, ref mut warning } => {
                if let Some(message) = warning.take() {
                    self.say(actions, EventKind::Warning { task: Some(task), message });
                }
                if self.rows.get(task.index()).is_some_and(|row| row.phase == Phase::Checking) {
                    self.checked(task, holds, actions);
                }
            }
            Message::Looked { task, found } => self.looked(*task, found.take(), actions),
            Message::Granted { task } => self.granted(*task, actions),
            Message::Waits { task, resource, holder } => {
                let (task, resource, holder) = (*task, resource.clone(), holder.take());
                self.say(actions, EventKind::TaskWaits { task, resource, holder });
            }
            Message::Refused { task, failure, again_in } => {
                self.refused(*task, failure.clone(), *again_in, actions);
            }
            Message::Revoked { task } => self.revoked(*task, actions),
            Message::Expired { task, resource } => self.lease_expired(*task, resource, actions),
            Message::Missed { task, key, why } => self.missed(*task, key.clone(), why.clone(), actions),
            Message::Read { task, key, saved } => {
                let (task, key, saved) = (*task, key.clone(), saved.take());
                self.say(actions, EventKind::ContextRead { task, key, saved });
            }
            Message::Odd { task, message } => {
                self.say(actions, EventKind::Warning { task: Some(*task), message: std::mem::take(message) });
            }
            &mut Message::Heartbeat { task } => {
                if self.is_running(task) {
                    self.sign_of_life(task);
                    self.say(actions, EventKind::Heartbeat { task });
                }
            }
            &mut Message::Line { task, stream, ref text } => {
                if self.is_running(task) {
                    self.sign_of_life(task);
                    self.say(actions, EventKind::TaskOutput { task, stream, text: text.clone() });
                }
            }
            Message::Adds { task, attempt, added } => {
                let is_it =
                    |row: &&Row| row.attempt == *attempt && matches!(row.phase, Phase::Running | Phase::Stopping);
                if self.rows.get(task.index()).filter(is_it).is_some() {
                    self.additions.entry(task.0).or_default().push(Task::clone(added));
                }
            }
            Message::Cancel { reason } => self.cancelled(std::mem::take(reason), actions),
            Message::Checkpoint { name } => self.make_checkpoint(name.clone(), actions),
            Message::BackTo { checkpoint } => self.back_to(checkpoint, actions),
            // What the end of the last task changes comes after the last event.
            Message::Breaker { .. } if self.state != RunState::Running => {}
            Message::Breaker { breaker, state, why, probe_in } => {
                let (breaker, state, why, probe_in) = (breaker.clone(), *state, why.take(), *probe_in);
                self.say(actions, EventKind::BreakerChanged { breaker, state, why, probe_in });
            }
        }
    }

    fn cancelled(&mut self, reason: String, actions: &mut Actions) {
        self.cancels += 1;
        if self.open > 0 && self.stopping.is_none() {
            self.blame(None, &Failure { kind: FailureKind::Cancelled, message: reason.clone() });
            self.stop(RunState::Cancelled, reason, actions);
        } else {
            self.cancel_undo(&reason, actions);
        }
    }

    fn is_running(&self, task: TaskIx) -> bool {
        self.rows.get(task.index()).is_some_and(|row| matches!(row.phase, Phase::Running | Phase::Stopping))
            || self.is_undoing(task)
    }

    fn sign_of_life(&mut self, task: TaskIx) {
        if let Some(sign) = self.signs.get_mut(&task.0) {
            *sign = self.now;
        }
        if self.rules.warm.is_some() {
            self.has_read_prefix(task, true);
        }
    }

    /// Acts on the timers that are due.
    #[inline]
    fn ring(&mut self, actions: &mut Actions) {
        while let Some(&Reverse(timer)) = self.timers.peek()
            && timer.at <= self.now
        {
            self.timers.pop();
            let task = TaskIx(timer.task);
            if !self.is_live(timer) {
                continue;
            }
            match timer.kind {
                TimerKind::Deadline => {
                    let deadline = self.rules.deadline.unwrap_or_default();
                    let message = format!("the deadline of {deadline:?} passed");
                    self.blame(None, &Failure { kind: FailureKind::Timeout, message: message.clone() });
                    self.stop(RunState::Failed, message, actions);
                }
                kind @ (TimerKind::UndoRetry | TimerKind::UndoTimeout) => self.ring_undo(kind, actions),
                TimerKind::Retry => self.make_ready(task),
                TimerKind::Warm => self.hold_no_longer(task),
                TimerKind::Timeout => {
                    let timeout = self.plan.graph().task(task).options().timeout.unwrap_or_default();
                    self.stop_attempt(task, FailureKind::Timeout, format!("took longer than {timeout:?}"), actions);
                }
                TimerKind::Idle => {
                    let idle = self.plan.graph().task(task).options().idle_timeout.unwrap_or_default();
                    let silent = self.now - self.signs.get(&task.0).copied().unwrap_or(self.now);
                    match idle.checked_sub(Duration::from_nanos(silent)) {
                        Some(rest) if !rest.is_zero() => self.set_timer(rest, task, timer.attempt, TimerKind::Idle),
                        _ => self.stop_attempt(task, FailureKind::Idle, format!("was silent for {idle:?}"), actions),
                    }
                }
            }
        }
    }

    /// Whether what the timer was set for still goes on.
    fn is_live(&self, timer: Timer) -> bool {
        let row = self.rows.get(timer.task as usize);
        match timer.kind {
            TimerKind::Deadline => self.stopping.is_none() && self.open > 0,
            TimerKind::UndoRetry | TimerKind::UndoTimeout => {
                self.is_undo_live(TaskIx(timer.task), timer.attempt, timer.kind)
            }
            TimerKind::Warm => self.holds_others(TaskIx(timer.task), timer.attempt),
            TimerKind::Retry => row.is_some_and(|row| row.phase == Phase::Delayed),
            TimerKind::Timeout | TimerKind::Idle => {
                row.is_some_and(|row| row.phase == Phase::Running && row.attempt == timer.attempt)
            }
        }
    }

    #[inline]
    fn next_timer(&mut self) -> Option<u64> {
        loop {
            let &Reverse(timer) = self.timers.peek()?;
            if self.is_live(timer) {
                return Some(timer.at);
            }
            self.timers.pop();
        }
    }

    pub(super) fn set_timer(&mut self, after: Duration, task: TaskIx, attempt: u32, kind: TimerKind) {
        let at = self.now.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
        self.timers.push(Reverse(Timer { at, task: task.0, attempt, kind }));
    }

    #[inline]
    pub(super) fn say(&mut self, actions: &mut Actions, kind: EventKind) {
        actions.events.push(Event { seq: self.seq, at: self.at, kind });
        self.seq += 1;
    }

    /// Says what `kind` makes, without a copy of it: two events a task are written.
    #[inline]
    pub(super) fn say_with(&mut self, actions: &mut Actions, kind: impl FnOnce() -> EventKind) {
        let (seq, at) = (self.seq, self.at);
        push_with(&mut actions.events, || Event { seq, at, kind: kind() });
        self.seq += 1;
    }

    /// How the run stands.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// The plan as it is now; it grows when a task's output adds tasks.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Changes how many attempts one step starts at most; at least 1.
    pub fn set_batch(&mut self, batch: usize) {
        self.rules.batch = batch.max(1);
    }

    /// The graph as it is now.
    pub fn graph(&self) -> &Graph {
        self.plan.graph()
    }

    /// How many attempts run.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// Whether the task has no options of its own: nothing to ask, to watch or to read.
    #[inline]
    pub(crate) fn is_plain(&self, task: TaskIx) -> bool {
        self.rows.get(task.index()).is_none_or(|row| !row.special)
    }

    /// Whether there is any value that a task could read: an input of the run, or what a task made.
    pub fn has_values(&self) -> bool {
        !self.outputs.is_empty() || self.inputs.as_object().is_some_and(|inputs| !inputs.is_empty())
    }

    /// What that task made; [`Output::NOTHING`] until it is done.
    pub fn output(&self, task: TaskIx) -> &Output {
        self.outputs.get(task.index()).unwrap_or(&Output::NOTHING)
    }
}
