//! What an attempt knows of its run.

#[cfg(any(test, feature = "testing"))]
mod controls;

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    task::{Poll, Waker},
};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    definition::{Graph, Task, Undo},
    event::{Failure, Outcome, Output, Stream},
    id::{RunId, TaskId, TaskIx},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        lock,
    },
    units::{Usage, Usd},
};

#[cfg(any(test, feature = "testing"))]
pub use controls::Controls;

/// What an attempt says while it runs.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    Heartbeat(TaskIx),
    Line(TaskIx, Stream, Arc<str>),
    Checked { task: TaskIx, holds: bool, warning: Option<String> },
    Checkpoint(Arc<str>),
    Adds { task: TaskIx, attempt: u32, added: Box<Task> },
    Finished { task: TaskIx, attempt: u32, outcome: Outcome },
}

/// Where the session hears what came in between its steps.
pub(crate) struct News {
    /// Something came in. A step with nothing new costs one look at it.
    pub(crate) heard: AtomicBool,
    /// Answers to checks, and checkpoints: few, so without a bound.
    pub(crate) answers: Mutex<Vec<Note>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl News {
    pub(crate) fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { heard: false.into(), answers: Mutex::default(), wake }
    }

    pub(crate) fn ring(&self) {
        if !self.heard.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("News").field("heard", &self.heard).finish_non_exhaustive()
    }
}

/// What all attempts of a run share.
#[derive(Debug)]
pub(crate) struct RunShared {
    pub(crate) id: RunId,
    /// Of a run that was resumed: how often tasks had ended, and are run again all the same.
    pub(crate) rounds: BTreeMap<TaskId, u32>,
    /// Grows when a task's output adds tasks.
    pub(crate) graph: RwLock<Graph>,
    pub(crate) notes: mpsc::Sender<Note>,
    pub(crate) news: News,
}

/// A place in which attempts run one after the other. Reused, so that a short attempt allocates nothing for it.
///
/// INVARIANT: `turn` is even while nobody is cancelled and rises by 2 for each attempt; `turn + 1` says that the attempt
/// of that turn is cancelled, or over. A context of an earlier turn therefore reads as cancelled, which is right.
#[derive(Debug)]
pub(crate) struct Slot {
    run: Arc<RunShared>,
    turn: AtomicU64,
    /// Who waits for the cancellation of an attempt.
    waiting: Mutex<Vec<Waker>>,
    /// Somebody may be in `waiting`. Spares attempts for which nobody waits the lock.
    awaited: AtomicBool,
}

impl Slot {
    pub(crate) fn new(run: Arc<RunShared>) -> Arc<Self> {
        Arc::new(Self { run, turn: 0.into(), waiting: Mutex::default(), awaited: false.into() })
    }

    /// The context of the next attempt in this place.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>, task: TaskIx, attempt: u32, inputs: Option<Arc<Inputs>>) -> TaskContext {
        if self.awaited.load(Ordering::Relaxed) {
            self.cancel();
        }
        let turn = (self.turn.load(Ordering::Relaxed) | 1) + 1;
        self.turn.store(turn, Ordering::Release);
        TaskContext { slot: self.clone(), turn, task, attempt, inputs, place: None }
    }

    /// Tells the attempt in this place to stop. Also said of an attempt that is over: else whoever waits for its cancellation
    /// would stay in the list.
    pub(crate) fn cancel(&self) {
        // Who waits sets `awaited` and then reads `turn`; here `turn` is set and then `awaited` read. Sequentially consistent,
        // so that one of the two sees the other.
        self.turn.fetch_or(1, Ordering::SeqCst);
        if !self.awaited.load(Ordering::SeqCst) {
            return;
        }
        let mut waiting = lock(&self.waiting);
        self.awaited.store(false, Ordering::SeqCst);
        let woken = std::mem::take(&mut *waiting);
        drop(waiting);
        woken.into_iter().for_each(Waker::wake);
    }
}

/// What an attempt knows of its run: its task, its inputs, and whether to stop. Cheap to clone.
#[derive(Clone)]
pub struct TaskContext {
    slot: Arc<Slot>,
    turn: u64,
    task: TaskIx,
    attempt: u32,
    inputs: Option<Arc<Inputs>>,
    place: Option<Arc<Place>>,
}

/// Where an attempt works, as an executor that wraps another one says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The folder. Programs start there, and in none outside of it.
    pub directory: PathBuf,
    /// Variables that programs find beside the others. An agent's own go before them.
    pub env: BTreeMap<String, String>,
}

impl TaskContext {
    /// The same attempt in a place of its own: for executors that wrap another one.
    ///
    /// ```
    /// use orch_core::{Body, Executor, TaskContext, executor::Place};
    ///
    /// /// Runs each task in a folder of its name.
    /// struct InFolders<E>(E);
    ///
    /// impl<E: Executor> Executor for InFolders<E> {
    ///     fn run(&self, task: TaskContext) -> Body {
    ///         let directory = std::path::Path::new("/tmp").join(task.ix().index().to_string());
    ///         self.0.run(task.at(Place { directory, ..Place::default() }))
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Arc::new(place));
        self
    }

    /// The place of its own, where it has one.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// The task's name.
    pub fn id(&self) -> TaskId {
        self.with_graph(|graph| graph.id(self.task).clone())
    }

    /// The task's place.
    pub fn ix(&self) -> TaskIx {
        self.task
    }

    /// The graph, as it is now. The task is `context.graph().task(context.ix())`.
    pub fn graph(&self) -> Graph {
        self.with_graph(Graph::clone)
    }

    fn with_graph<T>(&self, read: impl FnOnce(&Graph) -> T) -> T {
        read(&self.slot.run.graph.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.slot.run.id
    }

    /// The same for every attempt of the task in this run, also after its process was killed and the run resumed; another one
    /// for what undoes it, and when it is run again although it had ended: because it was edited, or what it builds on was. An
    /// attempt may be repeated without anybody knowing whether the one before had an effect: a service that knows this key can
    /// tell. 64 hexadecimal digits.
    pub fn idempotency_key(&self) -> String {
        idempotency_key(&self.slot.run, self.graph().task(self.task), self.undo().is_some())
    }

    /// The attempt, from 1. Those to undo are counted on their own.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What to undo; `None` for an attempt of the task itself.
    ///
    /// An executor that runs a task's work whatever it is asked for would do it again instead of undoing it: who gives tasks
    /// an [`Undo`] looks here first.
    ///
    /// ```
    /// use orch_core::{Outcome, TaskContext};
    ///
    /// async fn work(task: TaskContext) -> Outcome {
    ///     match task.undo() {
    ///         Some(undo) => Outcome::done(format!("took back {:?}", undo.output)),
    ///         None => Outcome::done("published"),
    ///     }
    /// }
    /// ```
    pub fn undo(&self) -> Option<&ToUndo> {
        self.inputs.as_deref()?.undo.as_ref()
    }

    /// Who does it: the agent of the undo, where there is one to do and it names one, else the task's.
    pub fn agent(&self) -> Option<String> {
        let own = || self.with_graph(|graph| graph.task(self.task).options().agent.clone());
        self.undo().and_then(|undo| undo.undo.agent.clone()).or_else(own)
    }

    /// What the tasks that this one waited for have made, and the values that its definition asks for.
    pub fn inputs(&self) -> &Inputs {
        static NONE: Inputs = Inputs {
            outputs: Vec::new(),
            values: BTreeMap::new(),
            undo: None,
            hold: None,
            grant: Grant { model: None, most: None, meter: None },
        };
        self.inputs.as_deref().unwrap_or(&NONE)
    }

    /// The model that it should use: the cheaper one that a budget wants, else the first that its task
    /// [expects](crate::Task::expects) to use.
    pub fn model(&self) -> Option<String> {
        let granted = self.inputs.as_deref().and_then(|inputs| inputs.grant.model.clone());
        let expected = || {
            self.with_graph(|graph| {
                let expects = &graph.task(self.task).options().expects;
                expects.models().first().map(|usage| usage.model.clone()).filter(|model| !model.is_empty())
            })
        };
        granted.or_else(expected)
    }

    /// The cheaper model that its budget wants, if it wants one.
    #[cfg_attr(not(feature = "agents"), expect(dead_code, reason = "only models are chosen by it"))]
    pub(crate) fn cheaper(&self) -> Option<String> {
        self.inputs.as_deref()?.grant.model.clone()
    }

    /// What it may spend at most, as the budget stood when it began: what is reserved for it, and what else is left. Others may
    /// take of the rest meanwhile, so [say](TaskContext::used) what was used. `None`: there is no limit.
    pub fn budget(&self) -> Option<Usd> {
        self.inputs.as_deref()?.grant.most
    }

    /// Says what it has used so far, all together: more is reserved for it where that is not enough. `Err` says that no more is
    /// left and why: it should stop, and its outcome tell what it [used](crate::Outcome::used). Without a budget nobody minds.
    ///
    /// Blocks while the ledger is asked, which may be on a disk.
    ///
    /// # Errors
    ///
    /// A [fatal](crate::FailureKind::Fatal) failure if it may use no more.
    pub fn used(&self, usage: &Usage) -> Result<(), Failure> {
        let Some(meter) = self.inputs.as_deref().and_then(|inputs| inputs.grant.meter.as_ref()) else { return Ok(()) };
        meter.used(usage).map_err(|why| Failure::fatal(format!("stopped at its budget: {why}")))
    }

    /// The fencing token of what its task [claims](crate::Claim), greater than that of every earlier grant; `None` without
    /// claims. Send it along with what is written to the resource: one that refuses what is smaller than the greatest it has
    /// seen is safe from an attempt whose lease is over and that does not know it yet.
    pub fn fence(&self) -> Option<u64> {
        Some(self.inputs.as_deref()?.hold.as_ref()?.fence)
    }

    /// The id of the lock on what its task [claims](crate::Claim), to ask for more in its name; `None` without claims.
    pub fn lock(&self) -> Option<String> {
        Some(self.inputs.as_deref()?.hold.as_ref()?.lock.to_string())
    }

    /// Whether the attempt should stop.
    pub fn is_cancelled(&self) -> bool {
        self.slot.turn.load(Ordering::Acquire) != self.turn
    }

    /// Waits until the attempt should stop.
    pub async fn cancelled(&self) {
        std::future::poll_fn(|task| {
            if self.is_cancelled() {
                return Poll::Ready(());
            }
            let mut waiting = lock(&self.slot.waiting);
            if !waiting.iter().any(|waker| waker.will_wake(task.waker())) {
                waiting.push(task.waker().clone());
            }
            self.slot.awaited.store(true, Ordering::SeqCst);
            drop(waiting);
            // It may have been cancelled between the first look and the entry in the list.
            let turn = self.slot.turn.load(Ordering::SeqCst);
            if turn == self.turn { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Makes a checkpoint of the run: a moment to which one can go back, by a [`Rollback`](crate::Rollback) to its name, or
    /// by hand ([`Run::back_to`](crate::Run::back_to)). What has ended by now is before it; this task itself is not. Never
    /// waits. Of several with the same name the latest counts.
    ///
    /// ```
    /// use orch_core::{Engine, Graph, Plan, PlanOptions, RunOptions, Task, TaskContext};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> orch_core::Result<()> {
    /// let graph = Graph::builder("g").task(Task::new("build")).task(Task::new("publish").after("build")).build()?;
    /// let plan = Plan::new(&graph, &PlanOptions::default())?;
    /// let work = async |task: TaskContext| {
    ///     if task.id().as_str() == "publish" {
    ///         task.checkpoint("built");
    ///     }
    /// };
    /// let report = Engine::builder().executor(work).build()?.run(&plan, RunOptions::default()).await?;
    /// assert_eq!((&*report.checkpoints()[0].name, report.checkpoints()[0].tasks.len()), ("built", 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn checkpoint(&self, name: impl Into<Arc<str>>) {
        lock(&self.slot.run.news.answers).push(Note::Checkpoint(name.into()));
        self.slot.run.news.ring();
    }

    /// Adds a task to the run, when this one has worked; an attempt that fails adds nothing. Without a dependency on another
    /// task that is added, the new one waits for this one. What cannot be added, for example because its name is taken, fails
    /// this task. Never waits.
    ///
    /// ```
    /// use orch_core::{Engine, Graph, Plan, PlanOptions, RunOptions, Task, TaskContext};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> orch_core::Result<()> {
    /// let graph = Graph::builder("g").task(Task::new("find")).build()?;
    /// let plan = Plan::new(&graph, &PlanOptions::default())?;
    /// let work = async |task: TaskContext| {
    ///     if task.id().as_str() == "find" {
    ///         ["api", "ui"].map(|part| task.add(Task::new(part)));
    ///         task.add(Task::new("report").after("api").after("ui"));
    ///     }
    /// };
    /// let report = Engine::builder().executor(work).build()?.run(&plan, RunOptions::default()).await?;
    /// assert_eq!(report.counts().succeeded, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&self, task: Task) {
        let note = Note::Adds { task: self.task, attempt: self.attempt, added: Box::new(task) };
        lock(&self.slot.run.news.answers).push(note);
        self.slot.run.news.ring();
    }

    /// Says that the attempt is alive, which its idle timeout wants to hear. Never waits.
    pub fn heartbeat(&self) {
        // A full queue means that much was said just now; one heartbeat less changes nothing.
        drop(self.slot.run.notes.try_send(Note::Heartbeat(self.task)));
        self.slot.run.news.ring();
    }

    /// Says a line of output. Waits while the run is slow to listen. Also counts as a heartbeat.
    pub async fn say(&self, stream: Stream, line: impl Into<Arc<str>>) {
        // An error means that the run is over and nobody listens.
        drop(self.slot.run.notes.send(Note::Line(self.task, stream, line.into())).await);
        self.slot.run.news.ring();
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undo = if self.undo().is_some() { "to undo, " } else { "" };
        write!(f, "TaskContext({:?}, {undo}attempt {})", self.id(), self.attempt)
    }
}

/// The values that an attempt may read.
#[derive(Debug, Default)]
pub struct Inputs {
    pub(crate) outputs: Vec<(TaskId, Output)>,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) undo: Option<ToUndo>,
    pub(crate) hold: Option<Hold>,
    pub(crate) grant: Grant,
}

/// What an attempt may spend.
#[derive(Clone, Default)]
pub(crate) struct Grant {
    /// The model that it is to use instead of the one that its task expects.
    pub(crate) model: Option<String>,
    /// How much at most, as it began.
    pub(crate) most: Option<Usd>,
    /// Whom it tells what it has used so far.
    pub(crate) meter: Option<Arc<dyn Meter>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("model", &self.model).field("most", &self.most).finish_non_exhaustive()
    }
}

/// Hears what an attempt has used so far.
pub(crate) trait Meter: Send + Sync {
    /// It has used that much, all together; `Err`: it may use no more, and why. Blocks while the ledger is asked.
    fn used(&self, usage: &Usage) -> Result<(), String>;
}

/// What an attempt holds of what its task claims.
pub(crate) struct Hold {
    pub(crate) fence: u64,
    /// The id of the lock. Dropped with the last context of the attempt, it gives back what is still held then.
    pub(crate) lock: Box<dyn fmt::Display + Send + Sync>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({}, fence {})", self.lock, self.fence)
    }
}

/// What an attempt to undo a task is given beside its inputs, which are those that the task itself had.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToUndo {
    /// How the task is undone, by its definition.
    pub undo: Undo,
    /// What the task made; [`Output::NOTHING`] if it did not work.
    pub output: Output,
    /// Why the run is undone: the first failure of those that made it fail.
    pub why: Failure,
}

impl Inputs {
    /// The output of a task that this one waits for.
    pub fn output(&self, task: &str) -> Option<&Output> {
        self.outputs.iter().find(|(id, _)| id.as_str() == task).map(|(_, output)| output)
    }

    /// The outputs of all tasks that this one waits for and that made one.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = (&TaskId, &Output)> {
        self.outputs.iter().map(|(id, output)| (id, output))
    }

    /// The fencing token of what the attempt holds; see [`TaskContext::fence`].
    pub fn fence(&self) -> Option<u64> {
        self.hold.as_ref().map(|hold| hold.fence)
    }

    /// The cheaper model that a budget wants; `None`: whichever the task likes.
    pub fn model(&self) -> Option<&str> {
        self.grant.model.as_deref()
    }

    /// What it may spend at most, as the budget stood when it began; `None`: there is no limit.
    pub fn budget(&self) -> Option<Usd> {
        self.grant.most
    }

    /// The values by the keys that the task's definition asks for, and the run's inputs.
    pub fn values(&self) -> &BTreeMap<String, Value> {
        &self.values
    }

    /// Adds the output of a task, for the tests of executors.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_output(mut self, task: impl Into<TaskId>, output: Output) -> Self {
        self.outputs.push((task.into(), output));
        self
    }

    /// Makes it an attempt to undo, for the tests of executors.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_undo(mut self, undo: Undo, output: Output, why: Failure) -> Self {
        self.undo = Some(ToUndo { undo, output, why });
        self
    }

    /// Adds a value, for the tests of executors.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_value(mut self, key: impl Into<String>, value: Value) -> Self {
        self.values.insert(key.into(), value);
        self
    }
}

/// See [`TaskContext::idempotency_key`].
pub(crate) fn idempotency_key(run: &RunShared, task: &Task, undo: bool) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut feed = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    feed(run.id.to_string().as_bytes());
    feed(task.id().as_str().as_bytes());
    feed(&task.content());
    feed(&run.rounds.get(task.id()).copied().unwrap_or_default().to_le_bytes());
    feed(if undo { b"undo" } else { b"do" });
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Wake};

    use super::*;
    use crate::definition::Task;

    struct Own;

    impl Wake for Own {
        fn wake(self: Arc<Self>) {}
    }

    /// A spawned body has a waker of its own, and a waker keeps the memory of its task.
    #[test]
    fn a_place_keeps_no_wakers_of_attempts_that_are_over() {
        let graph = Graph::builder("g").task(Task::new("a")).build().unwrap();
        let (first, controls) = TaskContext::detached(&graph, TaskIx::from(0), Inputs::default());
        let owns: Vec<Arc<Own>> = (0..10).map(|_| Arc::new(Own)).collect();
        for own in &owns {
            let context = controls.slot.enter(TaskIx::from(0), 1, None);
            assert!(first.is_cancelled() && !context.is_cancelled());
            let waker = Waker::from(own.clone());
            let mut cancelled = Box::pin(context.cancelled());
            assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let kept = owns.iter().filter(|own| Arc::strong_count(own) > 1).count();
        assert_eq!(kept, 1, "that of the last");
        controls.cancel();
        assert_eq!(owns.iter().filter(|own| Arc::strong_count(own) > 1).count(), 0);
    }
}
