//! One run, as the driver on the loop of Node sees it.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use napi::bindgen_prelude::{BufferSlice, Env, FnArgs, Function};
use napi_derive::napi;
use orch_core::{Clock, Error, ErrorKind, Output, TaskIx, Usage, run::Attempt};
use serde_json::{Map, Value};

use crate::{
    convert,
    error::Raised,
    event::Events,
    plan::Plan,
    report::Report,
    seams::Seams,
    steps::{Room, Steps},
    told::{Options, message, worked},
    wake::Waker,
};

/// What is rare in a run of plain tasks.
#[napi(object, object_from_js = false)]
pub struct News {
    /// Attempts to begin that are not first ones, or undo: place, number, whether it undoes (0 or 1).
    pub starts: Vec<u32>,
    /// Attempts to stop: place, number, whether it undoes.
    pub cancels: Vec<u32>,
    /// When to step again even if nothing happens: milliseconds from now.
    pub wake_in_ms: Option<f64>,
    /// How the run stands.
    pub state: &'static str,
    /// How many tasks the graph has by now.
    pub size: u32,
}

/// A task as the driver needs it that did not know it.
#[napi(object, object_from_js = false)]
pub struct Met {
    /// Its name.
    pub id: String,
    /// What it waits for, by place.
    pub parents: Vec<u32>,
    /// Its options, as JSON.
    pub options: String,
}

/// The runs of one thread of JavaScript, by key. A function that is given a key costs a tenth of a method, for which napi-rs finds
/// and checks the object: so the steps, which are many, are functions.
#[derive(Default)]
struct Live {
    runs: Vec<Option<Rc<RefCell<Steps>>>>,
    free: Vec<u32>,
}

impl Live {
    fn enter(&mut self, steps: Rc<RefCell<Steps>>) -> u32 {
        if let Some(key) = self.free.pop()
            && let Some(place) = self.runs.get_mut(key as usize)
        {
            *place = Some(steps);
            return key;
        }
        self.runs.push(Some(steps));
        self.runs.len() as u32 - 1
    }

    fn leave(&mut self, key: u32) -> Option<Rc<RefCell<Steps>>> {
        let steps = self.runs.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(steps)
    }
}

thread_local! {
    static LIVE: RefCell<Live> = RefCell::default();
}

fn with<T>(key: u32, call: impl FnOnce(&mut Steps) -> napi::Result<T>) -> napi::Result<T> {
    let found = LIVE.with_borrow(|live| live.runs.get(key as usize).cloned().flatten());
    match found {
        Some(steps) => call(&mut steps.borrow_mut()),
        None => Err(Error::new(ErrorKind::NotFound, format!("there is no run {key}"))).raised(),
    }
}

/// Hears what was [told](Session::tell), and that the first attempts of these tasks worked: the first `count` of `places`.
///
/// Answers one number: the place of the task to begin, with the sign `ONE`, or how many there are to begin, whose places are
/// written into `starts`, the bytes of another array; with signs.
#[napi]
pub fn step(key: u32, places: &[u32], count: u32, mut starts: BufferSlice) -> napi::Result<u32> {
    with(key, |steps| {
        let plain = places.iter().take(count as usize).map(|&place| worked(place.into(), 1, Output::NOTHING));
        steps.finished.extend(plain);
        let word = steps.go_on()?;
        write(&steps.plain, &mut starts);
        Ok(word)
    })
}

/// What does the same for one task, given the key and its place: the quickest. What is to begin after it is mostly one; else [`starts`] has
/// the places.
// A function made of a closure: around each that napi-rs derives it keeps account of objects that are lent, which allocates.
#[napi]
pub fn stepper(env: &Env) -> napi::Result<Function<'_, FnArgs<(u32, u32)>, u32>> {
    env.create_function_from_closure("stepOne", |call| {
        let (key, place) = (call.get::<u32>(0)?, call.get::<u32>(1)?);
        with(key, |steps| {
            steps.finished.push(worked(place.into(), 1, Output::NOTHING));
            steps.go_on()
        })
    })
}

/// Writes the places of the tasks to begin, after a step of one task that says that there are some.
#[napi]
pub fn starts(key: u32, mut starts: BufferSlice) -> napi::Result<()> {
    with(key, |steps| {
        write(&steps.plain, &mut starts);
        Ok(())
    })
}

/// There is room for all: a [batch](Session::set_batch) is no greater.
fn write(places: &[u32], room: &mut [u8]) {
    let (slots, _) = room.as_chunks_mut::<4>();
    places.iter().zip(slots).for_each(|(place, slot)| *slot = place.to_ne_bytes());
}

/// One run. [`step`] tells it what finished and answers what to begin.
#[napi]
pub struct Session {
    /// Where the functions find it.
    key: u32,
    steps: Rc<RefCell<Steps>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // The thread may be ending, and its table gone. What is dropped here may look at the table: after it is free.
        drop(LIVE.try_with(|live| live.try_borrow_mut().ok().and_then(|mut live| live.leave(self.key))));
    }
}

#[napi]
impl Session {
    /// Where the functions find it.
    #[napi(getter)]
    pub fn key(&self) -> u32 {
        self.key
    }

    /// `number` is what the waker is called with; without one the run must not need to be woken. Blocks for as long as a store
    /// takes to say whose the run is.
    #[napi(constructor)]
    pub fn new(
        plan: &Plan,
        options: Option<String>,
        events: bool,
        waker: Option<&Waker>,
        number: u32,
        seams: Option<&Seams>,
    ) -> napi::Result<Self> {
        let mut options = Options::read(options.as_deref())?;
        if let Some(seams) = seams {
            seams.give(&mut options);
        }
        let wake = waker.map_or_else(|| Arc::new(|| ()) as Arc<dyn Fn() + Send + Sync>, |waker| waker.of(number));
        let mut session = orch_core::session::Session::new(&plan.0, options, wake).raised()?;
        let Room { actions, finished, plain, batch } = Room::find();
        session.reuse(actions);
        let steps = Steps {
            session: Some(Box::new(session)),
            over: None,
            clock: Clock::system(),
            hand: None,
            finished,
            events: events.then_some(batch),
            programs: seams.and_then(|seams| seams.programs.clone()),
            kept: seams.is_some_and(Seams::keeps),
            natives: HashMap::new(),
            used: HashMap::new(),
            known: plan.0.graph().len(),
            plain,
            starts: Vec::new(),
            cancels: Vec::new(),
            wake_at: None,
            told_wake_at: None,
            turn_began: Duration::ZERO,
        };
        let steps = Rc::new(RefCell::new(steps));
        let key = LIVE.with_borrow_mut(|live| live.enter(steps.clone()));
        Ok(Self { key, steps })
    }

    /// How many attempts one step begins at most.
    #[napi]
    pub fn set_batch(&self, batch: u32) {
        let steps = &mut *self.steps.borrow_mut();
        if let Some(session) = &mut steps.session {
            session.set_batch(batch as usize);
        }
    }

    /// Tells something for the next step: what it may be is in `message`.
    #[napi]
    pub fn tell(&self, task: u32, attempt: u32, kind: String, text: Option<String>) -> napi::Result<()> {
        let steps = &mut *self.steps.borrow_mut();
        steps.finished.push(message(task, attempt, &kind, text)?);
        Ok(())
    }

    /// An attempt says what it used, as JSON; all that it says is added up, and belongs to it when it ends.
    #[napi]
    pub fn used(&self, task: u32, number: u32, usage: String) -> napi::Result<()> {
        let usage: Usage = convert::read(&usage, "what was used")?;
        let steps = &mut *self.steps.borrow_mut();
        let (of, sum) = steps.used.entry(task.into()).or_default();
        if *of != number {
            (*of, *sum) = (number, Usage::default());
        }
        sum.add(&usage);
        Ok(())
    }

    /// Tells for the next step that the first attempts of these tasks worked.
    #[napi]
    pub fn tell_done(&self, places: &[u32]) {
        let steps = &mut *self.steps.borrow_mut();
        steps.finished.extend(places.iter().map(|&place| worked(place.into(), 1, Output::NOTHING)));
    }

    /// What `step` had to say beside plain starts.
    #[napi]
    pub fn news(&self) -> napi::Result<News> {
        let steps = &mut *self.steps.borrow_mut();
        if steps.kept
            && let Some(error) = steps.session.as_ref().and_then(|session| session.store_error())
        {
            return Err(error).raised();
        }
        let told = |attempt: Attempt| [attempt.task.index() as u32, attempt.number, u32::from(attempt.undo)];
        steps.told_wake_at = steps.wake_at;
        let now = steps.clock.elapsed();
        Ok(News {
            starts: steps.starts.drain(..).flat_map(told).collect(),
            cancels: steps.cancels.drain(..).flat_map(told).collect(),
            wake_in_ms: steps.wake_at.map(|at| at.saturating_sub(now).as_secs_f64() * 1000.0),
            state: steps.session.as_ref().map_or("", |session| session.state().name()),
            size: steps.known_so_far()?.graph().len() as u32,
        })
    }

    /// The events since the last call: their numbers are written into `room`, the bytes of an array.
    #[napi]
    pub fn take_events(&self, mut room: BufferSlice) -> Option<Events> {
        let steps = &mut *self.steps.borrow_mut();
        steps.events.as_mut().filter(|events| !events.is_empty()).map(|events| events.take(&mut room))
    }

    /// Makes time stand still but for [`advance`](Self::advance): for tests, before the first step.
    #[napi]
    pub fn hold(&self) {
        let steps = &mut *self.steps.borrow_mut();
        let (clock, hand) = Clock::manual();
        (steps.clock, steps.hand) = (clock, Some(hand));
    }

    /// Moves the time on, by milliseconds, where it stands still.
    #[napi]
    pub fn advance(&self, ms: f64) -> napi::Result<()> {
        let steps = self.steps.borrow();
        if let Some(hand) = &steps.hand {
            hand.advance(convert::duration(ms)?);
        }
        Ok(())
    }

    /// Asks the run to stop; the next step carries it out.
    #[napi]
    pub fn cancel(&self, reason: String) {
        let steps = &mut *self.steps.borrow_mut();
        if let Some(session) = &mut steps.session {
            session.cancel(reason);
        }
    }

    /// The values, by key, that an attempt reads, as JSON.
    #[napi]
    pub fn values(&self, task: u32, number: u32, undo: bool) -> napi::Result<Option<String>> {
        let steps = &mut *self.steps.borrow_mut();
        let attempt = Attempt { task: task.into(), number, undo };
        let Some(inputs) = steps.session.as_mut().and_then(|session| session.inputs(attempt)) else { return Ok(None) };
        let values: Map<String, Value> =
            inputs.values().iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        convert::shown(&values).map(Some)
    }

    /// The fence under which an attempt has what its task claims; nothing if it claims nothing.
    #[napi]
    pub fn fence(&self, task: u32, number: u32, undo: bool) -> Option<f64> {
        let steps = &mut *self.steps.borrow_mut();
        let attempt = Attempt { task: task.into(), number, undo };
        let inputs = steps.session.as_mut().and_then(|session| session.inputs(attempt))?;
        // Numbers of JavaScript are whole up to 2^53, which takes 2^29 turns of processes.
        inputs.fence().map(|fence| fence as f64)
    }

    /// The cheaper model that a budget wants of an attempt, else the first that its task expects to use.
    #[napi]
    pub fn model(&self, task: u32, number: u32, undo: bool) -> Option<String> {
        let steps = &mut *self.steps.borrow_mut();
        let attempt = Attempt { task: task.into(), number, undo };
        let session = steps.session.as_mut()?;
        let wanted = session.inputs(attempt).and_then(|inputs| inputs.model().map(str::to_owned));
        let expects = || session.graph().task(attempt.task).options().expects.models().first().cloned();
        wanted.or_else(|| expects().map(|usage| usage.model))
    }

    /// What an attempt may spend at most, as decimal text, as the budget stood when it began; nothing where there is no limit.
    #[napi]
    pub fn budget(&self, task: u32, number: u32, undo: bool) -> Option<String> {
        let steps = &mut *self.steps.borrow_mut();
        let attempt = Attempt { task: task.into(), number, undo };
        let inputs = steps.session.as_mut().and_then(|session| session.inputs(attempt))?;
        inputs.budget().map(|usd| usd.to_decimal())
    }

    /// A task by its place, also one that the run added.
    #[napi]
    pub fn task(&self, task: u32) -> napi::Result<Met> {
        let steps = self.steps.borrow();
        let (graph, ix) = (steps.known_so_far()?.graph(), TaskIx::from(task));
        if ix.index() >= graph.len() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no task at place {task}"))).raised();
        }
        Ok(Met {
            id: graph.id(ix).as_str().to_owned(),
            parents: graph.parents(ix).map(|parent| parent.index() as u32).collect(),
            options: convert::shown(graph.task(ix).options())?,
        })
    }

    /// What a task made, where it has crossed as JSON.
    #[napi]
    pub fn output(&self, task: u32) -> napi::Result<Option<String>> {
        let steps = self.steps.borrow();
        let report = steps.known_so_far()?;
        let output = ((task as usize) < report.graph().len()).then(|| report.task(task.into()).output().clone());
        output.unwrap_or_default().json().map(convert::shown).transpose()
    }

    /// The report so far, with prices where models were used. When the run is over, only this is kept of it.
    #[napi]
    pub fn report(&self) -> napi::Result<Report> {
        self.steps.borrow_mut().report().map(Report)
    }

    /// What a service knows an attempt by that may be repeated.
    #[napi]
    pub fn idempotency_key(&self, task: u32, number: u32, undo: bool) -> napi::Result<String> {
        let steps = &mut *self.steps.borrow_mut();
        let over = || Error::new(ErrorKind::Misuse, "the run is over, and so is the attempt");
        let session = steps.session.as_ref().ok_or_else(over).raised()?;
        Ok(session.idempotency_key(Attempt { task: task.into(), number, undo }))
    }

    /// The name of the run.
    #[napi(getter)]
    pub fn run(&self) -> String {
        let steps = self.steps.borrow();
        let run = steps.session.as_ref().map(|session| session.run());
        run.or_else(|| steps.over.as_ref().map(|(_, run)| *run)).map(|run| run.to_string()).unwrap_or_default()
    }
}
