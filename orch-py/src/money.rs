//! Money: prices, usage, the ledger and its budgets.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use orch_core::{
    Clock, PriceTable, Rates, Usage, WallTime,
    cost::{UsageQuery, budget::Labels, quoted},
    session::{self, Allowed, ChargeForm, CostQuery, budget_of, charges_csv, labels_of, usd_of},
    store::MemoryStore,
};
use pyo3::prelude::*;
use serde_json::Value;

use crate::{
    convert::{self, Text},
    error::Raised,
    store::Store,
};

/// Prices of models.
#[pyclass(subclass, frozen, module = "orch._orch")]
pub(crate) struct Prices(pub(crate) Arc<PriceTable>);

#[pymethods]
impl Prices {
    #[new]
    #[pyo3(signature = (path=None, *, rates=None, aliases=None))]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        rates: Option<&Bound<'_, PyAny>>,
        aliases: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let rates: Option<HashMap<String, Rates>> = rates.map(|it| convert::read(it, "the prices")).transpose()?;
        let aliases: Option<HashMap<String, String>> =
            aliases.map(|it| convert::read(it, "the aliases")).transpose()?;
        let mut table = PriceTable::bundled();
        if let Some(path) = path {
            table = py.detach(|| session::load_prices(table, &path)).raised(py)?;
        }
        table = rates.into_iter().flatten().fold(table, |table, (model, rates)| table.with(model, rates));
        table = aliases.into_iter().flatten().fold(table, |table, (alias, model)| table.with_alias(alias, model));
        Ok(Self(Arc::new(table)))
    }

    /// What a usage costs: all of it, and each entry with its price.
    fn quoted<'py>(
        &self,
        py: Python<'py>,
        usage: &Bound<'_, PyAny>,
        at: Option<Text>,
    ) -> PyResult<(String, Bound<'py, PyAny>)> {
        let usage: Usage = convert::read(usage, "the usage")?;
        let at = time(at).raised(py)?;
        let found = py.detach(|| quoted(&*self.0, &usage, at)).raised(py)?;
        Ok((found.usd.to_decimal(), convert::shown(py, &found.form())?))
    }
}

/// The time that a text names; without one, now.
pub(crate) fn time(at: Option<Text>) -> orch_core::Result<WallTime> {
    at.map_or_else(|| Ok(Clock::system().wall()), |at| at.0.parse())
}

/// What an agent or an API says of usage: the dialect, the usage, how many messages counted.
#[pyfunction]
pub(crate) fn usage<'py>(
    py: Python<'py>,
    said: &Bound<'_, PyAny>,
    model: Option<Text>,
    provider: Option<Text>,
    batch: bool,
    dialect: Option<Text>,
) -> PyResult<(String, Bound<'py, PyAny>, usize)> {
    let [model, provider, dialect] = [model, provider, dialect].map(|text| text.map(|text| text.0));
    let query = UsageQuery { model, provider, batch, dialect };
    let found = match convert::to_json(said)? {
        Value::String(text) => py.detach(|| query.read(&text)),
        Value::Array(messages) => query.find(&messages),
        message => query.find(&[message]),
    };
    let found = found.raised(py)?;
    Ok((found.dialect, convert::shown(py, &found.usage)?, found.messages))
}

/// Who may spend what, and who spent what.
#[pyclass(subclass, frozen, module = "orch._orch")]
pub(crate) struct Ledger {
    pub(crate) native: session::Ledger,
    pub(crate) prices: Arc<PriceTable>,
}

#[pymethods]
impl Ledger {
    /// Of that store; without one, in memory. A budget is what `budget_of` reads.
    #[new]
    #[pyo3(signature = (store=None, budget=None, *, prices=None))]
    fn new(
        py: Python<'_>,
        store: Option<PyRef<'_, Store>>,
        budget: Option<&Bound<'_, PyAny>>,
        prices: Option<PyRef<'_, Prices>>,
    ) -> PyResult<Self> {
        let limits = budget.map(|it| budget_of(&convert::to_json(it)?).raised(py)).transpose()?.unwrap_or_default();
        let clock = Clock::system();
        let store: Arc<dyn orch_core::store::Store> = match store {
            Some(store) => Arc::new(store.native.clone()),
            None => Arc::new(MemoryStore::new(clock.clone())),
        };
        let prices = prices.map_or_else(|| Arc::new(PriceTable::bundled()), |prices| prices.0.clone());
        Ok(Self { native: session::Ledger::new(store, limits, clock), prices })
    }

    #[getter]
    fn limits(&self) -> Vec<&str> {
        self.native.limits().iter().map(|limit| limit.name.as_str()).collect()
    }

    /// What was spent, added up as it is asked for.
    fn sums<'py>(&self, py: Python<'py>, query: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let query: CostQuery = convert::read(query, "what to ask of the ledger")?;
        convert::shown(py, &py.detach(|| self.native.costs(&query)).raised(py)?.form())
    }

    fn sums_csv(&self, py: Python<'_>, query: &Bound<'_, PyAny>) -> PyResult<String> {
        let query: CostQuery = convert::read(query, "what to ask of the ledger")?;
        Ok(py.detach(|| self.native.costs(&query)).raised(py)?.csv())
    }

    /// Every charge by itself.
    fn each<'py>(&self, py: Python<'py>, query: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let query: CostQuery = convert::read(query, "what to ask of the ledger")?;
        let charges = py.detach(|| self.native.asked(&query)).raised(py)?;
        convert::shown(py, &charges.iter().map(session::Charge::form).collect::<Vec<_>>())
    }

    fn each_csv(&self, py: Python<'_>, query: &Bound<'_, PyAny>) -> PyResult<String> {
        let query: CostQuery = convert::read(query, "what to ask of the ledger")?;
        Ok(charges_csv(&py.detach(|| self.native.asked(&query)).raised(py)?))
    }

    /// How the budgets stand, and what is in flight.
    fn form<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &py.detach(|| self.native.form()).raised(py)?)
    }

    /// Reserves: the answer as data.
    fn ask<'py>(&self, py: Python<'py>, who: &Bound<'_, PyAny>, usd: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (who, usd) = (labels(who)?, usd_of(&convert::to_json(usd)?).raised(py)?);
        let answer = py.detach(|| self.native.reserve(&[(who, usd)])).raised(py)?;
        convert::shown(py, &answer.form())
    }

    /// Settles a reservation with charges; without any list, at what was reserved.
    fn close_booking<'py>(
        &self,
        py: Python<'py>,
        id: Text,
        charges: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let charges = charges.map(|charges| self.charges(py, charges)).transpose()?;
        let settle = || match charges {
            Some(charges) => self.native.settle(&id.0, charges),
            None => self.native.assume(&id.0),
        };
        convert::shown(py, &py.detach(settle).raised(py)?.form())
    }

    /// What somebody is to say before more is spent, as data.
    fn gates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, &py.detach(|| self.native.gates()).raised(py)?)
    }

    /// Answers such a question: `once`, `run` or `no`.
    fn say(&self, py: Python<'_>, id: Text, said: &Bound<'_, PyAny>, by: Text) -> PyResult<()> {
        let said: Allowed = convert::read(said, "the answer")?;
        py.detach(|| self.native.answer(&id.0, said, &by.0)).raised(py)
    }

    /// Books what was spent without a reservation.
    fn book<'py>(&self, py: Python<'py>, charges: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let charges = self.charges(py, charges)?;
        convert::shown(py, &py.detach(|| self.native.charge(&charges)).raised(py)?.form())
    }
}

impl Ledger {
    fn charges(&self, py: Python<'_>, charges: &Bound<'_, PyAny>) -> PyResult<Vec<session::Charge>> {
        let forms: Vec<ChargeForm> = convert::read(charges, "the charges")?;
        let now = self.native.now();
        let all: orch_core::Result<Vec<_>> = forms.iter().map(|form| form.charges(&*self.prices, now)).collect();
        Ok(all.raised(py)?.into_iter().flatten().collect())
    }
}

fn labels(who: &Bound<'_, PyAny>) -> PyResult<Labels> {
    convert::read(who, "who spends")
}

/// What a run may spend, and where that is kept.
pub(crate) fn budget(
    ledger: &Ledger,
    who: Option<&Bound<'_, PyAny>>,
    directory: Option<&std::path::Path>,
) -> PyResult<session::Budget> {
    let found = directory.map(labels_of).unwrap_or_default();
    let own = who.map(labels).transpose()?.unwrap_or_default();
    let labels = own.iter().fold(found, |all, (column, value)| all.with(column, value));
    Ok(session::Budget { labels, ..session::Budget::new(ledger.native.clone()) })
}
