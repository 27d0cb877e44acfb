//! A cache in a store, which all processes share that open it.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::Semaphore,
    task::{AbortHandle, spawn_blocking},
};

use super::{ask, io};
use crate::{
    cache::{Admission, Answer, Cache, CacheEntry, CacheOptions, CacheValue, Keep, Lead, Turn},
    error::{Error, ErrorKind, Result},
    id::{Printable, RunId},
    store::{CacheRow, Locked, Store},
    units::{Cost, Usd},
};

/// A second of work that need not be done again is worth a cent, where it is weighed against money.
const WORTH_OF_A_SECOND: Usd = Usd::from_cents(1);

/// How many questions to the store are under way at once.
const AT_ONCE: usize = 4;

/// A cache in a [`Store`]: what one process has made, others find, at once or weeks later. To be put
/// [behind](crate::EngineBuilder::cache_behind) the cache in memory of an engine.
///
/// Entries end by the time of day of the store's clock. Together they take at most [`max_bytes`](StoreCacheOptions::max_bytes);
/// when there is no room, those go that save the least a byte: money, and a cent for each second. Of all processes that want the
/// same result one makes it, under a lease that it renews while it works; if it dies, the next one does. Every entry says who made
/// it; see [`made_by`](StoreCache::made_by).
///
/// What it does not keep: values without a JSON form that are no bytes, and what an entry was derived from: it stands by its key
/// alone, as the results of tasks do.
///
/// ```
/// use std::sync::Arc;
/// use orch_core::{Clock, Engine, Graph, OutputSpec, Plan, PlanOptions, RunOptions, Task, TaskContext};
/// use orch_core::{session::{StoreCache, StoreCacheOptions}, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> orch_core::Result<()> {
/// let store = Arc::new(MemoryStore::new(Clock::system()));
/// let analysis = OutputSpec { key: "analysis".into(), ttl: Some(std::time::Duration::from_secs(3600)) };
/// let analyse = Task::new("analyse").agent("analyst").with(|options| options.outputs.push(analysis));
/// let graph = Graph::builder("g").task(analyse).build()?;
/// let plan = Plan::new(&graph, &PlanOptions::default())?;
/// // Two engines, as two processes would have them.
/// for saved in [false, true] {
///     let cache = StoreCache::new(store.clone(), StoreCacheOptions::default());
///     let engine = Engine::builder().executor(async |_: TaskContext| "large").cache_behind(cache).build()?;
///     let report = engine.run(&plan, RunOptions::default()).await?;
///     engine.settle().await?;
///     assert_eq!(report.find("analyse").unwrap().saved().is_some(), saved);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreCache(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    options: StoreCacheOptions,
    permits: Arc<Semaphore>,
}

/// How a [`StoreCache`] behaves. `StoreCacheOptions::default()`: trusted, 1 GiB, leads of 30 s.
#[derive(Debug, Clone)]
pub struct StoreCacheOptions {
    /// Whose entries are read. Default: [`Trust::Trusted`].
    pub trust: Trust,
    /// What all entries take at most, in bytes. Default: 1 GiB.
    pub max_bytes: u64,
    /// How long an entry is good that does not say so itself. Default: one hour, as in memory.
    pub ttl: Duration,
    /// Who writes, for people. Default: `process 123`, with the number of this process.
    pub writer: String,
    /// The commit of the code for which values are made. Default: `None`, not known.
    pub commit: Option<String>,
    /// How long others wait for a maker that is not heard of, before one of them makes the value. A maker is heard of three times
    /// in that time. Default: 30 s.
    pub lead: Duration,
    /// How long to wait between two looks whether another process has made a value. Default: 50 ms.
    pub poll: Duration,
}

impl Default for StoreCacheOptions {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            max_bytes: 1 << 30,
            ttl: CacheOptions::default().ttl,
            writer: format!("process {}", std::process::id()),
            commit: None,
            lead: Duration::from_secs(30),
            poll: Duration::from_millis(50),
        }
    }
}

/// Whether others may rely on what a process makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It reads what was made by processes that are trusted; everybody reads what it makes.
    #[default]
    Trusted,
    /// Such as the check of somebody else's branch: it reads what anybody made; only others that are not trusted read what it
    /// makes.
    Untrusted,
}

/// Who made an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    /// [Who](StoreCacheOptions::writer) it was.
    pub writer: String,
    /// For which [commit](StoreCacheOptions::commit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// In which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Whether it is trusted.
    pub trust: Trust,
}

/// What the store keeps beside a value.
#[derive(Serialize, Deserialize)]
struct About {
    form: Form,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Cost::is_nothing")]
    cost: Cost,
    by: MadeBy,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Json,
    Bytes,
}

impl StoreCache {
    /// A cache in that store.
    pub fn new(store: Arc<dyn Store>, options: StoreCacheOptions) -> Self {
        Self(Arc::new(Inner { store, options, permits: Arc::new(Semaphore::new(AT_ONCE)) }))
    }

    /// Who made the entry of that key; `None` if there is none. Blocks until the store has answered.
    ///
    /// # Errors
    ///
    /// Those of the store, and [`Corrupt`](ErrorKind::Corrupt) for an entry that says nothing of it.
    pub fn made_by(&self, key: &str) -> Result<Option<MadeBy>> {
        Ok(self.0.row(key)?.map(|(_, about)| about.by))
    }

    /// Asks the store in the background, a few at a time.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Arc<Inner>) -> Result<T> + Send + 'static,
    ) -> Answer<Result<T>> {
        let inner = self.0.clone();
        Answer::Later(Box::pin(async move {
            // The semaphore is never closed.
            let _permit = inner.permits.clone().acquire_owned().await;
            spawn_blocking(move || question(&inner)).await.unwrap_or_else(|_| Err(broken()))
        }))
    }
}

impl Inner {
    /// Under which keys of the store an entry may be, the better one first.
    fn places(&self, key: &str) -> impl Iterator<Item = String> {
        let tiers = match self.options.trust {
            Trust::Trusted => [Some(Trust::Trusted), None],
            Trust::Untrusted => [Some(Trust::Trusted), Some(Trust::Untrusted)],
        };
        tiers.into_iter().flatten().map(move |tier| place(tier, key))
    }

    fn row(&self, key: &str) -> Result<Option<(CacheRow, About)>> {
        for place in self.places(key) {
            if let Some(row) = self.store.cache_get(&place)? {
                let about = serde_json::from_str(&row.about).map_err(|_| unreadable(key))?;
                return Ok(Some((row, about)));
            }
        }
        Ok(None)
    }

    fn look(&self, key: &str) -> Result<Option<CacheEntry>> {
        let Some((row, about)) = self.row(key)? else { return Ok(None) };
        let value = match about.form {
            Form::Json => serde_json::from_slice::<Value>(&row.value).map_err(|_| unreadable(key))?.into(),
            Form::Bytes => CacheValue::from(row.value),
        };
        let keep = Keep { ttl: Some(row.left), tags: about.tags, cost: about.cost, ..Keep::default() };
        Ok(Some(CacheEntry::new(key, value, keep)))
    }

    fn keep(&self, key: &str, value: &CacheValue, keep: Keep, run: Option<RunId>) -> Result<Admission> {
        let Self { options, store, .. } = self;
        let (form, bytes) = match (value.bytes(), value.json()) {
            (Some(bytes), _) => (Form::Bytes, bytes.to_vec()),
            (None, Some(json)) => (Form::Json, serde_json::to_vec(json).unwrap_or_default()),
            (None, None) => {
                let message =
                    format!("the value of `{}` has no JSON form, so other processes cannot have it", Printable(key));
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
        };
        let lasts = keep.ttl.unwrap_or(options.ttl);
        if lasts.is_zero() {
            return Ok(Admission::Expired);
        }
        let worth = worth(&keep.cost);
        let by = MadeBy { writer: options.writer.clone(), commit: options.commit.clone(), run, trust: options.trust };
        let about = About { form, tags: keep.tags, cost: keep.cost, by };
        // Plain data: it has a JSON form.
        let about = serde_json::to_string(&about).unwrap_or_default();
        let row = CacheRow { value: bytes, about, worth, left: lasts };
        let place = place(options.trust, key);
        let max_bytes = options.max_bytes;
        Ok(match store.cache_put(&place, &row, lasts, max_bytes)? {
            true => Admission::Kept,
            false if row.bytes(&place) > max_bytes => Admission::TooLarge { bytes: row.bytes(&place), max_bytes },
            false => Admission::Crowded,
        })
    }

    /// Looks, and takes the lead where there is nothing.
    fn turn(self: &Arc<Self>, key: &str, run: RunId) -> Result<Turn> {
        if let Some(entry) = self.look(key)? {
            return Ok(Turn::Known(entry));
        }
        let name = format!("cache/{}", place(self.options.trust, key));
        let lease = match self.store.lock(&name, &self.options.writer, self.options.lead)? {
            Locked::Held { .. } => return Ok(Turn::Wait(self.options.poll)),
            Locked::Granted(lease) => lease,
        };
        let mut held = Held { cache: self.clone(), key: key.to_owned(), name, fence: lease.fence, run, renewal: None };
        // Who had the lead may have kept the value between the look and the lease.
        if let Some(entry) = self.look(key)? {
            return Ok(Turn::Known(entry));
        }
        held.stay();
        Ok(Turn::Make(Some(Box::new(held))))
    }
}

impl Cache for StoreCache {
    fn look(&self, key: &str) -> Answer<Result<Option<CacheEntry>>> {
        let key = key.to_owned();
        self.ask(move |cache| cache.look(&key))
    }

    fn keep(&self, key: &str, value: CacheValue, keep: Keep) -> Answer<Result<Admission>> {
        let key = key.to_owned();
        self.ask(move |cache| cache.keep(&key, &value, keep, None))
    }

    fn invalidate(&self, key: &str) -> Answer<Result<usize>> {
        let key = key.to_owned();
        self.ask(move |cache| {
            let drop = |place: String| cache.store.cache_drop(&place).map(usize::from);
            cache.places(&key).map(drop).sum()
        })
    }

    fn lead(&self, key: &str, run: RunId) -> Answer<Result<Turn>> {
        let key = key.to_owned();
        self.ask(move |cache| cache.turn(&key, run))
    }
}

/// The lead in making a value, among all processes.
struct Held {
    cache: Arc<Inner>,
    key: String,
    /// Of the lease.
    name: String,
    fence: u64,
    run: RunId,
    renewal: Option<AbortHandle>,
}

impl Held {
    /// Renews the lease until it is dropped.
    fn stay(&mut self) {
        let Some(runtime) = io::own() else { return };
        let (cache, name, fence, lead) = (self.cache.clone(), self.name.clone(), self.fence, self.cache.options.lead);
        let renewal = runtime.spawn(async move {
            loop {
                tokio::time::sleep(lead / 3).await;
                let (cache, name) = (cache.clone(), name.clone());
                let renewed = spawn_blocking(move || cache.store.renew(&name, fence, lead)).await;
                // One that was lost is not won back: somebody else makes the value by now. After an error it may go better.
                if matches!(renewed, Ok(Ok(false))) {
                    return;
                }
            }
        });
        self.renewal = Some(renewal.abort_handle());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
        let (cache, name, fence) = (self.cache.clone(), std::mem::take(&mut self.name), self.fence);
        // A lease that cannot be given back ends by itself.
        if let Some(runtime) = io::own() {
            runtime.spawn_blocking(move || cache.store.release(&name, fence));
        }
    }
}

impl Lead for Held {
    fn keep(self: Box<Self>, value: CacheValue, keep: Keep) -> Answer<Result<Admission>> {
        let cache = StoreCache(self.cache.clone());
        cache.ask(move |cache| {
            let kept = cache.keep(&self.key, &value, keep, Some(self.run).filter(|run| *run != ask::no_run()));
            // Only now: whoever waits shall find it.
            drop(self);
            kept
        })
    }
}

fn place(tier: Trust, key: &str) -> String {
    match tier {
        Trust::Trusted => format!("trusted/{key}"),
        Trust::Untrusted => format!("untrusted/{key}"),
    }
}

/// In nano-dollars.
fn worth(cost: &Cost) -> u64 {
    let seconds = cost.time.as_secs_f64() * WORTH_OF_A_SECOND.nanos() as f64;
    let money = cost.money.unwrap_or_default().nanos().max(0).unsigned_abs();
    // `as` saturates, which is what is wanted of an absurd time.
    money.saturating_add(seconds as u64)
}

fn unreadable(key: &str) -> Error {
    let message = format!("the entry of `{}` in the store is not one that this orch can read", Printable(key));
    Error::new(ErrorKind::Corrupt, message)
}

fn broken() -> Error {
    Error::new(ErrorKind::Io, "a question to the store broke off")
}

impl fmt::Debug for StoreCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreCache").field("store", &self.0.store).field("options", &self.0.options).finish()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("key", &self.key).field("fence", &self.fence).finish_non_exhaustive()
    }
}
