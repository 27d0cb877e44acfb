//! What a machine is told, and what it answers.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::warm::Warm;
use crate::{
    definition::{Task, command::Test},
    event::{BreakerState, Event, EventKind, Failure, Miss, Outcome, Output, Stream},
    id::{ResourceId, TaskIx},
    recovery::checkpoint::Restored,
    units::Cost,
};

/// How a run behaves. `Rules::default()`: no limit, fail fast, undo what failed, no deadline, no inputs, seed 0.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How many attempts run at once; at least 1.
    pub max_parallel: u32,
    /// What a failed task means for the others.
    pub on_failure: FailurePolicy,
    /// Whether a run that does not succeed undoes what its tasks did, where they say how.
    pub undo: bool,
    /// How long the run may take; then running tasks are stopped and the run has failed. To undo takes its own time.
    pub deadline: Option<Duration>,
    /// What conditions and tasks read as `inputs`.
    pub inputs: Map<String, Value>,
    /// Tasks that are not run, because they are as they were at the checkpoint that the run continues from.
    pub restore: Vec<Restored>,
    /// What is restored was done by this very run, in an earlier process: if it does not succeed, it undoes that too.
    pub resumed: bool,
    /// Checkpoints that the run made in an earlier process, in order, with what had ended by then. One is known again if all of its
    /// tasks are restored.
    pub checkpoints: Vec<(Arc<str>, Arc<[TaskIx]>)>,
    /// Where the jitter of retries comes from.
    pub seed: u64,
    /// Whether it is known from elsewhere what tasks would make: then the machine [asks](Actions::look) before a task starts
    /// that [shares](crate::TaskOptions::shares) what it makes.
    pub look: bool,
    /// How one of several tasks with the same prompt prefix goes first; `None`: none does.
    pub warm: Option<Warm>,
    /// Whether every attempt [asks](Actions::claim) before it begins, also of a task that claims nothing: there is a budget.
    pub asks: bool,
    /// How many attempts one step starts at most; the rest follow in the next step. A driver that runs attempts one after
    /// the other keeps it small, so that the time of a start is the time at which the attempt begins.
    pub batch: usize,
}

impl Rules {
    /// No limit on how many attempts run at once.
    pub const UNLIMITED: u32 = u32::MAX;
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_parallel: Self::UNLIMITED,
            on_failure: FailurePolicy::default(),
            undo: true,
            deadline: None,
            inputs: Map::new(),
            restore: Vec::new(),
            resumed: false,
            checkpoints: Vec::new(),
            seed: 0,
            look: false,
            warm: None,
            asks: false,
            batch: usize::MAX,
        }
    }
}

/// What a failed task means for the others. Tasks that need it never run, under every policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    /// Stops the running ones and starts no other.
    #[default]
    FailFast,
    /// Everything that does not need it goes on; the run has failed all the same. The failure of a
    /// [critical](crate::TaskOptions::critical) task stops this one too.
    Continue,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// An attempt ended. Also the answer to [`Actions::cancel`]: then the outcome does not matter, unless it worked.
    Finished {
        /// Which task.
        task: TaskIx,
        /// Which attempt. What is said of an attempt that is over is not heard.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// The answer to a [`Check`].
    Checked {
        /// Which task.
        task: TaskIx,
        /// Whether the test holds.
        holds: bool,
        /// Something to warn of, for example that the program was not run.
        warning: Option<String>,
    },
    /// The answer to [`Actions::look`].
    Looked {
        /// Which task.
        task: TaskIx,
        /// What it would make; `None`: nobody knows, it has to be run.
        found: Option<Box<Found>>,
    },
    /// What a task [claims](Actions::claim) is granted.
    Granted {
        /// Which task.
        task: TaskIx,
    },
    /// What a task claims is not free; the answer comes later.
    Waits {
        /// Which task.
        task: TaskIx,
        /// What is not free: of several the first by name.
        resource: ResourceId,
        /// Who holds it; of several one. `None`: a limit of time, or it is kept for somebody who waits longer.
        holder: Option<Arc<str>>,
    },
    /// What a task claims is not granted, or its breaker does not let it begin. That counts as an attempt that failed.
    Refused {
        /// Which task.
        task: TaskIx,
        /// Why.
        failure: Box<Failure>,
        /// The least time until another attempt may ask, if its retries allow one.
        again_in: Duration,
    },
    /// What was granted to a task that has not begun does not hold any more: it asks again when its turn comes.
    Revoked {
        /// Which task.
        task: TaskIx,
    },
    /// A lease of what an attempt holds is over: it is told to stop.
    Expired {
        /// Which task.
        task: TaskIx,
        /// What it has lost.
        resource: ResourceId,
    },
    /// Before [`Looked`](Message::Looked) without an answer: why nobody knows what the task would make.
    Missed {
        /// Which task.
        task: TaskIx,
        /// The key under which its result was not found.
        key: Arc<str>,
        /// What changed since it was last missed.
        why: Box<Miss>,
    },
    /// An attempt that begins reads a shared value.
    Read {
        /// Which task.
        task: TaskIx,
        /// The value's key.
        key: Arc<str>,
        /// What it would cost to make the value; `None`: it is not there any more.
        saved: Option<Box<Cost>>,
    },
    /// Something odd about a task.
    Odd {
        /// Which task.
        task: TaskIx,
        /// What, and what to do.
        message: String,
    },
    /// An attempt is alive.
    Heartbeat {
        /// Which task.
        task: TaskIx,
    },
    /// An attempt said something.
    Line {
        /// Which task.
        task: TaskIx,
        /// Where.
        stream: Stream,
        /// A line.
        text: Arc<str>,
    },
    /// An attempt wants this task added when it has worked; of an attempt that fails nothing is added.
    Adds {
        /// Which task wants it.
        task: TaskIx,
        /// Which attempt. What an attempt says that is over is not heard.
        attempt: u32,
        /// What to add. Without a dependency on another task that is added it waits for the one that adds it.
        added: Box<Task>,
    },
    /// Make a checkpoint now.
    Checkpoint {
        /// Its name.
        name: Arc<str>,
    },
    /// Stop the run, and undo what ended after that checkpoint.
    BackTo {
        /// The name of the checkpoint; of several the latest counts. Without such a one the run goes on, with a warning.
        checkpoint: String,
    },
    /// A circuit breaker stands differently.
    Breaker {
        /// Its name.
        breaker: Arc<str>,
        /// How it stands.
        state: BreakerState,
        /// The failure that opened it.
        why: Option<Box<Failure>>,
        /// How long until it lets a probe through.
        probe_in: Option<Duration>,
    },
    /// Stop the run. What its tasks did is undone all the same; asked a second time, no further task is.
    Cancel {
        /// Why, for a person.
        reason: String,
    },
}

/// What a task would make, known from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its output.
    pub output: Output,
    /// What that cost to make, and need not be spent again.
    pub saved: Cost,
}

/// One attempt of a task, or one to undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Which task.
    pub task: TaskIx,
    /// Which attempt, from 1. Those to undo are counted on their own.
    pub number: u32,
    /// Whether it is to undo the task.
    pub undo: bool,
}

/// A question that the machine cannot answer from the values of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The task that waits for the answer.
    pub task: TaskIx,
    /// What is asked.
    pub test: Test,
}

/// What to do, and what happened. Reuse it: [`clear`](Actions::clear) keeps its memory.
#[derive(Debug, Default)]
pub struct Actions {
    /// Begin these attempts.
    pub start: Vec<Attempt>,
    /// Find out what these tasks would make, and say [`Message::Looked`].
    pub look: Vec<TaskIx>,
    /// Find these out.
    pub check: Vec<Check>,
    /// Ask for all that these tasks claim, and their breakers whether they may begin, and say [`Message::Granted`], [`Message::Refused`], or [`Message::Waits`] and one of
    /// the two later.
    pub claim: Vec<TaskIx>,
    /// Give back what these tasks were granted, or withdraw what they ask for; before what is in `claim`. If there is any, step
    /// again at once: nothing begins before it is known who is next.
    pub release: Vec<TaskIx>,
    /// Stop these attempts, and say [`Message::Finished`] when they have stopped.
    pub cancel: Vec<Attempt>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// When to step again even if nothing happens, since the start of the run.
    pub wake_at: Option<Duration>,
    /// More attempts are ready to start: step again, after what is in `start` has begun.
    pub more: bool,
}

impl Actions {
    /// Forgets everything, keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.start.clear();
        self.look.clear();
        self.check.clear();
        self.claim.clear();
        self.release.clear();
        self.cancel.clear();
        drop_all(&mut self.events, |event| match &event.kind {
            EventKind::TaskStarted { .. } => true,
            EventKind::TaskFinished { result: Ok(output), usage: None, .. } => output.is_nothing(),
            _ => false,
        });
        self.wake_at = None;
        self.more = false;
    }
}

/// Empties a list. To drop an event or a message is a call that looks at all kinds of them; it is spared what is known to hold
/// nothing, which is most: that is a tenth of what a task costs that does nothing.
#[inline]
pub(super) fn drop_all<T>(list: &mut Vec<T>, holds_nothing: impl Fn(&T) -> bool) {
    while let Some(one) = list.pop() {
        if holds_nothing(&one) {
            std::mem::forget(one);
        }
    }
}

/// Adds what `make` makes. It is made where it will stay: to push it would make it elsewhere, and the processor waits for each
/// copy of what was just written by parts.
#[inline(always)]
pub(crate) fn push_with<T>(list: &mut Vec<T>, make: impl FnOnce() -> T) {
    list.extend(std::iter::once(make).map(|make| make()));
}
