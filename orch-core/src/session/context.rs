//! What the tasks of a run share, and what is known from other runs.
//!
//! A task that [shares](crate::TaskOptions::shares) what it makes is looked up before it starts, by a key of what it is and of
//! all that it reads and says that it depends on; files are read in the background for that. Of all runs of an engine, and all
//! tasks of a run, one makes it while the others wait; if it fails, the next one does. What it made is kept under that key for
//! the shortest of its times; and its values go, each under its own key and for its own time, to the context of the run, where
//! the tasks that begin later read them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::task::AbortHandle;

use super::{
    ask, io,
    known::{self, Files, Known},
    shared::{Making, SharedCache},
};
use crate::{
    cache::{Admission, Answer, CacheEntry, CacheValue, Join, Keep, Landing, Leader, Origin, TtlCache, Turn},
    clock::{Clock, WallTime},
    cost::{PriceSource, price},
    definition::Graph,
    error::Result,
    event::{Event, EventKind, Output},
    executor::RunShared,
    id::{Printable, TaskIx},
    report::Report,
    run::{Attempt, Found, Machine, Message},
    units::{Cost, ModelUsage, Usage, Usd},
};

/// Knows no price: only what providers billed counts.
pub(super) struct Unpriced;

impl PriceSource for Unpriced {
    fn price(&self, _: &ModelUsage, _: WallTime) -> Option<Usd> {
        None
    }
}

/// The lead in making a result, among the callers of this process.
type Flight = Leader<String, Option<CacheEntry>>;

/// What was found out in the background.
enum News {
    /// What the files hold that a task depends on.
    Read(TaskIx, Result<Files>),
    /// How waiting for somebody else's result ended.
    Landed(TaskIx, Landing<String, Option<CacheEntry>>),
    /// Whether the cache behind knows something under that key, or whose turn it is to make it.
    Asked(TaskIx, String, Result<Turn>),
    /// A result is not kept, since this file changed while it was made.
    Changed(TaskIx, String),
}

/// Where threads put news for the next step.
#[derive(Clone)]
struct Inbox {
    run: Arc<RunShared>,
    news: Arc<Mutex<Vec<News>>>,
}

impl Inbox {
    fn put(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
        self.run.news.ring();
    }
}

/// The context of one run.
pub(super) struct RunContext {
    shared: SharedCache,
    /// What tasks of this run made, over what was in the cache before.
    own: TtlCache,
    prices: Option<Arc<dyn PriceSource>>,
    /// Where the files lie that tasks depend on.
    directory: Option<Arc<PathBuf>>,
    /// Keys under which some task of the graph shares a value.
    keys: BTreeSet<String>,
    /// Tasks whose files are being read.
    reading: HashSet<TaskIx>,
    /// What tasks of this run are making, so that nobody else does; without a lead, somebody else makes it.
    making: HashMap<TaskIx, (Known, Option<Making>)>,
    /// Tasks whose results the cache behind is asked for.
    asking: HashMap<TaskIx, Asking>,
    inbox: Inbox,
    /// Which shared values running tasks have read.
    read: HashMap<TaskIx, Vec<Origin>>,
}

/// Nobody asks any more when it is dropped.
struct Asking(AbortHandle);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl RunContext {
    pub(super) fn new(
        shared: SharedCache,
        prices: Option<Arc<dyn PriceSource>>,
        directory: Option<PathBuf>,
        graph: &Graph,
        run: Arc<RunShared>,
    ) -> Self {
        let own = shared.cache().child();
        let inbox = Inbox { run, news: Arc::default() };
        let directory = directory.map(Arc::new);
        let (keys, reading, making, asking, read) = Default::default();
        let mut context = Self { shared, own, prices, directory, keys, reading, making, asking, inbox, read };
        context.adopt(graph);
        context
    }

    /// The graph has grown.
    pub(super) fn adopt(&mut self, graph: &Graph) {
        let outputs =
            graph.tasks().iter().filter(|task| task.options().shares()).flat_map(|task| &task.options().outputs);
        self.keys = outputs.filter(|output| lasts(output.ttl)).map(|output| output.key.clone()).collect();
    }

    /// The value of a key, for a task that reads it although no task of the run made it.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        self.own.peek(key).and_then(|entry| entry.json().cloned())
    }

    /// Finds out what the task would make, now or with a later step.
    pub(super) fn look(&mut self, task: TaskIx, machine: &mut Machine, messages: &mut Vec<Message>) {
        let sources = machine.graph().task(task).options().sources.as_ref();
        let Some(files) = sources.map(|sources| &sources.files).filter(|files| !files.is_empty()) else {
            return self.find(task, None, machine, messages);
        };
        if !self.reading.insert(task) {
            return;
        }
        let Some(runtime) = io::runtime() else {
            self.reading.remove(&task);
            return messages.push(to_run(task));
        };
        let (files, directory, inbox) = (files.clone(), self.directory.clone(), self.inbox.clone());
        runtime.spawn_blocking(move || {
            let read = known::read(directory.as_deref().map(PathBuf::as_path), &files);
            inbox.put(News::Read(task, read));
        });
    }

    /// The same, when it is known what the files hold that it depends on.
    fn find(&mut self, task: TaskIx, files: Option<Arc<Files>>, machine: &mut Machine, messages: &mut Vec<Message>) {
        let Some(known) = Known::of(task, machine, &self.own, files) else { return messages.push(to_run(task)) };
        if let Some(entry) = self.shared.cache().get(&known.key) {
            return messages.push(found(task, &entry));
        }
        match self.shared.flights.join(known.key.clone()) {
            Join::Leader(flight) => self.lead(task, known, flight, machine, messages),
            Join::Follower(follower) => {
                let Some(runtime) = io::runtime() else { return messages.push(to_run(task)) };
                self.making.insert(task, (known, None));
                let inbox = self.inbox.clone();
                runtime.spawn(async move { inbox.put(News::Landed(task, follower.await)) });
            }
        }
    }

    /// What was found out since the last step.
    pub(super) fn gather(&mut self, machine: &mut Machine, messages: &mut Vec<Message>) {
        let news = std::mem::take(&mut *self.inbox.news.lock().unwrap_or_else(PoisonError::into_inner));
        for news in news {
            match news {
                News::Read(task, read) => {
                    // Nobody asks any more.
                    if !self.reading.remove(&task) {
                        continue;
                    }
                    match read {
                        Ok(files) => self.find(task, Some(Arc::new(files)), machine, messages),
                        Err(error) => {
                            let message = format!("is run, and not shared: {error}");
                            messages.extend([Message::Odd { task, message }, to_run(task)]);
                        }
                    }
                }
                News::Landed(task, landing) => {
                    // Who stopped waiting has no entry here; a lead that nobody takes goes to the next one.
                    let Some((known, _)) = self.making.remove(&task) else { continue };
                    match landing {
                        Landing::Value(Some(entry)) => messages.push(found(task, &entry)),
                        Landing::Value(None) => messages.push(to_run(task)),
                        // The files may have changed while it waited.
                        Landing::Lead(_) if known.files.is_some() => self.look(task, machine, messages),
                        Landing::Lead(flight) => self.lead(task, known, flight, machine, messages),
                    }
                }
                News::Asked(task, key, turn) => {
                    let waits = |(known, making): &(Known, Option<Making>)| making.is_some() && known.key == key;
                    if !self.making.get(&task).is_some_and(waits) || self.asking.remove(&task).is_none() {
                        continue;
                    }
                    if let Some((known, Some(making))) = self.making.remove(&task) {
                        self.answered(task, known, making.flight, turn, machine, messages);
                    }
                }
                News::Changed(task, file) => {
                    let message = format!("is not shared: `{}` changed while it ran", Printable(&file));
                    messages.push(Message::Odd { task, message });
                }
            }
        }
    }

    /// Nobody else of this process makes it. Who just did may have ended between the look and the lead, so look again.
    fn lead(&mut self, task: TaskIx, known: Known, flight: Flight, machine: &Machine, messages: &mut Vec<Message>) {
        if let Some(entry) = self.shared.cache().peek(&known.key) {
            messages.push(found(task, &entry));
            return flight.land(Some(entry));
        }
        // Our own runtime: it has a clock, and to wait without an end is no answer.
        let (Some(behind), Some(runtime)) = (self.shared.behind().cloned(), io::own()) else {
            return self.answered(task, known, flight, Ok(Turn::Make(None)), machine, messages);
        };
        let (inbox, key) = (self.inbox.clone(), known.key.clone());
        let first = match behind.lead(&key, inbox.run.id) {
            Answer::Ready(turn @ (Ok(Turn::Known(_) | Turn::Make(_)) | Err(_))) => {
                return self.answered(task, known, flight, turn, machine, messages);
            }
            first => first,
        };
        self.making.insert(task, (known, Some(Making { flight, behind: None })));
        let asking = runtime.spawn(async move {
            let turn = ask::turn(behind, &key, inbox.run.id, first).await;
            inbox.put(News::Asked(task, key, turn));
        });
        self.asking.insert(task, Asking(asking.abort_handle()));
    }

    /// What the cache behind answered: it is known there, or has to be made.
    fn answered(
        &mut self,
        task: TaskIx,
        mut known: Known,
        flight: Flight,
        turn: Result<Turn>,
        machine: &Machine,
        messages: &mut Vec<Message>,
    ) {
        let behind = match turn {
            // What is bytes is no result of a task.
            Ok(Turn::Known(entry)) if entry.key() == known.key && entry.json().is_some() => {
                self.shared.take_in(&entry);
                messages.push(found(task, &entry));
                return flight.land(Some(entry));
            }
            Ok(Turn::Make(lead)) => lead,
            Ok(Turn::Known(_) | Turn::Wait(_)) => None,
            Err(error) => {
                messages.push(Message::Odd { task, message: format!("is not shared with other processes: {error}") });
                None
            }
        };
        let graph = machine.graph();
        let name = format!("{}/{}", graph.name(), graph.id(task));
        let why = Box::new(self.shared.missed(&name, std::mem::take(&mut known.parts)));
        messages.extend([Message::Missed { task, key: known.key.as_str().into(), why }, to_run(task)]);
        self.making.insert(task, (known, Some(Making { flight, behind })));
    }

    /// What the first attempt of a task reads of the context.
    pub(super) fn reads(&mut self, attempt: Attempt, graph: &Graph, messages: &mut Vec<Message>) {
        let Attempt { task, number, undo } = attempt;
        if number > 1 || undo {
            return;
        }
        for input in &graph.task(task).options().inputs {
            // Of what nobody shares it says nothing that it is not there.
            let entry = if self.keys.contains(&input.key) { self.own.get(&input.key) } else { self.before(&input.key) };
            if entry.is_none() && !self.keys.contains(&input.key) {
                continue;
            }
            if let Some(entry) = &entry {
                self.read.entry(task).or_default().push(entry.into());
            }
            let saved = entry.map(|entry| Box::new(entry.cost().clone()));
            messages.push(Message::Read { task, key: input.key.as_str().into(), saved });
        }
    }

    /// An entry that is there from before the run.
    fn before(&self, key: &str) -> Option<CacheEntry> {
        self.own.peek(key)?;
        self.own.get(key)
    }

    /// Keeps what a task made, and lets go of what one will not make.
    pub(super) fn hear(&mut self, event: &Event, machine: &Machine, report: &Report, messages: &mut Vec<Message>) {
        match &event.kind {
            EventKind::TaskFinished { task, result: Ok(output), usage, .. } => {
                if machine.graph().task(*task).options().shares() {
                    let cost = self.cost(*task, event.at, usage.as_deref(), report);
                    self.keep(*task, output, cost, machine, messages);
                }
                self.read.remove(task);
                self.making.remove(task);
            }
            EventKind::TaskCached { task, output, saved } => {
                let cost = Cost::clone(saved);
                self.keep(*task, output, cost, machine, messages);
            }
            // What it cost is not known any more.
            EventKind::TaskRestored { task, output, .. } if machine.graph().task(*task).options().shares() => {
                self.keep(*task, output, Cost::default(), machine, messages);
            }
            EventKind::TaskFinished { task, .. } | EventKind::TaskSkipped { task, .. } => {
                self.read.remove(task);
                self.reading.remove(task);
                self.asking.remove(task);
                // Dropping the lead hands it to the next one who waits.
                self.making.remove(task);
            }
            EventKind::TasksAdded { .. } => self.adopt(machine.graph()),
            _ => {}
        }
    }

    /// What all attempts of the task took, up to its end.
    fn cost(&self, task: TaskIx, end: Duration, last: Option<&Usage>, report: &Report) -> Cost {
        let result = report.task(task);
        let failed: Duration = result.failed_attempts().iter().map(|it| it.finished.saturating_sub(it.started)).sum();
        let time = failed + end.saturating_sub(result.last_started().unwrap_or(end));
        let mut usage = result.usage().cloned().unwrap_or_default();
        if let Some(last) = last {
            usage.add(last);
        }
        if usage.is_empty() {
            return Cost { time, usage, money: None };
        }
        let prices = self.prices.as_deref().unwrap_or(&Unpriced);
        let money = price(prices, &usage, Clock::system().wall()).complete();
        Cost { time, usage, money }
    }

    fn keep(&mut self, task: TaskIx, output: &Output, cost: Cost, machine: &Machine, messages: &mut Vec<Message>) {
        let Some(value) = output.json() else { return };
        let outputs = &machine.graph().task(task).options().outputs;
        let shared: Vec<_> = outputs.iter().filter(|output| lasts(output.ttl)).collect();
        let derived_from = self.read.get(&task).cloned().unwrap_or_default();
        // Each value carries its part of the cost, so that who reads several is not told it several times.
        let part = part(&cost, shared.len() as u32);
        for output in &shared {
            let Some(value) = machine.made(task.0, &output.key) else { continue };
            let keep =
                Keep { ttl: output.ttl, cost: part.clone(), derived_from: derived_from.clone(), ..Keep::default() };
            let kept = self.own.set_with(output.key.as_str(), value.clone(), keep);
            if let Admission::TooLarge { .. } = kept {
                let message = format!("`{}` is not shared: {kept}", Printable(&output.key));
                messages.push(Message::Odd { task, message });
            }
        }
        let Some((Known { key, files, .. }, Some(making))) = self.making.remove(&task) else { return };
        let ttl = shared.iter().filter_map(|output| output.ttl).min();
        // What a run read is in its own context, which others do not see: this entry stands by its key alone.
        let keep = Keep { ttl, cost, ..Keep::default() };
        let value = CacheValue::from(value.clone());
        match files {
            None => self.shared.publish(&key, value, keep, making),
            Some(files) => self.publish(task, files, machine, move |shared| shared.publish(&key, value, keep, making)),
        }
    }

    /// Publishes a result if the files are still as they were when its key was made: else it may have been made of others.
    fn publish(
        &self,
        task: TaskIx,
        before: Arc<Files>,
        machine: &Machine,
        publish: impl FnOnce(&SharedCache) + Send + 'static,
    ) {
        let sources = machine.graph().task(task).options().sources.as_ref();
        let (Some(sources), Some(runtime)) = (sources.cloned(), io::own()) else { return };
        let (shared, directory, inbox) = (self.shared.clone(), self.directory.clone(), self.inbox.clone());
        runtime.spawn_blocking(move || {
            let now = known::read(directory.as_deref().map(PathBuf::as_path), &sources.files).unwrap_or_default();
            match known::changed(&before, &now) {
                None => publish(&shared),
                // Without its lead the next one who waits makes it.
                Some(file) => inbox.put(News::Changed(task, file.to_owned())),
            }
        });
    }
}

fn lasts(ttl: Option<Duration>) -> bool {
    ttl.is_some_and(|ttl| !ttl.is_zero())
}

fn part(cost: &Cost, of: u32) -> Cost {
    if of < 2 {
        return cost.clone();
    }
    let share = |count: u64| count / u64::from(of);
    let money = |money: Usd| Usd::from_nanos(money.nanos() / i64::from(of));
    let mut usage = Usage::default();
    for model in cost.usage.models() {
        usage.add(&Usage::from(ModelUsage {
            model: model.model.clone(),
            input: share(model.input),
            output: share(model.output),
            cache_read: share(model.cache_read),
            cache_write: share(model.cache_write),
            cache_write_1h: share(model.cache_write_1h),
            reasoning: share(model.reasoning),
            requests: share(model.requests),
            items: model.items.iter().map(|(item, count)| (item.clone(), share(*count))).collect(),
            terms: model.terms.clone(),
            billed: model.billed.map(money),
        }));
    }
    Cost { time: cost.time / of, usage, money: cost.money.map(money) }
}

fn to_run(task: TaskIx) -> Message {
    Message::Looked { task, found: None }
}

fn found(task: TaskIx, entry: &CacheEntry) -> Message {
    let output = entry.json().cloned().map_or(Output::NOTHING, Output::from);
    Message::Looked { task, found: Some(Box::new(Found { output, saved: entry.cost().clone() })) }
}
