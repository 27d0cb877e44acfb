//! One task in a report.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use super::{
    context::ContextRead,
    model::{Details, Report},
    row::Row,
    short::Short,
    undo::UndoStep,
};
use crate::{
    definition::Task,
    event::{Failure, Miss, Output, RunState, SkipReason, TaskState},
    id::{Printable, ResourceId, TaskId, TaskIx},
    units::{Cost, Usage, Usd},
};

/// What became of one task: a view into its [`Report`]. Times are since the start of the run.
///
/// ```
/// use orch_core::{Graph, Plan, PlanOptions, Report, Task, TaskState};
///
/// let graph = Graph::builder("notes").task(Task::new("draft")).build()?;
/// let report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
/// let draft = report.find("draft").unwrap();
/// assert_eq!((draft.state(), draft.attempts(), draft.started()), (TaskState::Pending, 0, None));
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct TaskResult<'a> {
    pub(super) report: &'a Report,
    pub(super) ix: TaskIx,
    pub(super) row: &'a Row,
    pub(super) details: Option<&'a Details>,
}

impl<'a> TaskResult<'a> {
    /// The place in the graph.
    pub fn ix(&self) -> TaskIx {
        self.ix
    }

    /// The name.
    pub fn id(&self) -> &'a TaskId {
        self.task().id()
    }

    /// The definition.
    pub fn task(&self) -> &'a Task {
        self.report.graph().task(self.ix)
    }

    /// Where it stands.
    pub fn state(&self) -> TaskState {
        self.row.state
    }

    /// How many attempts were started.
    pub fn attempts(&self) -> u32 {
        self.report.tries(self.row).attempts
    }

    /// When its dependencies were done and it could have started; `None` if it never started.
    pub fn ready(&self) -> Option<Duration> {
        self.ran().then(|| Duration::from_nanos(self.row.ready))
    }

    /// How long it waited for a place though nothing else held it, over all attempts. Waits between attempts do not count.
    pub fn queued(&self) -> Duration {
        Duration::from_nanos(self.report.tries(self.row).queued)
    }

    /// When the first attempt started; `None` if none did.
    pub fn started(&self) -> Option<Duration> {
        self.ran().then(|| Duration::from_nanos(self.report.tries(self.row).started))
    }

    /// When the latest attempt started; `None` if none did.
    pub fn last_started(&self) -> Option<Duration> {
        self.ran().then(|| Duration::from_nanos(self.row.since))
    }

    /// When it ended, in whatever final state; `None` until then. A skipped task ended when it was skipped.
    pub fn finished(&self) -> Option<Duration> {
        self.state().is_final().then(|| Duration::from_nanos(self.row.until))
    }

    /// How long its attempts ran, added up; an attempt under way counts up to the last event. Waits between attempts do
    /// not count, so that the durations of all tasks add up to the work.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.report.busy_of(self.row))
    }

    /// Whether it failed but did not fail the run: it [may fail](crate::TaskOptions::allow_failure), or the run succeeded
    /// all the same, as it does when the task's group has its quorum.
    pub fn is_forgiven(&self) -> bool {
        let allowed = self.task().options().allow_failure || self.report.state() == RunState::Succeeded;
        self.state() == TaskState::Failed && allowed
    }

    /// What it made; [`Output::NOTHING`] unless it succeeded with an output.
    pub fn output(&self) -> &'a Output {
        const NOTHING: &Output = &Output::NOTHING;
        self.details.map_or(NOTHING, |details| &details.output)
    }

    /// Why it failed or was cancelled, by its last attempt.
    pub fn failure(&self) -> Option<&'a Failure> {
        self.details?.failure.as_deref()
    }

    /// Why it ended without an attempt.
    pub fn skip_reason(&self) -> Option<&'a SkipReason> {
        self.details?.skipped.as_ref()
    }

    /// The attempts that failed and were repeated, in order. The last attempt is not among them.
    pub fn failed_attempts(&self) -> &'a [Attempt] {
        self.details.map_or(&[], |details| &details.attempts)
    }

    /// What all its attempts used of models; `None` if nothing.
    pub fn usage(&self) -> Option<&'a Usage> {
        self.details?.usage.as_deref()
    }

    /// What its usage costs, where [`Report::price_with`] found a price.
    pub fn cost(&self) -> Option<Usd> {
        self.details?.cost
    }

    /// Its undo; `None` if it was not to be undone.
    pub fn undo(&self) -> Option<&'a UndoStep> {
        self.report.undo()?.step(self.ix)
    }

    /// What it would have cost to run it, where what it would make was known already.
    pub fn saved(&self) -> Option<&'a Cost> {
        self.details?.saved.as_deref()
    }

    /// Whether it was not run, but taken over from a checkpoint.
    pub fn is_restored(&self) -> bool {
        self.details.is_some_and(|details| details.restored)
    }

    /// Why it had to be run although it [shares](crate::TaskOptions::shares) what it makes; `None` where nobody looked.
    pub fn missed(&self) -> Option<&'a Miss> {
        self.details?.missed.as_deref()
    }

    /// The shared values that it read when it began.
    pub fn reads(&self) -> &'a [ContextRead] {
        self.details.map_or(&[], |details| &details.reads)
    }

    /// How often, for what and how long it waited for what it claims, in order. Such waits are part of
    /// [`queued`](TaskResult::queued).
    pub fn waits(&self) -> &'a [LockWait] {
        self.details.map_or(&[], |details| &details.waits)
    }

    /// Why it failed or was cancelled, in words: the failure's message, or what stopped it before it began. `None` for all
    /// others. As given by the task: show it through [`Printable`](crate::Printable).
    pub fn error(&self) -> Option<Cow<'a, str>> {
        if self.state() == TaskState::Skipped { None } else { self.remark() }
    }

    /// [`error`](TaskResult::error), and for a skipped task the condition that did not hold.
    pub fn remark(&self) -> Option<Cow<'a, str>> {
        if let Some(failure) = self.failure() {
            return Some(Cow::Borrowed(&failure.message));
        }
        Some(match self.skip_reason()? {
            SkipReason::Condition(message) => Cow::Borrowed(message.as_str()),
            SkipReason::Upstream(ix) => match self.report.graph().tasks().get(ix.index()) {
                Some(task) => Cow::Owned(format!("`{}` did not succeed", task.id().as_str())),
                None => Cow::Borrowed("a task that it needs did not succeed"),
            },
            SkipReason::Stopped => Cow::Borrowed("the run stopped first"),
        })
    }

    fn ran(&self) -> bool {
        self.row.ran
    }
}

impl fmt::Debug for TaskResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskResult")
            .field("id", self.id())
            .field("state", &self.state())
            .field("attempts", &self.attempts())
            .field("started", &self.started())
            .field("duration", &self.duration())
            .finish_non_exhaustive()
    }
}

/// A wait for what a task [claims](crate::Claim).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWait {
    /// What was not free when the wait began: of several the first by name.
    pub resource: ResourceId,
    /// Who held it then; of several one. `None`: its limit a minute was used up, or it was kept for somebody who waited longer.
    pub holder: Option<Arc<str>>,
    /// When it began, since the start of the run.
    pub since: Duration,
    /// How long it took until the attempt began or failed; `None`: it still waits.
    pub waited: Option<Duration>,
}

/// `` 3.0 s for `db` of `migrate` ``
impl fmt::Display for LockWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(waited) = self.waited {
            write!(f, "{} ", Short(waited))?;
        }
        write!(f, "for `{}`", self.resource)?;
        self.holder.as_ref().map_or(Ok(()), |holder| write!(f, " of `{}`", Printable(holder)))
    }
}

/// An attempt that failed and was repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it started, since the start of the run.
    pub started: Duration,
    /// When it ended.
    pub finished: Duration,
    /// Why it failed.
    pub failure: Failure,
}
