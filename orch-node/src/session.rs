//! One run, as the driver on the loop of Node sees it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;
use orch_core::{
    Clock, Error, ErrorKind, EventKind, Executor, Hand, Output, PriceSource, PriceTable, TaskIx,
    run::{Attempt, Message},
    session::Native,
};
use serde_json::{Map, Value};

use crate::{
    convert,
    error::Raised,
    event::{Batch, Events},
    plan::Plan,
    programs::{Known, Programs},
    report::Report,
    told::{Options, message, worked},
    wake::Waker,
};

/// In the answer of a step, beside how many to begin: read the [`news`](Session::news).
const NEWS: u32 = 1 << 24;
/// In the answer of a step: more could begin at once.
const MORE: u32 = 1 << 25;
/// In the answer of a step, which did nothing: let others of the loop have a turn first.
const TURN_OVER: u32 = 1 << 26;
/// In the answer of a step: there are events to [take](Session::take_events), which has time until others have had a turn.
const EVENTS: u32 = 1 << 28;
/// In the answer of a step: the one task to begin.
const ONE: u32 = 1 << 27;

/// How many events may wait until others of the loop have had a turn.
const PRESSING: usize = 1024;

/// How long a run goes on without letting timers and others of the loop have a turn.
const TURN: Duration = Duration::from_millis(8);

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

/// One run. `step` tells it what finished and answers what to begin.
#[napi]
pub struct Session {
    session: orch_core::session::Session,
    clock: Clock,
    /// Where time stands still.
    hand: Option<Hand>,
    finished: Vec<Message>,
    events: Option<Batch>,
    programs: Option<(Arc<dyn Executor>, Arc<Known>)>,
    natives: HashMap<TaskIx, (Attempt, Native)>,
    /// How many tasks the graph had at first: the driver knows what these call.
    known: usize,
    /// Plain ones to begin, of the latest step.
    plain: Vec<u32>,
    /// Not told yet.
    starts: Vec<Attempt>,
    cancels: Vec<Attempt>,
    wake_at: Option<Duration>,
    told_wake_at: Option<Duration>,
    turn_began: Duration,
}

#[napi]
impl Session {
    /// `number` is what the waker is called with; without one the run must not need to be woken.
    #[napi(constructor)]
    pub fn new(
        plan: &Plan,
        options: Option<String>,
        events: bool,
        waker: Option<&Waker>,
        number: u32,
        programs: Option<&Programs>,
    ) -> napi::Result<Self> {
        let mut options = Options::read(options.as_deref())?;
        options.prices = programs.is_some().then(|| Arc::new(PriceTable::bundled()) as Arc<dyn PriceSource>);
        let wake = waker.map_or_else(|| Arc::new(|| ()) as Arc<dyn Fn() + Send + Sync>, |waker| waker.of(number));
        let session = orch_core::session::Session::new(&plan.0, options, wake).raised()?;
        Ok(Self {
            session,
            clock: Clock::system(),
            hand: None,
            finished: Vec::new(),
            events: events.then(Batch::default),
            programs: programs.map(|programs| (programs.executor.clone(), programs.known.clone())),
            natives: HashMap::new(),
            known: plan.0.graph().len(),
            plain: Vec::new(),
            starts: Vec::new(),
            cancels: Vec::new(),
            wake_at: None,
            told_wake_at: None,
            turn_began: Duration::ZERO,
        })
    }

    /// Hears what was [told](Self::tell), and that the first attempts of these tasks worked: the first `count` of `places`.
    ///
    /// Answers one number: the place of the task to begin, with the sign [`ONE`], or how many there are to begin, whose places
    /// [`starts`](Self::starts) has; with signs.
    #[napi]
    pub fn step(&mut self, places: &[u32], count: u32) -> napi::Result<u32> {
        let plain = places.iter().take(count as usize).map(|&place| worked(place.into(), 1, Output::NOTHING));
        self.finished.extend(plain);
        self.go_on()
    }

    /// The same for one task: the quickest.
    #[napi]
    pub fn step_one(&mut self, place: u32) -> napi::Result<u32> {
        self.finished.push(worked(place.into(), 1, Output::NOTHING));
        self.go_on()
    }

    /// How many attempts one step begins at most.
    #[napi]
    pub fn set_batch(&mut self, batch: u32) {
        self.session.set_batch(batch as usize);
    }

    /// The places of the tasks to begin: once after a step that says that there is more than one.
    #[napi]
    pub fn starts(&mut self) -> Uint32Array {
        std::mem::take(&mut self.plain).into()
    }

    /// Tells something for the next step: see [`message`].
    #[napi]
    pub fn tell(&mut self, task: u32, attempt: u32, kind: String, text: Option<String>) -> napi::Result<()> {
        self.finished.push(message(task, attempt, &kind, text)?);
        Ok(())
    }

    /// Tells for the next step that the first attempts of these tasks worked.
    #[napi]
    pub fn tell_done(&mut self, places: &[u32]) {
        self.finished.extend(places.iter().map(|&place| worked(place.into(), 1, Output::NOTHING)));
    }

    /// What `step` had to say beside plain starts.
    #[napi]
    pub fn news(&mut self) -> News {
        let told = |attempt: Attempt| [attempt.task.index() as u32, attempt.number, u32::from(attempt.undo)];
        self.told_wake_at = self.wake_at;
        let now = self.clock.elapsed();
        News {
            starts: self.starts.drain(..).flat_map(told).collect(),
            cancels: self.cancels.drain(..).flat_map(told).collect(),
            wake_in_ms: self.wake_at.map(|at| at.saturating_sub(now).as_secs_f64() * 1000.0),
            state: self.session.state().name(),
            size: self.session.graph().len() as u32,
        }
    }

    /// The events since the last call.
    #[napi]
    pub fn take_events(&mut self) -> Option<Events> {
        self.events.as_mut().filter(|events| !events.is_empty()).map(Batch::take)
    }

    /// Makes time stand still but for [`advance`](Self::advance): for tests, before the first step.
    #[napi]
    pub fn hold(&mut self) {
        let (clock, hand) = Clock::manual();
        (self.clock, self.hand) = (clock, Some(hand));
    }

    /// Moves the time on, by milliseconds, where it stands still.
    #[napi]
    pub fn advance(&self, ms: f64) -> napi::Result<()> {
        if let Some(hand) = &self.hand {
            hand.advance(convert::duration(ms)?);
        }
        Ok(())
    }

    /// Asks the run to stop; the next step carries it out.
    #[napi]
    pub fn cancel(&mut self, reason: String) {
        self.session.cancel(reason);
    }

    /// The values, by key, that an attempt reads, as JSON.
    #[napi]
    pub fn values(&mut self, task: u32, number: u32, undo: bool) -> napi::Result<Option<String>> {
        let attempt = Attempt { task: task.into(), number, undo };
        let Some(inputs) = self.session.inputs(attempt) else { return Ok(None) };
        let values: Map<String, Value> =
            inputs.values().iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        convert::shown(&values).map(Some)
    }

    /// A task by its place, also one that the run added.
    #[napi]
    pub fn task(&self, task: u32) -> napi::Result<Met> {
        let (graph, ix) = (self.session.graph(), TaskIx::from(task));
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
        let report = self.session.report();
        let output = ((task as usize) < report.graph().len()).then(|| report.task(task.into()).output().clone());
        output.unwrap_or_default().json().map(convert::shown).transpose()
    }

    /// The report so far, with prices where models were used.
    #[napi]
    pub fn report(&self) -> Report {
        Report(self.session.priced_report())
    }

    /// The name of the run.
    #[napi(getter)]
    pub fn run(&self) -> String {
        self.session.run().to_string()
    }
}

impl Session {
    fn go_on(&mut self) -> napi::Result<u32> {
        let now = self.clock.elapsed();
        if now.saturating_sub(self.turn_began) > TURN {
            self.turn_began = now;
            return Ok(TURN_OVER);
        }
        let actions = self.session.step(now, &mut self.finished);
        self.wake_at = actions.wake_at;
        let known = self.known;
        let is_plain = |attempt: &Attempt| attempt.number == 1 && !attempt.undo && attempt.task.index() < known;
        self.plain.clear();
        if self.programs.is_some() {
            self.starts.extend_from_slice(&actions.start);
        } else {
            for attempt in &actions.start {
                if is_plain(attempt) {
                    self.plain.push(attempt.task.index() as u32);
                } else {
                    self.starts.push(*attempt);
                }
            }
        }
        self.cancels.extend_from_slice(&actions.cancel);
        let more = actions.more;
        let ended = actions.events.last().is_some_and(|event| matches!(event.kind, EventKind::RunFinished { .. }));
        let (mut events_wait, mut events_press) = (false, false);
        if let Some(events) = &mut self.events {
            events.hear(&actions.events);
            events.write(self.session.graph())?;
            events_wait = !events.is_empty();
            events_press = events.len() >= PRESSING;
        }
        if self.programs.is_some() {
            self.begin_programs()?;
        }
        let news = ended
            || events_press
            || !self.starts.is_empty()
            || !self.cancels.is_empty()
            || self.wake_at != self.told_wake_at;
        let sign = |holds: bool, sign: u32| if holds { sign } else { 0 };
        let signs = sign(news, NEWS) | sign(more, MORE) | sign(events_wait, EVENTS);
        Ok(match self.plain[..] {
            [place] if place < NEWS => place | ONE | signs,
            _ => self.plain.len() as u32 | signs,
        })
    }

    /// Begins and stops what programs do, which the driver in JavaScript does not see.
    fn begin_programs(&mut self) -> napi::Result<()> {
        let Some((executor, known)) = &self.programs else { return Ok(()) };
        let graph = self.session.graph().clone();
        let (natives, session) = (&mut self.natives, &mut self.session);
        let mut failed = Ok(());
        self.starts.retain(|attempt| {
            if !known.runs(&graph, attempt.task, attempt.undo) {
                return true;
            }
            match session.spawn(executor, *attempt).raised() {
                // It takes the place of an earlier attempt of the task, which is over.
                Ok(begun) => drop(natives.insert(attempt.task, (*attempt, begun))),
                Err(error) => failed = Err(error),
            }
            false
        });
        self.cancels.retain(|attempt| match natives.get(&attempt.task) {
            Some((of, native)) if of == attempt => {
                native.stop();
                false
            }
            _ => true,
        });
        failed
    }
}
