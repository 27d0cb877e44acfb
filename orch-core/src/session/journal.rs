//! The journal of a run: stored before told.
//!
//! What a step says goes to the store first; sinks and readers hear it, and what is built on it begins, when the store has
//! acknowledged it. A thread of the runtime for slow seams writes, and takes whatever has come together since its last commit,
//! so that a wide graph pays a commit for many tasks and a chain one for each. A body whose parents are stored begins at once,
//! before its own start is: if the process dies, it is run again, with the same
//! [idempotency key](crate::TaskContext::idempotency_key).
//!
//! The journal also keeps the lease on the run alive, hears what other processes wish of it, and ends the run when the store
//! fails or another process has taken it over.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, ThreadId},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    io,
    kept::{self, About},
    resume::Resume,
    runs::lease_of,
};
use crate::{
    clock::Clock,
    definition::Graph,
    error::{Error, ErrorKind, Result},
    event::{Event, EventKind, Failure, FailureKind, Outcome, RunState, stored},
    executor::RunShared,
    id::{RunId, TaskIx},
    locks::Backing,
    run::{Actions, Attempt, Machine, Message},
    store::{Append, Blob, Locked, RunHeader, Store, Wish},
};

/// How long an owner of a run is believed to be alive without a word.
const LEASE: Duration = Duration::from_secs(30);

/// How often it looks for wishes.
const TICK: Duration = Duration::from_millis(250);

/// How often it says that it is alive.
const RENEW: Duration = Duration::from_secs(8);

/// How long the writer waits for more before it gives its thread back.
const LINGER: Duration = Duration::from_millis(20);

/// The most events that one commit takes.
const BATCH: usize = 16_384;

/// Nothing begins while so many events wait for the store.
const BEHIND: u64 = 65_536;

/// What a journal is opened for.
pub(super) struct Opening<'a> {
    pub(super) store: Arc<dyn Store>,
    pub(super) run: RunId,
    pub(super) source: &'a str,
    pub(super) graph: &'a Graph,
    pub(super) inputs: &'a Map<String, Value>,
    pub(super) resume: Option<&'a Resume>,
    pub(super) directory: Option<PathBuf>,
    pub(super) shared: Arc<RunShared>,
}

/// The journal of one run, as its session sees it.
pub(super) struct Journal {
    writer: Arc<Writer>,
    /// How many events were given to the writer, stored, and told.
    sent: u64,
    stored: u64,
    told: u64,
    /// By task: how many events must be stored before what is built on it begins. 0: none.
    ends: Vec<u64>,
    /// Attempts that wait for the store: until so many events are stored, in the order in which they came.
    held: BTreeMap<(u64, u64), Attempt>,
    came: u64,
    paused: bool,
    failed: bool,
}

struct Writer {
    store: Arc<dyn Store>,
    run: RunId,
    lease: String,
    fence: u64,
    /// What begins the part, together with its first events: what is kept of the part before must be in it from then on.
    begins: Mutex<Option<(RunHeader, Blob)>>,
    directory: Option<PathBuf>,
    shared: Arc<RunShared>,
    clock: Clock,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    todo: Vec<Event>,
    /// Tasks that begin and depend on files.
    files: Vec<(TaskIx, Vec<String>)>,
    /// Leases under which it was done. They are not given back before it is stored.
    backing: Vec<Arc<Backing>>,
    done: Vec<Event>,
    stored: u64,
    /// A thread is at work.
    busy: bool,
    /// Which one.
    worker: Option<ThreadId>,
    closed: bool,
    /// Nobody waits for the end: the worker itself gives the run back.
    left: bool,
    released: bool,
    renewed: Duration,
    failed: Option<Error>,
    /// Whether `failed` was ever set.
    broken: bool,
    wishes: Vec<Wish>,
}

impl Journal {
    /// Takes the lease on the run. Blocks while it does. Its part begins with its first events.
    pub(super) fn open(opening: Opening<'_>) -> Result<Self> {
        let Opening { store, run, source, graph, inputs, resume, directory, shared } = opening;
        let lease = lease_of(run);
        let holder = format!("process {}", std::process::id());
        let fence = match store.lock(&lease, &holder, LEASE)? {
            Locked::Granted(lease) => lease.fence,
            Locked::Held { holder, left } => {
                let left = left.as_secs().max(1);
                let message = format!(
                    "the run `{run}` belongs to {holder}; another process can have it when that one has ended, or has been \
                     silent for {left} s more"
                );
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        };
        let open = || {
            let about =
                About { inputs: inputs.clone(), ..resume.map(|resume| resume.about.clone()).unwrap_or_default() };
            let graph_text = Blob::new(serde_json::to_vec(graph).unwrap_or_default());
            if resume.is_none() && store.run(run)?.is_some() {
                let message = format!("there is a run `{run}` in the store already: resume it, or name another");
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            let header = RunHeader {
                run,
                fence,
                after: resume.map(|resume| resume.seen),
                source: source.to_owned(),
                name: graph.name().to_owned(),
                graph: graph_text.hash(),
                options: about.text(),
            };
            Ok((header, graph_text))
        };
        let begins = match open() {
            Ok(begins) => Mutex::new(Some(begins)),
            Err(error) => {
                // What went wrong first is what counts.
                drop(store.release(&lease, fence));
                return Err(error);
            }
        };
        let queue = Mutex::default();
        let (clock, changed) = (Clock::system(), Condvar::new());
        let writer = Arc::new(Writer { store, run, lease, fence, begins, directory, shared, clock, queue, changed });
        let beats = Arc::downgrade(&writer);
        if let Some(runtime) = io::own() {
            runtime.spawn(beat(beats));
        }
        let (ends, held) = Default::default();
        Ok(Self { writer, sent: 0, stored: 0, told: 0, ends, held, came: 0, paused: false, failed: false })
    }

    /// Takes what a step says and wants to begin, and leaves what may be told and begin by now.
    /// `backing`: the leases under which attempts ended.
    pub(super) fn pass(
        &mut self,
        machine: &Machine,
        actions: &mut Actions,
        messages: &mut Vec<Message>,
        backing: &mut Vec<Arc<Backing>>,
    ) {
        self.note_ends(&actions.events);
        let all = self.sent + actions.events.len() as u64;
        let mut files = Vec::new();
        for attempt in std::mem::take(&mut actions.start) {
            let needs = self.needs(attempt, machine, all, &mut files);
            self.came += 1;
            self.held.insert((needs, self.came), attempt);
        }
        for attempt in std::mem::take(&mut actions.cancel) {
            let waits = self.held.iter().find(|(_, held)| **held == attempt).map(|(at, _)| *at);
            match waits {
                // It has not begun, and will not.
                Some(at) => {
                    self.held.remove(&at);
                    let failure = Failure { kind: FailureKind::Cancelled, message: "stopped".into() };
                    let (task, attempt) = (attempt.task, attempt.number);
                    messages.push(Message::Finished { task, attempt, outcome: Outcome::from(failure) });
                    actions.more = true;
                }
                None => actions.cancel.push(attempt),
            }
        }
        self.sent = all;
        self.exchange(&mut actions.events, files, backing);
        if !self.paused && !self.failed {
            while let Some(first) = self.held.first_entry()
                && first.key().0 <= self.stored
            {
                actions.start.push(first.remove());
            }
        }
    }

    /// Gives the events of a step to the writer, and takes those that it has stored.
    fn exchange(
        &mut self,
        events: &mut Vec<Event>,
        mut files: Vec<(TaskIx, Vec<String>)>,
        backing: &mut Vec<Arc<Backing>>,
    ) {
        let mut queue = self.writer.queue();
        let news = !events.is_empty();
        let begins = news && !queue.busy && !queue.broken;
        if queue.broken {
            events.clear();
        } else if !events.is_empty() {
            queue.todo.append(events);
            queue.files.append(&mut files);
            queue.backing.append(backing);
            queue.busy = true;
        }
        std::mem::swap(events, &mut queue.done);
        self.stored = queue.stored;
        self.failed = queue.broken;
        drop(queue);
        self.told += events.len() as u64;
        if begins {
            match io::own() {
                Some(runtime) => {
                    let writer = self.writer.clone();
                    runtime.spawn_blocking(move || writer.work());
                }
                None => self.writer.work(),
            }
        } else if news {
            self.writer.changed.notify_all();
        }
    }

    /// How many events must be stored before that attempt begins.
    fn needs(&self, attempt: Attempt, machine: &Machine, all: u64, files: &mut Vec<(TaskIx, Vec<String>)>) -> u64 {
        let limit = all.saturating_sub(BEHIND);
        if !machine.is_plain(attempt.task) || attempt.number > 1 || attempt.undo {
            let sources = machine.graph().task(attempt.task).options().sources.as_ref();
            if let Some(sources) = sources.filter(|sources| !sources.files.is_empty()) {
                files.push((attempt.task, sources.files.clone()));
            }
            // What it may read, or makes up for, is anywhere in the run.
            return all;
        }
        let end = |parent: TaskIx| self.ends.get(parent.index()).copied().unwrap_or_default();
        machine.graph().parents(attempt.task).map(end).max().unwrap_or_default().max(limit)
    }

    fn note_ends(&mut self, events: &[Event]) {
        for event in events {
            let (EventKind::TaskFinished { task, .. }
            | EventKind::TaskCached { task, .. }
            | EventKind::TaskRestored { task, .. }
            | EventKind::TaskSkipped { task, .. }) = event.kind
            else {
                continue;
            };
            if self.ends.len() <= task.index() {
                self.ends.resize(task.index() + 1, 0);
            }
            if let Some(end) = self.ends.get_mut(task.index()) {
                *end = event.seq + 1;
            }
        }
    }

    /// What other processes wish of the run.
    pub(super) fn wishes(&mut self, messages: &mut Vec<Message>) {
        for wish in std::mem::take(&mut self.writer.queue().wishes) {
            match wish {
                Wish::Cancel { reason } => {
                    self.paused = false;
                    messages.push(Message::Cancel { reason });
                }
                Wish::Pause => self.paused = true,
                Wish::Resume => self.paused = false,
            }
        }
    }

    /// Whether something was said that is not stored yet.
    pub(super) fn is_behind(&self) -> bool {
        self.told < self.sent
    }

    /// Whether the store failed, or the run was taken over.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Why, once.
    pub(super) fn error(&self) -> Option<Error> {
        self.writer.queue().failed.take()
    }
}

impl Drop for Journal {
    /// Waits for the commit that is under way, then gives the run back.
    fn drop(&mut self) {
        let mut queue = self.writer.queue();
        queue.closed = true;
        self.writer.changed.notify_all();
        if queue.busy && queue.worker == Some(thread::current().id()) {
            // Whoever was told that there is news had nothing better to do than to let go of the run.
            queue.left = true;
            return;
        }
        while queue.busy {
            queue = self.writer.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        self.writer.give_back();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, stored, told, held, .. } = self;
        f.debug_struct("Journal")
            .field("fence", &self.writer.fence)
            .field("sent", sent)
            .field("stored", stored)
            .field("told", told)
            .field("held", &held.len())
            .finish_non_exhaustive()
    }
}

impl Writer {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the lease back, once.
    fn give_back(&self) {
        let released = std::mem::replace(&mut self.queue().released, true);
        if !released {
            // If it cannot be given back, it ends by its time.
            drop(self.store.release(&self.lease, self.fence));
        }
    }

    /// Stores what there is, and what comes while it does.
    fn work(&self) {
        self.queue().worker = Some(thread::current().id());
        if catch_unwind(AssertUnwindSafe(|| while self.turn() {})).is_err() {
            self.fail(Error::new(ErrorKind::Io, "the store panicked"));
        }
        let mut queue = self.queue();
        queue.busy = false;
        // Something may have come in after the last look.
        let again = !queue.todo.is_empty() && !queue.broken;
        queue.busy = again;
        let left = queue.left && !again;
        drop(queue);
        self.changed.notify_all();
        if left {
            self.give_back();
        }
        if again {
            self.work();
        }
    }

    /// One commit; whether there may be another.
    fn turn(&self) -> bool {
        let mut queue = self.queue();
        if queue.todo.is_empty() && !queue.closed && !queue.broken {
            let nothing = |queue: &mut Queue| queue.todo.is_empty() && !queue.closed;
            queue = self.changed.wait_timeout_while(queue, LINGER, nothing).unwrap_or_else(PoisonError::into_inner).0;
        }
        if queue.todo.is_empty() || queue.broken {
            return false;
        }
        // What the first step says stays together.
        let whole = queue.todo.len() <= BATCH || queue.stored == 0;
        let rest = if whole { Vec::new() } else { queue.todo.split_off(BATCH) };
        let events = std::mem::replace(&mut queue.todo, rest);
        let files = std::mem::take(&mut queue.files);
        // Those of events that are still to come hold for these too.
        let backing = if whole { std::mem::take(&mut queue.backing) } else { queue.backing.clone() };
        let seq = queue.stored;
        drop(queue);
        let ended = match self.store(seq, &events, files, &backing) {
            Ok(ended) => ended,
            Err(error) => {
                self.fail(error);
                return false;
            }
        };
        let mut queue = self.queue();
        queue.stored += events.len() as u64;
        queue.released |= ended;
        if queue.done.is_empty() {
            queue.done = events;
        } else {
            queue.done.extend(events);
        }
        drop(queue);
        self.shared.news.ring();
        true
    }

    /// Answers whether the run has ended.
    fn store(
        &self,
        seq: u64,
        events: &[Event],
        files: Vec<(TaskIx, Vec<String>)>,
        backing: &[Arc<Backing>],
    ) -> Result<bool> {
        let (mut body, mut blobs) = (Vec::with_capacity(events.len() * 80), Vec::new());
        for (task, files) in files {
            stored::write_files(task, kept::files_hash(self.directory.as_deref(), &files), &mut body);
        }
        let mut keep = |bytes: Vec<u8>| {
            let blob = Blob::new(bytes);
            let name = blob.hash().to_string();
            blobs.push(blob);
            name
        };
        events.iter().for_each(|event| stored::write(event, &mut keep, &mut body));
        let state = match events.last().map(|event| &event.kind) {
            Some(EventKind::RunFinished { state }) => *state,
            _ => RunState::Running,
        };
        let events = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let begins = self.begins.lock().unwrap_or_else(PoisonError::into_inner).take();
        let header = begins.map(|(header, graph)| {
            blobs.push(graph);
            header
        });
        let held: Vec<(&str, u64)> = backing.iter().map(|lease| (lease.lease.as_str(), lease.fence)).collect();
        let append =
            Append { run: self.run, fence: self.fence, seq, events, body: &body, blobs: &blobs, state, held: &held };
        match header {
            None => self.store.append(&append)?,
            Some(header) => self.store.open_run(&header, Some(&append))?,
        }
        let ended = state != RunState::Running;
        if ended {
            self.store.release(&self.lease, self.fence)?;
        }
        Ok(ended)
    }

    fn fail(&self, error: Error) {
        let mut queue = self.queue();
        if !queue.broken {
            queue.failed = Some(error);
            queue.broken = true;
        }
        drop(queue);
        self.shared.news.ring();
    }

    /// Says that the owner lives, and looks what others wish of it.
    fn beat(&self) {
        let now = self.clock.elapsed();
        let mut queue = self.queue();
        if queue.released || queue.closed || queue.broken {
            return;
        }
        let renew = now.saturating_sub(queue.renewed) >= RENEW;
        if renew {
            queue.renewed = now;
        }
        drop(queue);
        // A store that does not answer now may do so later; the lease says how long.
        if renew && matches!(self.store.renew(&self.lease, self.fence, LEASE), Ok(false)) && !self.queue().released {
            let message = format!("the run `{}` was taken over by another process", self.run);
            self.fail(Error::new(ErrorKind::Conflict, message));
        }
        if let Ok(wishes) = self.store.take_wishes(self.run)
            && !wishes.is_empty()
        {
            self.queue().wishes.extend(wishes);
            self.shared.news.ring();
        }
    }
}

/// Beats as long as the journal lives.
async fn beat(writer: Weak<Writer>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(writer) = writer.upgrade() else { return };
        // It ends early only with the process.
        drop(tokio::task::spawn_blocking(move || writer.beat()).await);
    }
}

#[cfg(test)]
mod tests;
