//! The money of a run: what an attempt may cost is reserved before it begins, and settled when it has ended.
//!
//! Tasks are asked about one after the other, the most critical first. Who has to wait for money keeps its place in the line of
//! that budget: what becomes free goes to it, and not to somebody less critical who came later. A store on a disk is asked by a
//! thread of the runtime for slow seams, in order; one in memory at once.

mod ahead;
mod clerk;
mod gate;
mod meter;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

pub use self::gate::Gatekeeper;
use self::{
    ahead::Ahead,
    clerk::{Clerk, Done, Job},
};
use super::ledger::{Answer, Booked, Charge, Ledger, Part, Priced, Question};
use crate::{
    cost::{
        PriceSource,
        budget::{Column, Labels, Limit, Settled, Verdict},
        quotes,
    },
    error::{Error, Result},
    event::{Event, EventKind, Failure},
    executor::{Grant, RunShared},
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
    /// Who in this process is asked where a limit [asks](crate::cost::budget::AtLimit::Ask). Whoever has the same store may
    /// [answer](Ledger::answer) as well, in whatever process. Default: nobody.
    pub gate: Option<Gatekeeper>,
}

impl Budget {
    /// With that ledger, no further labels, and nobody to ask in this process.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, labels: Labels::default(), gate: None }
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
    /// Somebody is to say whether it may pass that budget; whether somebody has is looked at again at that time.
    Gate { question: Box<Question>, due: Duration },
}

/// What an attempt has reserved.
struct Held {
    booked: Booked,
    parts: Vec<Part>,
    /// It has begun, and may have spent.
    begun: bool,
    grant: Grant,
}

/// What became of a task's wishes before: it lives until an attempt of it ends.
#[derive(Default)]
struct Terms {
    /// The models that it was to be done with instead, the latest last.
    models: Vec<String>,
    /// The limits that it may pass.
    allowed: BTreeSet<String>,
    /// The limits that somebody was told it asks for.
    told: BTreeSet<String>,
}

/// The budget of one run.
pub(super) struct RunBudget {
    clerk: Arc<Clerk>,
    labels: Labels,
    prices: Option<Arc<dyn PriceSource>>,
    /// By rank: the most critical first.
    asking: BTreeMap<u32, Asking>,
    held: HashMap<TaskIx, Held>,
    terms: HashMap<TaskIx, Terms>,
    /// What those will want that have not begun.
    ahead: Ahead,
    /// The limits that the whole run may pass.
    allowed: BTreeSet<String>,
    gate: Option<Gatekeeper>,
    asks: u64,
    /// Something was settled: who is stuck may look again.
    stirred: bool,
    /// Why no more is given: something was used whose price nobody knows.
    closed: Option<String>,
    trouble: Mutex<Option<Error>>,
}

impl RunBudget {
    pub(super) fn new(budget: &Budget, prices: Option<Arc<dyn PriceSource>>, run: &Arc<RunShared>) -> Self {
        let gate = budget.gate.clone();
        let clerk = Arc::new(Clerk { ledger: budget.ledger.clone(), run: run.clone(), desk: Mutex::default() });
        let labels = budget.labels.clone().with(Column::Run, run.id.to_string());
        let (asking, held, terms, ahead, allowed, asks, stirred, closed, trouble) = Default::default();
        Self { clerk, labels, prices, asking, held, terms, ahead, allowed, gate, asks, stirred, closed, trouble }
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
        let cheaper = self.terms.get(&task).and_then(|terms| terms.models.last());
        let expects = &cheaper.map_or_else(|| expects.clone(), |model| with_model(expects, model));
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
                self.stirred |= std::mem::take(&mut desk.stirred);
                std::mem::take(&mut desk.done)
            };
            let heard = !done.is_empty();
            for done in done {
                match done {
                    Done::Answered { task, nth, answer } => {
                        self.answered((task, nth), answer, now, machine, messages, admitted)
                    }
                    Done::Settled { task, settled } => self.settled(task, settled, messages),
                    Done::Said { task, nth, said } => self.said((task, nth), said, now, machine, messages),
                    Done::Withdrawn => {}
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
        if !self.is_asking(rank, task, nth) {
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
                self.ahead.set(task, false);
                let parts = self.wanted(task, machine).unwrap_or_default();
                let grant = self.grant(task, &booked, machine);
                self.held.insert(task, Held { booked, parts, begun: false, grant });
                admitted.push(task);
            }
            Ok(Answer::Stopped(Verdict::Later(stop))) => {
                self.asking.insert(rank, stuck(stop.limit, now.saturating_add(AGAIN)));
            }
            Ok(Answer::Stopped(Verdict::Wait { until, stop })) => {
                let wait = Duration::from_millis(until.0.saturating_sub(self.clerk.ledger.now().0));
                if self.terms.entry(task).or_default().told.insert(stop.limit.clone()) {
                    messages.push(Message::Odd { task, message: format!("waits until {until}: {stop}") });
                }
                self.asking.insert(rank, stuck(stop.limit, now.saturating_add(wait)));
            }
            Ok(Answer::Stopped(Verdict::Downgrade { model, stop })) => {
                let terms = self.terms.entry(task).or_default();
                if terms.models.contains(&model) {
                    self.asking.remove(&rank);
                    let model = Printable(&model);
                    messages.push(refused(task, format!("not begun: {stop}, also with `{model}`")));
                } else {
                    let message = format!("is done with `{}` instead: {stop}", Printable(&model));
                    messages.push(Message::Odd { task, message });
                    terms.models.push(model);
                    self.asking.insert(rank, Asking { task, nth, stage: Stage::Fresh });
                }
            }
            Ok(Answer::Stopped(Verdict::Ask(stop))) => {
                let question = Box::new(self.question(task, stop, machine));
                self.asking.insert(rank, Asking { task, nth, stage: Stage::Gate { question, due: now } });
            }
            Ok(Answer::Stopped(Verdict::Refused(stop))) => {
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

    fn is_asking(&self, rank: u32, task: TaskIx, nth: u64) -> bool {
        self.asking.get(&rank).is_some_and(|asking| asking.task == task && asking.nth == nth)
    }

    /// What the attempt that begins is told of its money.
    pub(super) fn granted(&self, task: TaskIx) -> Option<Grant> {
        self.held.get(&task).map(|held| held.grant.clone())
    }

    /// The parts, each with what has to be left for others.
    fn wanted(&self, task: TaskIx, machine: &Machine) -> Result<Vec<Part>, String> {
        let parts = self.parts(task, machine)?.into_iter();
        Ok(parts.map(|(who, usd)| Part { first: self.first(task, &who, machine), who, usd }).collect())
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
                Stage::Gate { due, .. } if stirred && *due > now => *due = now,
                _ => {}
            }
            let waits = match &asking.stage {
                Stage::Stuck { limit, due } if *due > now => Some(limit.clone()),
                Stage::Gate { question, due } if *due > now => Some(question.limit.clone()),
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
        if let Some(asking) = self.asking.get_mut(&rank)
            && let Stage::Gate { question, due } = &mut asking.stage
        {
            *due = Duration::MAX;
            let question = question.clone();
            self.clerk.give(Job::Ask { task, nth, question });
            return true;
        }
        self.look_ahead(machine);
        match self.wanted(task, machine) {
            Ok(parts) => {
                let limits = self.clerk.ledger.limits();
                // Who is less critical does not get what somebody before it waits for.
                let counts = |limit: &&Limit| parts.iter().any(|part| limit.counts(&part.who));
                if let Some(behind) = limits.iter().filter(counts).find(|limit| before.contains(&limit.name)) {
                    let stage = Stage::Stuck { limit: behind.name.clone(), due: now.saturating_add(AGAIN) };
                    self.asking.insert(rank, Asking { task, nth, stage });
                    return true;
                }
                self.asking.insert(rank, Asking { task, nth, stage: Stage::Asked });
                let mut allowed = self.allowed.clone();
                allowed.extend(self.terms.get(&task).into_iter().flat_map(|terms| terms.allowed.iter().cloned()));
                self.clerk.give(Job::Reserve { task, nth, parts, allowed });
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
                self.ahead.set(*task, false);
                self.ended(*task, *attempt, result.is_err(), usage.as_deref(), machine);
            }
            EventKind::TaskRetrying { task, attempt, usage, .. } => {
                self.ended(*task, *attempt, true, usage.as_deref(), machine);
                self.ahead.set(*task, true);
            }
            EventKind::TaskCached { task, .. }
            | EventKind::TaskRestored { task, .. }
            | EventKind::TaskSkipped { task, .. } => {
                self.look_ahead(machine);
                self.ahead.set(*task, false);
                self.stirred = true;
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
        self.terms.remove(&task);
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
        parts: &[Part],
        machine: &Machine,
    ) -> Vec<Charge> {
        let who = self.who(task, machine);
        let (now, prices) = (self.clerk.ledger.now(), self.prices.clone());
        let unpriced = super::context::Unpriced;
        let source: &dyn PriceSource = prices.as_deref().unwrap_or(&unpriced);
        let mut charges = Vec::new();
        for (used, quote) in quotes(source, usage, now) {
            let of = who.clone().with(Column::Model, &used.model);
            let reserved = parts.iter().find(|part| part.who == of).map(|part| part.usd);
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
        if self.asking.get(&rank).is_some_and(|asking| asking.task == task)
            && let Some(Asking { stage: Stage::Gate { question, .. }, .. }) = self.asking.remove(&rank)
        {
            self.clerk.give(Job::Withdraw { id: question.id });
        }
        if let Some(held) = self.held.remove(&task) {
            self.ahead.set(task, true);
            let charges = if held.begun { None } else { Some(Vec::new()) };
            self.clerk.give(Job::Settle { task, id: held.booked.id, charges });
        }
    }

    /// When somebody is to be asked about again, if nothing happens before.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let due = |asking: &Asking| match asking.stage {
            Stage::Stuck { due, .. } => Some(due),
            Stage::Gate { due, .. } if due < Duration::MAX => Some(due),
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

/// The same work, by that model.
fn with_model(expects: &Usage, model: &str) -> Usage {
    let mut usage = Usage::default();
    for one in expects.models() {
        let one = crate::units::ModelUsage { model: model.to_owned(), billed: None, ..one.clone() };
        usage.add(&one.into());
    }
    usage
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
