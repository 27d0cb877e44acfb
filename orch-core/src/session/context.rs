//! What the tasks of a run share, and what is known from other runs.
//!
//! A task that [shares](crate::TaskOptions::shares) what it makes is looked up before it starts, by a key of what it is and of
//! all that it reads. Of all runs of an engine, and all tasks of a run, one makes it while the others wait; if it fails, the
//! next one does. What it made is kept under that key for the shortest of its times; and its values go, each under its own
//! key and for its own time, to the context of the run, where the tasks that begin later read them.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::io;
use crate::{
    cache::{
        Admission, CacheEntry, CacheOptions, CacheValue, ContentHash, Eviction, Flights, Join, Keep, Landing, Leader,
        Origin, TtlCache,
    },
    clock::{Clock, WallTime},
    cost::{PriceSource, price},
    definition::{Graph, command::CachePolicy},
    event::{Event, EventKind, Output},
    executor::RunShared,
    id::TaskIx,
    report::Report,
    run::{Attempt, Found, Machine, Message},
    units::{Cost, ModelUsage, Usage, Usd},
};

/// A cache that runs share, and who is making what is not there yet. Cheap to clone; clones share both.
///
/// ```
/// use orch_core::{CacheOptions, TtlCache, session::SharedCache};
///
/// let shared = SharedCache::new(TtlCache::new(CacheOptions::default()));
/// assert_eq!(shared.cache().stats().entries, 0);
/// ```
#[derive(Clone)]
pub struct SharedCache {
    cache: TtlCache,
    flights: Flights<String, Option<CacheEntry>>,
}

impl SharedCache {
    /// Runs that get clones of this share the cache.
    pub fn new(cache: TtlCache) -> Self {
        Self { cache, flights: Flights::default() }
    }

    /// The cache.
    pub fn cache(&self) -> &TtlCache {
        &self.cache
    }
}

/// The options of a cache for a definition: the defaults, but for what it says itself.
pub fn cache_options(policy: CachePolicy) -> CacheOptions {
    let default = CacheOptions::default();
    let eviction = match policy.eviction {
        Some("lfu") => Eviction::Lfu,
        Some("expiry") => Eviction::Expiry,
        _ => default.eviction,
    };
    CacheOptions { max_bytes: policy.max_bytes.unwrap_or(default.max_bytes), eviction, ..default }
}

impl fmt::Debug for SharedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCache").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Knows no price: only what providers billed counts.
pub(super) struct Unpriced;

impl PriceSource for Unpriced {
    fn price(&self, _: &ModelUsage, _: WallTime) -> Option<Usd> {
        None
    }
}

type Making = Leader<String, Option<CacheEntry>>;

/// How waiting for somebody else's result ended.
type Landed = (TaskIx, Landing<String, Option<CacheEntry>>);

/// The context of one run.
pub(super) struct RunContext {
    shared: SharedCache,
    /// What tasks of this run made, over what was in the cache before.
    own: TtlCache,
    prices: Option<Arc<dyn PriceSource>>,
    /// Keys under which some task of the graph shares a value.
    keys: BTreeSet<String>,
    /// What tasks of this run are making, so that nobody else does.
    making: HashMap<TaskIx, (String, Option<Making>)>,
    /// What others made, or left to this run, since the last step.
    landed: Arc<Mutex<Vec<Landed>>>,
    /// Which shared values running tasks have read.
    read: HashMap<TaskIx, Vec<Origin>>,
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl RunContext {
    pub(super) fn new(shared: SharedCache, prices: Option<Arc<dyn PriceSource>>, graph: &Graph) -> Self {
        let own = shared.cache.child();
        let (keys, making, landed, read) = Default::default();
        let mut context = Self { shared, own, prices, keys, making, landed, read };
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

    /// Finds out what the task would make; `None`: the answer comes later, as a note.
    pub(super) fn look(&mut self, task: TaskIx, machine: &mut Machine, run: &Arc<RunShared>) -> Option<Message> {
        let Some(key) = key_of(task, machine, &self.own) else { return Some(to_run(task)) };
        if let Some(entry) = self.shared.cache.get(&key) {
            return Some(known(task, &entry));
        }
        match self.shared.flights.join(key.clone()) {
            Join::Leader(leader) => Some(self.lead(task, key, leader)),
            Join::Follower(follower) => {
                let Some(runtime) = io::runtime() else { return Some(to_run(task)) };
                self.making.insert(task, (key, None));
                let (run, landed) = (run.clone(), self.landed.clone());
                runtime.spawn(async move {
                    let landing = follower.await;
                    landed.lock().unwrap_or_else(PoisonError::into_inner).push((task, landing));
                    run.news.ring();
                });
                None
            }
        }
    }

    /// What became of the results that tasks waited for.
    pub(super) fn gather(&mut self, messages: &mut Vec<Message>) {
        let landed = std::mem::take(&mut *self.landed.lock().unwrap_or_else(PoisonError::into_inner));
        for (task, landing) in landed {
            // Who stopped waiting has no entry here; a lead that nobody takes goes to the next one.
            let Some((key, _)) = self.making.remove(&task) else { continue };
            messages.push(match landing {
                Landing::Value(Some(entry)) => known(task, &entry),
                Landing::Value(None) => to_run(task),
                Landing::Lead(leader) => self.lead(task, key, leader),
            });
        }
    }

    /// Nobody else makes it. Who just did may have ended between the look and the lead, so look again.
    fn lead(&mut self, task: TaskIx, key: String, leader: Making) -> Message {
        if let Some(entry) = self.shared.cache.peek(&key) {
            let message = known(task, &entry);
            leader.land(Some(entry));
            return message;
        }
        self.making.insert(task, (key, Some(leader)));
        to_run(task)
    }

    /// What the first attempt of a task reads of the context.
    pub(super) fn reads(&mut self, attempt: Attempt, graph: &Graph, messages: &mut Vec<Message>) {
        let Attempt { task, number, undo } = attempt;
        if number > 1 || undo {
            return;
        }
        for input in &graph.task(task).options().inputs {
            // Of what nobody shares it says nothing that it is not there.
            let entry = if self.keys.contains(&input.key) { self.own.get(&input.key) } else { self.found(&input.key) };
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
    fn found(&self, key: &str) -> Option<CacheEntry> {
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
                let message = format!("`{}` is not shared: {kept}", crate::Printable(&output.key));
                messages.push(Message::Odd { task, message });
            }
        }
        let Some((key, Some(leader))) = self.making.remove(&task) else { return };
        let ttl = shared.iter().filter_map(|output| output.ttl).min();
        // What a run read is in its own context, which others do not see: this entry stands by its key alone.
        let keep = Keep { ttl, cost, ..Keep::default() };
        let entry = match self.shared.cache.set_with(key.as_str(), CacheValue::from(value.clone()), keep) {
            Admission::Kept => self.shared.cache.peek(&key),
            _ => None,
        };
        leader.land(entry);
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
            billed: model.billed.map(money),
        }));
    }
    Cost { time: cost.time / of, usage, money: cost.money.map(money) }
}

fn to_run(task: TaskIx) -> Message {
    Message::Looked { task, found: None }
}

fn known(task: TaskIx, entry: &CacheEntry) -> Message {
    let output = entry.json().cloned().map_or(Output::NOTHING, Output::from);
    Message::Looked { task, found: Some(Box::new(Found { output, saved: entry.cost().clone() })) }
}

/// The key of what a task makes: a hash of what it is, and of all that it reads. `None` if something that it reads has no
/// JSON form, so that nobody can say whether it is the same.
fn key_of(task: TaskIx, machine: &mut Machine, context: &TtlCache) -> Option<String> {
    let graph = machine.graph().clone();
    let options = graph.task(task).options();
    let mut parents = serde_json::Map::new();
    for parent in graph.parents(task) {
        let output = machine.output(parent);
        if !output.is_nothing() {
            parents.insert(graph.id(parent).to_string(), ContentHash::of(output.json()?).to_string().into());
        }
    }
    let mut inputs = serde_json::Map::new();
    for input in &options.inputs {
        let value = machine
            .value(&input.key)
            .or_else(|| context.peek(&input.key).and_then(|entry| entry.json().cloned()))
            .or_else(|| input.default.clone());
        inputs.insert(input.key.clone(), value.map_or(Value::Null, |value| ContentHash::of(&value).to_string().into()));
    }
    let parts = json!({
        "agent": options.agent,
        "description": options.description,
        "params": options.params,
        "outputs": options.outputs.iter().map(|output| output.key.as_str()).collect::<Vec<_>>(),
        "expand": options.expand,
        "parents": parents,
        "inputs": inputs,
        "run": machine.inputs(),
    });
    Some(format!("task:{}", ContentHash::of(&parts)))
}
