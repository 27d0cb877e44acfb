//! Notices: the outbox of a store, and its targets.

use std::{env, sync::Arc, thread, time::Duration};

use orch_core::{
    Clock,
    ext::notify::{Delivered, HttpCourier, Outbox, RunNotices, Target, TargetOptions, Tell},
    store::MemoryStore,
};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
    money::Ledger,
    store::Store,
};

/// What tells people outside. Addresses go in and never come out.
#[pyclass(subclass, frozen, module = "orch._orch")]
pub(crate) struct Notices {
    outbox: Arc<Outbox>,
    courier: Arc<HttpCourier>,
    store: Arc<dyn orch_core::store::Store>,
    clock: Clock,
}

#[pymethods]
impl Notices {
    /// In that store, else in memory; to those targets, `(name, kind, address)`, else to those of the environment.
    #[new]
    #[pyo3(signature = (store, targets, local))]
    fn new(
        py: Python<'_>,
        store: Option<PyRef<'_, Store>>,
        targets: Option<Vec<(Text, Text, Text)>>,
        local: bool,
    ) -> PyResult<Self> {
        let clock = Clock::system();
        let store: Arc<dyn orch_core::store::Store> = match store {
            Some(store) => Arc::new(store.native.clone()),
            None => Arc::new(MemoryStore::new(clock.clone())),
        };
        let options = TargetOptions { local };
        let targets = match targets {
            Some(targets) => targets
                .into_iter()
                .map(|(name, kind, address)| Target::new(name.0, kind.0.parse()?, &address.0, options))
                .collect(),
            None => Target::of_variables(|name| env::var(name).ok()),
        };
        let outbox = Arc::new(Outbox::new(store.clone(), targets.raised(py)?, clock.clone()));
        Ok(Self { outbox, courier: Arc::new(HttpCourier::new()), store, clock })
    }

    /// The names of the targets.
    #[getter]
    fn targets(&self) -> Vec<&str> {
        self.outbox.targets().iter().map(Target::name).collect()
    }

    /// Puts a notice into the outbox; for how many targets it is new.
    fn put(&self, py: Python<'_>, key: Text, told: &Bound<'_, PyAny>) -> PyResult<usize> {
        let tell: Tell = convert::read(told, "the notice")?;
        let notice = tell.notice(self.clock.wall());
        py.detach(|| self.outbox.post(&key.0, &notice)).raised(py)
    }

    /// Sends what is due: sent, to be tried later, given up, and why.
    fn carry(&self, py: Python<'_>, patience: f64) -> PyResult<(u64, u64, u64, Option<String>)> {
        let patience = Duration::try_from_secs_f64(patience)?;
        let deliver = || self.outbox.deliver_within(&*self.courier, patience, thread::sleep);
        let Delivered { sent, later, dropped, why } = py.detach(deliver).raised(py)?;
        Ok((sent, later, dropped, why))
    }

    /// The letters, the latest first.
    fn letters<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyAny>> {
        let letters = py.detach(|| self.store.letters(limit)).raised(py)?;
        let forms: Vec<_> = letters.iter().map(|letter| (letter, letter.posted.to_string())).collect();
        convert::shown(py, &forms)
    }
}

/// Tells of one run, and of the budget of that ledger.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Telling(pub(crate) Arc<RunNotices>);

#[pymethods]
impl Telling {
    #[new]
    fn new(notices: PyRef<'_, Notices>, ledger: Option<PyRef<'_, Ledger>>) -> Self {
        let ledger = ledger.map(|ledger| ledger.native.clone());
        let (outbox, courier) = (notices.outbox.clone(), notices.courier.clone());
        Self(Arc::new(RunNotices::of_run(outbox, courier, ledger, env::vars_os())))
    }

    /// Waits until all is delivered, or to be tried later: sent, to be tried later, given up, and why.
    fn finish(&self, py: Python<'_>) -> PyResult<(u64, u64, u64, Option<String>)> {
        let Delivered { sent, later, dropped, why } = py.detach(|| self.0.finish()).raised(py)?;
        Ok((sent, later, dropped, why))
    }
}

/// What would be sent of a notice to a target of that kind.
#[pyfunction]
pub(crate) fn payload<'py>(py: Python<'py>, kind: Text, told: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let kind: orch_core::ext::notify::TargetKind = kind.0.parse().raised(py)?;
    let tell: Tell = convert::read(told, "the notice")?;
    convert::shown(py, &kind.payload(&tell.notice(Clock::system().wall())))
}
