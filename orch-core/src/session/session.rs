//! One run, as its driver sees it.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    breakers::{Breakers, Permit, RunBreakers},
    budget::{Budget, RunBudget},
    check,
    claims::RunClaims,
    context::{RunContext, Unpriced},
    journal::{Journal, Opening},
    resume::Resume,
    shared::SharedCache,
};
use crate::{
    clock::Clock,
    cost::{PriceSource, Warming, price},
    definition::{Graph, Task},
    error::{Error, ErrorKind, Result},
    event::{EventKind, EventSink, Failure, RunState},
    executor::{Inputs, News, Note, RunShared, Slot, ToUndo, idempotency_key},
    id::RunId,
    locks::{Backing, Locks},
    plan::Plan,
    report::Report,
    run::{Actions, Attempt, Machine, Message, Rules, Warm},
    store::Store,
};

/// How many notes of tasks (lines, heartbeats) may wait to be heard before a task that says more has to wait.
const NOTES: usize = 1024;

/// What a session is made of. `SessionOptions::default()`: default [`Rules`], a new run id, no sinks, programs in
/// conditions are not run.
#[derive(Clone, Default)]
pub struct SessionOptions {
    /// How the run behaves.
    pub rules: Rules,
    /// The run's name; `None`: a new one.
    pub run: Option<RunId>,
    /// Who hears the events.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// Where `file_exists` conditions look and their programs run, and the files lie that tasks depend on; `None`: the working directory of the process.
    pub directory: Option<PathBuf>,
    /// What runs share; `None`: nothing is shared, and no task is known from elsewhere.
    pub cache: Option<SharedCache>,
    /// The circuit breakers that tasks ask. Default: some of this run's own.
    pub breakers: Breakers,
    /// Who grants what tasks claim; `None`: nobody else is asked, what this run holds matters to no other.
    pub locks: Option<Locks>,
    /// What may be spent; `None`: nobody asks.
    pub budget: Option<Budget>,
    /// What usage, and the savings of shared values, are priced with.
    pub prices: Option<Arc<dyn PriceSource>>,
    /// Whether one of several tasks with the same prompt prefix goes first, where it pays.
    pub warm: Option<Warming>,
    /// Where the run is kept, so that it survives its process; `None`: nowhere. With a store, events are told, and what builds on
    /// a task begins, when the store has them.
    pub store: Option<Arc<dyn Store>>,
    /// What the run is made of, to find it again in the store: a file's path, or a name.
    pub source: String,
    /// The stored run that this one goes on with, under the same name.
    pub resume: Option<Resume>,
    /// Whether conditions may run programs. Without it such a condition does not hold, and a warning says so.
    pub approve_commands: bool,
}

impl SessionOptions {
    /// From how many tasks on it pays that one goes first, by prefix.
    fn least(&self, graph: &Graph) -> Option<BTreeMap<(String, String), u32>> {
        let (warm, prices) = (self.warm.as_ref()?, self.prices.as_ref()?);
        Some(warm.least(graph, prices, Clock::system().wall()))
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionOptions")
            .field("rules", &self.rules)
            .field("run", &self.run)
            .field("sinks", &self.sinks.len())
            .field("directory", &self.directory)
            .field("cache", &self.cache)
            .field("breakers", &self.breakers)
            .field("locks", &self.locks)
            .field("budget", &self.budget)
            .field("prices", &self.prices.is_some())
            .field("warm", &self.warm)
            .field("store", &self.store)
            .field("source", &self.source)
            .field("resume", &self.resume.as_ref().map(Resume::run))
            .field("approve_commands", &self.approve_commands)
            .finish()
    }
}

/// One run: the machine and all that surrounds it. See the [module](super).
#[derive(Debug)]
pub struct Session {
    machine: Machine,
    shared: Arc<RunShared>,
    notes: mpsc::Receiver<Note>,
    report: Report,
    /// Only where something may be shared.
    context: Option<RunContext>,
    /// From when a task with a breaker first asks to begin.
    breakers: Option<RunBreakers>,
    /// From when a task first claims something, or where resources are declared.
    claims: Option<RunClaims>,
    /// Only where there is one.
    budget: Option<RunBudget>,
    /// Only where the run is kept in a store.
    journal: Option<Journal>,
    /// The leases under which attempts ended in this step; only with a journal.
    backing: Vec<Arc<Backing>>,
    options: SessionOptions,
    messages: Vec<Message>,
    actions: Actions,
}

impl Session {
    /// A run that has not begun. With a store it blocks while it takes the run there. `wake` is called, from any thread, when [`step`](Session::step) has something to hear.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) for rules that no run can follow, and where the graph declares a resource
    /// otherwise than those who use it now. With a store: [`Conflict`](crate::ErrorKind::Conflict) if the run belongs to another
    /// process, or went on since it was read; [`Misuse`](crate::ErrorKind::Misuse) where a run is to be resumed without one; those
    /// of the store.
    #[inline]
    pub fn new(plan: &Plan, mut options: SessionOptions, wake: Arc<dyn Fn() + Send + Sync>) -> Result<Self> {
        let resume = options.resume.as_ref();
        let run = resume.map(Resume::run).or(options.run).unwrap_or_else(|| RunId::new(&Clock::system()));
        let (sender, notes) = mpsc::channel(NOTES);
        let graph = RwLock::new(plan.graph().clone());
        let rounds = resume.map(|resume| resume.about.rounds.clone()).unwrap_or_default();
        let shared = Arc::new(RunShared { id: run, rounds, graph, notes: sender, news: News::new(wake) });
        let journal = match &options.store {
            None if resume.is_some() => {
                let message = "a run is resumed in the store that has it: give the engine that store";
                return Err(Error::new(ErrorKind::Misuse, message));
            }
            None => None,
            Some(store) => Some(Journal::open(Opening {
                store: store.clone(),
                run,
                source: resume.map_or(options.source.as_str(), Resume::source),
                graph: plan.graph(),
                inputs: &options.rules.inputs,
                resume,
                directory: options.directory.clone(),
                shared: shared.clone(),
            })?),
        };
        let mut report = Report::new(plan);
        if let Some(earlier) = resume.and_then(|resume| resume.about.earlier.clone()) {
            report.set_earlier(earlier);
        }
        // A graph of plain tasks pays nothing for a cache.
        let reads = |task: &Task| {
            task.options().shares() || !task.options().inputs.is_empty() || task.options().expand.is_some()
        };
        let graph = plan.graph();
        let cache = options.cache.clone().filter(|_| graph.with_options(0).any(|ix| reads(graph.task(ix))));
        let context = cache.map(|cache| {
            RunContext::new(cache, options.prices.clone(), options.directory.clone(), plan.graph(), shared.clone())
        });
        let warm = options.least(plan.graph()).zip(options.warm).map(|(least, warm)| Warm { wait: warm.wait, least });
        let checkpoints = resume.map(|resume| resume.checkpoints.clone()).unwrap_or_default();
        let budget = options.budget.as_ref().map(|budget| RunBudget::new(budget, options.prices.clone(), &shared));
        let asks = options.budget.as_ref().is_some_and(|budget| !budget.ledger.limits().is_empty());
        let rules = Rules { look: context.is_some(), warm, asks, checkpoints, ..options.rules.clone() };
        let machine = Machine::new(plan, run, rules)?;
        let locks = options.locks.get_or_insert_default();
        let has_resources = !plan.graph().resources().is_empty();
        let claims = has_resources.then(|| RunClaims::new(locks, &shared).declare(plan.graph())).transpose()?;
        let (messages, actions, backing) = Default::default();
        Ok(Self {
            machine,
            shared,
            notes,
            report,
            context,
            breakers: None,
            claims,
            budget,
            journal,
            backing,
            options,
            messages,
            actions,
        })
    }

    /// Hears what finished until `now` (time since the start of the run) and answers what to do. `finished` is left empty.
    ///
    /// Begin what is in `start`; stop what is in `cancel` and say [`Message::Finished`] when it has stopped; call again
    /// when something finished, at `wake_at`, when `wake` was called, and at once if there is `more`. `check` is answered
    /// by the session itself and always empty.
    #[inline]
    pub fn step(&mut self, now: Duration, finished: &mut Vec<Message>) -> &Actions {
        self.actions.clear();
        // A look costs nothing; a swap waits for everything that was written before.
        let news = &self.shared.news.heard;
        if news.load(Ordering::Acquire) && news.swap(false, Ordering::Acquire) {
            self.gather();
        }
        let messages = if self.messages.is_empty() {
            finished
        } else {
            self.messages.append(finished);
            &mut self.messages
        };
        if let Some(claims) = &mut self.claims {
            let from = messages.len();
            claims.hear(now, messages);
            if let Some(breakers) = &mut self.breakers {
                let heard = messages.split_off(from);
                breakers.admit(heard, &self.machine, claims, messages);
            }
        }
        self.machine.step(now, messages, &mut self.actions);
        let asks =
            self.breakers.is_some() || self.claims.is_some() || self.budget.is_some() || !self.actions.claim.is_empty();
        if self.context.is_some() || asks {
            self.settle(now);
        }
        for event in &self.actions.events {
            self.report.on(event);
            if matches!(event.kind, EventKind::TasksAdded { .. }) {
                *self.shared.graph.write().unwrap_or_else(PoisonError::into_inner) = self.machine.graph().clone();
                if let Some(least) = self.options.least(self.machine.graph()) {
                    self.machine.set_warm(least);
                }
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.pass(&self.machine, &mut self.actions, &mut self.messages, &mut self.backing);
            self.backing.clear();
        }
        if !self.actions.events.is_empty() {
            for sink in &self.options.sinks {
                sink.hear(self.machine.graph(), &self.actions.events);
            }
        }
        if !self.actions.check.is_empty() {
            self.answer_checks();
        }
        &self.actions
    }

    /// What the latest [`step`](Session::step) answered.
    #[inline]
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// Writes its answers where those of another session were: memory that is there already is quicker than new.
    pub fn reuse(&mut self, mut room: Actions) {
        room.clear();
        self.actions = room;
    }

    /// Gives away where it wrote its answers, for another session to [reuse](Session::reuse). What they were is forgotten.
    pub fn take_room(&mut self) -> Actions {
        self.actions.clear();
        std::mem::take(&mut self.actions)
    }

    fn answer_checks(&mut self) {
        for check in self.actions.check.drain(..) {
            check::answer(check, self.shared.clone(), self.options.directory.clone(), self.options.approve_commands);
        }
    }

    /// Asks the context, the breakers and the locks what the machine asks for, until there is nothing more to tell it at this time.
    fn settle(&mut self, now: Duration) {
        let (mut heard, mut begun) = (0, 0);
        loop {
            // Before anything is given back: that would leave nobody to say how the attempt ended.
            if let Some(breakers) = &mut self.breakers {
                for event in self.actions.events.iter().skip(heard) {
                    breakers.hear(event, &mut self.messages);
                }
            }
            if let Some(budget) = &mut self.budget {
                self.actions.events.iter().skip(heard).for_each(|event| budget.hear(event, &self.machine));
            }
            if let Some(context) = &mut self.context {
                for event in self.actions.events.iter().skip(heard) {
                    context.hear(event, &self.machine, &self.report, &mut self.messages);
                }
                for attempt in self.actions.start.iter().skip(begun) {
                    context.reads(*attempt, self.machine.graph(), &mut self.messages);
                }
                begun = self.actions.start.len();
                for task in std::mem::take(&mut self.actions.look) {
                    context.look(task, &mut self.machine, &mut self.messages);
                }
            }
            heard = self.actions.events.len();
            let gave_back = !self.actions.release.is_empty();
            self.ask_locks(now);
            if self.messages.is_empty() && !gave_back {
                break;
            }
            self.machine.step(now, &mut self.messages, &mut self.actions);
        }
        let probe_at = self.breakers.as_ref().and_then(RunBreakers::wake_in).map(|wait| now.saturating_add(wait));
        let due = self.claims.as_ref().and_then(RunClaims::wake_at);
        let money = self.budget.as_ref().and_then(RunBudget::wake_at);
        self.actions.wake_at = [self.actions.wake_at, due, probe_at, money].into_iter().flatten().min();
    }

    /// Gives back, then asks: what is given back may be what is asked for.
    fn ask_locks(&mut self, now: Duration) {
        if self.actions.claim.is_empty() && self.claims.is_none() && self.breakers.is_none() && self.budget.is_none() {
            return;
        }
        let locks = &mut self.options.locks;
        let claims = self.claims.get_or_insert_with(|| RunClaims::new(locks.get_or_insert_default(), &self.shared));
        for task in self.actions.release.drain(..) {
            if self.journal.is_some() {
                claims.backing(task, &mut self.backing);
            }
            claims.release(task);
            self.budget.iter_mut().for_each(|budget| budget.give_back(task, &self.machine));
            self.breakers.iter_mut().for_each(|breakers| breakers.give_back(task, &mut self.messages));
        }
        if let Some(breakers) = &mut self.breakers {
            self.actions.claim.extend(breakers.turn(&self.machine, &mut self.messages));
        }
        if let Some(budget) = &mut self.budget {
            // What it may cost is reserved first; who has that asks on.
            let mut admitted = Vec::new();
            for task in self.actions.claim.drain(..) {
                // A breaker's turn comes after the money, which is reserved by then; to undo needs none.
                if self.machine.is_claiming(task) && !budget.has(task) {
                    budget.ask(task, &self.machine);
                } else {
                    admitted.push(task);
                }
            }
            budget.turn(now, &self.machine, &mut self.messages, &mut admitted);
            self.actions.claim = admitted;
        }
        let mut heard = Vec::new();
        for task in self.actions.claim.drain(..) {
            let options = self.machine.graph().task(task).options();
            if options.breaker.is_some() && self.machine.is_claiming(task) {
                let breakers = &self.options.breakers;
                let breakers = self.breakers.get_or_insert_with(|| RunBreakers::new(breakers, &self.shared));
                match breakers.look(task, &self.machine, &mut self.messages) {
                    Permit::Begin if options.claims.is_empty() => heard.push(Message::Granted { task }),
                    Permit::Begin => heard.push(claims.ask(task, &self.machine)),
                    permit => heard.extend(permit.message(task)),
                }
            } else if options.claims.is_empty() {
                heard.push(Message::Granted { task });
            } else {
                heard.push(claims.ask(task, &self.machine));
            }
        }
        claims.hear(now, &mut heard);
        match &mut self.breakers {
            Some(breakers) => breakers.admit(heard, &self.machine, claims, &mut self.messages),
            None => self.messages.append(&mut heard),
        }
    }

    /// What tasks said and checks found out since the last step.
    fn gather(&mut self) {
        let mut answers = std::mem::take(&mut *self.shared.news.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let notes = std::iter::from_fn(|| self.notes.try_recv().ok());
        self.messages.extend(notes.chain(answers.drain(..)).map(|note| match note {
            Note::Heartbeat(task) => Message::Heartbeat { task },
            Note::Line(task, stream, text) => Message::Line { task, stream, text },
            Note::Checked { task, holds, warning } => Message::Checked { task, holds, warning },
            Note::Checkpoint(name) => Message::Checkpoint { name },
            Note::Adds { task, attempt, added } => Message::Adds { task, attempt, added },
            Note::Finished { task, attempt, outcome } => Message::Finished { task, attempt, outcome },
        }));
        if let Some(context) = &mut self.context {
            context.gather(&mut self.machine, &mut self.messages);
        }
        self.breakers.iter_mut().for_each(RunBreakers::stir);
        self.journal.iter_mut().for_each(|journal| journal.wishes(&mut self.messages));
    }

    #[cfg(test)]
    pub(super) fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    /// Asks the run to stop; the next step carries it out.
    pub fn cancel(&mut self, reason: impl Into<String>) {
        self.messages.push(Message::Cancel { reason: reason.into() });
    }

    /// Makes a checkpoint of that name at the next step.
    pub fn checkpoint(&mut self, name: impl Into<Arc<str>>) {
        self.messages.push(Message::Checkpoint { name: name.into() });
    }

    /// Stops the run and undoes what ended after the checkpoint of that name; the next step carries it out. Without such a
    /// checkpoint the run goes on, with a warning.
    pub fn back_to(&mut self, checkpoint: impl Into<String>) {
        self.messages.push(Message::BackTo { checkpoint: checkpoint.into() });
    }

    /// Tells the machine something at the next step.
    pub(crate) fn tell(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// What an attempt may read; `None` if there is nothing.
    #[inline]
    pub fn inputs(&mut self, attempt: Attempt) -> Option<Arc<Inputs>> {
        // A task with options may read what the context has from before the run.
        let nothing = !self.machine.has_values() && self.machine.is_plain(attempt.task) && self.budget.is_none();
        if nothing { None } else { self.gather_inputs(attempt) }
    }

    fn gather_inputs(&mut self, attempt: Attempt) -> Option<Arc<Inputs>> {
        let task = attempt.task;
        let graph = self.machine.graph().clone();
        let wanted = &graph.task(task).options().inputs;
        let mut inputs = Inputs::default();
        for parent in graph.parents(task) {
            let output = self.machine.output(parent);
            if !output.is_nothing() {
                inputs.outputs.push((graph.id(parent).clone(), output.clone()));
            }
        }
        if let Some(given) = self.machine.inputs().as_object() {
            inputs.values.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        for input in wanted {
            let before = || self.context.as_ref()?.value(&input.key);
            if let Some(value) = self.machine.value(&input.key).or_else(before).or_else(|| input.default.clone()) {
                inputs.values.insert(input.key.clone(), value);
            }
        }
        // To undo asks for no money.
        if let Some(grant) = self.budget.as_ref().and_then(|budget| budget.granted(task)).filter(|_| !attempt.undo) {
            inputs.grant = grant;
        }
        inputs.hold = self.claims.as_mut().and_then(|claims| claims.hand(task));
        if attempt.undo {
            let undo = graph.task(task).options().undo.clone().unwrap_or_default();
            let why = self.machine.undo_why().cloned().unwrap_or_else(|| Failure::error("the run did not succeed"));
            inputs.undo = Some(ToUndo { undo, output: self.machine.output(task).clone(), why });
        }
        Some(Arc::new(inputs))
    }

    /// What a service knows an attempt by that may be repeated: see
    /// [`TaskContext::idempotency_key`](crate::TaskContext::idempotency_key).
    pub fn idempotency_key(&self, attempt: Attempt) -> String {
        idempotency_key(&self.shared, self.machine.graph().task(attempt.task), attempt.undo)
    }

    /// A place in which attempts of this run may run one after the other.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        Slot::new(self.shared.clone())
    }

    pub(super) fn shared(&self) -> Arc<RunShared> {
        self.shared.clone()
    }

    /// Changes how many attempts one step begins at most.
    pub fn set_batch(&mut self, batch: usize) {
        self.machine.set_batch(batch);
    }

    /// How the run stands. With a store it goes on until its last event is stored; if the store fails, it has failed, and
    /// [`store_error`](Session::store_error) says why.
    #[inline]
    pub fn state(&self) -> RunState {
        match &self.journal {
            Some(journal) if journal.has_failed() => RunState::Failed,
            Some(journal) if journal.is_behind() => RunState::Running,
            _ if self.budget.as_ref().is_some_and(RunBudget::is_behind) => RunState::Running,
            _ => self.machine.state(),
        }
    }

    /// Why the store could not keep the run, or that another process has taken it over; says so once. Then the run is over here,
    /// whatever its tasks did since: what was told is kept.
    pub fn store_error(&self) -> Option<Error> {
        let unbooked = || self.budget.as_ref().and_then(RunBudget::take_error);
        self.journal.as_ref().and_then(Journal::error).or_else(unbooked)
    }

    /// Waits for what is being stored, and gives the run back to its store, as dropping the session does: for drivers that have
    /// to let go of something while they wait. After that the session only tells what it knows.
    pub fn close(&mut self) {
        self.journal = None;
    }

    /// Whether the run is kept in a store.
    pub fn is_kept(&self) -> bool {
        self.journal.is_some()
    }

    /// The run's name.
    pub fn run(&self) -> RunId {
        self.shared.id
    }

    /// The graph as it is now.
    pub fn graph(&self) -> &Graph {
        self.machine.graph()
    }

    /// The report so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The report so far, with prices where there are any: what usage costs.
    pub fn priced_report(&self) -> Report {
        Self::priced(self.report.clone(), &self.options)
    }

    /// The report, at the end, with prices where there are any.
    #[inline]
    pub fn into_report(self) -> Report {
        Self::priced(self.report, &self.options)
    }

    #[inline]
    fn priced(mut report: Report, options: &SessionOptions) -> Report {
        // Only with usage: to decode a price table takes longer than a short run.
        if !report.usage().is_empty() || report.earlier().is_some_and(|earlier| !earlier.cost.usage.is_empty()) {
            let now = Clock::system().wall();
            let prices = options.prices.as_deref().unwrap_or(&Unpriced);
            report.price_with(|usage| price(prices, usage, now).complete());
        }
        report
    }
}
