//! Notices of runs, from their events.

use std::{
    ffi::OsString,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    deliver::{Delivered, Outbox},
    http::Courier,
    notice::Notice,
};
use crate::{
    clock::Clock,
    cost::budget::{Column, Labels},
    definition::Graph,
    error::Result,
    event::{Event, EventKind, EventSink, RunState},
    executor::Redactor,
    id::RunId,
    session::Ledger,
    units::Usd,
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
    has_budget: bool,
    thread: Mutex<Option<Thread>>,
}

/// The thread, and the way to it.
type Thread = (SyncSender<Told>, JoinHandle<Result<Delivered>>);

/// What the thread is told.
enum Told {
    /// A run begins.
    Began(String, Notice),
    /// It is over.
    Ended(String, Notice, RunId),
    /// Something may have happened to a budget.
    Look,
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
        Self::start_with(outbox, courier, when, redactor, None)
    }

    /// The same with the budget of the runs: what happens to it is told too, milestones, that nothing is left, what a month
    /// brought, and what a run cost and left.
    pub fn start_with(
        outbox: Arc<Outbox>,
        courier: Arc<dyn Courier>,
        when: TellWhen,
        redactor: Redactor,
        ledger: Option<Ledger>,
    ) -> Self {
        let clock = Clock::system();
        let (sender, notices) = sync_channel::<Told>(ROOM);
        let has_budget = ledger.is_some();
        let thread = std::thread::spawn(move || {
            let mut all = Delivered::default();
            let mut add = |done: Delivered| {
                let Delivered { sent, later, dropped, why } = done;
                all.sent += sent;
                all.later += later;
                all.dropped += dropped;
                all.why = why.or(all.why.take());
            };
            for told in notices {
                let (key, notice) = match told {
                    Told::Look => (String::new(), None),
                    Told::Began(key, notice) => (key, Some(left(notice, ledger.as_ref(), None))),
                    Told::Ended(key, notice, run) => (key, Some(left(notice, ledger.as_ref(), Some(run)))),
                };
                if let Some(ledger) = &ledger {
                    outbox.post_news(ledger)?;
                }
                if let Some(notice) = notice {
                    outbox.post(&key, &notice)?;
                }
                add(outbox.deliver(&*courier)?);
            }
            Ok(all)
        });
        Self { when, clock, redactor, seen: Mutex::default(), has_budget, thread: Mutex::new(Some((sender, thread))) }
    }

    /// The same as the command line and the packages begin it: everything is told, but no value of those variables of the environment
    /// whose names say that they are secret.
    pub fn of_run(
        outbox: Arc<Outbox>,
        courier: Arc<dyn Courier>,
        ledger: Option<Ledger>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables = variables.into_iter().map(|(name, value)| (text(name), text(value)));
        let redactor = Redactor::new().with_variables(variables);
        Self::start_with(outbox, courier, TellWhen::default(), redactor, ledger)
    }

    /// Waits until everything that was told is delivered or to be tried later, and answers what came of it: of all of it the first
    /// time, and then nothing more. What it hears from now on is not told. A target that does not answer takes ten seconds a notice.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn finish(&self) -> Result<Delivered> {
        let taken = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((sender, thread)) = taken else { return Ok(Delivered::default()) };
        // What was booked since the last event.
        drop(sender.send(Told::Look));
        drop(sender);
        thread.join().unwrap_or_else(|_| Ok(Delivered::default()))
    }

    /// How many notices were left out, since the thread could not keep up.
    pub fn left_out(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).left_out
    }

    fn notice(&self, seen: &mut Seen, graph: &Graph, event: &Event) -> Option<Told> {
        let now = self.clock.wall();
        let of_run = |notice: Notice, run: RunId| notice.with("Graph", graph.name()).with("Run", run.to_string());
        match &event.kind {
            EventKind::RunStarted { run, .. } => {
                *seen = Seen { run: Some(*run), left_out: seen.left_out, ..Seen::default() };
                let notice = Notice::new("🚀 AI Orchestration - Execution Started", 0x00FF00, now);
                let notice = of_run(notice, *run).with("Tasks", graph.len().to_string());
                self.when.started.then(|| Told::Began(format!("run/{run}/started"), notice))
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
                self.has_budget.then_some(Told::Look)
            }
            EventKind::TaskRetrying { .. } => self.has_budget.then_some(Told::Look),
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
                wanted.then(|| Told::Ended(format!("run/{run}/finished/{}", now.0), notice, run))
            }
            _ => None,
        }
    }
}

/// How long the charges of a run that is over are waited for.
const BOOKED_WITHIN: Duration = Duration::from_secs(2);

/// With what is left of the budget, and of a run that is over with what it cost. On the thread of notices: a ledger on a disk takes
/// its time, and the last charges of a run are booked while its end is told.
fn left(notice: Notice, ledger: Option<&Ledger>, ended: Option<RunId>) -> Notice {
    let Some(ledger) = ledger else { return notice };
    let name = ended.map(|run| run.to_string());
    let of_run = |who: &Labels| name.is_some() && who.get(Column::Run) == name.as_deref();
    let begun = Clock::system();
    while name.is_some() && begun.elapsed() < BOOKED_WITHIN {
        let flying = ledger.in_flight().unwrap_or_default();
        if !flying.iter().any(|one| one.parts.iter().any(|(who, _)| of_run(who))) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut notice = notice;
    if ended.is_some() {
        let charges = ledger.charges(None, None).unwrap_or_default();
        let cost: Usd = charges.iter().filter(|charge| of_run(&charge.who)).map(|charge| charge.usd).sum();
        notice = notice.with("Cost", cost.to_fixed(4));
    }
    let who = name.iter().fold(Labels::default(), |who, run| who.with(Column::Run, run.clone()));
    let standing = ledger.standing(&who).unwrap_or_default();
    // Each run's own budget says nothing of what is left for the next one.
    match standing.iter().map(|at| (at.usd - at.spent - at.reserved).max(Usd::ZERO)).min() {
        Some(left) => notice.with("Budget Remaining", left.to_fixed(2)),
        None => notice,
    }
}

impl EventSink for RunNotices {
    fn hear(&self, graph: &Graph, events: &[Event]) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((sender, _)) = &*thread else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if let Some(told) = self.notice(&mut seen, graph, event)
                && let Err(TrySendError::Full(told)) = sender.try_send(told)
            {
                // To look is made good by the next look, at the latest at the end.
                seen.left_out += u64::from(!matches!(told, Told::Look));
            }
        }
    }
}

impl fmt::Debug for RunNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunNotices").field("when", &self.when).finish_non_exhaustive()
    }
}
