//! What a view remembers of a run: who runs since when, and what programs said last.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    event::{Event, EventKind, Stream},
    id::{TaskId, TaskIx},
    plan::Plan,
    report::Progress,
};

/// How many of a program's last lines are kept to show when it fails.
const TAIL: usize = 8;

/// A fold over the events of a run.
#[derive(Debug)]
pub(super) struct Watch {
    progress: Progress,
    /// When the attempts under way started.
    since: HashMap<TaskIx, Duration>,
    tails: HashMap<TaskIx, Tail>,
    /// An estimate of the rest and when it was made: it looks at every task, so it is not made for every picture.
    rest: Option<(Duration, Duration)>,
}

/// The last lines of a running program, stderr and stdout apart: what explains a failure is mostly on stderr.
#[derive(Debug, Default)]
struct Tail {
    stderr: VecDeque<Arc<str>>,
    stdout: VecDeque<Arc<str>>,
}

impl Watch {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { progress: Progress::new(plan), since: HashMap::new(), tails: HashMap::new(), rest: None }
    }

    /// Takes an event. Ask for the tail of a task that ends before it is told so.
    pub(super) fn on(&mut self, event: &Event) {
        self.progress.on(event);
        match &event.kind {
            EventKind::TaskStarted { task, .. } | EventKind::UndoStarted { task, .. } => {
                self.since.insert(*task, event.at);
            }
            EventKind::TaskOutput { task, stream, text } => {
                let tail = self.tails.entry(*task).or_default();
                let lines = if *stream == Stream::Stderr { &mut tail.stderr } else { &mut tail.stdout };
                if lines.len() == TAIL {
                    lines.pop_front();
                }
                lines.push_back(text.clone());
            }
            EventKind::TaskFinished { task, .. }
            | EventKind::TaskRetrying { task, .. }
            | EventKind::UndoRetrying { task, .. }
            | EventKind::UndoFinished { task, .. }
            | EventKind::TaskSkipped { task, .. } => {
                self.since.remove(task);
                self.tails.remove(task);
            }
            _ => {}
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How long the run still takes, looked at once a second.
    pub(super) fn rest(&mut self, now: Duration) -> Duration {
        match self.rest {
            Some((made, rest)) if now.saturating_sub(made) < Duration::from_secs(1) => rest,
            _ => {
                let rest = self.progress.rest(now);
                self.rest = Some((now, rest));
                rest
            }
        }
    }

    /// Whether no attempt is under way: then what tasks wait for is what holds up the run.
    pub(super) fn stands_still(&self) -> bool {
        self.since.is_empty()
    }

    /// How long the attempt under way has been running at `now`.
    pub(super) fn elapsed(&self, task: TaskIx, now: Duration) -> Duration {
        self.since.get(&task).map_or(Duration::ZERO, |since| now.saturating_sub(*since))
    }

    /// The last lines that the task's program wrote: on stderr, or where there are none on stdout.
    pub(super) fn tail(&self, task: TaskIx) -> impl Iterator<Item = &str> {
        let tail = self.tails.get(&task);
        let lines = tail.map(|tail| if tail.stderr.is_empty() { &tail.stdout } else { &tail.stderr });
        lines.into_iter().flatten().map(|line| &**line)
    }

    pub(super) fn id(&self, task: TaskIx) -> TaskId {
        self.progress.graph().tasks().get(task.index()).map_or_else(|| TaskId::from("?"), |task| task.id().clone())
    }
}
