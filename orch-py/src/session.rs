//! One run, as the driver on the loop of asyncio sees it.

use std::{
    collections::HashMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use orch_core::{
    Clock, Error, ErrorKind, EventSink, Hand, PriceTable, RunState, TaskIx, Usage,
    run::{Attempt, Message},
    session::Native,
};
use pyo3::{
    prelude::*,
    types::{PyDict, PyList},
};

use crate::{
    cache::Cache,
    convert::{self, Text},
    engine::Engine,
    error::Raised,
    event::Event,
    money::{self, Ledger},
    notices::Telling,
    plan::Plan,
    programs::Programs,
    report::Report,
    store::{Resume, Store},
    told::{Options, Told, heard},
};

/// In a batch of starts: read the [`news`](Session::news).
const NEWS: i64 = -1;
/// In a batch of starts: let others of the loop have a turn first.
const TURN_OVER: i64 = -2;

/// How long tasks are run one after the other without letting others of the loop have a turn.
const TURN: Duration = Duration::from_millis(2);

/// Tasks that take longer than this, one after the other, are begun one at a time, so that the time of a start is the time at
/// which the task begins.
const SLOW: Duration = Duration::from_micros(20);

/// The most that one step begins of tasks that run one after the other.
const BATCH: usize = 64;

/// The interpreter has ended, or is about to.
static ENDED: AtomicBool = AtomicBool::new(false);

/// How many threads are about to call into the interpreter.
static RINGING: AtomicUsize = AtomicUsize::new(0);

/// Says that the interpreter ends, and waits for those threads that are calling into it.
#[pyfunction]
pub(crate) fn end(py: Python<'_>) {
    ENDED.store(true, Ordering::SeqCst);
    py.detach(|| {
        while RINGING.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// What is rare in a run of plain tasks: attempts to begin that are not first ones, or undo; attempts to stop; when to step
/// again even if nothing happens, in seconds since the start; how the run stands.
type News = (Vec<(usize, u32, bool)>, Vec<(usize, u32, bool)>, Option<f64>, &'static str);

/// What the run has from elsewhere: a cache, an engine, where it is kept: the store, the run that it goes on with, and how
/// many tasks the driver knows the functions of; where it books what it spends, and what else is known of who does; and who tells of it.
type Shared<'a> = (
    Option<PyRef<'a, Cache>>,
    Option<PyRef<'a, Engine>>,
    Option<(PyRef<'a, Store>, Option<PyRef<'a, Resume>>, usize)>,
    Option<(PyRef<'a, Ledger>, Option<Bound<'a, PyAny>>)>,
    Option<PyRef<'a, Telling>>,
);

/// One run. `step` tells it what finished and answers what to begin.
#[pyclass(module = "orch._orch")]
pub(crate) struct Session {
    session: orch_core::session::Session,
    clock: Clock,
    /// Where time stands still.
    hand: Option<Hand>,
    finished: Vec<Message>,
    events: Option<Vec<Event>>,
    programs: Option<Py<Programs>>,
    natives: HashMap<TaskIx, (Attempt, Native)>,
    /// What attempts that are under way say that they used.
    used: HashMap<TaskIx, (u32, Usage)>,
    /// The tasks that were taken over from a checkpoint.
    #[pyo3(get)]
    restored: Vec<usize>,
    /// How many tasks the graph had at first: the driver knows what these call.
    known: usize,
    /// Of the latest step.
    begun: Vec<Attempt>,
    stopped: Vec<Attempt>,
    /// Not told yet.
    starts: Vec<Attempt>,
    cancels: Vec<Attempt>,
    wake_at: Option<Duration>,
    told_wake_at: Option<Duration>,
    #[pyo3(get)]
    more: bool,
    /// When tasks began to run one after the other, and when they were last heard of.
    turn_began: Duration,
    heard: Duration,
    batch: usize,
}

#[pymethods]
impl Session {
    #[new]
    fn new(
        py: Python<'_>,
        plan: &Plan,
        options: Option<&Bound<'_, PyAny>>,
        wake: Py<PyAny>,
        events: bool,
        programs: Option<Py<Programs>>,
        shared: Shared<'_>,
    ) -> PyResult<Self> {
        let mut options = Options::read(options, &plan.0)?;
        let mut known = plan.0.graph().len();
        let (cache, engine, kept, spending, telling) = shared;
        if let Some((store, resume, functions)) = kept {
            options.store = Some(Arc::new(store.native.clone()));
            // Unless it shares those of an engine.
            options.locks = Some(store.locks());
            known = functions;
            if let Some(resume) = resume {
                options.rules.inputs = resume.0.inputs().clone();
                options.rules.restore = resume.0.restore().to_vec();
                options.rules.resumed = true;
                options.resume = Some(resume.0.clone());
            }
        }
        let restored = options.rules.restore.iter().map(|restored| restored.task.index()).collect();
        options.cache = cache.map(|cache| cache.shared.clone());
        let has_engine = engine.is_some();
        if let Some(engine) = engine {
            (options.locks, options.breakers) = (Some(engine.locks.clone()), engine.breakers.clone());
            options.prices = Some(engine.prices.clone());
        } else {
            options.prices = Some(Arc::new(PriceTable::bundled()));
        }
        if let Some((ledger, who)) = spending {
            if !has_engine {
                options.prices = Some(ledger.prices.clone());
            }
            let here = options.directory.clone().or_else(|| env::current_dir().ok());
            options.budget = Some(money::budget(&ledger, who.as_ref(), here.as_deref())?);
        }
        options.sinks.extend(telling.map(|telling| telling.0.clone() as Arc<dyn EventSink>));
        let wake = Arc::new(rings(wake));
        // With a store it waits for that.
        let session = py.detach(|| orch_core::session::Session::new(&plan.0, options, wake)).raised(py)?;
        Ok(Self {
            session,
            clock: Clock::system(),
            hand: None,
            finished: Vec::new(),
            events: events.then(Vec::new),
            programs,
            natives: HashMap::new(),
            used: HashMap::new(),
            restored,
            known,
            begun: Vec::new(),
            stopped: Vec::new(),
            starts: Vec::new(),
            cancels: Vec::new(),
            wake_at: None,
            told_wake_at: None,
            more: false,
            turn_began: Duration::ZERO,
            heard: Duration::ZERO,
            batch: BATCH,
        })
    }

    /// Hears what finished and answers the places of the tasks to begin, the first at the end, so that `pop` takes it; above it
    /// there may be signs: [`NEWS`], [`TURN_OVER`].
    ///
    /// What is in `done` is read by [`heard`]. `batch` is how many to begin at most; 0 says that tasks run one after the other in one turn of the loop.
    fn step<'py>(&mut self, py: Python<'py>, done: &Bound<'py, PyList>, batch: usize) -> PyResult<Bound<'py, PyList>> {
        self.finished.clear();
        let count = done.len();
        for item in done.iter() {
            self.hear(&item)?;
        }
        let now = self.clock.elapsed();
        let over = self.pace(now, count, batch);
        let actions = self.session.step(now, &mut self.finished);
        self.begun.clear();
        self.begun.extend_from_slice(&actions.start);
        self.stopped.clear();
        self.stopped.extend_from_slice(&actions.cancel);
        self.wake_at = actions.wake_at;
        self.more = actions.more;
        if let Some(events) = &mut self.events
            && !actions.events.is_empty()
        {
            let happened = actions.events.clone();
            let graph = self.session.graph();
            events.extend(happened.into_iter().map(|event| Event::new(event, graph.clone())));
        }
        if self.programs.is_some() {
            self.begin_programs(py)?;
        }
        let starts = PyList::empty(py);
        for attempt in self.begun.iter().rev() {
            if attempt.number == 1 && !attempt.undo && attempt.task.index() < self.known {
                starts.append(attempt.task.index())?;
            } else {
                self.starts.push(*attempt);
            }
        }
        self.cancels.append(&mut self.stopped);
        let ended = self.session.state() != RunState::Running;
        let heard = self.events.as_ref().is_some_and(|events| !events.is_empty());
        if ended || heard || !self.starts.is_empty() || !self.cancels.is_empty() || self.wake_at != self.told_wake_at {
            starts.append(NEWS)?;
        }
        if over {
            starts.append(TURN_OVER)?;
        }
        Ok(starts)
    }

    /// What `step` had to say beside plain starts.
    fn news(&mut self) -> News {
        let told = |attempt: Attempt| (attempt.task.index(), attempt.number, attempt.undo);
        self.told_wake_at = self.wake_at;
        (
            self.starts.drain(..).map(told).collect(),
            self.cancels.drain(..).map(told).collect(),
            self.wake_at.map(|at| at.as_secs_f64()),
            self.session.state().name(),
        )
    }

    /// Seconds since the start of the run.
    fn now(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    /// Makes time stand still but for [`advance`](Self::advance): for tests, before the first step.
    fn hold(&mut self) {
        let (clock, hand) = Clock::manual();
        (self.clock, self.hand) = (clock, Some(hand));
    }

    /// Moves the time on, by seconds, where it stands still.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        if let Some(hand) = &self.hand {
            hand.advance(Duration::try_from_secs_f64(seconds)?);
        }
        Ok(())
    }

    /// The events since the last call.
    fn take_events(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Asks the run to stop; the next step carries it out.
    fn cancel(&mut self, reason: convert::Shown) {
        self.session.cancel(reason.0);
    }

    /// Makes a checkpoint at the next step.
    fn checkpoint(&mut self, name: Text) {
        self.session.checkpoint(name.0);
    }

    /// Stops the run and undoes what ended after that checkpoint, from the next step on.
    fn back_to(&mut self, checkpoint: Text) {
        self.session.back_to(checkpoint.0);
    }

    /// The fencing token of what an attempt holds.
    fn fence(&mut self, task: u32, number: u32) -> Option<u64> {
        let attempt = Attempt { task: task.into(), number, undo: false };
        self.session.inputs(attempt).and_then(|inputs| inputs.fence())
    }

    /// The cheaper model that a budget wants, and what the attempt may spend at most, in dollars.
    fn grant(&mut self, task: u32, number: u32) -> (Option<String>, Option<String>) {
        let attempt = Attempt { task: task.into(), number, undo: false };
        let inputs = self.session.inputs(attempt);
        let model = inputs.as_ref().and_then(|inputs| inputs.model().map(str::to_owned));
        (model, inputs.and_then(|inputs| inputs.budget()).map(|usd| usd.to_decimal()))
    }

    /// The values, by key, that an attempt reads.
    fn values<'py>(&mut self, py: Python<'py>, task: u32, number: u32, undo: bool) -> PyResult<Bound<'py, PyDict>> {
        let values = PyDict::new(py);
        let attempt = Attempt { task: task.into(), number, undo };
        if let Some(inputs) = self.session.inputs(attempt) {
            for (key, value) in inputs.values() {
                values.set_item(key, convert::to_python(py, value)?)?;
            }
        }
        Ok(values)
    }

    /// A task by its place: its name, its agent, the places of its parents. Also of tasks that the run added.
    fn task(&self, py: Python<'_>, task: u32) -> PyResult<(String, Option<String>, Vec<usize>)> {
        let (graph, ix) = (self.session.graph(), TaskIx::from(task));
        if ix.index() >= graph.len() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no task at place {task}"))).raised(py);
        }
        let parents = graph.parents(ix).map(|parent| parent.index()).collect();
        Ok((graph.id(ix).as_str().to_owned(), graph.task(ix).options().agent.clone(), parents))
    }

    /// What a task made, where it has crossed as JSON.
    fn output<'py>(&self, py: Python<'py>, task: u32) -> PyResult<Option<Bound<'py, PyAny>>> {
        let report = self.session.report();
        let output = ((task as usize) < report.graph().len()).then(|| report.task(task.into()).output().clone());
        output.unwrap_or_default().json().map(|value| convert::to_python(py, value)).transpose()
    }

    /// Of a task: everything else about it, as data.
    fn definition<'py>(&self, py: Python<'py>, task: u32) -> PyResult<Bound<'py, PyAny>> {
        let graph = self.session.graph();
        convert::shown(py, &graph.tasks().get(task as usize).map(|task| task.options()))
    }

    /// Raises why the store could not keep the run, or that another process has taken it over; says so once.
    fn check_store(&self, py: Python<'_>) -> PyResult<()> {
        self.session.store_error().map_or(Ok(()), Err).raised(py)
    }

    /// What a service knows an attempt by that may be repeated.
    fn idempotency_key(&self, task: u32, undo: bool) -> String {
        self.session.idempotency_key(Attempt { task: task.into(), number: 1, undo })
    }

    /// The report so far, with prices where models were used.
    fn report(&self) -> Report {
        Report(self.session.priced_report())
    }

    #[getter]
    fn run(&self) -> String {
        self.session.run().to_string()
    }
}

impl Drop for Session {
    /// The store may be in the middle of telling the driver something, which needs the interpreter.
    fn drop(&mut self) {
        let session = &mut self.session;
        // At the end of the interpreter nobody is told anything any more.
        if session.is_kept() && !ENDED.load(Ordering::SeqCst) {
            Python::try_attach(|py| py.detach(|| session.close()));
        }
    }
}

/// Calls a function of Python from any thread, as long as there is an interpreter.
pub(crate) fn rings(wake: Py<PyAny>) -> impl Fn() + Send + Sync + 'static {
    move || {
        RINGING.fetch_add(1, Ordering::SeqCst);
        if !ENDED.load(Ordering::SeqCst) {
            // An error means that the loop is closed: nobody is left to be woken.
            Python::try_attach(|py| drop(wake.call0(py)));
        }
        RINGING.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Session {
    /// Takes in what the driver tells, and keeps what attempts say that they used until they end.
    fn hear(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        match heard(item)? {
            Told::Used(task, number, usage) => {
                let used = self.used.entry(task).or_default();
                if used.0 != number {
                    *used = (number, Usage::default());
                }
                used.1.add(&usage);
            }
            Told::Message(mut message) => {
                if !self.used.is_empty()
                    && let Message::Finished { task, attempt, outcome } = &mut message
                    && let Some((_, used)) = self.used.remove(task).filter(|(number, _)| number == attempt)
                {
                    outcome.usage = Some(Box::new(used));
                }
                self.finished.push(message);
            }
        }
        Ok(())
    }

    /// Begins and stops what programs do, which the driver in Python does not see.
    fn begin_programs(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(programs) = &self.programs else { return Ok(()) };
        let (graph, programs) = (self.session.graph().clone(), programs.get());
        let natives = &mut self.natives;
        let session = &mut self.session;
        let mut failed = Ok(());
        self.begun.retain(|attempt| {
            if !programs.doers.is_program(&graph, attempt.task, attempt.undo) {
                return true;
            }
            match session.spawn(&programs.executor, *attempt).raised(py) {
                // It takes the place of an earlier attempt of the task, which is over.
                Ok(begun) => drop(natives.insert(attempt.task, (*attempt, begun))),
                Err(error) => failed = Err(error),
            }
            false
        });
        self.stopped.retain(|attempt| match natives.get(&attempt.task) {
            Some((of, native)) if of == attempt => {
                native.stop();
                false
            }
            _ => true,
        });
        failed
    }

    /// Decides by how long tasks took how many are begun at most; whether the turn is over.
    fn pace(&mut self, now: Duration, heard: usize, batch: usize) -> bool {
        let taken = now.saturating_sub(self.heard);
        self.heard = now;
        if batch > 0 {
            self.turn_began = now;
            self.session.set_batch(batch);
            return false;
        }
        let slow = taken > SLOW.saturating_mul(u32::try_from(heard).unwrap_or(u32::MAX));
        self.batch = if slow { 1 } else { (self.batch * 2).min(BATCH) };
        self.session.set_batch(self.batch);
        let over = now.saturating_sub(self.turn_began) > TURN;
        if over {
            // The next turn may go on with what has been asked for, without a step of its own.
            self.turn_began = now;
        }
        over
    }
}
