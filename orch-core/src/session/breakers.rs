//! Circuit breakers of real runs: runs share them by name, and a run asks them before its attempts begin.
//!
//! A run tells how a breaker stands that it has asked when that differs from what it told last (at first: closed), whoever
//! changed it: at once when it was the run itself, at its next look when it was another run or somebody's hand. What was
//! changed back in between it does not tell, nor what the end of its last task changes.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, mem,
    sync::{Arc, Weak},
    time::Duration,
};

use super::claims::RunClaims;
use crate::{
    clock::Clock,
    definition::{BreakerOptions, WhenOpen},
    event::{BreakerState, Event, EventKind, Failure},
    executor::RunShared,
    id::TaskIx,
    recovery::breaker::{Ask, BreakerStatus, BreakerTable, Ticket},
    run::{Machine, Message},
    sync::{Mutex, lock},
};

/// Circuit breakers that runs share. Cheap to clone; clones share the breakers.
///
/// All runs of an [`Engine`](crate::Engine) share its breakers ([`Engine::breakers`](crate::Engine::breakers)); so do engines
/// that were [built](crate::EngineBuilder::breakers) with clones. Tasks name theirs with
/// [`Task::breaker`](crate::Task::breaker), of whichever graph: the same name is the same breaker.
///
/// ```
/// use orch_core::{BreakerOptions, BreakerState, Engine, Graph, Plan, PlanOptions, RunOptions, Task, TaskContext};
///
/// # #[tokio::main]
/// # async fn main() -> orch_core::Result<()> {
/// let careful = BreakerOptions { failure_threshold: 1, ..BreakerOptions::default() };
/// let graph = Graph::builder("calls").breaker("crm", careful).task(Task::new("fetch").breaker("crm")).build()?;
/// let plan = Plan::new(&graph, &PlanOptions::default())?;
/// let engine = Engine::builder().executor(async |_: TaskContext| orch_core::Outcome::failed("503")).build()?;
/// engine.run(&plan, RunOptions::default()).await?;
///
/// let crm = engine.breakers().find("crm").unwrap();
/// assert_eq!((crm.state, crm.why.unwrap().message.as_str()), (BreakerState::Open, "503"));
/// assert!(engine.breakers().reset("crm"));
/// assert_eq!(engine.breakers().find("crm").unwrap().state, BreakerState::Closed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Breakers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: BreakerTable,
    /// The runs that asked, to be woken when somebody may get through.
    runs: Vec<Weak<RunShared>>,
}

impl Breakers {
    /// Breakers whose time is that clock's. [`Breakers::default`] has the system's.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared { clock, state: Mutex::default() }))
    }

    /// Says how the breaker of that name behaves, from now on, whatever graphs declare. What it counted stays.
    pub fn set(&self, name: &str, options: BreakerOptions) {
        lock(&self.0.state).table.set(name, options);
        self.ring(None);
    }

    /// How all breakers stand that some run has asked, or that were [set](Breakers::set), by name. An open one stays open
    /// until somebody asks after its reset time.
    pub fn list(&self) -> Vec<BreakerStatus> {
        let now = self.0.clock.elapsed();
        lock(&self.0.state).table.list(now)
    }

    /// How the breaker of that name stands; `None`: nobody asked it yet.
    pub fn find(&self, name: &str) -> Option<BreakerStatus> {
        let now = self.0.clock.elapsed();
        lock(&self.0.state).table.status(name, now)
    }

    /// Closes a breaker by hand: what waits for it begins, and what it counted is forgotten. Answers whether there is one of
    /// that name.
    pub fn reset(&self, name: &str) -> bool {
        let known = lock(&self.0.state).table.reset(name);
        if known {
            self.ring(None);
        }
        known
    }

    /// Wakes the runs that asked, but for the one that knows already.
    fn ring(&self, but: Option<&Arc<RunShared>>) {
        let mut state = lock(&self.0.state);
        state.runs.retain(|run| run.strong_count() > 0);
        let runs: Vec<Arc<RunShared>> = state.runs.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        let others = runs.iter().filter(|run| but.is_none_or(|but| !Arc::ptr_eq(run, but)));
        others.for_each(|run| run.news.ring());
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

/// What a task hears that wants to begin.
#[derive(Debug, PartialEq)]
pub(super) enum Permit {
    /// It may.
    Begin,
    /// It waits; [`RunBreakers::turn`] says when to ask again.
    Wait,
    /// Its attempt fails, and the next one waits at least so long.
    Refused(Failure, Duration),
}

impl Permit {
    /// What the machine is told; `None`: it hears nothing yet.
    pub(super) fn message(self, task: TaskIx) -> Option<Message> {
        match self {
            Self::Begin => Some(Message::Granted { task }),
            Self::Wait => None,
            Self::Refused(failure, again_in) => Some(Message::Refused { task, failure: Box::new(failure), again_in }),
        }
    }
}

/// The breakers of one run.
///
/// A task looks at its breaker before it claims anything, so that it does not wait for locks in vain, and asks it when it
/// has what it claims, so that no probe waits for locks. If the breaker changes before the attempt has a place, the task asks
/// again.
pub(super) struct RunBreakers {
    breakers: Breakers,
    run: Arc<RunShared>,
    /// The runs that are woken know this one.
    listens: bool,
    /// Attempts that were let through.
    tickets: HashMap<TaskIx, (Arc<str>, Ticket)>,
    /// Tasks that were not, and when to ask again by the breakers' clock.
    waiting: HashMap<TaskIx, Duration>,
    /// The earliest of those times, or an earlier one.
    next: Option<Duration>,
    /// What was told last of those that were asked.
    told: BTreeMap<Arc<str>, BreakerState>,
    /// Something may be different.
    stirred: bool,
    /// Something is different, and what was let through may not be any more.
    changed: bool,
}

impl RunBreakers {
    pub(super) fn new(breakers: &Breakers, run: &Arc<RunShared>) -> Self {
        let (breakers, run) = (breakers.clone(), run.clone());
        let (listens, tickets, waiting, next, told, stirred, changed) = Default::default();
        Self { breakers, run, listens, tickets, waiting, next, told, stirred, changed }
    }

    /// Whether the task may claim what it claims, in order to begin.
    pub(super) fn look(&mut self, task: TaskIx, machine: &Machine, messages: &mut Vec<Message>) -> Permit {
        self.ask_with(task, machine, messages, |table, name, declared, now| match table.later(name, declared, now) {
            Some(at) => Err(at),
            None => Ok(None),
        })
    }

    /// Whether an attempt of the task may begin now.
    pub(super) fn ask(&mut self, task: TaskIx, machine: &Machine, messages: &mut Vec<Message>) -> Permit {
        self.ask_with(task, machine, messages, |table, name, declared, now| match table.ask(name, declared, now) {
            Ask::Begin(ticket) => Ok(Some(ticket)),
            Ask::Later(at) => Err(at),
        })
    }

    fn ask_with(
        &mut self,
        task: TaskIx,
        machine: &Machine,
        messages: &mut Vec<Message>,
        ask: impl FnOnce(&mut BreakerTable, &str, &BreakerOptions, Duration) -> Result<Option<Ticket>, Duration>,
    ) -> Permit {
        let graph = machine.graph();
        let Some(name) = graph.task(task).options().breaker.as_deref() else { return Permit::Begin };
        let default = BreakerOptions::default();
        let declared = graph.breakers().get(name).unwrap_or(&default);
        let now = self.breakers.0.clock.elapsed();
        let mut state = lock(&self.breakers.0.state);
        if !self.listens {
            self.listens = true;
            state.runs.push(Arc::downgrade(&self.run));
        }
        let answer = ask(&mut state.table, name, declared, now);
        let status = state.table.status(name, now);
        drop(state);
        let name = self.known(name);
        self.tell(&name, status.as_ref(), messages);
        match (answer, status) {
            (Ok(ticket), _) => {
                self.tickets.extend(ticket.map(|ticket| (task, (name, ticket))));
                Permit::Begin
            }
            (Err(_), Some(status)) if status.options.when_open == WhenOpen::Fail => {
                Permit::Refused(status.refusal(), status.probe_in.unwrap_or_default())
            }
            (Err(at), _) => {
                self.wait(task, at);
                Permit::Wait
            }
        }
    }

    /// Tells what locks answered; but who is granted what it claims begins only if its breaker lets it.
    pub(super) fn admit(
        &mut self,
        heard: Vec<Message>,
        machine: &Machine,
        claims: &mut RunClaims,
        messages: &mut Vec<Message>,
    ) {
        for message in heard {
            match message {
                Message::Granted { task } if machine.is_claiming(task) => {
                    let permit = self.ask(task, machine, messages);
                    if permit != Permit::Begin {
                        claims.release(task);
                    }
                    messages.extend(permit.message(task));
                }
                other => messages.push(other),
            }
        }
    }

    fn wait(&mut self, task: TaskIx, until: Duration) {
        self.waiting.insert(task, until);
        self.next = Some(self.next.map_or(until, |next| next.min(until)));
    }

    /// What others did may make a difference.
    pub(super) fn stir(&mut self) {
        self.stirred = true;
    }

    /// Looks again where something may be different: tells how breakers stand, takes back what was granted to tasks that have
    /// not begun, and answers who should [look](RunBreakers::look) again, the most critical first.
    pub(super) fn turn(&mut self, machine: &Machine, messages: &mut Vec<Message>) -> Vec<TaskIx> {
        let mut again = Vec::new();
        let stirred = mem::take(&mut self.stirred);
        if stirred || self.next.is_some() {
            let now = self.breakers.0.clock.elapsed();
            if stirred || self.next.is_some_and(|next| next <= now) {
                self.tell_all(now, messages);
                self.next = None;
                let mut state = lock(&self.breakers.0.state);
                let default = BreakerOptions::default();
                let (waiting, mut left) = (mem::take(&mut self.waiting), Vec::new());
                for task in waiting.into_keys() {
                    let Some(name) = machine.graph().task(task).options().breaker.as_deref() else { continue };
                    let declared = machine.graph().breakers().get(name).unwrap_or(&default);
                    match state.table.later(name, declared, now) {
                        Some(until) => left.push((task, until)),
                        None => again.push(task),
                    }
                }
                drop(state);
                left.into_iter().for_each(|(task, until)| self.wait(task, until));
                again.sort_by_key(|&task| machine.plan().rank(task));
            }
        }
        if mem::take(&mut self.changed) {
            let state = lock(&self.breakers.0.state);
            self.tickets.retain(|&task, (name, ticket)| {
                let stays = !machine.is_granted(task) || state.table.hears(name, *ticket);
                if !stays {
                    messages.push(Message::Revoked { task });
                }
                stays
            });
        }
        again
    }

    /// By the breakers' clock: how long until there is something to do, if nothing happens before.
    pub(super) fn wake_in(&self) -> Option<Duration> {
        Some(self.next?.saturating_sub(self.breakers.0.clock.elapsed()))
    }

    /// The attempt of that task will not begin after all, or nobody waits for it any more.
    pub(super) fn give_back(&mut self, task: TaskIx, messages: &mut Vec<Message>) {
        self.waiting.remove(&task);
        if let Some((name, ticket)) = self.tickets.remove(&task) {
            self.settle(&name, messages, |table, now| table.give_back(&name, ticket, now));
        }
    }

    /// An attempt ended.
    pub(super) fn hear(&mut self, event: &Event, messages: &mut Vec<Message>) {
        let (task, result) = match &event.kind {
            EventKind::TaskFinished { task, result, .. } => (*task, result.as_ref().map(|_| ()).map_err(|why| &**why)),
            EventKind::TaskRetrying { task, failure, .. } => (*task, Err(&**failure)),
            _ => return,
        };
        if let Some((name, ticket)) = self.tickets.remove(&task) {
            self.settle(&name, messages, |table, now| table.end(&name, ticket, now, result));
        }
    }

    fn settle(
        &mut self,
        name: &Arc<str>,
        messages: &mut Vec<Message>,
        change: impl FnOnce(&mut BreakerTable, Duration) -> bool,
    ) {
        let now = self.breakers.0.clock.elapsed();
        let mut state = lock(&self.breakers.0.state);
        let makes_way = change(&mut state.table, now);
        let status = state.table.status(name, now);
        drop(state);
        self.tell(name, status.as_ref(), messages);
        if makes_way {
            self.stirred = true;
            self.breakers.ring(Some(&self.run));
        }
    }

    fn known(&self, name: &str) -> Arc<str> {
        self.told.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone())
    }

    fn tell_all(&mut self, now: Duration, messages: &mut Vec<Message>) {
        let state = lock(&self.breakers.0.state);
        let all: Vec<_> = self.told.keys().map(|name| (name.clone(), state.table.status(name, now))).collect();
        drop(state);
        all.iter().for_each(|(name, status)| self.tell(name, status.as_ref(), messages));
    }

    fn tell(&mut self, name: &Arc<str>, status: Option<&BreakerStatus>, messages: &mut Vec<Message>) {
        let Some(status) = status else { return };
        let told = self.told.entry(name.clone()).or_default();
        if *told != status.state {
            *told = status.state;
            self.changed = true;
            messages.push(Message::Breaker {
                breaker: name.clone(),
                state: status.state,
                why: status.why.clone().map(Box::new),
                probe_in: status.probe_in,
            });
        }
    }
}

/// What a run that was dropped had under way says nothing, and holds no place.
impl Drop for RunBreakers {
    fn drop(&mut self) {
        let tasks: Vec<TaskIx> = self.tickets.keys().copied().collect();
        tasks.into_iter().for_each(|task| self.give_back(task, &mut Vec::new()));
    }
}

impl fmt::Debug for RunBreakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunBreakers").field("told", &self.told).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
