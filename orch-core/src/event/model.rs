//! The events of a run.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    missed::Miss,
    outcome::{Failure, FailureKind, Output},
};
use crate::{
    definition::{GraphHash, Task},
    id::{ResourceId, RunId, TaskId, TaskIx},
    units::{Cost, Usage},
};

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number in the run, from 0, without gaps.
    pub seq: u64,
    /// When, since the start of the run.
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// What happened. The [`name`](EventKind::name) is stable.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The first event.
    RunStarted {
        /// The run.
        run: RunId,
        /// The content hash of the graph.
        graph: Box<GraphHash>,
        /// How many tasks may run at once; `None`: no limit.
        max_parallel: Option<u32>,
    },
    /// An attempt of a task began.
    TaskStarted {
        /// Which task.
        task: TaskIx,
        /// The attempt, from 1.
        attempt: u32,
        /// How long the task was ready before: it waited for a place, not for its dependencies.
        queued: Duration,
    },
    /// A task waits for what it claims, without a place. It begins, or fails, later.
    TaskWaits {
        /// Which task.
        task: TaskIx,
        /// What is not free: of several the first by name.
        resource: ResourceId,
        /// Who holds it; of several one. `None`: its limit a minute is used up, or it is kept for somebody who waits longer.
        holder: Option<Arc<str>>,
    },
    /// A task says that it is alive.
    Heartbeat {
        /// Which task.
        task: TaskIx,
    },
    /// A program wrote something.
    TaskOutput {
        /// Which task.
        task: TaskIx,
        /// Where it wrote.
        stream: Stream,
        /// A line, without its end, secrets and control characters as the program wrote them.
        text: Arc<str>,
    },
    /// A task could begin, and waits until another has read the [beginning](crate::definition::Prefix) of their prompts: then
    /// the provider reads it again for less.
    TaskHeld {
        /// Which task.
        task: TaskIx,
        /// For whom.
        by: TaskIx,
        /// The longest that it waits.
        at_most: Duration,
    },
    /// An attempt failed and another will follow.
    TaskRetrying {
        /// Which task.
        task: TaskIx,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        failure: Box<Failure>,
        /// How long until the next attempt may start.
        delay: Duration,
        /// What the failed attempt used.
        usage: Option<Box<Usage>>,
    },
    /// A task ended after at least one attempt.
    TaskFinished {
        /// Which task.
        task: TaskIx,
        /// The attempt that ended it, from 1.
        attempt: u32,
        /// Its output, or why it failed; a cancelled task has [`FailureKind::Cancelled`].
        result: Result<Output, Box<Failure>>,
        /// What the attempt used of models.
        usage: Option<Box<Usage>>,
    },
    /// A task was not run, since what it would make is known: from an earlier run, or from another one at the same time.
    TaskCached {
        /// Which task.
        task: TaskIx,
        /// What it would have made.
        output: Output,
        /// What that cost to make, and was not spent again.
        saved: Box<Cost>,
    },
    /// A task was not run, since it is as it was at the checkpoint that the run continues from.
    TaskRestored {
        /// Which task.
        task: TaskIx,
        /// How it ended then.
        state: TaskState,
        /// What it made then.
        output: Output,
    },
    /// A task [shares](crate::TaskOptions::shares) what it makes, and nobody knows what that would be: it is run.
    TaskMissed {
        /// Which task.
        task: TaskIx,
        /// The key under which its result was not found.
        key: Arc<str>,
        /// Why: what changed since it was last missed.
        why: Box<Miss>,
    },
    /// A task that begins reads a value of the shared context.
    ContextRead {
        /// Which task.
        task: TaskIx,
        /// The value's key.
        key: Arc<str>,
        /// What it cost to make the value, and need not be spent by this task; `None`: it was not there any more.
        saved: Option<Box<Cost>>,
    },
    /// A task ended without an attempt.
    TaskSkipped {
        /// Which task.
        task: TaskIx,
        /// Why.
        reason: SkipReason,
    },
    /// A task's output added tasks to the graph. Their places follow the last one so far.
    TasksAdded {
        /// Whose output.
        by: TaskIx,
        /// The new tasks, with their dependencies by name.
        tasks: Arc<[Task]>,
        /// Older tasks that now wait for the new ones too.
        before: Arc<[TaskId]>,
    },
    /// Something odd that does not stop the run.
    Warning {
        /// The task it is about.
        task: Option<TaskIx>,
        /// What, and what to do.
        message: String,
    },
    /// The run began to end before its time: running tasks are told to stop.
    RunStopping {
        /// Why, for a person.
        reason: String,
    },
    /// The run did not succeed and nothing is under way any more: now its tasks are undone.
    UndoPlanned {
        /// The tasks to undo, in this order, one after the other.
        order: Arc<[TaskIx]>,
        /// The tasks that stay although they could be undone, the latest first, and why.
        kept: Arc<[(TaskIx, Kept)]>,
    },
    /// An attempt to undo a task began.
    UndoStarted {
        /// Which task.
        task: TaskIx,
        /// The attempt to undo it, from 1.
        attempt: u32,
    },
    /// An attempt to undo a task failed and another will follow.
    UndoRetrying {
        /// Which task.
        task: TaskIx,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        failure: Box<Failure>,
        /// How long until the next attempt starts.
        delay: Duration,
        /// What the failed attempt used.
        usage: Option<Box<Usage>>,
    },
    /// A task was undone, or that failed for good. The undo of the others goes on.
    UndoFinished {
        /// Which task.
        task: TaskIx,
        /// The attempt that ended it, from 1; 0 if there was none, because the run was cancelled a second time.
        attempt: u32,
        /// What the undo made, or why it failed.
        result: Result<Output, Box<Failure>>,
        /// What the attempt used of models.
        usage: Option<Box<Usage>>,
    },
    /// A circuit breaker opened, closed, or lets probes through.
    BreakerChanged {
        /// Its name.
        breaker: Arc<str>,
        /// How it stands now.
        state: BreakerState,
        /// The failure that opened it, while it is not closed.
        why: Option<Box<Failure>>,
        /// While it is open: how long until it lets a probe through.
        probe_in: Option<Duration>,
    },
    /// A checkpoint was made.
    CheckpointMade {
        /// Its name. Of several with the same the latest counts.
        name: Arc<str>,
        /// The tasks that had ended by then so that their dependents may go on, in the order of definition.
        tasks: Arc<[TaskIx]>,
    },
    /// The last event.
    RunFinished {
        /// How it ended.
        state: RunState,
    },
}

impl EventKind {
    /// The stable name, as in JSON: `task_started`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run_started",
            Self::TaskStarted { .. } => "task_started",
            Self::TaskWaits { .. } => "task_waits",
            Self::Heartbeat { .. } => "heartbeat",
            Self::TaskOutput { .. } => "task_output",
            Self::TaskHeld { .. } => "task_held",
            Self::TaskRetrying { .. } => "task_retrying",
            Self::TaskFinished { .. } => "task_finished",
            Self::TaskCached { .. } => "task_cached",
            Self::TaskRestored { .. } => "task_restored",
            Self::TaskMissed { .. } => "task_missed",
            Self::ContextRead { .. } => "context_read",
            Self::TaskSkipped { .. } => "task_skipped",
            Self::TasksAdded { .. } => "tasks_added",
            Self::Warning { .. } => "warning",
            Self::RunStopping { .. } => "run_stopping",
            Self::UndoPlanned { .. } => "undo_planned",
            Self::UndoStarted { .. } => "undo_started",
            Self::UndoRetrying { .. } => "undo_retrying",
            Self::UndoFinished { .. } => "undo_finished",
            Self::BreakerChanged { .. } => "breaker_changed",
            Self::CheckpointMade { .. } => "checkpoint_made",
            Self::RunFinished { .. } => "run_finished",
        }
    }

    /// Where the task of this event stands after it, for the events that change it. A task that worked and was undone is
    /// [`TaskState::Undone`] then; one that did not work stays as it ended.
    pub fn task_state(&self) -> Option<TaskState> {
        Some(match self {
            Self::TaskStarted { .. } => TaskState::Running,
            Self::TaskRetrying { .. } => TaskState::Pending,
            Self::TaskFinished { result: Ok(_), .. } | Self::TaskCached { .. } => TaskState::Succeeded,
            Self::TaskFinished { result: Err(failure), .. } if failure.kind == FailureKind::Cancelled => {
                TaskState::Cancelled
            }
            Self::TaskFinished { .. } => TaskState::Failed,
            Self::TaskRestored { state, .. } => *state,
            Self::TaskSkipped { reason: SkipReason::Condition(_), .. } => TaskState::Skipped,
            Self::TaskSkipped { .. } => TaskState::Cancelled,
            _ => return None,
        })
    }
}

/// Where a program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why a task ended without an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// A condition did not hold: its message, or its source. Dependents go on.
    Condition(String),
    /// That task failed or was stopped, and this one needs it.
    Upstream(TaskIx),
    /// The run stopped first.
    Stopped,
}

/// Why a task that could be undone stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// No failed task goes back that far.
    Scope,
    /// It is undone [on](crate::Undo::on) other failures.
    On,
    /// It did not work itself, and its undo is only for what did.
    Broken,
    /// The run was not to undo anything.
    Off,
}

impl Kept {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::On => "on",
            Self::Broken => "broken",
            Self::Off => "off",
        }
    }
}

/// How a circuit breaker stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Attempts begin.
    #[default]
    Closed,
    /// None begins.
    Open,
    /// A few begin, to probe.
    HalfOpen,
}

impl BreakerState {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It waits: for dependencies, for a place, or for the next attempt.
    #[default]
    Pending,
    /// An attempt is running.
    Running,
    /// It worked.
    Succeeded,
    /// It failed for good.
    Failed,
    /// A condition did not hold.
    Skipped,
    /// It was stopped, or never started because the run stopped or a task it needs failed.
    Cancelled,
    /// It worked, and what it did was taken back because the run did not succeed.
    Undone,
}

impl TaskState {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Undone => "undone",
        }
    }

    /// Whether nothing more will happen to it, but that it is undone.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It goes on.
    #[default]
    Running,
    /// Every task worked, was skipped by a condition, or was allowed to fail.
    Succeeded,
    /// A task failed, or the deadline passed.
    Failed,
    /// It was cancelled from outside.
    Cancelled,
}

impl RunState {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stay_small() {
        assert!(size_of::<Event>() <= 72, "two events a task are written: {} bytes", size_of::<Event>());
    }
}
