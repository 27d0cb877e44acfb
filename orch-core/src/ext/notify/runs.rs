//! Notices of runs, from their events.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use super::{
    deliver::{Delivered, Outbox},
    http::Courier,
    notice::Notice,
};
use crate::{
    clock::Clock,
    definition::Graph,
    error::Result,
    event::{Event, EventKind, EventSink, RunState},
    executor::Redactor,
    id::RunId,
};

/// What of a run is told. `TellWhen::default()`: all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TellWhen {
    /// That it begins. Default: yes.
    pub started: bool,
    /// That it succeeded. Default: yes.
    pub succeeded: bool,
    /// That it failed or was cancelled. Default: yes.
    pub failed: bool,
}

impl Default for TellWhen {
    fn default() -> Self {
        Self { started: true, succeeded: true, failed: true }
    }
}

/// A sink that tells of runs: it puts notices into an [`Outbox`] and delivers them, on a thread of its own. A run never waits
/// for it; where the thread cannot keep up with 64 notices, further ones are left out and counted.
pub struct RunNotices {
    when: TellWhen,
    clock: Clock,
    redactor: Redactor,
    seen: Mutex<Seen>,
    sender: SyncSender<(String, Notice)>,
    thread: JoinHandle<Result<Delivered>>,
}

#[derive(Default)]
struct Seen {
    run: Option<RunId>,
    tasks: usize,
    failed: usize,
    why: Option<String>,
    left_out: u64,
}

const ROOM: usize = 64;

impl RunNotices {
    /// Starts the thread. `redactor` takes secrets out of what tasks said.
    pub fn start(outbox: Arc<Outbox>, courier: Arc<dyn Courier>, when: TellWhen, redactor: Redactor) -> Self {
        let clock = Clock::system();
        let (sender, notices) = sync_channel::<(String, Notice)>(ROOM);
        let thread = std::thread::spawn(move || {
            let mut all = Delivered::default();
            for (key, notice) in notices {
                outbox.post(&key, &notice)?;
                let Delivered { sent, later, dropped, why } = outbox.deliver(&*courier)?;
                all.sent += sent;
                all.later += later;
                all.dropped += dropped;
                all.why = why.or(all.why);
            }
            Ok(all)
        });
        Self { when, clock, redactor, seen: Mutex::default(), sender, thread }
    }

    /// Waits until everything that was told is delivered or to be tried later, and answers what came of it. A target that does
    /// not answer takes ten seconds a notice.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn finish(self) -> Result<Delivered> {
        drop(self.sender);
        self.thread.join().unwrap_or_else(|_| Ok(Delivered::default()))
    }

    /// How many notices were left out, since the thread could not keep up.
    pub fn left_out(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).left_out
    }

    fn notice(&self, seen: &mut Seen, graph: &Graph, event: &Event) -> Option<(String, Notice)> {
        let now = self.clock.wall();
        let of_run = |notice: Notice, run: RunId| notice.with("Graph", graph.name()).with("Run", run.to_string());
        match &event.kind {
            EventKind::RunStarted { run, .. } => {
                *seen = Seen { run: Some(*run), left_out: seen.left_out, ..Seen::default() };
                let notice = Notice::new("🚀 AI Orchestration - Execution Started", 0x00FF00, now);
                let notice = of_run(notice, *run).with("Tasks", graph.len().to_string());
                self.when.started.then(|| (format!("run/{run}/started"), notice))
            }
            EventKind::TaskFinished { task, result, .. } => {
                match result {
                    Ok(_) => seen.tasks += 1,
                    Err(failure) => {
                        seen.failed += 1;
                        let name = graph.id(*task);
                        seen.why.get_or_insert_with(|| {
                            let text = format!("task `{name}` failed: {}", failure.message);
                            self.redactor.redact(&text).into_owned()
                        });
                    }
                }
                None
            }
            EventKind::RunFinished { state } => {
                let run = seen.run?;
                let took = format!("{:.1} s", event.at.as_secs_f64());
                let (succeeded, failed) = (seen.tasks.to_string(), seen.failed.to_string());
                let (wanted, notice) = match state {
                    RunState::Succeeded => {
                        (self.when.succeeded, Notice::new("✅ AI Orchestration - Execution Complete", 0x0099FF, now))
                    }
                    _ => {
                        let why = seen.why.clone().unwrap_or_else(|| format!("the run was {}", state.name()));
                        (self.when.failed, Notice::error(&why, None, now))
                    }
                };
                let notice = of_run(notice, run).with("Succeeded", succeeded).with("Failed", failed).with("Took", took);
                wanted.then(|| (format!("run/{run}/finished/{}", now.0), notice))
            }
            _ => None,
        }
    }
}

impl EventSink for RunNotices {
    fn hear(&self, graph: &Graph, events: &[Event]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if let Some(told) = self.notice(&mut seen, graph, event)
                && let Err(TrySendError::Full(_)) = self.sender.try_send(told)
            {
                seen.left_out += 1;
            }
        }
    }
}

impl fmt::Debug for RunNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunNotices").field("when", &self.when).finish_non_exhaustive()
    }
}
