//! How far a run is, and how long it will still take.

use std::time::Duration;

use super::{counts::Counts, model::nanos};
use crate::{
    definition::Graph,
    event::{Event, EventKind, RunState, TaskState},
    id::TaskIx,
    plan::Plan,
};

/// How far a run is: a fold over its events, light enough for a million tasks.
///
/// The rest of the run is estimated like its lower bound: the longest chain of what is left, or the work that is left
/// divided among the workers, whichever is longer. A running task still needs its estimate less the time it has run; all
/// estimates are scaled by the [pace](Progress::pace) of the tasks that are done.
///
/// Asked for a moment, it takes `at`, the time since the start of the run: it has no clock, so a caller that shows it every
/// second passes the time in.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Event, EventKind, Graph, Output, Plan, PlanOptions, Task};
/// use orch_core::report::Progress;
///
/// let seconds = Duration::from_secs;
/// let graph = Graph::builder("notes")
///     .task(Task::new("draft").estimate(seconds(10)))
///     .task(Task::new("publish").after("draft").estimate(seconds(30)))
///     .build()?;
/// let draft = graph.find("draft").unwrap();
/// let mut progress = Progress::new(&Plan::new(&graph, &PlanOptions::default())?);
/// assert_eq!(progress.rest(seconds(0)), seconds(40));
///
/// let start = EventKind::TaskStarted { task: draft, attempt: 1, queued: seconds(0) };
/// progress.on(&Event { seq: 0, at: seconds(0), kind: start });
/// assert_eq!(progress.rest(seconds(4)), seconds(36));
///
/// let finish = EventKind::TaskFinished { task: draft, attempt: 1, result: Ok(Output::NOTHING), usage: None };
/// progress.on(&Event { seq: 1, at: seconds(20), kind: finish });
/// assert_eq!((progress.percent(), progress.pace()), (50.0, 2.0));
/// assert_eq!(progress.rest(seconds(20)), seconds(60), "tasks take twice as long as estimated");
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Progress {
    graph: Graph,
    default_estimate: Duration,
    rows: Vec<Row>,
    /// Tasks with an attempt under way, in no order.
    running: Vec<TaskIx>,
    counts: Counts,
    state: RunState,
    limit: Option<u32>,
    /// Estimates of all tasks, of those that are over, and of those that wait.
    work: u64,
    work_over: u64,
    work_pending: u64,
    /// Estimates of the tasks that succeeded, and what they took.
    estimated: u64,
    took: u64,
    undo: Undoing,
}

/// How far a run is in undoing its tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undoing {
    /// How many tasks are to be undone; 0 while nothing is.
    pub total: usize,
    /// How many of them are over, undone or not.
    pub over: usize,
    /// The one whose turn it is.
    pub current: Option<TaskIx>,
}

/// Times in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Row {
    estimate: u64,
    /// The longest way from the start of the task to the end of the run, by estimates.
    remaining: u64,
    /// When the attempt under way started.
    since: u64,
    /// How long the attempts that are over ran.
    busy: u64,
    attempt: u32,
    /// Where the task is in `running`.
    place: u32,
    state: TaskState,
}

/// A task with an attempt under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningTask {
    /// Which task.
    pub task: TaskIx,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How long the attempt has been running.
    pub elapsed: Duration,
    /// What the task was estimated to take, unscaled.
    pub estimate: Duration,
}

impl Progress {
    /// The progress of a run that has not begun.
    pub fn new(plan: &Plan) -> Self {
        let mut progress = Self {
            graph: plan.graph().clone(),
            default_estimate: plan.options().default_estimate,
            rows: Vec::new(),
            running: Vec::new(),
            counts: Counts::default(),
            state: RunState::Running,
            limit: None,
            work: 0,
            work_over: 0,
            work_pending: 0,
            estimated: 0,
            took: 0,
            undo: Undoing::default(),
        };
        progress.add_rows();
        progress
    }

    /// Takes the next event.
    pub fn on(&mut self, event: &Event) {
        let at = nanos(event.at);
        match &event.kind {
            EventKind::RunStarted { max_parallel, .. } => self.limit = *max_parallel,
            EventKind::TaskStarted { task, attempt, .. } => self.start(*task, *attempt, at),
            EventKind::TaskRetrying { task, .. } => self.leave(*task, TaskState::Pending, at),
            EventKind::TaskFinished { task, .. }
            | EventKind::TaskCached { task, .. }
            | EventKind::TaskRestored { task, .. }
            | EventKind::TaskSkipped { task, .. } => {
                self.leave(*task, event.kind.task_state().unwrap_or_default(), at);
            }
            EventKind::TasksAdded { tasks, before, .. } => {
                // What does not fit the graph is the report's to warn of.
                if let Ok(graph) = self.graph.extended(tasks.to_vec(), before) {
                    self.graph = graph;
                    self.add_rows();
                }
            }
            EventKind::RunFinished { state } => self.state = *state,
            EventKind::UndoPlanned { order, .. } => self.undo.total += order.len(),
            EventKind::UndoStarted { task, .. } => self.undo.current = Some(*task),
            EventKind::UndoFinished { task, result, .. } => {
                self.undo.over += 1;
                self.undo.current = None;
                if result.is_ok() {
                    self.undone(*task);
                }
            }
            EventKind::TaskHeld { .. }
            | EventKind::TaskWaits { .. }
            | EventKind::Heartbeat { .. }
            | EventKind::ContextRead { .. }
            | EventKind::TaskOutput { .. }
            | EventKind::Warning { .. }
            | EventKind::RunStopping { .. }
            | EventKind::UndoRetrying { .. }
            | EventKind::TaskMissed { .. }
            | EventKind::BreakerChanged { .. }
            | EventKind::CheckpointMade { .. } => {}
        }
    }

    fn start(&mut self, task: TaskIx, attempt: u32, at: u64) {
        let Some(row) = self.rows.get_mut(task.index()).filter(|row| row.state == TaskState::Pending) else { return };
        row.state = TaskState::Running;
        row.attempt = attempt;
        row.since = at;
        // INVARIANT: fewer than u32::MAX tasks run, as a graph has fewer.
        row.place = self.running.len() as u32;
        self.running.push(task);
        self.counts.shift(TaskState::Pending, TaskState::Running);
        self.work_pending = self.work_pending.saturating_sub(row.estimate);
    }

    /// The task waits again or is over.
    fn leave(&mut self, task: TaskIx, state: TaskState, at: u64) {
        let Some(row) = self.rows.get_mut(task.index()) else { return };
        if row.state.is_final() || row.state == state {
            return;
        }
        let was_running = row.state == TaskState::Running;
        self.counts.shift(row.state, state);
        row.state = state;
        if was_running {
            row.busy = row.busy.saturating_add(at.saturating_sub(row.since));
        } else {
            self.work_pending = self.work_pending.saturating_sub(row.estimate);
        }
        if state.is_final() {
            self.work_over = self.work_over.saturating_add(row.estimate);
        } else {
            self.work_pending = self.work_pending.saturating_add(row.estimate);
        }
        if state == TaskState::Succeeded {
            self.estimated = self.estimated.saturating_add(row.estimate);
            self.took = self.took.saturating_add(row.busy);
        }
        if was_running {
            let place = row.place;
            self.running.swap_remove(place as usize);
            if let Some(moved) = self.running.get(place as usize).and_then(|moved| self.rows.get_mut(moved.index())) {
                moved.place = place;
            }
        }
    }

    fn undone(&mut self, task: TaskIx) {
        let row = self.rows.get_mut(task.index()).filter(|row| row.state == TaskState::Succeeded);
        if let Some(row) = row {
            row.state = TaskState::Undone;
            self.counts.shift(TaskState::Succeeded, TaskState::Undone);
        }
    }

    /// Makes rows for the tasks that have none, and finds the ways to the end anew.
    fn add_rows(&mut self) {
        let known = self.rows.len();
        for task in self.graph.tasks().iter().skip(known) {
            let estimate = nanos(task.estimated().unwrap_or(self.default_estimate));
            let state = TaskState::Pending;
            self.rows.push(Row { estimate, remaining: estimate, since: 0, busy: 0, attempt: 0, place: 0, state });
            self.work = self.work.saturating_add(estimate);
            self.work_pending = self.work_pending.saturating_add(estimate);
        }
        self.counts.pending += self.rows.len() - known;
        for ix in self.graph.topological().rev() {
            let ways = self.graph.children(ix).filter_map(|child| Some(self.rows.get(child.index())?.remaining));
            let longest = ways.max().unwrap_or(0);
            if let Some(row) = self.rows.get_mut(ix.index()) {
                row.remaining = row.estimate.saturating_add(longest);
            }
        }
    }

    /// The graph, with the tasks that the run added.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How the run stands or ended.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// How many tasks are in each state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How far it is in undoing its tasks.
    pub fn undoing(&self) -> Undoing {
        self.undo
    }

    /// What share of the tasks is over, whatever became of them: 0 to 100. Never goes back, unless the run adds tasks. 100
    /// for an empty graph.
    pub fn percent(&self) -> f64 {
        percent(self.counts.finished() as u64, self.counts.total() as u64)
    }

    /// What share of the estimated work is over: 0 to 100. A running task counts for the time it has run, scaled by the
    /// [pace](Progress::pace), at most for its estimate. Says more than [`percent`](Progress::percent) where tasks differ
    /// much, but goes back when a task is tried again or tasks turn out to take longer.
    pub fn percent_of_work(&self, at: Duration) -> f64 {
        let at = nanos(at);
        let under_way = self.running.iter().filter_map(|task| self.rows.get(task.index()));
        let done = under_way.fold(self.work_over, |sum, row| {
            sum.saturating_add(scaled(at.saturating_sub(row.since), 1.0 / self.pace()).min(row.estimate))
        });
        percent(done, self.work)
    }

    /// The tasks with an attempt under way, the longest-running first.
    pub fn running(&self, at: Duration) -> Vec<RunningTask> {
        let at = nanos(at);
        let running = self.running.iter().filter_map(|&task| Some((task, self.rows.get(task.index())?)));
        let mut running: Vec<RunningTask> = running
            .map(|(task, row)| RunningTask {
                task,
                attempt: row.attempt,
                elapsed: Duration::from_nanos(at.saturating_sub(row.since)),
                estimate: Duration::from_nanos(row.estimate),
            })
            .collect();
        running.sort_by_key(|running| (std::cmp::Reverse(running.elapsed), running.task));
        running
    }

    /// How long tasks took compared with their estimates, over all that succeeded: 2 means twice as long. 1 until the first
    /// succeeded; between 0.001 and 1000.
    pub fn pace(&self) -> f64 {
        if self.estimated == 0 { 1.0 } else { (self.took as f64 / self.estimated as f64).clamp(1e-3, 1e3) }
    }

    /// An estimate of how long the run still takes; zero when it is over. Looks at every task once.
    pub fn rest(&self, at: Duration) -> Duration {
        if self.state != RunState::Running {
            return Duration::ZERO;
        }
        let (at, pace) = (nanos(at), self.pace());
        let mut chain = 0;
        let mut work = scaled(self.work_pending, pace);
        for task in &self.running {
            let Some(row) = self.rows.get(task.index()) else { continue };
            let rest = scaled(row.estimate, pace).saturating_sub(at.saturating_sub(row.since));
            work = work.saturating_add(rest);
            chain = chain.max(rest.saturating_add(scaled(row.remaining - row.estimate, pace)));
        }
        let pending = self.rows.iter().filter(|row| row.state == TaskState::Pending);
        chain = chain.max(scaled(pending.map(|row| row.remaining).max().unwrap_or(0), pace));
        let share = self.limit.map_or(0, |limit| work.div_ceil(u64::from(limit.max(1))));
        Duration::from_nanos(chain.max(share))
    }
}

/// `as` saturates, which is what an estimate of centuries needs.
fn scaled(nanos: u64, pace: f64) -> u64 {
    if pace == 1.0 { nanos } else { (nanos as f64 * pace) as u64 }
}

fn percent(done: u64, all: u64) -> f64 {
    if all == 0 { 100.0 } else { 100.0 * done as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        definition::Task,
        event::{FailureKind, SkipReason},
        report::script::Script,
    };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// scan 10 s → (style 20 s, logic 60 s) → verdict 10 s
    fn diamond(limit: Option<u32>) -> Script {
        let graph = Graph::builder("review")
            .task(Task::new("scan").estimate(secs(10)))
            .task(Task::new("style").after("scan").estimate(secs(20)))
            .task(Task::new("logic").after("scan").estimate(secs(60)))
            .task(Task::new("verdict").after("style").after("logic").estimate(secs(10)))
            .build()
            .unwrap();
        Script::new(&graph, limit)
    }

    fn progress(script: &Script) -> Progress {
        let mut progress = Progress::new(&script.plan);
        script.events.iter().for_each(|event| progress.on(event));
        progress
    }

    #[test]
    fn the_rest_follows_the_chain_with_many_workers_and_the_work_with_one() {
        assert_eq!(progress(&diamond(None)).rest(secs(0)), secs(80));
        assert_eq!(progress(&diamond(Some(1))).rest(secs(0)), secs(100));
        let one = diamond(Some(1)).start(0, "scan").done(10_000, "scan").start(10_000, "logic");
        assert_eq!(progress(&one).rest(secs(30)), secs(40 + 20 + 10));
        let late = progress(&one).rest(secs(200));
        assert_eq!(late, secs(20 + 10), "a task that takes longer than estimated may end any time");
    }

    #[test]
    fn the_pace_scales_what_is_left() {
        let slow = diamond(None).start(0, "scan").done(20_000, "scan").start(20_000, "logic").start(20_000, "style");
        let slow = progress(&slow);
        assert_eq!(slow.pace(), 2.0);
        assert_eq!(slow.rest(secs(50)), secs(90 + 20));
        let quick = progress(&diamond(None).start(0, "scan").done(0, "scan"));
        assert_eq!(quick.rest(secs(0)), Duration::from_millis(70), "a thousandth, but not nothing");
    }

    #[test]
    fn running_tasks_are_listed_the_longest_first() {
        let script = diamond(None).start(0, "scan").done(10_000, "scan").start(10_000, "logic").start(11_000, "style");
        let running = progress(&script).running(secs(15));
        let elapsed: Vec<_> = running.iter().map(|running| running.elapsed).collect();
        assert_eq!(elapsed, [secs(5), secs(4)]);
        assert_eq!((running[0].task, running[0].estimate), (TaskIx(2), secs(60)));
        let one = progress(&script.done(16_000, "logic")).running(secs(16));
        assert_eq!((one.len(), one[0].task), (1, TaskIx(1)));
    }

    #[test]
    fn percent_counts_tasks_and_work() {
        let script = diamond(None).start(0, "scan").done(10_000, "scan").start(10_000, "logic");
        let progress = progress(&script);
        assert_eq!(progress.percent(), 25.0);
        assert_eq!(progress.percent_of_work(secs(40)), 40.0);
        assert_eq!(progress.percent_of_work(secs(400)), 70.0, "no more than its estimate");
    }

    #[test]
    fn a_run_that_is_over_has_no_rest() {
        let script = diamond(None)
            .start(0, "scan")
            .fail(1_000, "scan", FailureKind::Error, "no")
            .skip(1_000, "style", SkipReason::Upstream(TaskIx(0)))
            .skip(1_000, "logic", SkipReason::Upstream(TaskIx(0)))
            .skip(1_000, "verdict", SkipReason::Upstream(TaskIx(0)))
            .end(1_000, RunState::Failed);
        let progress = progress(&script);
        assert_eq!((progress.percent(), progress.rest(secs(2)), progress.state()), (100.0, secs(0), RunState::Failed));
        assert_eq!(progress.counts(), Counts { failed: 1, cancelled: 3, ..Counts::default() });
    }

    #[test]
    fn a_task_that_waits_for_its_next_attempt_is_still_to_do() {
        let progress = progress(&diamond(Some(1)).start(0, "scan").retry(9_000, "scan", "no", None));
        assert_eq!((progress.counts().pending, progress.running(secs(9)).len()), (4, 0));
        assert_eq!(progress.rest(secs(9)), secs(100));
    }

    #[test]
    fn added_tasks_are_still_to_do() {
        let added: [Task; 1] = [Task::new("extra").after("scan").estimate(secs(90))];
        let event = EventKind::TasksAdded { by: TaskIx(0), tasks: added.into(), before: ["verdict".into()].into() };
        let script = diamond(None).start(0, "scan").done(10_000, "scan").push(10_000, event);
        let progress = progress(&script);
        assert_eq!((progress.percent(), progress.rest(secs(10))), (20.0, secs(90 + 10)));
    }
}
