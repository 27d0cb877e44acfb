//! What a run undid.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{model::Report, task::Attempt};
use crate::{
    event::{Event, EventKind, Failure, Kept, Output, TaskState},
    id::TaskIx,
    units::Usage,
};

/// What a run undid, or tried to, and what it left although it could have been undone.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Event, EventKind, Graph, Output, Plan, PlanOptions, Report, Task, report::UndoState};
///
/// let graph = Graph::builder("release").task(Task::new("publish").undo("unpublish")).build()?;
/// let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
/// let publish = graph.find("publish").unwrap();
/// let events = [
///     EventKind::UndoPlanned { order: [publish].into(), kept: [].into() },
///     EventKind::UndoStarted { task: publish, attempt: 1 },
///     EventKind::UndoFinished { task: publish, attempt: 1, result: Ok(Output::NOTHING), usage: None },
/// ];
/// for (seq, kind) in (0..).zip(events) {
///     report.on(&Event { seq, at: Duration::from_secs(seq), kind });
/// }
/// let undo = report.undo().unwrap();
/// assert_eq!(undo.steps[0].state, UndoState::Undone);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UndoReport {
    /// When undoing began, since the start of the run.
    pub began: Duration,
    /// The tasks to undo, in the order in which they are.
    pub steps: Vec<UndoStep>,
    /// The tasks that stay although they could be undone, and why.
    pub kept: Vec<(TaskIx, Kept)>,
    /// Where each task is in `steps`.
    places: BTreeMap<TaskIx, usize>,
}

/// One task that is undone.
#[derive(Debug, Clone, PartialEq)]
pub struct UndoStep {
    /// Which task.
    pub task: TaskIx,
    /// Where its undo stands.
    pub state: UndoState,
    /// How many attempts to undo it were started.
    pub attempts: u32,
    /// When the first attempt started; `None` if none did.
    pub started: Option<Duration>,
    /// When the latest attempt started.
    pub last_started: Option<Duration>,
    /// When its undo ended.
    pub finished: Option<Duration>,
    /// The attempts that failed and were repeated, in order.
    pub failed_attempts: Vec<Attempt>,
    /// Why it could not be undone.
    pub failure: Option<Failure>,
    /// What the undo made.
    pub output: Output,
}

/// Where the undo of a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoState {
    /// It waits for its turn, or for the next attempt.
    Pending,
    /// An attempt is under way.
    Running,
    /// It was undone.
    Undone,
    /// It could not be undone.
    Failed,
    /// It was left as it is, because the run was cancelled a second time.
    Left,
}

impl UndoState {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Undone => "undone",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl UndoReport {
    /// The undo of that task; `None` if it was not to be undone.
    pub fn step(&self, task: TaskIx) -> Option<&UndoStep> {
        self.places.get(&task).and_then(|&place| self.steps.get(place))
    }

    /// How many tasks are in that state.
    pub fn count(&self, state: UndoState) -> usize {
        self.steps.iter().filter(|step| step.state == state).count()
    }

    fn step_mut(&mut self, task: TaskIx) -> Option<&mut UndoStep> {
        let place = *self.places.get(&task)?;
        self.steps.get_mut(place)
    }
}

impl Report {
    /// What the run undid; `None` if it had nothing to undo, or has not come to it.
    pub fn undo(&self) -> Option<&UndoReport> {
        self.undo.as_deref()
    }

    /// Why a task stays although it could be undone, in words.
    pub fn why_kept(&self, task: TaskIx, kept: Kept) -> String {
        match kept {
            Kept::Scope => "the run does not go back that far".to_owned(),
            Kept::Broken => "it did not complete".to_owned(),
            Kept::Off => "nothing was to be undone".to_owned(),
            Kept::On => {
                let undo = self.graph().tasks().get(task.index()).and_then(|task| task.options().undo.as_ref());
                let on: Vec<&str> = undo.into_iter().flat_map(|undo| &undo.on).map(|on| on.name()).collect();
                format!("it is undone on {} only", on.join(", "))
            }
        }
    }

    /// How undoing went, in a few words: `2 of 3 tasks undone, 1 could not be`. `None` if there was nothing to undo.
    pub fn undo_summary(&self) -> Option<String> {
        let undo = self.undo()?;
        let all = undo.steps.len();
        let done = undo.count(UndoState::Undone);
        let tasks = if all == 1 { "task" } else { "tasks" };
        let mut text = match all {
            0 => "nothing undone".to_owned(),
            _ if done == all => format!("{all} {tasks} undone"),
            _ => format!("{done} of {all} {tasks} undone"),
        };
        match undo.count(UndoState::Failed) {
            0 => {}
            failed => text += &format!(", {failed} could not be"),
        }
        match undo.count(UndoState::Left) {
            0 => {}
            left => text += &format!(", {left} left"),
        }
        match undo.kept.len() {
            0 => {}
            kept => text += &format!(", {kept} kept"),
        }
        Some(text)
    }

    /// Takes an event of undoing.
    pub(super) fn on_undo(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::UndoPlanned { order, kept } => {
                if self.counts().running + self.counts().pending == 0 {
                    self.worked_until = Some(at);
                }
                let tasks = self.graph().len();
                let undo = self.undo.get_or_insert_default();
                undo.began = at;
                for &task in order.iter().filter(|task| task.index() < tasks) {
                    undo.places.insert(task, undo.steps.len());
                    undo.steps.push(UndoStep::new(task));
                }
                undo.kept.extend(kept.iter().filter(|(task, _)| task.index() < tasks));
            }
            EventKind::UndoStarted { task, attempt } => {
                self.undo_step(*task, |step| {
                    step.state = UndoState::Running;
                    step.attempts = step.attempts.max(*attempt);
                    step.started.get_or_insert(at);
                    step.last_started = Some(at);
                });
            }
            EventKind::UndoRetrying { task, attempt, failure, usage, .. } => {
                self.undo_step(*task, |step| {
                    step.state = UndoState::Pending;
                    let started = step.last_started.unwrap_or(at);
                    let failure = Failure::clone(failure);
                    step.failed_attempts.push(Attempt { number: *attempt, started, finished: at, failure });
                });
                self.undo_usage(*task, usage.as_deref());
            }
            EventKind::UndoFinished { task, attempt, result, usage } => {
                self.undo_step(*task, |step| {
                    step.finished = Some(at);
                    match result {
                        Ok(output) => (step.state, step.output) = (UndoState::Undone, output.clone()),
                        Err(failure) => {
                            step.state = if *attempt == 0 { UndoState::Left } else { UndoState::Failed };
                            step.failure = Some(Failure::clone(failure));
                        }
                    }
                });
                if result.is_ok() {
                    self.undone(*task);
                }
                self.undo_usage(*task, usage.as_deref());
            }
            _ => {}
        }
    }

    /// A step that is over stays as it ended.
    fn undo_step(&mut self, task: TaskIx, change: impl FnOnce(&mut UndoStep)) {
        let step = self.undo.as_mut().and_then(|undo| undo.step_mut(task));
        if let Some(step) = step.filter(|step| !step.state.is_final()) {
            change(step);
        }
    }

    fn undo_usage(&mut self, task: TaskIx, usage: Option<&Usage>) {
        if task.index() < self.graph().len() {
            self.add_usage(task, usage);
        }
    }

    /// What it did is not there any more. Who did not work stays as it ended.
    fn undone(&mut self, task: TaskIx) {
        if self.rows().get(task.index()).is_some_and(|row| row.state == TaskState::Succeeded) {
            self.set_state(task, TaskState::Undone);
        }
    }
}

impl UndoStep {
    fn new(task: TaskIx) -> Self {
        Self {
            task,
            state: UndoState::Pending,
            attempts: 0,
            started: None,
            last_started: None,
            finished: None,
            failed_attempts: Vec::new(),
            failure: None,
            output: Output::NOTHING,
        }
    }
}
