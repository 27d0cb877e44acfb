//! The cache: objects of Python in the core's cache, and one computation for all who want the same.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use orch_core::{
    CacheEntry, CacheOptions, CacheValue, Clock, Cost, Error, ErrorKind, Eviction, Keep, TtlCache,
    cache::{Flights, Follower, Held, Join, KeyParts, Landing, Lead, Leader, Pattern, Turn},
    clock::Hand,
    session::{Asking, SharedCache, StoreCache, StoreCacheOptions, Trust},
};
use pyo3::{
    exceptions::PyKeyError,
    prelude::*,
    types::{PyBytes, PyList, PyMapping, PyString},
};

use crate::{
    convert::{self, Text},
    error::Raised,
    session::rings,
    store::Store,
};

/// How often a waiting thread asks whether it was interrupted.
const INTERRUPTS: Duration = Duration::from_millis(20);

/// Values by key. The class that users see, in Python, is made of it.
#[pyclass(subclass, frozen, module = "orch._orch")]
pub(crate) struct Cache {
    pub(crate) shared: SharedCache,
    flights: Flights<Arc<str>, CacheEntry>,
    /// Moves the time, in tests.
    hand: Option<Hand>,
    /// Whether there is a store behind it.
    #[pyo3(get)]
    shares: bool,
}

impl Cache {
    fn cache(&self) -> &TtlCache {
        self.shared.cache()
    }
}

#[pymethods]
impl Cache {
    #[new]
    #[pyo3(signature = (*, max_bytes=None, ttl=None, eviction="lru", store=None, trusted=true, _parent=None, _manual=false))]
    #[expect(clippy::too_many_arguments, reason = "they are given by name")]
    fn new(
        max_bytes: Option<&Bound<'_, PyAny>>,
        ttl: Option<&Bound<'_, PyAny>>,
        eviction: &str,
        store: Option<PyRef<'_, Store>>,
        trusted: bool,
        _parent: Option<PyRef<'_, Self>>,
        _manual: bool,
        py: Python<'_>,
    ) -> PyResult<Self> {
        if let Some(parent) = _parent {
            let shared = SharedCache::new(parent.cache().child());
            return Ok(Self { shared, flights: Flights::default(), hand: parent.hand.clone(), shares: false });
        }
        let mut options = CacheOptions::default();
        if let Some(bytes) = max_bytes {
            options.max_bytes = bytes.extract().or_else(|_| {
                let message = format!("`max_bytes` is {}; give a whole number, at least 0", bytes.repr()?);
                Err(Error::new(ErrorKind::InvalidValue, message)).raised(py)
            })?;
        }
        options.ttl = duration(ttl, "ttl")?.unwrap_or(options.ttl);
        options.eviction = match eviction.to_ascii_lowercase().as_str() {
            "lru" => Eviction::Lru,
            "lfu" => Eviction::Lfu,
            "expiry" => Eviction::Expiry,
            _ => {
                let message = format!("`eviction` is {eviction:?}; give 'lru', 'lfu' or 'expiry'");
                return Err(Error::new(ErrorKind::InvalidValue, message)).raised(py);
            }
        };
        let (clock, hand) = if _manual {
            let (clock, hand) = Clock::manual();
            (clock, Some(hand))
        } else {
            (Clock::system(), None)
        };
        let ttl = options.ttl;
        let mut shared = SharedCache::new(TtlCache::with_clock(options, clock));
        let shares = store.is_some();
        if let Some(store) = store {
            let trust = if trusted { Trust::Trusted } else { Trust::Untrusted };
            let options = StoreCacheOptions { trust, ttl, ..StoreCacheOptions::default() };
            shared = shared.over(Arc::new(StoreCache::new(Arc::new(store.native.clone()), options)));
        }
        Ok(Self { shared, flights: Flights::default(), hand, shares })
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        match self.cache().get(convert::text(key)?.as_ref()) {
            Some(entry) => object(py, &entry),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    #[pyo3(signature = (key, default=None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyString>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.cache().get(convert::text(key)?.as_ref()).map_or(Ok(default), |entry| object(py, &entry).map(Some))
    }

    /// The same; not finding it is not counted: somebody else may be making it.
    fn find<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyString>,
        default: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.cache().find(convert::text(key)?.as_ref()).map_or(Ok(default), |entry| object(py, &entry))
    }

    /// The same, uncounted.
    fn peek<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyString>,
        default: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.cache().peek(convert::text(key)?.as_ref()).map_or(Ok(default), |entry| object(py, &entry))
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(key) = key.extract::<Text>() else { return Ok(false) };
        Ok(self.cache().peek(&key.0).is_some())
    }

    fn __len__(&self) -> usize {
        self.cache().keys().len()
    }

    fn __setitem__(&self, key: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.cache().set(convert::text(key)?.as_ref(), held(value)?);
        Ok(())
    }

    fn __delitem__(&self, key: &Bound<'_, PyString>) -> PyResult<()> {
        let name = convert::text(key)?;
        if self.cache().peek(name.as_ref()).is_none() {
            return Err(PyKeyError::new_err(key.clone().unbind()));
        }
        self.cache().invalidate(name.as_ref());
        Ok(())
    }

    #[pyo3(signature = (key, value, *, ttl=None, tags=vec![], depends_on=vec![], cost=None))]
    fn set(
        &self,
        key: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        tags: Vec<Text>,
        depends_on: Vec<Text>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let keep = keep(ttl, tags, depends_on, cost)?;
        Ok(self.cache().set_with(convert::text(key)?.as_ref(), held(value)?, keep).is_kept())
    }

    fn sorted_keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.cache().keys().iter().map(|key| PyString::new(py, key)))
    }

    fn drop_key(&self, py: Python<'_>, key: Text) -> PyResult<usize> {
        let dropped = self.cache().invalidate(&key.0);
        if self.shares {
            self.shared.invalidate_behind(&key.0);
            self.settle(py)?;
        }
        Ok(dropped)
    }

    /// Waits until a store has all that it was given.
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.shared.settle_blocking()).raised(py)
    }

    fn drop_prefix(&self, prefix: Text) -> usize {
        self.cache().invalidate_prefix(&prefix.0)
    }

    fn drop_matching(&self, py: Python<'_>, pattern: Text) -> PyResult<usize> {
        let pattern: Pattern = pattern.0.parse().raised(py)?;
        Ok(self.cache().invalidate_matching(&pattern))
    }

    fn drop_tag(&self, tag: Text) -> usize {
        self.cache().invalidate_tag(&tag.0)
    }

    fn clear(&self) -> usize {
        self.cache().clear()
    }

    /// The counts, and what was saved, in their JSON form.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &self.cache().stats())
    }

    fn explain(&self, key: Text) -> Option<String> {
        self.shared.explain(&key.0).map(|why| why.to_string())
    }

    fn export(&self) -> String {
        self.cache().export()
    }

    fn import_<'py>(&self, py: Python<'py>, text: Text) -> PyResult<Bound<'py, PyAny>> {
        let imported = self.cache().import(&text.0).raised(py)?;
        convert::shown(py, &imported)
    }

    /// The key of a call: the name, and a hash of what it is given. Values are said in the form of `orch._keys`.
    fn key_of(&self, name: Text, arguments: &Bound<'_, PyAny>) -> PyResult<String> {
        Ok(parts(arguments)?.key(&name.0))
    }

    /// Hears that the value of such a call has to be made.
    fn missed(&self, name: Text, arguments: &Bound<'_, PyAny>) -> PyResult<()> {
        self.shared.missed(&name.0, parts(arguments)?);
        Ok(())
    }

    /// Leads or follows the computation of that key.
    fn join(&self, key: Text) -> Flight {
        let key: Arc<str> = key.0.into();
        let stage = match self.flights.join(key.clone()) {
            Join::Leader(leader) => Stage::Leads(leader),
            Join::Follower(follower) => Stage::Waits(follower),
        };
        let (left, behind) = (AtomicBool::new(false), Arc::default());
        Flight { key, cache: self.shared.clone(), stage: Mutex::new(stage), left, behind }
    }

    /// Moves the time of a cache that was made for a test, and of the day by so much more.
    #[pyo3(signature = (seconds, day=0.0))]
    fn _advance(&self, seconds: f64, day: f64) -> PyResult<()> {
        if let Some(hand) = &self.hand {
            hand.advance(Duration::try_from_secs_f64(seconds)?);
            match Duration::try_from_secs_f64(day) {
                Ok(day) => hand.wall_forward(day),
                Err(_) => hand.wall_back(Duration::try_from_secs_f64(-day)?),
            }
        }
        Ok(())
    }
}

fn parts(arguments: &Bound<'_, PyAny>) -> PyResult<KeyParts> {
    let mut parts = KeyParts::new();
    for item in arguments.cast::<PyMapping>()?.items()?.iter() {
        let (name, value): (Text, Bound<'_, PyAny>) = item.extract()?;
        parts = parts.param(name.0, &convert::to_json(&value)?);
    }
    Ok(parts)
}

/// An object of Python as a value of a cache: itself, and its JSON form where it has one.
fn held(value: &Bound<'_, PyAny>) -> PyResult<CacheValue> {
    let py = value.py();
    let json = match convert::to_json(value) {
        Ok(json) => Some(json),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyException>(py) => None,
        // An interrupt is nobody's to swallow.
        Err(error) => return Err(error),
    };
    let bytes = py.import("sys")?.call_method1("getsizeof", (value, 0)).and_then(|size| size.extract()).unwrap_or(0);
    Ok(CacheValue::Held(Held::new(value.clone().unbind(), json, bytes)))
}

pub(crate) fn object<'py>(py: Python<'py>, entry: &CacheEntry) -> PyResult<Bound<'py, PyAny>> {
    if let Some(object) = entry.value().held::<Py<PyAny>>() {
        return Ok(object.bind(py).clone());
    }
    // What a run made, or an import brought.
    match (entry.json(), entry.bytes()) {
        (Some(value), _) => convert::to_python(py, value),
        (_, Some(bytes)) => Ok(PyBytes::new(py, bytes).into_any()),
        _ => Err(Error::new(ErrorKind::InvalidValue, "the value is one of another language")).raised(py),
    }
}

fn keep(
    ttl: Option<&Bound<'_, PyAny>>,
    tags: Vec<Text>,
    depends_on: Vec<Text>,
    cost: Option<&Bound<'_, PyAny>>,
) -> PyResult<Keep> {
    let cost = match cost {
        None => Cost::default(),
        Some(cost) if cost.cast::<PyMapping>().is_ok() => convert::read(cost, "the cost")?,
        seconds => Cost { time: duration(seconds, "cost")?.unwrap_or_default(), ..Cost::default() },
    };
    let derived_from = depends_on.iter().map(|key| key.0.as_str().into()).collect();
    let tags = tags.into_iter().map(|tag| tag.0).collect();
    Ok(Keep { ttl: duration(ttl, "ttl")?, tags, derived_from, cost, ..Keep::default() })
}

/// Seconds or a `timedelta`.
fn duration(value: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Option<Duration>> {
    let Some(value) = value else { return Ok(None) };
    let seconds = match value.call_method0("total_seconds") {
        Ok(seconds) => seconds.extract::<f64>(),
        Err(_) => value.extract::<f64>(),
    };
    let longest = CacheOptions::MAX_TTL;
    let duration = seconds.ok().and_then(|it| match it > longest.as_secs_f64() {
        true => Some(longest),
        false => Duration::try_from_secs_f64(it).ok(),
    });
    let Some(duration) = duration else {
        let message = format!("`{what}` is {}; give seconds, at least 0, or a `timedelta`", value.repr()?);
        return Err(Error::new(ErrorKind::InvalidValue, message)).raised(value.py());
    };
    Ok(Some(duration))
}

enum Stage {
    Leads(Leader<Arc<str>, CacheEntry>),
    Waits(Follower<Arc<str>, CacheEntry>),
    Landed(CacheEntry),
    Over,
}

/// One caller's part in the computation of a key. Whoever has one leaves it: then the next in line goes on.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Flight {
    key: Arc<str>,
    cache: SharedCache,
    /// Taken out while something is done with it, so that nothing of others runs under the lock.
    stage: Mutex<Stage>,
    left: AtomicBool,
    /// What others say of the key, where there is a store.
    behind: Arc<Mutex<Behind>>,
}

/// What the store says of a key.
#[derive(Default)]
enum Behind {
    #[default]
    Unasked,
    /// Withdrawn when it is dropped.
    Asked {
        _asking: Asking,
    },
    Answered(orch_core::Result<Turn>),
    /// The value is there.
    Known(CacheEntry),
    /// The caller makes the value, for other processes too.
    Leads(Option<Box<dyn Lead>>),
}

#[pymethods]
impl Flight {
    #[getter]
    fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is this caller's turn to make the value.
    #[getter]
    fn leads(&self) -> bool {
        matches!(&*self.stage.lock().unwrap_or_else(PoisonError::into_inner), Stage::Leads(_))
    }

    /// Whether there is no need to wait any more; if not, `wake` is called from any thread when there may be none.
    fn poll(&self, py: Python<'_>, wake: Py<PyAny>) -> bool {
        _ = py;
        self.advance(&Waker::from(Arc::new(Ring(wake))))
    }

    /// Waits without holding the interpreter.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        while !self.advance(&waker) {
            py.detach(|| thread::park_timeout(INTERRUPTS));
            py.check_signals()?;
        }
        Ok(())
    }

    /// The value that the leader made, which counts as a hit.
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let landed = match &*self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Landed(entry) => Some(entry.clone()),
            _ => None,
        };
        let Some(entry) = landed else {
            return Err(Error::new(ErrorKind::Misuse, "nothing has landed yet")).raised(py);
        };
        self.cache.cache().find(&self.key);
        object(py, &entry)
    }

    /// Asks other processes, through the store; `wake` is called, from any thread, when there is an answer. Whether there is
    /// one to wait for.
    fn ask(&self, wake: Option<Py<PyAny>>) -> bool {
        let (heard, waiter, ring) = (self.behind.clone(), thread::current(), wake.map(rings));
        let asking = self.cache.ask(&self.key, move |turn| {
            set(&heard, Behind::Answered(turn));
            match &ring {
                Some(ring) => ring(),
                None => waiter.unpark(),
            }
        });
        let Some(asking) = asking else { return false };
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have been answered by now.
        if matches!(*behind, Behind::Unasked) {
            *behind = Behind::Asked { _asking: asking };
        }
        true
    }

    /// Whether others have answered.
    fn is_answered(&self) -> bool {
        !matches!(*self.behind.lock().unwrap_or_else(PoisonError::into_inner), Behind::Asked { .. })
    }

    /// Waits for the answer of others without holding the interpreter, on the thread that asked.
    fn wait_behind(&self, py: Python<'_>) -> PyResult<()> {
        while !self.is_answered() {
            py.detach(|| thread::park_timeout(INTERRUPTS));
            py.check_signals()?;
        }
        Ok(())
    }

    /// What another process has made; else the caller makes it.
    fn found<'py>(&self, py: Python<'py>, missing: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let entry = match set(&self.behind, Behind::Unasked) {
            Behind::Answered(turn) => match turn.raised(py)? {
                Turn::Known(entry) => entry,
                Turn::Make(lead) => {
                    set(&self.behind, Behind::Leads(lead));
                    return Ok(missing);
                }
                Turn::Wait(_) => return Ok(missing),
            },
            _ => return Ok(missing),
        };
        let value = object(py, &entry)?;
        set(&self.behind, Behind::Known(entry));
        Ok(value)
    }

    /// Takes in what was found, as the caller has made it of the JSON, and gives it to all who wait.
    fn take_in(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = held(value)?;
        if let Behind::Known(entry) = set(&self.behind, Behind::Unasked) {
            let (tags, cost) = (entry.tags().to_vec(), entry.cost().clone());
            let keep = Keep { ttl: Some(entry.ttl()), tags, cost, ..Keep::default() };
            self.cache.cache().set_with(&*self.key, value.clone(), keep);
            self.cache.cache().find(&self.key);
        }
        self.tell(value);
        Ok(())
    }

    /// Keeps the value and gives it to all who wait.
    #[pyo3(signature = (value, ttl, tags, depends_on, cost))]
    fn land(
        &self,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        tags: Vec<Text>,
        depends_on: Vec<Text>,
        cost: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let keep = keep(ttl, tags, depends_on, cost)?;
        let made = held(value)?;
        if let Behind::Leads(lead) = set(&self.behind, Behind::Unasked) {
            // In its plain form: others have no objects of this process. Without one the error says so, and nobody is told.
            let value = convert::to_json(value)?;
            self.cache.keep_behind(&self.key, value.into(), keep.clone(), lead);
        }
        self.cache.cache().set_with(&*self.key, made.clone(), keep);
        self.tell(made);
        Ok(())
    }

    /// Gives it up. Who led hands over.
    fn leave(&self) {
        self.left.store(true, Ordering::Release);
        drop(set(&self.behind, Behind::Unasked));
        drop(self.swap(Stage::Over));
    }
}

/// What it was before.
fn set(behind: &Mutex<Behind>, to: Behind) -> Behind {
    std::mem::replace(&mut *behind.lock().unwrap_or_else(PoisonError::into_inner), to)
}

impl Flight {
    fn swap(&self, stage: Stage) -> Stage {
        std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), stage)
    }

    /// Those who wait get it even where it is not kept.
    fn tell(&self, value: CacheValue) {
        match self.swap(Stage::Over) {
            Stage::Leads(leader) => leader.land(CacheEntry::new(&self.key, value, Keep::default())),
            other => drop(self.swap(other)),
        }
    }

    fn advance(&self, waker: &Waker) -> bool {
        let mut follower = match self.swap(Stage::Over) {
            Stage::Waits(follower) => follower,
            other => {
                drop(self.swap(other));
                return true;
            }
        };
        let (stage, over) = match std::pin::Pin::new(&mut follower).poll(&mut Context::from_waker(waker)) {
            Poll::Ready(Landing::Value(entry)) => (Stage::Landed(entry), true),
            Poll::Ready(Landing::Lead(leader)) => (Stage::Leads(leader), true),
            Poll::Pending => (Stage::Waits(follower), false),
        };
        drop(self.swap(stage));
        if self.left.load(Ordering::Acquire) {
            drop(self.swap(Stage::Over));
        }
        over
    }
}

/// Calls a function of Python.
struct Ring(Py<PyAny>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        Python::try_attach(|py| drop(self.0.call0(py)));
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
