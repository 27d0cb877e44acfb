//! The files of the systems that orch replaces.

use std::path::PathBuf;

use orch_core::{
    Clock, WallTime,
    executor::models::{Endpoints, Models, PipelineStep},
    ext::budget_file::{Month, Monthly, MonthlyOptions, TokenFile, TokensUsed, Tracker},
};
use pyo3::prelude::*;
use serde::Serialize;

use crate::{
    convert::{self, Text},
    error::Raised,
};

/// `token_budget.json`.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct BudgetFile(Tracker);

#[derive(Serialize)]
struct Stands<'a> {
    available: bool,
    remaining: f64,
    text: String,
    month: &'a Monthly,
    over: &'a Option<Month>,
}

#[pymethods]
impl BudgetFile {
    /// `options` are those that differ; `at`: a time that stands still, for tests.
    #[new]
    #[pyo3(signature = (path, options=None, at=None))]
    fn new(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyAny>>, at: Option<Text>) -> PyResult<Self> {
        let options: Option<MonthlyOptions> =
            options.map(|it| convert::read(it, "the settings of the budget")).transpose()?;
        let clock = match at {
            None => Clock::system(),
            Some(at) => {
                let at: WallTime = at.0.parse().raised(py)?;
                let (clock, hand) = Clock::manual();
                hand.wall_forward(std::time::Duration::from_millis(at.0.saturating_sub(clock.wall().0)));
                clock
            }
        };
        Ok(Self(Tracker::new(path, options.unwrap_or_default(), clock)))
    }

    /// How the month stands.
    fn check<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let found = py.detach(|| self.0.check()).raised(py)?;
        let (remaining, text) = (found.remaining.dollars(), found.to_string());
        let stands = Stands { available: found.available, remaining, text, month: &found.month, over: &found.over };
        convert::shown(py, &stands)
    }

    /// Books an execution: what it cost, and the month that is over, if one is.
    fn record<'py>(
        &self,
        py: Python<'py>,
        claude: (u64, u64),
        openai: (u64, u64),
        pr: bool,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let tokens = TokensUsed {
            claude_input: claude.0,
            claude_output: claude.1,
            openai_input: openai.0,
            openai_output: openai.1,
        };
        let (recorded, over) = py.detach(|| self.0.record(&tokens, pr)).raised(py)?;
        Ok((convert::shown(py, &recorded)?, convert::shown(py, &over)?))
    }

    /// What it was told, as data.
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::shown(py, self.0.options())
    }
}

/// How many tokens `token_usage.json` has.
#[pyfunction]
pub(crate) fn tokens_used(py: Python<'_>, path: PathBuf) -> PyResult<u64> {
    py.detach(|| TokenFile::new(path).load()).raised(py)
}

/// What tokens cost by the scripts' prices, in dollars.
#[pyfunction]
pub(crate) fn tokens_cost(tokens: u64) -> f64 {
    TokenFile::cost(tokens).dollars()
}

/// Asks models, step after step: what they answered, and what was used.
#[pyfunction]
pub(crate) fn ask_models<'py>(
    py: Python<'py>,
    endpoints: &Bound<'_, PyAny>,
    steps: &Bound<'_, PyAny>,
    task: Text,
) -> PyResult<Bound<'py, PyAny>> {
    let endpoints: Endpoints = convert::read(endpoints, "the models")?;
    let steps: Vec<PipelineStep> = convert::read(steps, "the steps")?;
    convert::shown(py, &py.detach(|| Models::new(endpoints).pipeline(&steps, &task.0)))
}
