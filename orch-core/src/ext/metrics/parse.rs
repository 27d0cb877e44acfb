//! Reads `aggregated_metrics.json`, whichever version wrote it. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    aggregate::Measured,
    form::{MeasuredForm, SCHEMA, canonical},
    model::Count,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What an `aggregated_metrics.json` says, whichever version wrote it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AggregatedFile {
    /// The version of its form.
    #[serde(default = "first")]
    pub schema: u64,
    /// When it was written, as it says it.
    #[serde(default)]
    pub last_updated: String,
    /// The months.
    pub monthly_data: BTreeMap<String, FileMonth>,
    /// The savings of all time.
    #[serde(default)]
    pub all_time_savings: AllTime,
}

fn first() -> u64 {
    1
}

/// A month of the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FileMonth {
    /// Its name.
    pub month: String,
    /// Its commits.
    pub commits: Count,
    /// What they cost, by the model.
    pub costs: FileCosts,
    measured: Option<MeasuredForm>,
}

impl FileMonth {
    /// What was measured in it, where the file says it.
    pub fn measured(&self) -> Option<Measured> {
        self.measured.map(Measured::from)
    }
}

/// Dollars of a month, by the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FileCosts {
    /// Without orchestration.
    pub baseline_usd: f64,
    /// With it.
    pub actual_usd: f64,
    /// The difference.
    pub saved_usd: f64,
    /// In percent of the first.
    pub savings_percentage: f64,
}

/// The savings of all time, by the model. A file that is new has the commits, one that was written again the months; those of orch have both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AllTime {
    /// In tokens.
    pub tokens_saved: i64,
    /// In dollars.
    pub cost_saved_usd: f64,
    /// How many months.
    pub months_tracked: Option<u64>,
    /// Orchestrated commits.
    pub commits_with_orchestration: Option<u64>,
    /// The others.
    pub commits_without_orchestration: Option<i64>,
}

impl AggregatedFile {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) where it has the marks of a merge conflict, or is no such file; then nothing of it is to be trusted, and it
    /// can be made again from the history. [`InvalidFormat`](ErrorKind::InvalidFormat) for one of a newer orch.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(line) = conflict(text) {
            let message = format!("it has the marks of a merge conflict, the first in line {line}");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let file: Self = serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("it is not as it was written: {}", Printable(&error.to_string())))
        })?;
        if file.schema > SCHEMA {
            let message = format!("it has schema {}, and this orch knows {SCHEMA}; use a newer one", file.schema);
            return Err(Error::new(ErrorKind::InvalidFormat, message));
        }
        Ok(file)
    }
}

/// The first line that has a mark of a merge conflict.
pub fn conflict(text: &str) -> Option<usize> {
    let marks = ["<<<<<<< ", ">>>>>>> ", "||||||| "];
    text.lines().position(|line| marks.iter().any(|mark| line.starts_with(mark)) || line == "=======").map(|at| at + 1)
}

/// Whether two texts of the file say the same, but for when they were written.
pub(super) fn same_but_for_time(one: &str, other: &str) -> bool {
    let read = |text: &str| {
        let mut value: Value = serde_json::from_str(text).ok()?;
        value.as_object_mut()?.remove("last_updated");
        Some(canonical(&value))
    };
    read(one).is_some_and(|one| read(other) == Some(one))
}
