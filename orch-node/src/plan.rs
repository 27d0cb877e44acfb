//! Plans: what follows from a graph alone.

use napi_derive::napi;
use orch_core::{
    Clock, PlanOptions,
    cost::{self, Forecast},
    report::{Short, render::html},
    run::{Rules, simulate},
};

use serde_json::json;

use crate::{
    convert::{self, duration, millis},
    error::Raised,
    money::NativePrices,
};

/// How the tasks of a graph would run.
#[napi]
pub struct Plan(pub(crate) orch_core::Plan);

impl Plan {
    pub(crate) fn of(
        graph: &orch_core::Graph,
        default_estimate_ms: Option<f64>,
        workers: Option<u32>,
    ) -> napi::Result<Self> {
        let mut options = PlanOptions { workers, ..PlanOptions::default() };
        if let Some(estimate) = default_estimate_ms {
            options.default_estimate = duration(estimate)?;
        }
        orch_core::Plan::new(graph, &options).raised().map(Self)
    }
}

#[napi]
impl Plan {
    /// The places of the tasks of each level.
    #[napi]
    pub fn levels(&self) -> Vec<Vec<u32>> {
        self.0.by_level().iter().map(|level| level.iter().map(|ix| ix.index() as u32).collect()).collect()
    }

    /// The most tasks of a level.
    #[napi(getter)]
    pub fn widest(&self) -> u32 {
        self.0.widest()
    }

    /// The work, in milliseconds.
    #[napi(getter)]
    pub fn serial_ms(&self) -> f64 {
        millis(self.0.serial())
    }

    /// The length of the critical path, in milliseconds.
    #[napi(getter)]
    pub fn critical_ms(&self) -> f64 {
        millis(self.0.critical())
    }

    /// The places of the tasks of the critical path.
    #[napi]
    pub fn critical_path(&self) -> Vec<u32> {
        self.0.critical_path().iter().map(|ix| ix.index() as u32).collect()
    }

    /// Of one task: level, estimate, earliest start and slack in milliseconds, rank.
    #[napi]
    pub fn step(&self, place: u32) -> Vec<f64> {
        let step = self.0.step(place.into());
        vec![step.level.into(), millis(step.estimate), millis(step.earliest), millis(step.slack), f64::from(step.rank)]
    }

    /// What a run with so many at once would take, in milliseconds, and how busy they would be.
    #[napi]
    pub fn forecast(&self, max_parallel: Option<u32>) -> napi::Result<Vec<f64>> {
        let rules = Rules { max_parallel: max_parallel.unwrap_or(Rules::UNLIMITED), ..Rules::default() };
        let forecast = simulate(&self.0, rules, |task| self.0.step(task).estimate).raised()?;
        let workers = max_parallel.unwrap_or(forecast.widest);
        Ok(vec![millis(forecast.makespan), forecast.utilisation(workers)])
    }

    /// What its tasks will probably cost, as JSON.
    #[napi]
    pub fn cost(&self, prices: &NativePrices) -> napi::Result<String> {
        let Forecast { median, p90, learned, expected } = cost::forecast(&self.0, &*prices.0, Clock::system().wall());
        convert::shown(&json!({
            "usd": median.known.to_decimal(), "p90_usd": p90.to_decimal(), "unknown": median.unknown, "learned": learned,
            "expected": expected,
        }))
    }

    /// The plan as one HTML page.
    #[napi]
    pub fn html(&self) -> String {
        html::plan(&self.0)
    }

    /// A duration as a person reads it.
    #[napi]
    pub fn short(ms: f64) -> String {
        Short(duration(ms).unwrap_or_default()).to_string()
    }
}
