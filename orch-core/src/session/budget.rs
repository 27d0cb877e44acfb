//! The money of a run: what an attempt may cost is reserved before it begins, and settled when it has ended.
//!
//! Tasks are asked about one after the other, the most critical first. Who has to wait for money keeps its place in the line of
//! that budget: what becomes free goes to it, and not to somebody less critical who came later. A store on a disk is asked by a
//! thread of the runtime for slow seams, in order; one in memory at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::{
    io,
    ledger::{Answer, Booked, Charge, Ledger, Priced},
};
use crate::{
    cost::{
        PriceSource,
        budget::{Column, Labels, Limit, Settled, Verdict},
        quotes,
    },
    error::{Error, Result},
    event::{Event, EventKind, Failure},
    executor::RunShared,
    id::{Printable, TaskIx},
    run::{Machine, Message},
    sync::{Mutex, lock},
    units::{Usage, Usd},
};

/// How often a task asks again that waits for what others, in other processes, have reserved.
const AGAIN: Duration = Duration::from_millis(250);

/// What runs may spend: an engine with a [budget](crate::EngineBuilder::budget) reserves in its ledger before each attempt, and settles
/// after it.
///
/// An attempt reserves what its task [expects](crate::Task::expects) to use, at the prices of now; who expects nothing begins as
/// long as anything is left. It is charged what it says that it used, or what its provider billed, also if it failed. Who expected
/// something and says nothing is charged what was reserved. Attempts to undo spend without asking.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Where limits and charges are.
    pub ledger: Ledger,
    /// What else is known of all that is spent: the worktree, the branch. The run, the phase, the task, the agent and the model are
    /// known of each charge anyway.
    pub labels: Labels,
}

impl Budget {
    /// With that ledger, and no further labels.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, labels: Labels::default() }
    }
}

/// What the clerk is to do.
enum Job {
    Reserve { task: TaskIx, nth: u64, parts: Vec<(Labels, Usd)> },
    Settle { task: TaskIx, id: String, charges: Option<Vec<Charge>> },
    Charge { task: TaskIx, charges: Vec<Charge> },
}

/// What came of it.
enum Done {
    Answered { task: TaskIx, nth: u64, answer: Result<Answer> },
    Settled { task: TaskIx, settled: Result<Settled> },
}

/// Does one job after the other.
struct Clerk {
    ledger: Ledger,
    run: Arc<RunShared>,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    todo: VecDeque<Job>,
    done: Vec<Done>,
    busy: bool,
    /// How many jobs were given and not heard of.
    open: usize,
    /// The run is gone: nothing is reserved for it any more.
    closed: bool,
}

impl Clerk {
    fn give(self: &Arc<Self>, job: Job) {
        let mut desk = lock(&self.desk);
        desk.open += 1;
        desk.todo.push_back(job);
        if std::mem::replace(&mut desk.busy, true) {
            return;
        }
        drop(desk);
        let runtime = if self.ledger.is_quick() { None } else { io::own() };
        match runtime {
            Some(runtime) => {
                let clerk = self.clone();
                drop(runtime.spawn_blocking(move || clerk.work()));
            }
            None => self.work(),
        }
    }

    fn work(&self) {
        loop {
            let job = {
                let mut desk = lock(&self.desk);
                let Some(job) = desk.todo.pop_front() else {
                    desk.busy = false;
                    break;
                };
                job
            };
            let done = match job {
                Job::Reserve { .. } if lock(&self.desk).closed => continue,
                Job::Reserve { task, nth, parts } => {
                    let answer = self.ledger.reserve(&parts);
                    if let (Ok(Answer::Granted(booked)), true) = (&answer, lock(&self.desk).closed) {
                        // Nobody is there to settle it. If it cannot be given back, it is in flight for people to see.
                        drop(self.ledger.settle(&booked.id, Vec::new()));
                    }
                    Done::Answered { task, nth, answer }
                }
                Job::Settle { task, id, charges } => {
                    let settled = match charges {
                        Some(charges) => self.ledger.settle(&id, charges),
                        None => self.ledger.assume(&id),
                    };
                    Done::Settled { task, settled }
                }
                Job::Charge { task, charges } => Done::Settled { task, settled: self.ledger.charge(&charges) },
            };
            lock(&self.desk).done.push(done);
            self.run.news.ring();
        }
    }
}

/// A task that wants money.
struct Asking {
    task: TaskIx,
    /// Tells its answer from that to an earlier question.
    nth: u64,
    stage: Stage,
}

enum Stage {
    /// It is its turn when nobody is before it.
    Fresh,
    /// The clerk has it.
    Asked,
    /// It waits in the line of that budget, and is asked about again at that time.
    Stuck { limit: String, due: Duration },
}

/// What an attempt has reserved.
struct Held {
    booked: Booked,
    parts: Vec<(Labels, Usd)>,
    /// It has begun, and may have spent.
    begun: bool,
}

/// The budget of one run.
pub(super) struct RunBudget {
    clerk: Arc<Clerk>,
    labels: Labels,
    prices: Option<Arc<dyn PriceSource>>,
    /// By rank: the most critical first.
    asking: BTreeMap<u32, Asking>,
    held: HashMap<TaskIx, Held>,
    asks: u64,
    /// Something was settled: who is stuck may look again.
    stirred: bool,
    /// Why no more is given: something was used whose price nobody knows.
    closed: Option<String>,
    trouble: Mutex<Option<Error>>,
}

impl RunBudget {
    pub(super) fn new(budget: &Budget, prices: Option<Arc<dyn PriceSource>>, run: &Arc<RunShared>) -> Self {
        let clerk = Arc::new(Clerk { ledger: budget.ledger.clone(), run: run.clone(), desk: Mutex::default() });
        let labels = budget.labels.clone().with(Column::Run, run.id.to_string());
        let (asking, held, asks, stirred, closed, trouble) = Default::default();
        Self { clerk, labels, prices, asking, held, asks, stirred, closed, trouble }
    }

    /// Puts a task in the line.
    pub(super) fn ask(&mut self, task: TaskIx, machine: &Machine) {
        self.asks += 1;
        self.asking.insert(machine.plan().rank(task), Asking { task, nth: self.asks, stage: Stage::Fresh });
    }

    fn who(&self, task: TaskIx, machine: &Machine) -> Labels {
        let graph = machine.graph();
        let options = graph.task(task).options();
        let named = [(Column::Phase, options.phase.as_deref()), (Column::Agent, options.agent.as_deref())];
        let who = self.labels.clone().with(Column::Task, graph.id(task).as_str());
        named.into_iter().fold(who, |who, (column, name)| match name {
            Some(name) => who.with(column, name),
            None => who,
        })
    }

    /// What an attempt will cost at most, by model; what has no price is an error: a limit must not become a partial one.
    fn parts(&self, task: TaskIx, machine: &Machine) -> Result<Vec<(Labels, Usd)>, String> {
        let (who, expects) = (self.who(task, machine), &machine.graph().task(task).options().expects);
        if expects.is_empty() {
            return Ok(vec![(who, Usd::ZERO)]);
        }
        let unpriced = |model: &str| {
            let model = Printable(model);
            format!(
                "there is no price for `{model}`, and without one it cannot be kept within the budget; give it rates"
            )
        };
        let Some(prices) = &self.prices else {
            return Err(unpriced(expects.models().first().map_or("", |model| &model.model)));
        };
        let priced = quotes(&**prices, expects, self.clerk.ledger.now()).map(|(usage, quote)| {
            let quote = quote.ok_or_else(|| unpriced(&usage.model))?;
            Ok((who.clone().with(Column::Model, &usage.model), quote.total))
        });
        priced.collect()
    }

    /// Hears the clerk and goes on with the line. Adds those who may go on to `admitted`.
    pub(super) fn turn(
        &mut self,
        now: Duration,
        machine: &Machine,
        messages: &mut Vec<Message>,
        admitted: &mut Vec<TaskIx>,
    ) {
        loop {
            let done = {
                let mut desk = lock(&self.clerk.desk);
                desk.open -= desk.done.len();
                std::mem::take(&mut desk.done)
            };
            let heard = !done.is_empty();
            for done in done {
                match done {
                    Done::Answered { task, nth, answer } => {
                        self.answered((task, nth), answer, now, machine, messages, admitted)
                    }
                    Done::Settled { task, settled } => self.settled(task, settled, messages),
                }
            }
            let asked = self.pump(now, machine, messages);
            if !heard && !asked {
                return;
            }
        }
    }

    fn answered(
        &mut self,
        (task, nth): (TaskIx, u64),
        answer: Result<Answer>,
        now: Duration,
        machine: &Machine,
        messages: &mut Vec<Message>,
        admitted: &mut Vec<TaskIx>,
    ) {
        let rank = machine.plan().rank(task);
        let is_wanted = self.asking.get(&rank).is_some_and(|asking| asking.task == task && asking.nth == nth);
        if !is_wanted {
            // Nobody waits for it any more.
            if let Ok(Answer::Granted(booked)) = answer {
                self.clerk.give(Job::Settle { task, id: booked.id, charges: Some(Vec::new()) });
            }
            return;
        }
        let stuck = |limit: String, due: Duration| Asking { task, nth, stage: Stage::Stuck { limit, due } };
        match answer {
            Ok(Answer::Granted(booked)) => {
                self.asking.remove(&rank);
                let parts = self.parts(task, machine).unwrap_or_default();
                self.held.insert(task, Held { booked, parts, begun: false });
                admitted.push(task);
            }
            Ok(Answer::Stopped(Verdict::Later(stop))) => {
                self.asking.insert(rank, stuck(stop.limit, now.saturating_add(AGAIN)));
            }
            Ok(Answer::Stopped(Verdict::Wait { until, stop })) => {
                let wait = Duration::from_millis(until.0.saturating_sub(self.clerk.ledger.now().0));
                self.asking.insert(rank, stuck(stop.limit, now.saturating_add(wait)));
            }
            Ok(Answer::Stopped(Verdict::Refused(stop) | Verdict::Ask(stop) | Verdict::Downgrade { stop, .. })) => {
                self.asking.remove(&rank);
                messages.push(refused(task, format!("not begun: {stop}")));
            }
            Ok(Answer::Stopped(Verdict::Granted(_))) => {
                self.asking.remove(&rank);
                messages.push(refused(task, "not begun: the ledger answered that it is and is not granted".to_owned()));
            }
            Err(error) => {
                self.asking.remove(&rank);
                messages.push(refused(task, format!("not begun: the ledger could not reserve for it: {error}")));
            }
        }
    }

    fn settled(&mut self, task: TaskIx, settled: Result<Settled>, messages: &mut Vec<Message>) {
        self.stirred = true;
        match settled {
            Ok(settled) => {
                for milestone in settled.milestones {
                    let (usd, spent) = (milestone.usd.to_decimal(), milestone.spent.to_decimal());
                    let budget = Printable(&milestone.limit);
                    let message = format!("the budget `{budget}` has reached ${usd}: ${spent} is spent");
                    messages.push(Message::Odd { task, message });
                }
                for (limit, usd) in settled.over {
                    let (budget, usd) = (Printable(&limit), usd.to_decimal());
                    let message = format!("the budget `{budget}` is passed by ${usd}: it cost more than was expected");
                    messages.push(Message::Odd { task, message });
                }
            }
            Err(error) => {
                let message = format!("what it spent could not be booked, so that nothing more begins: {error}");
                self.closed.get_or_insert_with(|| message.clone());
                messages.push(Message::Odd { task, message });
                lock(&self.trouble).get_or_insert(error);
            }
        }
    }

    /// Asks for the most critical whose turn it is. One at a time: else who is less critical might get what is left.
    fn pump(&mut self, now: Duration, machine: &Machine, messages: &mut Vec<Message>) -> bool {
        let stirred = std::mem::take(&mut self.stirred);
        let (mut next, mut before) = (None, BTreeSet::new());
        for (rank, asking) in &mut self.asking {
            match &mut asking.stage {
                Stage::Asked => return false,
                Stage::Stuck { due, .. } if stirred && *due > now && due.saturating_sub(now) <= AGAIN => *due = now,
                _ => {}
            }
            let waits = match &asking.stage {
                Stage::Stuck { limit, due } if *due > now => Some(limit.clone()),
                _ => None,
            };
            match waits {
                Some(limit) => drop(before.insert(limit)),
                None if next.is_none() => next = Some((*rank, asking.task, asking.nth)),
                None => {}
            }
            if next.is_some() {
                break;
            }
        }
        let Some((rank, task, nth)) = next else { return false };
        if let Some(why) = &self.closed {
            self.asking.remove(&rank);
            messages.push(refused(task, format!("not begun: {why}")));
            return true;
        }
        match self.parts(task, machine) {
            Ok(parts) => {
                let limits = self.clerk.ledger.limits();
                // Who is less critical does not get what somebody before it waits for.
                let counts = |limit: &&Limit| parts.iter().any(|(who, _)| limit.counts(who));
                if let Some(behind) = limits.iter().filter(counts).find(|limit| before.contains(&limit.name)) {
                    let stage = Stage::Stuck { limit: behind.name.clone(), due: now.saturating_add(AGAIN) };
                    self.asking.insert(rank, Asking { task, nth, stage });
                    return true;
                }
                self.asking.insert(rank, Asking { task, nth, stage: Stage::Asked });
                self.clerk.give(Job::Reserve { task, nth, parts });
            }
            Err(why) => {
                self.asking.remove(&rank);
                messages.push(refused(task, format!("not begun: {why}")));
            }
        }
        true
    }

    /// An attempt began or ended.
    pub(super) fn hear(&mut self, event: &Event, machine: &Machine) {
        match &event.kind {
            EventKind::TaskStarted { task, .. } => {
                if let Some(held) = self.held.get_mut(task) {
                    held.begun = true;
                }
            }
            EventKind::TaskFinished { task, attempt, result, usage } => {
                self.ended(*task, *attempt, result.is_err(), usage.as_deref(), machine);
            }
            EventKind::TaskRetrying { task, attempt, usage, .. } => {
                self.ended(*task, *attempt, true, usage.as_deref(), machine);
            }
            EventKind::UndoFinished { task, attempt, usage: Some(usage), result } => {
                let charges = self.charges(*task, *attempt, result.is_err(), usage, &[], machine);
                self.clerk.give(Job::Charge { task: *task, charges });
            }
            EventKind::UndoRetrying { task, attempt, usage: Some(usage), .. } => {
                let charges = self.charges(*task, *attempt, true, usage, &[], machine);
                self.clerk.give(Job::Charge { task: *task, charges });
            }
            _ => {}
        }
    }

    fn ended(&mut self, task: TaskIx, attempt: u32, failed: bool, usage: Option<&Usage>, machine: &Machine) {
        let Some(held) = self.held.remove(&task) else {
            // Without limits nothing is reserved, and what is spent is booked all the same.
            if let Some(usage) = usage.filter(|usage| !usage.is_empty()) {
                let charges = self.charges(task, attempt, failed, usage, &[], machine);
                self.clerk.give(Job::Charge { task, charges });
            }
            return;
        };
        let used = usage.filter(|usage| !usage.is_empty());
        let charges = match used {
            Some(usage) => Some(self.charges(task, attempt, failed, usage, &held.parts, machine)),
            // Who began and says nothing may have spent what was reserved; who did not begin spent nothing.
            None if held.begun => None,
            None => Some(Vec::new()),
        };
        self.clerk.give(Job::Settle { task, id: held.booked.id, charges });
    }

    fn charges(
        &mut self,
        task: TaskIx,
        attempt: u32,
        failed: bool,
        usage: &Usage,
        parts: &[(Labels, Usd)],
        machine: &Machine,
    ) -> Vec<Charge> {
        let who = self.who(task, machine);
        let (now, prices) = (self.clerk.ledger.now(), self.prices.clone());
        let unpriced = super::context::Unpriced;
        let source: &dyn PriceSource = prices.as_deref().unwrap_or(&unpriced);
        let mut charges = Vec::new();
        for (used, quote) in quotes(source, usage, now) {
            let of = who.clone().with(Column::Model, &used.model);
            let reserved = parts.iter().find(|(who, _)| *who == of).map(|(_, usd)| *usd);
            if quote.is_none() {
                let model = Printable(&used.model);
                let why = format!("`{model}` was used, which has no price, so nobody knows what is left of the budget");
                self.closed.get_or_insert(why);
            }
            charges.push(Charge {
                attempt,
                failed,
                usage: Some(used.clone()),
                price: quote.as_ref().map(Priced::from),
                assumed: quote.is_none(),
                ..Charge::new(of, quote.map(|quote| quote.total).or(reserved).unwrap_or_default())
            });
        }
        charges
    }

    /// The attempt of that task will not begin after all, or nobody waits for it any more.
    pub(super) fn give_back(&mut self, task: TaskIx, machine: &Machine) {
        let rank = machine.plan().rank(task);
        if self.asking.get(&rank).is_some_and(|asking| asking.task == task) {
            self.asking.remove(&rank);
        }
        if let Some(held) = self.held.remove(&task) {
            let charges = if held.begun { None } else { Some(Vec::new()) };
            self.clerk.give(Job::Settle { task, id: held.booked.id, charges });
        }
    }

    /// When somebody is to be asked about again, if nothing happens before.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let due = |asking: &Asking| match asking.stage {
            Stage::Stuck { due, .. } => Some(due),
            _ => None,
        };
        self.asking.values().filter_map(due).min()
    }

    /// Whether something is still to be booked.
    pub(super) fn is_behind(&self) -> bool {
        let desk = lock(&self.clerk.desk);
        desk.open > 0
    }

    /// Whether something is reserved for an attempt of that task.
    pub(super) fn has(&self, task: TaskIx) -> bool {
        self.held.contains_key(&task)
    }

    /// Why something could not be booked; says so once.
    pub(super) fn take_error(&self) -> Option<Error> {
        lock(&self.trouble).take()
    }
}

/// A run that is dropped has nobody to say what its attempts spent: those that began may have spent what was reserved.
impl Drop for RunBudget {
    fn drop(&mut self) {
        lock(&self.clerk.desk).closed = true;
        let answered = std::mem::take(&mut lock(&self.clerk.desk).done);
        let granted = answered.into_iter().filter_map(|done| match done {
            Done::Answered { task, answer: Ok(Answer::Granted(booked)), .. } => {
                Some((task, booked.id, Some(Vec::new())))
            }
            _ => None,
        });
        let held = self
            .held
            .drain()
            .map(|(task, held)| (task, held.booked.id, if held.begun { None } else { Some(Vec::new()) }));
        let left: Vec<_> = granted.chain(held).collect();
        for (task, id, charges) in left {
            self.clerk.give(Job::Settle { task, id, charges });
        }
    }
}

fn refused(task: TaskIx, why: String) -> Message {
    // To try again at once would be refused again.
    Message::Refused { task, failure: Box::new(Failure::fatal(why)), again_in: Duration::ZERO }
}

impl fmt::Debug for RunBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunBudget")
            .field("asking", &self.asking.len())
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}
