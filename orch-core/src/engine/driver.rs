//! The driver: begins bodies, polls or spawns them, stops them, sleeps.

use std::{
    collections::HashSet,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::mpsc,
    task::{JoinError, JoinHandle},
    time::sleep,
};

use super::{
    inbox::{Inbox, Mail, NONE},
    options::{Inline, RunOptions},
    place::{Place, Work, discard, finish, work},
};
use crate::{
    clock::Clock,
    cost::PriceSource,
    error::{Error, ErrorKind, Result},
    event::{Event, EventSink, Failure, FailureKind, Outcome, RunState},
    executor::Executor,
    locks::Locks,
    plan::Plan,
    report::Report,
    run::{Attempt, Message, Rules},
    session::{Breakers, Budget, Session, SessionOptions, SharedCache},
    store::Store,
};

/// How many bodies are polled at most between two looks at the clock. A look costs a quarter of a no-op task, so while polls
/// are [tiny](TINY_POLL) the driver looks once in so many; the times of those tasks are then those of their window. As soon
/// as a window was longer, it looks at every poll again.
const BATCH: u32 = 16;

/// Mean polls below this are not timed one by one.
const TINY_POLL: Duration = Duration::from_micros(1);

/// How many bodies are spawned between two looks at the inbox.
const SPAWN_BATCH: usize = 256;

/// Mean polls above the first are spawned; mean polls below the second are polled inline again.
const LONG_POLL: Duration = Duration::from_micros(20);
const SHORT_POLL: Duration = Duration::from_micros(4);

/// A window of polls above this is believed at once; a shorter one may be the allocator or the kernel, and counts as long only
/// when the next one is long too.
const SURELY_LONG: Duration = Duration::from_millis(1);

/// How long the driver goes on without letting others of the runtime have a turn.
const TURN: Duration = Duration::from_millis(2);

/// What an engine plugs into its runs.
pub(super) struct Seams {
    pub(super) executor: Box<dyn Executor>,
    pub(super) sinks: Vec<Arc<dyn EventSink>>,
    pub(super) cache: Option<SharedCache>,
    pub(super) breakers: Breakers,
    pub(super) locks: Locks,
    pub(super) prices: Option<Arc<dyn PriceSource>>,
    pub(super) budget: Option<Budget>,
    pub(super) store: Option<Arc<dyn Store>>,
}

/// One run on tokio.
pub(super) struct Driver {
    seams: Arc<Seams>,
    session: Session,
    clock: Clock,
    inbox: Arc<Inbox>,
    places: Places,
    free: Vec<u32>,
    finished: Vec<Message>,
    mail: Mail,
    /// How many bodies were told to stop and have a time to be dropped at.
    stopping: usize,
    inline: Inline,
    /// Where bodies begin now: what `Auto` has found out.
    spawning: bool,
    /// The last window of inline polls was a long one.
    was_long: bool,
    /// Bodies that were spawned computed for long: what `Auto` found out holds, it was not somebody else who held the thread.
    computing: bool,
    /// Polls since the last measurement, and how long they took.
    polls: u32,
    busy: Duration,
    /// How many polls there are between two looks at the clock, from 1 to `BATCH`.
    stride: u32,
    reader: Option<mpsc::Sender<Vec<Event>>>,
}

impl Driver {
    pub(super) fn new(
        seams: Arc<Seams>,
        plan: &Plan,
        options: RunOptions,
        reader: Option<mpsc::Sender<Vec<Event>>>,
    ) -> Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let spawning = options.inline == Inline::Never;
        let resume = options.resume;
        let (inputs, restore) = match &resume {
            Some(resume) => (resume.inputs().clone(), resume.restore().to_vec()),
            None => (options.inputs, options.restore),
        };
        let rules = Rules {
            max_parallel: options.max_parallel,
            on_failure: options.on_failure,
            undo: options.undo,
            deadline: options.deadline,
            inputs,
            restore,
            resumed: resume.is_some(),
            // The session knows.
            checkpoints: Vec::new(),
            seed: options.seed,
            look: false,
            warm: None,
            asks: false,
            batch: if spawning { SPAWN_BATCH } else { 1 },
        };
        let session = SessionOptions {
            rules,
            run: options.run,
            sinks: seams.sinks.clone(),
            cache: seams.cache.clone(),
            breakers: seams.breakers.clone(),
            locks: Some(seams.locks.clone()),
            prices: seams.prices.clone(),
            budget: seams.budget.clone(),
            warm: options.warm,
            directory: options.directory,
            approve_commands: options.approve_commands,
            store: seams.store.clone(),
            source: options.source,
            resume,
        };
        let bell = inbox.clone();
        let session = Session::new(plan, session, Arc::new(move || bell.put(|_| ())))?;
        Ok(Self {
            seams,
            session,
            clock: Clock::system(),
            inbox,
            places: Places(Vec::new()),
            free: Vec::new(),
            finished: Vec::new(),
            mail: Mail::default(),
            stopping: 0,
            inline: options.inline,
            spawning,
            was_long: false,
            computing: false,
            polls: 0,
            busy: Duration::ZERO,
            stride: 1,
            reader,
        })
    }

    pub(super) fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    /// Runs to the end: on the caller's thread, and from where bodies compute for long among the workers that run them. Each
    /// body that ends wakes the driver; a blocked thread is woken through the operating system, a neighbour in the queue is
    /// not. Dropping the future cancels the run.
    pub(super) async fn drive_from_here(mut self) -> Result<Report> {
        if self.go(has_workers()).await {
            return self.ended_run();
        }
        joined((&mut AbortOnDrop(tokio::spawn(self.drive())).0).await)
    }

    /// Runs to the end.
    pub(super) async fn drive(mut self) -> Result<Report> {
        self.go(false).await;
        self.ended_run()
    }

    /// The report; what still runs of a run whose store failed is dropped.
    fn ended_run(self) -> Result<Report> {
        match self.session.store_error() {
            Some(error) => Err(error),
            None => Ok(self.session.into_report()),
        }
    }

    /// Goes on to the end or, if it `may_move`, to where bodies compute for long. Answers whether that was the end.
    async fn go(&mut self, may_move: bool) -> bool {
        let mut turn_began = Duration::ZERO;
        let mut now = self.clock.elapsed();
        let mut polls_began = now;
        loop {
            let places = &self.places.0;
            let before = |place: u32| places.get(place as usize).map_or(NONE, Place::before);
            if self.inbox.take(&mut self.mail, before) {
                self.read_mail();
            }
            if self.polls >= self.stride || self.spawning {
                now = self.clock.elapsed();
                self.measure(now.saturating_sub(polls_began));
                polls_began = now;
            }
            let actions = self.session.step(now, &mut self.finished);
            let (more, wake_at) = (actions.more, actions.wake_at);
            if let Some(reader) = &self.reader
                && !actions.events.is_empty()
            {
                // A reader that went away with the run's handle hears nothing; the task of this driver is being aborted.
                drop(reader.send(actions.events.clone()).await);
            }
            if self.stride == 1 {
                // The first step of a wide graph takes longer than any poll; without this look it would pass for one.
                polls_began = self.clock.elapsed();
            }
            let mut begun = 0;
            while let Some(&attempt) = self.session.actions().start.get(begun) {
                self.begin(attempt);
                begun += 1;
            }
            if !self.session.actions().cancel.is_empty() {
                self.cancel(now);
            }
            if self.session.state() != RunState::Running {
                return true;
            }
            if may_move && self.computing {
                return false;
            }
            if !self.finished.is_empty() || more || self.inbox.is_filled() {
                if now.saturating_sub(turn_began) > TURN {
                    // A run that is never idle must not forget the bodies whose grace is over.
                    self.drop_overdue(now, None);
                    tokio::task::yield_now().await;
                    turn_began = self.clock.elapsed();
                    (now, polls_began, self.polls) = (turn_began, turn_began, 0);
                }
                continue;
            }
            let wake_at = self.drop_overdue(now, wake_at);
            if self.finished.is_empty() {
                wait(&self.inbox, wake_at.map(|at| at.saturating_sub(now))).await;
            }
            turn_began = self.clock.elapsed();
            (now, polls_began, self.polls) = (turn_began, turn_began, 0);
        }
    }

    /// Begins one attempt in a free place.
    fn begin(&mut self, attempt: Attempt) {
        let place = self.free.last().copied().unwrap_or_else(|| {
            let at = self.places.0.len() as u32;
            self.places.0.push(Place::new(self.session.slot(), at, self.inbox.clone(), attempt));
            self.free.push(at);
            at
        });
        let inputs = self.session.inputs(attempt);
        let Some(held) = self.places.0.get_mut(place as usize) else { return };
        // Called where the body is made: a context that is handed on is copied for each hand.
        let (slot, executor) = (&held.slot, &self.seams.executor);
        let begin = || executor.run(slot.enter(attempt.task, attempt.number, inputs));
        let begun = if self.spawning {
            match catch_unwind(AssertUnwindSafe(begin)) {
                Ok(body) => {
                    let work = tokio::spawn(work(place, body, self.inbox.clone(), self.clock.clone()));
                    Some(Work::Spawned(work.abort_handle()))
                }
                Err(panic) => {
                    finish(&mut self.finished, attempt, Outcome::panicked(panic.as_ref()));
                    None
                }
            }
        } else {
            self.polls += 1;
            held.first_poll(attempt, &mut self.finished, begin)
        };
        // A body that never had to wait leaves its place free.
        if let Some(work) = begun {
            held.work = work;
            held.attempt = attempt;
            self.free.pop();
        }
    }

    /// An attempt is over and its place is free.
    fn ended(&mut self, place: u32, outcome: Outcome) {
        if let Some(held) = self.places.0.get_mut(place as usize) {
            held.work = Work::Idle;
            // Whoever still waits for its cancellation need not any more.
            held.slot.cancel();
            self.stopping -= usize::from(held.drop_at.take().is_some());
            finish(&mut self.finished, held.attempt, outcome);
            self.free.push(place);
        }
    }

    fn read_mail(&mut self) {
        let mut read = 0;
        while let Some(&place) = self.mail.woken.get(read) {
            read += 1;
            self.poll_again(place);
        }
        self.mail.woken.clear();
        // Seldom anything where bodies run here, and then not worth a look at empty lists.
        if !self.mail.done.is_empty() {
            let mut done = std::mem::take(&mut self.mail.done);
            for done in done.drain(..) {
                self.polls += 1;
                self.busy += done.busy;
                self.ended(done.place, done.outcome.unwrap_or_else(cancelled));
            }
            self.mail.done = done;
        }
        for message in std::mem::take(&mut self.mail.asked) {
            self.session.tell(message);
        }
    }

    /// Polls the body in a place that was woken.
    fn poll_again(&mut self, place: u32) {
        let Some(held) = self.places.0.get_mut(place as usize) else { return };
        held.heard();
        // A late wake-up of an earlier body finds the next one, or none: a poll too many does no harm.
        self.polls += u32::from(matches!(held.work, Work::Inline(_)));
        if let Poll::Ready(outcome) = held.poll() {
            self.ended(place, outcome);
        }
    }

    /// Tells attempts to stop: at once where the executor grants no grace.
    fn cancel(&mut self, now: Duration) {
        let grace = self.seams.executor.grace();
        let wanted: HashSet<Attempt> = self.session.actions().cancel.iter().copied().collect();
        for held in &mut self.places.0 {
            if !matches!(held.work, Work::Idle) && wanted.contains(&held.attempt) {
                held.slot.cancel();
                held.drop_at = Some(now + grace);
                self.stopping += 1;
            }
        }
        self.drop_overdue(now, None);
    }

    /// Drops the bodies whose grace is over; answers when to look again, at the latest at `wake_at`.
    fn drop_overdue(&mut self, now: Duration, wake_at: Option<Duration>) -> Option<Duration> {
        if self.stopping == 0 {
            return wake_at;
        }
        let mut next = wake_at;
        let mut dropped = Vec::new();
        for (place, held) in (0..).zip(&mut self.places.0) {
            match held.drop_at {
                Some(at) if at <= now => {
                    held.drop_at = None;
                    self.stopping -= 1;
                    match std::mem::replace(&mut held.work, Work::Idle) {
                        Work::Inline(body) => {
                            discard(body);
                            dropped.push(place);
                        }
                        // It tells the inbox itself when it is really gone.
                        Work::Spawned(body) => {
                            body.abort();
                            held.work = Work::Spawned(body);
                        }
                        Work::Idle => {}
                    }
                }
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        dropped.into_iter().for_each(|place| self.ended(place, cancelled()));
        next
    }

    /// Decides by the length of polls how often to look at the clock and, under `Auto`, where the next bodies begin. `taken`:
    /// since the last look.
    fn measure(&mut self, taken: Duration) {
        let polls = std::mem::take(&mut self.polls);
        if polls == 0 {
            return;
        }
        let taken = if self.spawning { std::mem::take(&mut self.busy) } else { taken };
        let spawn = if self.spawning {
            taken > SHORT_POLL * polls
        } else {
            let long = taken > LONG_POLL * polls;
            std::mem::replace(&mut self.was_long, long) && long || taken > SURELY_LONG.max(LONG_POLL * polls)
        };
        self.computing = self.spawning && spawn;
        if self.inline == Inline::Auto && spawn != self.spawning && has_workers() {
            self.spawning = spawn;
        }
        self.stride = if taken < TINY_POLL * polls { (self.stride * 2).min(BATCH) } else { 1 };
        self.session.set_batch(if self.spawning { SPAWN_BATCH } else { self.stride as usize });
    }
}

/// What became of a driver on a worker.
///
/// # Errors
///
/// [`Cancelled`](ErrorKind::Cancelled) if the runtime was shut down; why the store failed.
pub(super) fn joined(driver: std::result::Result<Result<Report>, JoinError>) -> Result<Report> {
    driver.map_err(|error| Error::new(ErrorKind::Cancelled, "the runtime of the run was shut down").caused_by(error))?
}

struct AbortOnDrop(JoinHandle<Result<Report>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for mail, or that long.
async fn wait(inbox: &Inbox, at_most: Option<Duration>) {
    let mut mail = std::pin::pin!(poll_fn(|task| inbox.poll(task)));
    match at_most {
        None => mail.await,
        Some(at_most) => {
            let mut sleep = std::pin::pin!(sleep(at_most));
            poll_fn(|task| match mail.as_mut().poll(task) {
                Poll::Pending => sleep.as_mut().poll(task),
                ready => ready,
            })
            .await;
        }
    }
    inbox.awake();
}

/// Whether spawning would bring another thread.
fn has_workers() -> bool {
    Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread && handle.metrics().num_workers() > 1)
}

fn cancelled() -> Outcome {
    Outcome::from(Failure { kind: FailureKind::Cancelled, message: "cancelled".into() })
}

/// The places of a run. When the driver goes, nothing of the run stays.
struct Places(Vec<Place>);

impl Drop for Places {
    fn drop(&mut self) {
        for held in self.0.drain(..) {
            held.slot.cancel();
            match held.work {
                Work::Inline(body) => discard(body),
                Work::Spawned(body) => body.abort(),
                Work::Idle => {}
            }
        }
    }
}
