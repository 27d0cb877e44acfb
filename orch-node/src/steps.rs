//! One step of a run: what the driver in JavaScript is told to do, packed so that it crosses quickly.

use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

use orch_core::{
    Clock, Error, ErrorKind, EventKind, Executor, Hand, RunId, RunState, TaskIx, Usage,
    executor::Doers,
    run::{Actions, Attempt, Message},
    session::Native,
};

use crate::{error::Raised, event::Batch};

/// In the answer of a step, beside how many to begin: read the [`news`](super::session::Session::news).
const NEWS: u32 = 1 << 24;
/// In the answer of a step: more could begin at once.
const MORE: u32 = 1 << 25;
/// In the answer of a step, which did nothing: let others of the loop have a turn first.
const TURN_OVER: u32 = 1 << 26;
/// In the answer of a step: there are events to [take](super::session::Session::take_events), which has time until others have had a turn.
const EVENTS: u32 = 1 << 28;
/// In the answer of a step: the one task to begin.
const ONE: u32 = 1 << 27;

/// How many events may wait until others of the loop have had a turn.
const PRESSING: usize = 1024;

/// How long a run goes on without letting timers and others of the loop have a turn.
const TURN: Duration = Duration::from_millis(8);

/// From how many events or messages on a room is not kept.
const LARGE: usize = 1 << 14;

/// The state of one run.
pub(crate) struct Steps {
    /// Until the run is over and its report was asked for.
    pub(crate) session: Option<Box<orch_core::session::Session>>,
    /// From then on: what the run meant, and its name. The rest does not wait for the collector of garbage.
    pub(crate) over: Option<(Arc<orch_core::Report>, RunId)>,
    pub(crate) clock: Clock,
    /// Where time stands still.
    pub(crate) hand: Option<Hand>,
    pub(crate) finished: Vec<Message>,
    pub(crate) events: Option<Batch>,
    pub(crate) programs: Option<(Arc<dyn Executor>, Arc<Doers>)>,
    /// Whether a store keeps the run, which may fail.
    pub(crate) kept: bool,
    pub(crate) natives: HashMap<TaskIx, (Attempt, Native)>,
    /// What attempts that are under way say that they used.
    pub(crate) used: HashMap<TaskIx, (u32, Usage)>,
    /// How many tasks the graph had at first: the driver knows what these call.
    pub(crate) known: usize,
    /// Plain ones to begin, of the latest step.
    pub(crate) plain: Vec<u32>,
    /// Not told yet.
    pub(crate) starts: Vec<Attempt>,
    pub(crate) cancels: Vec<Attempt>,
    pub(crate) wake_at: Option<Duration>,
    pub(crate) told_wake_at: Option<Duration>,
    pub(crate) turn_began: Duration,
}

/// Where a run writes. The next one of the thread takes it over: to write to memory that is new to the process takes longer than most
/// that is done for a task.
#[derive(Default)]
pub(crate) struct Room {
    pub(crate) actions: Actions,
    pub(crate) finished: Vec<Message>,
    pub(crate) plain: Vec<u32>,
    pub(crate) batch: Batch,
}

thread_local! {
    static ROOM: Cell<Option<Room>> = const { Cell::new(None) };
}

impl Room {
    /// The one that is free, else a new one.
    pub(crate) fn find() -> Self {
        ROOM.take().unwrap_or_default()
    }

    /// Leaves it to the next run, unless it is large.
    fn leave(mut self) {
        if self.actions.events.capacity().max(self.finished.capacity()) > LARGE {
            return;
        }
        self.finished.clear();
        self.batch.clear();
        ROOM.set(Some(self));
    }
}

impl Steps {
    /// What is known so far, without prices.
    pub(crate) fn known_so_far(&self) -> napi::Result<&orch_core::Report> {
        let over = self.over.as_ref().map(|(report, _)| &**report);
        let known = over.or_else(|| self.session.as_ref().map(|session| session.report()));
        known.ok_or_else(|| Error::new(ErrorKind::Misuse, "the run has no report")).raised()
    }

    /// The same with prices; when the run is over, nothing else is kept of it.
    pub(crate) fn report(&mut self) -> napi::Result<Arc<orch_core::Report>> {
        let running = |session: &mut Box<orch_core::session::Session>| session.state() == RunState::Running;
        if let Some(mut session) = self.session.take_if(|session| !running(session)) {
            let run = session.run();
            let room = Room {
                actions: session.take_room(),
                finished: std::mem::take(&mut self.finished),
                plain: std::mem::take(&mut self.plain),
                // What nobody took is told to nobody.
                batch: self.events.as_mut().map(std::mem::take).unwrap_or_default(),
            };
            self.over = Some((Arc::new(session.into_report()), run));
            self.natives.clear();
            room.leave();
        }
        match (&self.over, &self.session) {
            (Some((report, _)), _) => Ok(report.clone()),
            (None, Some(session)) => Ok(Arc::new(session.priced_report())),
            (None, None) => Err(Error::new(ErrorKind::Misuse, "the run has no report")).raised(),
        }
    }

    /// Hears what is in `finished` and answers how to go on.
    pub(crate) fn go_on(&mut self) -> napi::Result<u32> {
        let now = self.clock.elapsed();
        if now.saturating_sub(self.turn_began) > TURN {
            self.turn_began = now;
            return Ok(TURN_OVER);
        }
        let Some(session) = &mut self.session else { return Ok(0) };
        if !self.used.is_empty() {
            for message in &mut self.finished {
                if let Message::Finished { task, attempt, outcome } = message
                    && let Some((_, usage)) = self.used.remove(task).filter(|(number, _)| number == attempt)
                {
                    outcome.usage = Some(Box::new(usage));
                }
            }
        }
        let actions = session.step(now, &mut self.finished);
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
        let last = actions.events.last().map(|event| &event.kind);
        let mut ended = matches!(last, Some(EventKind::RunFinished { .. }));
        let (mut events_wait, mut events_press) = (false, false);
        if let Some(events) = &mut self.events {
            events.hear(&actions.events);
            events.write(session.graph())?;
            events_wait = !events.is_empty();
            events_press = events.len() >= PRESSING;
        }
        if self.programs.is_some() {
            self.begin_programs()?;
        }
        ended |= self.kept && self.session.as_ref().is_some_and(|session| session.state() != RunState::Running);
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
        let Some((executor, doers)) = &self.programs else { return Ok(()) };
        let Some(session) = &mut self.session else { return Ok(()) };
        let graph = session.graph().clone();
        let natives = &mut self.natives;
        let mut failed = Ok(());
        self.starts.retain(|attempt| {
            if !doers.is_program(&graph, attempt.task, attempt.undo) {
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
