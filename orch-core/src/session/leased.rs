//! Locks that processes share, by leases in a store.
//!
//! Within the process the [table](crate::locks::table) decides, as always. Beside each resource stands a gate, on which every claim
//! has a share; as long as the process has not the lease on the resource, the gate is shut: somebody claims it for himself alone.
//! So who claims the resource waits by the rules of the table, and nothing else has to be decided here than when to take a lease and
//! when to give it back. A thread does that, the keeper; no caller waits for the store.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use self::keeper::keep;
use super::io;
use crate::{
    clock::Clock,
    definition::{Claim, Resource},
    error::Result,
    id::ResourceId,
    locks::{
        Backing, Ear, MemoryLocks, ResourceLocks,
        table::{Ask, Asked, Asker, Deadlock, Grant, Refusal, ResourceStats, Ticket, Word},
    },
    store::Store,
    sync::{Mutex, lock},
};

mod keeper;
#[cfg(test)]
mod tests;

/// Begins the names of gates. No resource of a graph may have it in its name.
const GATE: char = '\u{1}';

/// The lease whose fences number the times in which a process has leases.
const TIMES: &str = "resources";

/// A fencing token is the number of such a time, and in the lower bits that of a grant in its process.
const GRANTS: u32 = 24;

/// Locks for the engines of many processes: what one claims, no other has, for any of the [resources](Resource) that are not
/// [per run](Resource::per_run).
///
/// A process takes the lease on a resource in the [`Store`] when somebody claims it, and gives it back when nobody does any more, or
/// when its [turn](StoreLocksOptions::turn) is over, as soon as nobody holds it. While it has the lease, its claims are granted as
/// [`MemoryLocks`] does. So of all processes one at a time uses a resource, also where claims share it or it has many units.
///
/// Who claims several resources waits for their leases in the order of their names, so that no two processes wait for each other.
/// This holds for what is claimed at once, as by tasks. Who holds something, and asks for more from within, should name a limit
/// for the wait: a circle through several processes is not found.
///
/// If a process dies, the store sees it, or the lease ends, and another takes over. If one was asleep for longer than its lease
/// and wakes, those who hold the resource are told that it is [lost](Word::Expired), which ends the attempts of tasks; and the store keeps
/// nothing of an attempt whose lease has gone to another. Fences rise over all processes.
///
/// A claim on a free resource costs four small transactions of the store, and as long as they take; while the lease is there,
/// claims cost what they do without.
///
/// ```
/// use std::sync::Arc;
/// use orch_core::locks::{Acquire, Locks};
/// use orch_core::session::{StoreLocks, StoreLocksOptions};
/// use orch_core::{Clock, store::MemoryStore};
///
/// # #[tokio::main]
/// # async fn main() -> orch_core::Result<()> {
/// let store = Arc::new(MemoryStore::new(Clock::system()));
/// // As two processes would have them.
/// let [one, other] = [(); 2].map(|()| Locks::new(StoreLocks::new(store.clone(), StoreLocksOptions::default())));
/// let site = one.acquire("site", "deploy", Acquire::default()).await?;
/// let first = site.fence();
/// let waits = tokio::spawn(async move { other.acquire("site", "backup", Acquire::default()).await.map(|site| site.fence()) });
/// site.release();
/// assert!(waits.await.unwrap()? > first);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreLocks(Arc<Inner>);

/// How [`StoreLocks`] behave. `StoreLocksOptions::default()`: leases of 30 s, turns of 5 s, a look 20 times a second.
#[derive(Debug, Clone)]
pub struct StoreLocksOptions {
    /// How long a process is believed to be alive without a word; it renews its leases three times in that. Default: 30 s.
    pub lease: Duration,
    /// After how long a process lets others have a resource which it goes on to use: for two looks of theirs. Default: 5 s.
    pub turn: Duration,
    /// How often it is looked whether a lease is free that another process has. Default: 50 ms.
    pub poll: Duration,
    /// Who asks, for people. Default: `process` and its number.
    pub holder: String,
}

impl Default for StoreLocksOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            turn: Duration::from_secs(5),
            poll: Duration::from_millis(50),
            holder: format!("process {}", std::process::id()),
        }
    }
}

/// How long a lease is kept that nobody uses.
const LINGER: Duration = Duration::from_millis(20);

struct Inner {
    table: MemoryLocks,
    store: Arc<dyn Store>,
    options: StoreLocksOptions,
    clock: Clock,
    state: Mutex<State>,
    /// The latest time in which this process has leases.
    time: Arc<AtomicU64>,
    news: Arc<Notify>,
    who: Arc<str>,
}

#[derive(Default)]
struct State {
    gates: BTreeMap<ResourceId, Gate>,
    /// What runs declared for themselves.
    of_runs: BTreeSet<(u32, ResourceId)>,
    asks: HashMap<Ticket, Request>,
    /// Whether a keeper is at work.
    kept: bool,
    /// The process whose leases these are: a child that was forked has none of them.
    process: u32,
}

struct Request {
    /// In order.
    resources: Vec<ResourceId>,
    ear: Arc<dyn Ear>,
    key: u64,
}

/// INVARIANT: whenever the process has no lease, the gate is shut or being shut, and nobody is granted a share of it.
enum Gate {
    Shut {
        by: Ticket,
        from: Duration,
        wanted: bool,
    },
    Open {
        lease: Arc<Backing>,
        since: Duration,
        renewed: Duration,
        idle: Option<Duration>,
    },
    /// It shuts when those who hold it have gone.
    Closing {
        by: Ticket,
        shut: Arc<AtomicBool>,
        lease: Option<(Arc<Backing>, Duration)>,
        /// Others get their chance before it is opened again.
        rests: bool,
    },
}

/// Why a gate is shut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nobody uses the resource.
    Idle,
    /// Others have waited for long enough.
    Turn,
    /// The lease is another's.
    Lost,
}

/// Hears about a gate that is being shut.
struct Shutting {
    shut: Arc<AtomicBool>,
    news: Arc<Notify>,
}

impl Ear for Shutting {
    fn told(&self, _: u64, word: Word) {
        if matches!(word, Word::Granted { .. }) {
            self.shut.store(true, Ordering::Release);
            self.news.notify_one();
        }
    }
}

/// Passes on what is told, as it is among processes.
struct Passing {
    ear: Arc<dyn Ear>,
    time: Arc<AtomicU64>,
}

impl Ear for Passing {
    fn told(&self, key: u64, word: Word) {
        let word = match word {
            Word::Granted { fence } => Word::Granted { fence: among(&self.time, fence) },
            Word::Upgraded { fence } => Word::Upgraded { fence: among(&self.time, fence) },
            Word::Expired { resource, fence } => Word::Expired { resource, fence: among(&self.time, fence) },
            Word::Refused(refusal) => Word::Refused(plain_refusal(refusal)),
            other => other,
        };
        self.ear.told(key, word);
    }
}

/// A fence of this process as one of all.
fn among(time: &AtomicU64, fence: u64) -> u64 {
    (time.load(Ordering::Acquire) << GRANTS) | fence.min((1 << GRANTS) - 1)
}

fn gate_of(resource: &ResourceId) -> ResourceId {
    format!("{GATE}{}", resource.as_str()).into()
}

/// A gate as what it stands for.
fn plain(name: ResourceId) -> ResourceId {
    match name.as_str().strip_prefix(GATE) {
        Some(resource) => resource.into(),
        None => name,
    }
}

fn plain_refusal(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Late { resource, waited, holder, others } => {
            Refusal::Late { resource: plain(resource), waited, holder, others }
        }
        other => other,
    }
}

impl StoreLocks {
    /// Locks that all processes share which open that store.
    pub fn new(store: Arc<dyn Store>, options: StoreLocksOptions) -> Self {
        let (table, clock, state) = (MemoryLocks::default(), Clock::system(), Mutex::default());
        let (time, news) = (Arc::default(), Arc::default());
        Self(Arc::new(Inner { table, store, options, clock, state, time, news, who: "another process".into() }))
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The resources of claims that processes share, in order.
    fn shared(&self, ask: &Ask<'_>) -> Vec<ResourceId> {
        let state = lock(&self.state);
        let of_run = |name: &ResourceId| ask.scope != 0 && state.of_runs.contains(&(ask.scope, name.clone()));
        let names = ask.claims.iter().map(|claim| &claim.resource).filter(|name| !of_run(name));
        let names: BTreeSet<ResourceId> = names.cloned().collect();
        names.into_iter().collect()
    }

    /// Claims a gate for nobody.
    fn shut(&self, resource: &ResourceId, ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64)) -> Option<(Ticket, bool)> {
        let claim = Claim { priority: i32::MAX, ..Claim::exclusive(gate_of(resource)) };
        let claims = std::slice::from_ref(&claim);
        match self.table.ask(&Ask { asker: Asker::Once(&self.who), scope: 0, claims, rank: 0, wait: None }, ear) {
            Asked::Granted(grant) => Some((grant.ticket, true)),
            Asked::Waits(waits) => Some((waits.ticket, false)),
            // A claim on what has no limits is not refused.
            Asked::Refused(_) => None,
        }
    }

    /// Forgets the leases of the process that this one was forked from. Who had a resource there has it there.
    fn begin(&self) {
        let process = std::process::id();
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.process, process) == process {
            return;
        }
        state.kept = false;
        let mut open = Vec::new();
        for (name, gate) in &mut state.gates {
            match gate {
                Gate::Open { .. } => open.push(name.clone()),
                Gate::Closing { lease, .. } => *lease = None,
                Gate::Shut { .. } => {}
            }
        }
        drop(state);
        for name in &open {
            self.close(name, End::Lost);
        }
    }

    /// Gates that are new are shut.
    fn know(&self, resources: &[ResourceId]) {
        for resource in resources {
            if lock(&self.state).gates.contains_key(resource) {
                continue;
            }
            // Not under the lock: whoever is told something may ask again.
            let Some((by, _)) = self.shut(resource, &mut || (Arc::new(Deaf), 0)) else { continue };
            let mut state = lock(&self.state);
            let mut other = Some(by);
            state.gates.entry(resource.clone()).or_insert_with(|| {
                other = None;
                Gate::Shut { by, from: Duration::ZERO, wanted: false }
            });
            drop(state);
            if let Some(other) = other {
                self.table.release(other);
            }
        }
    }
}

struct Deaf;

impl Ear for Deaf {
    fn told(&self, _: u64, _: Word) {}
}

impl ResourceLocks for StoreLocks {
    fn declare(&self, scope: u32, resource: &Resource) -> Result<()> {
        self.0.table.declare(scope, resource)?;
        if scope != 0 && resource.per_run {
            lock(&self.0.state).of_runs.insert((scope, resource.name.clone()));
        }
        Ok(())
    }

    fn declared(&self, scope: u32, resource: &str) -> Option<Option<u32>> {
        self.0.table.declared(scope, resource)
    }

    fn open(&self) -> u32 {
        self.0.table.open()
    }

    fn close(&self, scope: u32) {
        lock(&self.0.state).of_runs.retain(|(of, _)| *of != scope);
        self.0.table.close(scope);
    }

    fn ask(&self, ask: &Ask<'_>, ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64)) -> Asked {
        let inner = &self.0;
        let resources = inner.shared(ask);
        if resources.is_empty() {
            return inner.table.ask(ask, ear);
        }
        inner.begin();
        inner.know(&resources);
        let priority = |name: &ResourceId| {
            let of_it = ask.claims.iter().filter(|claim| claim.resource == *name);
            of_it.map(|claim| claim.priority).max().unwrap_or_default()
        };
        let gates = resources.iter().map(|name| Claim { priority: priority(name), ..Claim::shared(gate_of(name)) });
        let claims: Vec<Claim> = ask.claims.iter().cloned().chain(gates).collect();
        let (heard, key) = ear();
        let passing: Arc<dyn Ear> = Arc::new(Passing { ear: heard.clone(), time: inner.time.clone() });
        let answer = inner.table.ask(&Ask { claims: &claims, ..*ask }, &mut || (passing.clone(), key));
        let ticket = match &answer {
            Asked::Granted(grant) => Some(grant.ticket),
            Asked::Waits(waits) => Some(waits.ticket),
            Asked::Refused(_) => None,
        };
        let mut state = lock(&inner.state);
        match ticket {
            Some(ticket) => {
                state.asks.insert(ticket, Request { resources, ear: heard, key });
            }
            // Who does not wait may find it open the next time.
            None => {
                for resource in &resources {
                    if let Some(Gate::Shut { wanted, .. }) = state.gates.get_mut(resource) {
                        *wanted = true;
                    }
                }
            }
        }
        drop(state);
        keep(inner);
        match answer {
            Asked::Granted(grant) => Asked::Granted(Grant { fence: among(&inner.time, grant.fence), ..grant }),
            Asked::Waits(mut waits) => {
                waits.resource = plain(waits.resource);
                Asked::Waits(waits)
            }
            Asked::Refused(refusal) => Asked::Refused(plain_refusal(refusal)),
        }
    }

    fn upgrade(
        &self,
        ticket: Ticket,
        resource: &str,
        wait: Option<Duration>,
        ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64),
    ) -> Option<Asked> {
        let time = &self.0.time;
        let passing = &mut || {
            let (ear, key) = ear();
            (Arc::new(Passing { ear, time: time.clone() }) as Arc<dyn Ear>, key)
        };
        self.0.table.upgrade(ticket, resource, wait, passing).map(|answer| match answer {
            Asked::Granted(grant) => Asked::Granted(Grant { fence: among(time, grant.fence), ..grant }),
            other => other,
        })
    }

    fn stop_upgrade(&self, ticket: Ticket) {
        self.0.table.stop_upgrade(ticket);
    }

    fn release(&self, ticket: Ticket) -> bool {
        let known = lock(&self.0.state).asks.remove(&ticket).is_some();
        let there = self.0.table.release(ticket);
        if known {
            keep(&self.0);
        }
        there
    }

    fn release_all(&self, owner: &str) -> usize {
        let gone = self.0.table.release_all(owner);
        keep(&self.0);
        gone
    }

    fn renew(&self, ticket: Ticket) -> bool {
        self.0.table.renew(ticket)
    }

    fn owner(&self, ticket: Ticket) -> Option<Arc<str>> {
        self.0.table.owner(ticket)
    }

    fn fence(&self, ticket: Ticket) -> Option<u64> {
        self.0.table.fence(ticket).map(|fence| among(&self.0.time, fence))
    }

    fn turn(&self) -> Option<Duration> {
        self.0.table.turn()
    }

    fn wake_in(&self, ticket: Ticket) -> Option<Duration> {
        self.0.table.wake_in(ticket)
    }

    fn stats(&self, scope: u32, resource: &str) -> Option<ResourceStats> {
        self.0.table.stats(scope, resource)
    }

    fn deadlocks(&self) -> Vec<Deadlock> {
        self.0.table.deadlocks()
    }

    fn end(&self, deadlock: &Deadlock) -> bool {
        self.0.table.end(deadlock)
    }

    fn backing(&self, ticket: Ticket) -> Vec<Arc<Backing>> {
        let state = lock(&self.0.state);
        let Some(request) = state.asks.get(&ticket) else { return Vec::new() };
        let lease = |name| match state.gates.get(name)? {
            Gate::Open { lease, .. } | Gate::Closing { lease: Some((lease, _)), .. } => Some(lease.clone()),
            _ => None,
        };
        request.resources.iter().filter_map(lease).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.process != std::process::id() {
            return;
        }
        let gates = std::mem::take(&mut state.gates);
        drop(state);
        let leases: Vec<Arc<Backing>> = gates
            .into_values()
            .filter_map(|gate| match gate {
                Gate::Open { lease, .. } => Some(lease),
                Gate::Closing { lease, .. } => lease.map(|(lease, _)| lease),
                Gate::Shut { .. } => None,
            })
            .collect();
        let store = self.store.clone();
        let release = move || leases.iter().for_each(|lease| drop(store.release(&lease.lease, lease.fence)));
        // The last of it may be dropped by a thread that must not wait.
        if let Some(runtime) = io::own() {
            runtime.spawn_blocking(release);
        }
    }
}

impl fmt::Debug for StoreLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreLocks")
            .field("store", &self.0.store)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
