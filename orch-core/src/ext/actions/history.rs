//! What past runs say of workflows: how often, how long, how many for nothing.

use std::collections::BTreeMap;

use super::{price::billed_minutes, runs::WorkflowRun};
use crate::error::{Error, ErrorKind, Result};

/// What past runs say of workflows, to measure an audit by.
#[derive(Debug, Clone, Default)]
pub struct History {
    files: BTreeMap<String, Measured>,
    names: BTreeMap<String, Measured>,
}

/// What past runs say of one workflow.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    days: f64,
    events: BTreeMap<String, u64>,
    overtaken: BTreeMap<String, u64>,
    /// Seconds of each job by its name, without the values of a matrix.
    jobs: BTreeMap<String, Vec<u64>>,
    over: u64,
    failed: u64,
}

impl History {
    /// What these runs say. The days from the first to the last of them are the time that they stand for.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) where there is no run.
    pub fn of(runs: &[WorkflowRun]) -> Result<Self> {
        let first = runs.iter().map(|run| run.created.0).min();
        let last = runs.iter().map(|run| run.created.0).max();
        let Some((first, last)) = first.zip(last) else {
            return Err(Error::new(ErrorKind::InvalidValue, "there are no runs to learn from"));
        };
        // A day at least: what happened within an hour says nothing of a month.
        let days = ((last - first) as f64 / 86_400_000.0).max(1.0);
        let mut groups: BTreeMap<(Option<&str>, &str), Vec<&WorkflowRun>> = BTreeMap::new();
        for run in runs {
            groups.entry((run.file.as_deref(), run.workflow.as_str())).or_default().push(run);
        }
        let mut history = Self::default();
        for ((file, name), runs) in groups {
            let measured = Measured::of(&runs, days);
            if let Some(file) = file {
                history.files.insert(file.to_owned(), measured.clone());
            }
            history.names.insert(name.to_owned(), measured);
        }
        Ok(history)
    }

    pub(super) fn of_workflow(&self, file: &str, name: Option<&str>) -> Option<&Measured> {
        // A workflow without a name has that of its path.
        let path = format!(".github/workflows/{file}");
        self.files.get(file).or_else(|| self.names.get(name?)).or_else(|| self.names.get(&path))
    }
}

/// The name of a job without the values of its matrix.
fn plain_name(name: &str) -> &str {
    match name.rfind(" (") {
        Some(at) if name.ends_with(')') => name.get(..at).unwrap_or(name),
        _ => name,
    }
}

impl Measured {
    fn of(runs: &[&WorkflowRun], days: f64) -> Self {
        let mut measured = Self { days, ..Self::default() };
        for run in runs {
            *measured.events.entry(run.event.clone()).or_default() += 1;
            if run.is_over() {
                measured.over += 1;
                measured.failed += u64::from(matches!(run.conclusion.as_str(), "failure" | "timed_out"));
            }
            for job in run.jobs.iter().filter(|job| job.conclusion != "skipped") {
                if let Some(seconds) = job.seconds() {
                    measured.jobs.entry(plain_name(&job.name).to_owned()).or_default().push(seconds);
                }
            }
        }
        let mut lanes: BTreeMap<(&str, &str), Vec<&WorkflowRun>> = BTreeMap::new();
        for run in runs {
            lanes.entry((&run.event, &run.branch)).or_default().push(run);
        }
        for ((event, _), mut lane) in lanes {
            lane.sort_by_key(|run| run.created);
            let overtaken = lane.iter().zip(lane.iter().skip(1)).filter(|(one, next)| {
                one.updated.is_some_and(|ended| next.created < ended) && one.conclusion != "cancelled"
            });
            *measured.overtaken.entry(event.to_owned()).or_default() += overtaken.count() as u64;
        }
        measured
    }

    pub(super) fn runs_per_30_days(&self, event: &str) -> f64 {
        self.events.get(event).copied().unwrap_or(0) as f64 * 30.0 / self.days
    }

    /// The share of the runs of that event during which a newer one of the same branch came.
    pub(super) fn superseded(&self, event: &str) -> f64 {
        let (runs, overtaken) = (self.events.get(event), self.overtaken.get(event));
        overtaken.copied().unwrap_or(0) as f64 / runs.copied().unwrap_or(0).max(1) as f64
    }

    pub(super) fn failing(&self) -> f64 {
        self.failed as f64 / self.over.max(1) as f64
    }

    fn times(&self, job: &str) -> Option<&[u64]> {
        self.jobs.get(plain_name(job)).map(Vec::as_slice).filter(|times| !times.is_empty())
    }

    /// The mean billed minutes of one job of that name.
    pub(super) fn job_minutes(&self, job: &str) -> Option<f64> {
        let times = self.times(job)?;
        Some(times.iter().map(|&seconds| billed_minutes(seconds)).sum::<u64>() as f64 / times.len() as f64)
    }

    pub(super) fn job_seconds(&self, job: &str) -> Option<f64> {
        let times = self.times(job)?;
        Some(times.iter().sum::<u64>() as f64 / times.len() as f64)
    }

    /// Seconds within which 95 of 100 jobs of that name ended.
    pub(super) fn job_p95(&self, job: &str) -> Option<f64> {
        quantile(self.times(job)?, 95).map(|seconds| seconds as f64)
    }

    /// Minutes in 30 days that jobs of that name went on after so many.
    pub(super) fn beyond(&self, job: &str, minutes: u64) -> f64 {
        let beyond: u64 =
            self.times(job).unwrap_or_default().iter().map(|s| billed_minutes(*s).saturating_sub(minutes)).sum();
        beyond as f64 * 30.0 / self.days
    }
}

/// The value below or at which so many of 100 are: the nearest rank.
pub(super) fn quantile(values: &[u64], percent: u64) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() as u64 * percent).div_ceil(100).max(1);
    sorted.get(usize::try_from(rank).unwrap_or(usize::MAX).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_overtaken_while_it_goes_on() {
        let run = |id: u64, branch: &str, from: &str, to: &str| {
            format!(
                r#"{{"databaseId": {id}, "workflowName": "CI", "event": "pull_request", "headBranch": "{branch}", "status": "completed",
                    "conclusion": "success", "createdAt": "2026-11-01T{from}:00Z", "updatedAt": "2026-11-01T{to}:00Z"}}"#
            )
        };
        let runs = [
            run(1, "x", "10:00", "10:10"),
            run(2, "x", "10:05", "10:20"),
            // Afterwards, and beside.
            run(3, "x", "10:30", "10:40"),
            run(4, "y", "10:35", "10:45"),
        ];
        let runs = crate::ext::actions::read_runs(&[format!("[{}]", runs.join(","))]).unwrap();
        assert_eq!(
            History::of(&runs).unwrap().of_workflow("ci.yml", Some("CI")).unwrap().superseded("pull_request"),
            0.25
        );
    }

    #[test]
    fn there_must_be_runs() {
        assert!(History::of(&[]).is_err());
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        let values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!([50, 95, 100].map(|percent| quantile(&values, percent)), [Some(50), Some(95), Some(100)]);
        assert_eq!((quantile(&[7], 95), quantile(&[], 95)), (Some(7), None));
        // Up to the next rank: of three the second, of 19 the last.
        assert_eq!((quantile(&[1, 2, 3], 50), quantile(&(1..=19).collect::<Vec<_>>(), 95)), (Some(2), Some(19)));
    }
}
