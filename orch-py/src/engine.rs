//! What the runs of a program share: locks, circuit breakers, prices.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use orch_core::{
    BreakerState, Claim, Error, ErrorKind, PriceSource, PriceTable, Rates,
    locks::{LockGuard, Locks},
    session::{self, Acquiring, Breakers},
};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
    money::Prices,
    session::rings,
};

/// How often a waiting thread asks whether it was interrupted.
pub(crate) const INTERRUPTS: Duration = Duration::from_millis(20);

/// The seams that several runs share.
#[pyclass(subclass, frozen, module = "orch._orch")]
pub(crate) struct Engine {
    pub(crate) locks: Locks,
    pub(crate) breakers: Breakers,
    pub(crate) prices: Arc<dyn PriceSource>,
}

impl Default for Engine {
    fn default() -> Self {
        Self { locks: Locks::default(), breakers: Breakers::default(), prices: Arc::new(PriceTable::bundled()) }
    }
}

/// State, seconds until it lets a probe through, why it opened.
type Stands = (&'static str, Option<f64>, Option<String>);

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, prices=None, aliases=None, **_others))]
    fn new(
        prices: Option<&Bound<'_, PyAny>>,
        aliases: Option<&Bound<'_, PyAny>>,
        _others: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let known = prices.and_then(|prices| prices.cast::<Prices>().ok());
        let rates = prices.filter(|_| known.is_none()).map(|it| convert::read(it, "the prices")).transpose()?;
        let rates: HashMap<String, Rates> = rates.unwrap_or_default();
        let aliases: Option<HashMap<String, String>> =
            aliases.map(|it| convert::read(it, "the aliases")).transpose()?;
        let mut table = known.map_or_else(PriceTable::bundled, |known| (*known.get().0).clone());
        table = rates.into_iter().fold(table, |table, (model, rates)| table.with(model, rates));
        table = aliases.into_iter().flatten().fold(table, |table, (alias, model)| table.with_alias(alias, model));
        Ok(Self { prices: Arc::new(table), ..Self::default() })
    }

    /// How each circuit breaker stands that some run has asked.
    fn breaker_states(&self) -> HashMap<String, Stands> {
        let stands = |state| match state {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        };
        let all = self.breakers.list().into_iter().map(|it| {
            let why = it.why.map(|why| why.to_string());
            (it.name, (stands(it.state), it.probe_in.map(|wait| wait.as_secs_f64()), why))
        });
        all.collect()
    }

    /// Closes a breaker by hand; whether there is one of that name.
    fn reset_breaker(&self, name: Text) -> bool {
        self.breakers.reset(&name.0)
    }

    /// Who holds a resource, and how many requests wait for it.
    fn resource(&self, name: Text) -> (Vec<String>, usize) {
        let stats = self.locks.stats(&name.0);
        stats.map(|it| (it.holders.iter().map(ToString::to_string).collect(), it.waiting)).unwrap_or_default()
    }

    /// Asks for claims, as definitions have them, all at once. `wake` is called, from any thread, when the answer is there.
    fn acquire(
        &self,
        py: Python<'_>,
        claims: &Bound<'_, PyAny>,
        owner: Text,
        wait: Option<f64>,
        wake: Option<Py<PyAny>>,
    ) -> PyResult<Lock> {
        let claims: Vec<Claim> = convert::read(claims, "the claims")?;
        let wait = wait.map(Duration::try_from_secs_f64).transpose()?;
        let answer = Arc::new(Mutex::new(None));
        let (heard, waiter) = (answer.clone(), thread::current());
        let ring = wake.map(rings);
        let told = move |granted| {
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
            match &ring {
                Some(ring) => ring(),
                None => waiter.unpark(),
            }
        };
        let waits = py.detach(|| session::acquire(&self.locks, claims, owner.0, wait, told)).raised(py)?;
        Ok(Lock { answer, waits: Mutex::new(waits) })
    }
}

type Answer = Arc<Mutex<Option<orch_core::Result<LockGuard>>>>;

/// Claims that are held, or asked for. Let go, they are given back, or withdrawn.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Lock {
    answer: Answer,
    waits: Mutex<Option<Acquiring>>,
}

#[pymethods]
impl Lock {
    /// The fencing token, or the error of the request; `None` while it waits.
    fn fence(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.take() {
            Some(Err(error)) => Err(error).raised(py),
            held => {
                let fence = held.as_ref().and_then(|held| held.as_ref().ok()).map(LockGuard::fence);
                *answer = held;
                Ok(fence)
            }
        }
    }

    /// Waits, without holding the interpreter, on the thread that asked.
    fn wait(&self, py: Python<'_>) -> PyResult<u64> {
        loop {
            if let Some(fence) = self.fence(py)? {
                return Ok(fence);
            }
            py.detach(|| thread::park_timeout(INTERRUPTS));
            py.check_signals()?;
        }
    }

    /// Lets leases begin anew.
    fn renew(&self, py: Python<'_>) -> PyResult<()> {
        let renewed = match &*self.answer.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Ok(held)) => held.renew(),
            _ => false,
        };
        let lost = || Error::new(ErrorKind::Misuse, "nothing is held: it was given back, or its lease is over");
        renewed.then_some(()).ok_or_else(lost).raised(py)
    }

    /// Gives back, or withdraws.
    fn release(&self) {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(waits);
        let held = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }
}
