//! What orchestration saves, its badges, and the rotation of its records.

use std::{path::PathBuf, sync::Arc};

use orch_core::{
    Clock, PriceTable, WallTime,
    cost::budget::Zone,
    ext::{
        badges::{Badge, Basis, Color, Style, badge_url, markdown, place_block},
        metrics::{Aggregate, Facts, MetricsOptions, Policy, Records, collect, report_markdown, write_whole},
    },
    git::{Git, GitOptions},
    store::{SqliteOptions, SqliteStore, Store, sqlite::store_path},
};
use pyo3::prelude::*;

use crate::{
    convert::{self, Text},
    error::Raised,
};

fn now(at: Option<Text>) -> orch_core::Result<WallTime> {
    at.map_or_else(|| Ok(Clock::system().wall()), |at| at.0.parse())
}

/// The history of a repository, counted beside what its store knows.
#[pyclass(frozen, module = "orch._orch")]
pub(crate) struct Metrics(Aggregate);

#[pymethods]
impl Metrics {
    /// `at`: as if it were that time; `rev`: whose history.
    #[new]
    #[pyo3(signature = (repo, policy, zone, at=None, rev=None))]
    fn new(
        py: Python<'_>,
        repo: PathBuf,
        policy: Text,
        zone: Text,
        at: Option<Text>,
        rev: Option<Text>,
    ) -> PyResult<Self> {
        let read = || {
            let (policy, zone): (Policy, Zone) = (policy.0.parse()?, zone.0.parse()?);
            Ok(MetricsOptions { policy, zone, ..MetricsOptions::at(now(at)?) })
        };
        let options = read().raised(py)?;
        let count = || {
            let git = Git::new(repo, GitOptions::default());
            let head = match rev {
                Some(rev) => Some(git.commit(&rev.0)?),
                None => git.reference("HEAD")?,
            };
            let path = store_path(None, git.directory(), |name| std::env::var_os(name))?;
            let facts = if path.exists() {
                let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path, SqliteOptions::default())?);
                Facts::load(&store, &PriceTable::bundled(), None, None)?
            } else {
                Facts::default()
            };
            collect(&git, head.as_ref(), options, &facts)
        };
        Ok(Self(py.detach(count).raised(py)?))
    }

    /// As `aggregated_metrics.json` has it.
    fn form<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::to_python(py, &self.0.file_form())
    }

    /// Writes that file, if it would say something else; what was wrong with the one before.
    fn update(&self, py: Python<'_>, path: PathBuf) -> PyResult<Option<String>> {
        let mut aggregate = self.0.clone();
        let updated = py.detach(|| aggregate.update(&path, false)).raised(py)?;
        Ok(updated.problem.map(|problem| problem.to_string()))
    }

    /// Writes the report beside it.
    fn report(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| write_whole(&path, report_markdown(&self.0, false).as_bytes())).raised(py)
    }

    /// The two badges of the scripts: label, message, colour and address.
    fn badges(&self) -> Vec<(String, String, &'static str, String)> {
        let of = self.0.modelled();
        let cost = Badge::mtd_cost(of.map(|of| (of.actual_usd, Basis::Modelled)));
        let savings = Badge::savings(of.map(|of| (of.saved_usd, of.savings_percentage, Basis::Modelled)));
        let form = |badge: Badge| {
            let url = badge_url(&badge, Style::ForTheBadge);
            (badge.label, badge.message, badge.color.name(), url)
        };
        vec![form(cost), form(savings)]
    }
}

/// Whether there is a zone of that name.
#[pyfunction]
pub(crate) fn is_zone(name: Text) -> bool {
    name.0.parse::<Zone>().is_ok()
}

/// The colour of so many percent.
#[pyfunction]
pub(crate) fn savings_color(percent: f64) -> &'static str {
    Color::of_savings(percent).name()
}

/// A picture that is a link, in Markdown.
#[pyfunction]
pub(crate) fn badge_markdown(alt: Text, picture: Text, link: Text) -> String {
    markdown(&alt.0, &picture.0, &link.0)
}

/// Puts lines between the marks of a file; whether that changed it.
#[pyfunction]
pub(crate) fn write_block(py: Python<'_>, path: PathBuf, lines: Text, check: bool) -> PyResult<bool> {
    let before = String::from_utf8(std::fs::read(&path)?)?;
    let placed = place_block(&before, &lines.0, false).raised(py)?;
    let changes = placed.text != before;
    if changes && !check {
        py.detach(|| write_whole(&path, placed.text.as_bytes())).raised(py)?;
    }
    Ok(changes)
}

/// Rotates the records of a repository: whether that was due, and what was done.
#[pyfunction]
#[pyo3(signature = (top, folder, zone, check, force, at=None))]
pub(crate) fn rotate<'py>(
    py: Python<'py>,
    top: PathBuf,
    folder: Text,
    zone: Text,
    check: bool,
    force: bool,
    at: Option<Text>,
) -> PyResult<(bool, Bound<'py, PyAny>)> {
    let (zone, at): (Zone, WallTime) = (zone.0.parse().raised(py)?, now(at).raised(py)?);
    let records = Records { top, folder: folder.0 };
    let look = py.detach(|| records.look(&zone, at)).raised(py)?;
    let done = if check { None } else { Some(py.detach(|| records.rotate(&look, force, &zone, at)).raised(py)?) };
    Ok((look.is_due(), convert::shown(py, &done)?))
}
