//! The report of a run.

use std::{fmt, time::Duration};

use super::{
    agents::AgentCost,
    checkpoint::MadeCheckpoint,
    context::ContextRead,
    counts::Counts,
    earlier::Earlier,
    row::{NO_DETAILS, Row, Tries},
    task::{Attempt, LockWait, TaskResult},
    undo::UndoReport,
    width::cut_chars,
};
use crate::{
    definition::Graph,
    error::{Error, ErrorKind, Result},
    event::{Event, EventKind, Failure, Miss, Output, RunState, SkipReason, TaskState},
    id::{Printable, RunId, TaskIx},
    plan::Plan,
    units::{Cost, Usage, Usd},
};

/// What a run did, task by task and as a whole: a fold over its events.
///
/// Ask it at any time: in the middle of a run it knows what happened so far. Its `Display` is a short summary;
/// [`render`](super::render) has the full forms. Events of tasks that the graph does not have are passed over, and a task
/// that has ended stays as it ended.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, RunState, Task};
///
/// let graph = Graph::builder("notes").task(Task::new("draft")).build()?;
/// let report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
/// assert_eq!((report.state(), report.counts().pending), (RunState::Running, 1));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Report {
    plan: Plan,
    graph: Graph,
    rows: Vec<Row>,
    /// What few tasks have: a run of plain tasks makes none.
    details: Vec<Details>,
    counts: Counts,
    run: Option<RunId>,
    state: RunState,
    limit: Option<u32>,
    /// The most tasks that ran at once.
    peak: usize,
    /// The time of the latest event.
    at: u64,
    stopped: Option<String>,
    warnings: Vec<Warning>,
    warnings_left_out: usize,
    usage: Usage,
    pub(super) undo: Option<Box<UndoReport>>,
    pub(super) checkpoints: Vec<MadeCheckpoint>,
    pub(super) earlier: Option<Box<Earlier>>,
    pub(super) agents: Vec<AgentCost>,
    /// When everything was over that could be undone.
    pub(super) worked_until: Option<Duration>,
}

/// What few tasks have.
#[derive(Debug, Clone, Default)]
pub(super) struct Details {
    pub(super) output: Output,
    pub(super) failure: Option<Box<Failure>>,
    pub(super) skipped: Option<SkipReason>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) tries: Option<Tries>,
    pub(super) usage: Option<Box<Usage>>,
    pub(super) cost: Option<Usd>,
    pub(super) saved: Option<Box<Cost>>,
    pub(super) restored: bool,
    pub(super) missed: Option<Box<Miss>>,
    pub(super) reads: Vec<ContextRead>,
    pub(super) waits: Vec<LockWait>,
}

/// Something odd that did not stop the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// When, since the start of the run.
    pub at: Duration,
    /// The task it is about.
    pub task: Option<TaskIx>,
    /// What, and what to do. As given: show it through [`Printable`].
    pub message: String,
}

impl Report {
    /// The most warnings that a report keeps; further ones are only [counted](Report::warnings_left_out).
    pub const MAX_WARNINGS: usize = 1_000;

    /// The report of a run that has not begun.
    #[inline]
    pub fn new(plan: &Plan) -> Self {
        let graph = plan.graph().clone();
        Self {
            plan: plan.clone(),
            rows: vec![Row::NEW; graph.len()],
            details: Vec::new(),
            counts: Counts { pending: graph.len(), ..Counts::default() },
            graph,
            run: None,
            state: RunState::Running,
            limit: None,
            peak: 0,
            at: 0,
            stopped: None,
            warnings: Vec::new(),
            warnings_left_out: 0,
            usage: Usage::default(),
            undo: None,
            checkpoints: Vec::new(),
            earlier: None,
            agents: Vec::new(),
            worked_until: None,
        }
    }

    /// Takes the next event. For a task that starts, or ends with nothing to keep, this writes one row.
    #[inline]
    pub fn on(&mut self, event: &Event) {
        // Time never goes back in a run; in a recording that was tampered with, it stands still instead.
        let at = nanos(event.at).max(self.at);
        self.at = at;
        match &event.kind {
            EventKind::TaskStarted { task, attempt, queued } => self.start(*task, *attempt, nanos(*queued), at),
            EventKind::TaskFinished { task, attempt, result: Ok(output), usage: None } if output.is_nothing() => {
                self.end(*task, *attempt, TaskState::Succeeded, at);
            }
            _ => self.keep(event, at),
        }
    }

    /// Takes an event that brings more than two times.
    fn keep(&mut self, event: &Event, at: u64) {
        match &event.kind {
            EventKind::TaskStarted { .. } => {}
            EventKind::TaskFinished { task, attempt, result, usage } => {
                if self.end(*task, *attempt, event.kind.task_state().unwrap_or_default(), at) {
                    match result {
                        Ok(output) if output.is_nothing() => {}
                        Ok(output) => self.note(*task, |details| details.output = output.clone()),
                        Err(failure) => self.note(*task, |details| details.failure = Some(failure.clone())),
                    }
                    self.add_usage(*task, usage.as_deref());
                }
            }
            EventKind::TaskRetrying { task, attempt, failure, usage, .. } => {
                self.waited(*task, at);
                if let Some(started) = self.pause(*task, at) {
                    let (started, finished) = (Duration::from_nanos(started), Duration::from_nanos(at));
                    let failure = Failure::clone(failure);
                    let attempt = Attempt { number: *attempt, started, finished, failure };
                    self.note(*task, |details| details.attempts.push(attempt));
                    self.add_usage(*task, usage.as_deref());
                }
            }
            EventKind::TaskWaits { task, resource, holder } => {
                let open = self.rows.get(task.index()).is_some_and(|row| row.state == TaskState::Pending);
                if open {
                    let (resource, holder) = (resource.clone(), holder.clone());
                    let since = Duration::from_nanos(at);
                    self.note(*task, |details| details.waits.push(LockWait { resource, holder, since, waited: None }));
                }
            }
            EventKind::TaskCached { task, output, saved } => {
                if self.end(*task, 0, TaskState::Succeeded, at) {
                    self.note(*task, |details| {
                        details.output = output.clone();
                        details.saved = Some(saved.clone());
                    });
                }
            }
            EventKind::TaskRestored { task, state, output } => {
                if self.end(*task, 0, *state, at) {
                    self.note(*task, |details| (details.output, details.restored) = (output.clone(), true));
                }
            }
            EventKind::TaskMissed { task, why, .. } => {
                if task.index() < self.rows.len() {
                    self.note(*task, |details| details.missed = Some(why.clone()));
                }
            }
            EventKind::ContextRead { task, key, saved } => {
                if task.index() < self.rows.len() {
                    let read = ContextRead { key: key.clone(), saved: saved.clone() };
                    self.note(*task, |details| details.reads.push(read));
                }
            }
            EventKind::TaskSkipped { task, reason } => {
                if self.end(*task, 0, event.kind.task_state().unwrap_or_default(), at) {
                    self.note(*task, |details| details.skipped = Some(reason.clone()));
                }
            }
            EventKind::TasksAdded { by, tasks, before } => match self.graph.extended(tasks.to_vec(), before) {
                Ok(graph) => self.grow(graph),
                // The run refuses such tasks itself; only events that were tampered with come here.
                Err(error) => self.warn(Some(*by), event.at, format!("added tasks that do not fit: {error}")),
            },
            EventKind::Warning { task, message } => self.warn(*task, event.at, message.clone()),
            EventKind::RunStarted { run, max_parallel, .. } => {
                self.run = Some(*run);
                self.limit = *max_parallel;
            }
            EventKind::RunStopping { reason } => {
                self.stopped.get_or_insert_with(|| reason.clone());
            }
            EventKind::RunFinished { state } => self.state = *state,
            EventKind::UndoPlanned { .. }
            | EventKind::UndoStarted { .. }
            | EventKind::UndoRetrying { .. }
            | EventKind::UndoFinished { .. } => self.on_undo(event),
            EventKind::CheckpointMade { .. } => self.on_checkpoint(event),
            EventKind::TaskHeld { .. }
            | EventKind::Heartbeat { .. }
            | EventKind::TaskOutput { .. }
            | EventKind::BreakerChanged { .. } => {}
        }
    }

    #[inline]
    fn start(&mut self, task: TaskIx, attempt: u32, queued: u64, at: u64) {
        let Some(row) = self.rows.get_mut(task.index()) else { return };
        if row.state != TaskState::Pending {
            return;
        }
        let before = *row;
        if !row.ran {
            row.ready = at.saturating_sub(queued);
            row.ran = true;
        }
        row.since = at;
        row.state = TaskState::Running;
        self.counts.shift(TaskState::Pending, TaskState::Running);
        self.peak = self.peak.max(self.counts.running);
        if before.details != NO_DETAILS || attempt > 1 {
            self.waited(task, at);
            self.start_again(task, before, attempt, queued);
        }
    }

    /// Counts an attempt that is not the first. `before`: the row before it started.
    fn start_again(&mut self, task: TaskIx, before: Row, attempt: u32, queued: u64) {
        let mut tries = self.tries(&before);
        tries.attempts = attempt.max(tries.attempts.saturating_add(1));
        if tries.attempts > 1 {
            tries.queued = tries.queued.saturating_add(queued);
            if !before.ran {
                tries.started = self.at;
            }
            self.note(task, |details| details.tries = Some(tries));
        }
    }

    /// It waits no longer for what it claims, if it did.
    fn waited(&mut self, task: TaskIx, at: u64) {
        let Some(row) = self.rows.get(task.index()) else { return };
        let wait = self.details.get_mut(row.details as usize).and_then(|details| details.waits.last_mut());
        if let Some(wait) = wait {
            wait.waited.get_or_insert_with(|| Duration::from_nanos(at).saturating_sub(wait.since));
        }
    }

    /// Answers when the failed attempt started: just now, if what it claims was refused. Nothing if the task is over.
    fn pause(&mut self, task: TaskIx, at: u64) -> Option<u64> {
        let row = self.rows.get_mut(task.index())?;
        if row.state != TaskState::Running {
            return (row.state == TaskState::Pending).then_some(at);
        }
        let before = *row;
        row.state = TaskState::Pending;
        self.counts.shift(TaskState::Running, TaskState::Pending);
        let mut tries = self.tries(&before);
        tries.busy = tries.busy.saturating_add(at.saturating_sub(before.since));
        self.note(task, |details| details.tries = Some(tries));
        Some(before.since)
    }

    /// Answers whether the task was still open.
    #[inline]
    fn end(&mut self, task: TaskIx, attempt: u32, state: TaskState, at: u64) -> bool {
        let Some(row) = self.rows.get_mut(task.index()) else { return false };
        if row.state.is_final() {
            return false;
        }
        let before = *row;
        self.counts.shift(row.state, state);
        row.until = at;
        row.state = state;
        if before.details != NO_DETAILS || attempt > 1 {
            self.waited(task, at);
            self.end_again(task, before, attempt);
        }
        true
    }

    /// Counts the end of an attempt that is not the first. `before`: the row before it ended.
    fn end_again(&mut self, task: TaskIx, before: Row, attempt: u32) {
        let mut tries = self.tries(&before);
        if before.state == TaskState::Running && attempt.max(tries.attempts) > 1 {
            tries.busy = tries.busy.saturating_add(self.at.saturating_sub(before.since));
            tries.attempts = tries.attempts.max(attempt);
            self.note(task, |details| details.tries = Some(tries));
        }
    }

    /// The attempts of a task.
    pub(super) fn tries(&self, row: &Row) -> Tries {
        let kept = self.details.get(row.details as usize).and_then(|details| details.tries);
        kept.unwrap_or_else(|| row.tries())
    }

    fn note(&mut self, task: TaskIx, change: impl FnOnce(&mut Details)) {
        let Some(row) = self.rows.get_mut(task.index()) else { return };
        if row.details == NO_DETAILS {
            // INVARIANT: fewer details than tasks, and a graph holds fewer than u32::MAX tasks.
            row.details = self.details.len() as u32;
            self.details.push(Details::default());
        }
        if let Some(details) = self.details.get_mut(row.details as usize) {
            change(details);
        }
    }

    pub(super) fn add_usage(&mut self, task: TaskIx, usage: Option<&Usage>) {
        let Some(usage) = usage.filter(|usage| !usage.is_empty()) else { return };
        self.usage.add(usage);
        self.note(task, |details| details.usage.get_or_insert_default().add(usage));
    }

    pub(super) fn set_state(&mut self, task: TaskIx, state: TaskState) {
        if let Some(row) = self.rows.get_mut(task.index()) {
            self.counts.shift(row.state, state);
            row.state = state;
        }
    }

    fn grow(&mut self, graph: Graph) {
        self.counts.pending += graph.len() - self.rows.len();
        self.rows.resize(graph.len(), Row::NEW);
        self.graph = graph;
    }

    fn warn(&mut self, task: Option<TaskIx>, at: Duration, message: String) {
        if self.warnings.len() < Self::MAX_WARNINGS {
            self.warnings.push(Warning { at, task, message });
        } else {
            self.warnings_left_out += 1;
        }
    }

    /// Asks `price` what each task's usage costs, and adds it up in [`cost`](Report::cost). `None`: no price is known.
    /// Asking again replaces what was found before.
    ///
    /// ```
    /// use orch_core::{Graph, Plan, PlanOptions, Report, Usd};
    ///
    /// let mut report = Report::new(&Plan::new(&Graph::builder("none").build()?, &PlanOptions::default())?);
    /// report.price_with(|usage| Some(Usd::from_nanos(3_000 * i64::try_from(usage.total_tokens()).ok()?)));
    /// assert_eq!(report.cost(), None, "nothing was used");
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn price_with(&mut self, mut price: impl FnMut(&Usage) -> Option<Usd>) {
        for details in &mut self.details {
            details.cost = details.usage.as_deref().and_then(&mut price);
        }
        self.price_agents(&mut price);
        self.price_earlier(price);
    }

    /// The graph, with the tasks that the run added.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The plan that the run began with. It does not know tasks that the run added.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The run; `None` before its first event.
    pub fn run(&self) -> Option<RunId> {
        self.run
    }

    /// How it stands or ended.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// Why it ended before its time, where it did.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// How many tasks might run at once; `None`: no limit.
    pub fn max_parallel(&self) -> Option<u32> {
        self.limit
    }

    /// The most tasks that did run at once.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// How many tasks are in each state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Every task, in the order of definition.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = TaskResult<'_>> + Clone {
        self.graph.indices().zip(&self.rows).map(|(ix, row)| self.result(ix, row))
    }

    /// The task at that place. Panics as [`Graph::task`] does.
    #[expect(clippy::indexing_slicing, reason = "a place of another graph is the caller's bug, as with a slice")]
    pub fn task(&self, ix: TaskIx) -> TaskResult<'_> {
        self.result(ix, &self.rows[ix.index()])
    }

    /// The task with that name.
    pub fn find(&self, id: &str) -> Option<TaskResult<'_>> {
        self.graph.find(id).map(|ix| self.task(ix))
    }

    fn result<'a>(&'a self, ix: TaskIx, row: &'a Row) -> TaskResult<'a> {
        TaskResult { report: self, ix, row, details: self.details.get(row.details as usize) }
    }

    /// The time from the start of the run to its last event, the time of undoing included.
    pub fn makespan(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    /// How long the tasks would have taken one after the other: the sum of their [durations](TaskResult::duration).
    pub fn serial(&self) -> Duration {
        Duration::from_nanos(self.rows.iter().fold(0, |sum, row| sum.saturating_add(self.busy_of(row))))
    }

    /// The time from the start of the run to the end of its last task: the makespan without the time of undoing.
    pub fn worked(&self) -> Duration {
        self.worked_until.unwrap_or_else(|| self.makespan()).min(self.makespan())
    }

    /// How often faster the run was than one task after the other: serial time over the time that it
    /// [worked](Report::worked). `None` when it took no time.
    pub fn speedup(&self) -> Option<f64> {
        ratio(self.serial(), self.worked())
    }

    /// What share of its workers' time the run used, from 0 to 1: serial time over the time that it
    /// [worked](Report::worked) times workers. The workers are [`max_parallel`](Report::max_parallel) or, without a limit, [`peak`](Report::peak). `None` when it took no time.
    pub fn utilisation(&self) -> Option<f64> {
        let workers = self.limit.map_or(self.peak as f64, f64::from);
        Some(ratio(self.serial(), self.worked())? / workers.max(1.0))
    }

    /// The shortest time that any order could have reached, knowing what each task really took: the longest chain of
    /// dependent tasks, or the work divided evenly among [`max_parallel`](Report::max_parallel), whichever is longer.
    pub fn lower_bound(&self) -> Duration {
        let share = self.limit.map_or(0, |limit| nanos(self.serial()).div_ceil(u64::from(limit.max(1))));
        self.longest_chain().max(Duration::from_nanos(share))
    }

    /// How far the run was from the best possible: the time that it [worked](Report::worked) over
    /// [`lower_bound`](Report::lower_bound), 1 at best. `None` when the bound is zero.
    pub fn over_lower_bound(&self) -> Option<f64> {
        ratio(self.worked(), self.lower_bound())
    }

    /// What was odd, in order. The graph has warnings of its own: [`Graph::warnings`].
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many more warnings there were than a report keeps.
    pub fn warnings_left_out(&self) -> usize {
        self.warnings_left_out
    }

    /// What all attempts of all tasks used of models.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What it all costs, as far as [`price_with`](Report::price_with) found prices; `None` if it found none.
    pub fn cost(&self) -> Option<Usd> {
        self.details.iter().filter_map(|details| details.cost).reduce(|sum, cost| sum + cost)
    }

    /// How many tasks used models but have no price: with some, [`cost`](Report::cost) is less than the truth.
    pub fn unpriced(&self) -> usize {
        self.details.iter().filter(|details| details.usage.is_some() && details.cost.is_none()).count()
    }

    /// Nothing if the run succeeded; else the error of the run, which names the tasks that failed.
    ///
    /// # Errors
    ///
    /// [`RunFailed`](ErrorKind::RunFailed), [`Cancelled`](ErrorKind::Cancelled), and [`Misuse`](ErrorKind::Misuse) for a
    /// run that is not over.
    pub fn into_result(self) -> Result<()> {
        const NAMED: usize = 8;
        const LONGEST: usize = 500;
        let graph = Printable(self.graph.name());
        match self.state {
            RunState::Succeeded => return Ok(()),
            RunState::Running => {
                return Err(Error::new(
                    ErrorKind::Misuse,
                    format!("the run of `{graph}` is not over; wait for its end"),
                ));
            }
            RunState::Failed | RunState::Cancelled => {}
        }
        let kind = if self.state == RunState::Failed { ErrorKind::RunFailed } else { ErrorKind::Cancelled };
        let mut message = format!("the run of `{graph}` {}", kind_verb(self.state));
        if let Some(reason) = &self.stopped {
            message += &format!(" ({})", Printable(reason));
        }
        let failed = self.tasks().filter(|task| task.state() == TaskState::Failed && !task.is_forgiven());
        for (nth, task) in failed.clone().take(NAMED).enumerate() {
            message += if nth == 0 { ": " } else { "; " };
            message += &format!("`{}`", task.id());
            if let Some(failure) = task.failure() {
                message += &format!(" {}", cut_chars(failure.to_string(), LONGEST));
            }
        }
        let count = failed.count();
        if count > NAMED {
            message += &format!("; and {} more", count - NAMED);
        }
        if let Some(undo) = self.undo_summary() {
            message += &format!("; undo: {undo}");
        }
        Err(Error::new(kind, message))
    }

    /// How long a task's attempts ran, in nanoseconds.
    pub(super) fn busy_of(&self, row: &Row) -> u64 {
        let under_way = if row.state == TaskState::Running { self.at.saturating_sub(row.since) } else { 0 };
        self.tries(row).busy.saturating_add(under_way)
    }

    /// One a task, in the order of definition.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn kind_verb(state: RunState) -> &'static str {
    if state == RunState::Cancelled { "was cancelled" } else { "failed" }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({:?}, {}, {:?})", self.graph.name(), self.state, self.counts)
    }
}

/// Nanoseconds, saturating after 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

fn ratio(of: Duration, to: Duration) -> Option<f64> {
    (!to.is_zero()).then(|| of.as_secs_f64() / to.as_secs_f64())
}

#[cfg(test)]
mod tests;
