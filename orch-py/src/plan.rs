//! Plans: what follows from a graph alone.

use std::{sync::Arc, time::Duration};

use orch_core::{
    PlanOptions,
    cost::{forecast, price},
    plan::History,
    report::{Short, render::html},
    run::{Rules, simulate},
};
use pyo3::prelude::*;

use crate::{
    convert::Text,
    error::Raised,
    money::{Prices, time},
};

/// How the tasks of a graph would run.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Plan(pub(crate) orch_core::Plan);

impl Plan {
    pub(crate) fn of(
        py: Python<'_>,
        graph: &orch_core::Graph,
        default_estimate: Option<f64>,
        workers: Option<u32>,
        history: Option<Arc<History>>,
    ) -> PyResult<Self> {
        let mut options = PlanOptions { workers, history, ..PlanOptions::default() };
        if let Some(seconds) = default_estimate {
            options.default_estimate = Duration::try_from_secs_f64(seconds)?;
        }
        py.detach(|| orch_core::Plan::new(graph, &options)).raised(py).map(Self)
    }
}

#[pymethods]
impl Plan {
    /// The places of the tasks of each level.
    fn levels(&self) -> Vec<Vec<usize>> {
        self.0.by_level().iter().map(|level| level.iter().map(|ix| ix.index()).collect()).collect()
    }

    #[getter]
    fn widest(&self) -> u32 {
        self.0.widest()
    }

    /// The work, in seconds.
    #[getter]
    fn serial(&self) -> f64 {
        self.0.serial().as_secs_f64()
    }

    /// The length of the critical path, in seconds.
    #[getter]
    fn critical(&self) -> f64 {
        self.0.critical().as_secs_f64()
    }

    fn critical_path(&self) -> Vec<usize> {
        self.0.critical_path().iter().map(|ix| ix.index()).collect()
    }

    /// Of one task: level, estimate, earliest start and slack in seconds, rank.
    fn step(&self, ix: u32) -> (u32, f64, f64, f64, u32) {
        let step = self.0.step(ix.into());
        let [estimate, earliest, slack] = [step.estimate, step.earliest, step.slack].map(|time| time.as_secs_f64());
        (step.level, estimate, earliest, slack, step.rank)
    }

    /// What a run with so many at once would take, in seconds, and how busy they would be.
    fn forecast(&self, py: Python<'_>, max_parallel: Option<u32>) -> PyResult<(f64, f64)> {
        let rules = Rules { max_parallel: max_parallel.unwrap_or(Rules::UNLIMITED), ..Rules::default() };
        let forecast = simulate(&self.0, rules, |task| self.0.step(task).estimate).raised(py)?;
        let workers = max_parallel.unwrap_or(forecast.widest);
        Ok((forecast.makespan.as_secs_f64(), forecast.utilisation(workers)))
    }

    /// What it will probably cost: median, 90th percentile, the models without a price, how many tasks past runs know, and how
    /// many others say what they expect.
    fn cost(
        &self,
        py: Python<'_>,
        prices: &Prices,
        at: Option<Text>,
    ) -> PyResult<(String, String, Vec<String>, usize, usize)> {
        let at = time(at).raised(py)?;
        let found = py.detach(|| forecast(&self.0, &*prices.0, at));
        let (median, p90) = (found.median.known.to_decimal(), found.p90.to_decimal());
        Ok((median, p90, found.median.unknown, found.learned, found.expected))
    }

    /// The same of one task: in past runs, else as it expects; nothing where a price is missing.
    fn cost_of(&self, py: Python<'_>, ix: u32, prices: &Prices, at: Option<Text>) -> PyResult<Option<String>> {
        let at = time(at).raised(py)?;
        if let Some(known) = self.0.learned(ix.into()).and_then(|learned| learned.cost) {
            return Ok(Some(known.median.to_decimal()));
        }
        let expects = &self.0.graph().task(ix.into()).options().expects;
        Ok(price(&*prices.0, expects, at).complete().map(|usd| usd.to_decimal()))
    }

    fn html(&self) -> String {
        html::plan(&self.0)
    }

    /// A duration as a person reads it.
    #[staticmethod]
    fn short(seconds: f64) -> String {
        Short(Duration::try_from_secs_f64(seconds).unwrap_or_default()).to_string()
    }
}
