//! Runs as `gh run list --json`, `gh run view --json` and the API tell of them, with their real field names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::price::{Runner, billed_minutes};
use crate::{
    clock::WallTime,
    error::{Error, ErrorKind, Result},
    units::Usd,
};

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunJob {
    /// Its number, 0 where it has none.
    pub id: u64,
    /// Its name; jobs of a matrix have their values in brackets.
    pub name: String,
    /// How it ended: `success`, `failure`, `cancelled`, `skipped`.
    pub conclusion: String,
    /// When a machine began it.
    pub started: Option<WallTime>,
    /// When it ended.
    pub completed: Option<WallTime>,
    /// What it ran on, where that was told.
    pub runner: Runner,
}

impl RunJob {
    /// How long it ran: not how long it waited for a machine.
    pub fn seconds(&self) -> Option<u64> {
        if self.conclusion == "skipped" {
            return Some(0);
        }
        Some(self.completed?.0.saturating_sub(self.started?.0) / 1000)
    }
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    /// Its number.
    pub id: u64,
    /// The name of its workflow.
    pub workflow: String,
    /// The name of its file, where that was told.
    pub file: Option<String>,
    /// What started it.
    pub event: String,
    /// Its branch.
    pub branch: String,
    /// `completed` when it is over.
    pub status: String,
    /// How it ended.
    pub conclusion: String,
    /// When it was asked for.
    pub created: WallTime,
    /// When its latest attempt began.
    pub started: Option<WallTime>,
    /// When it last changed; for one that is over, about when it ended.
    pub updated: Option<WallTime>,
    /// Its jobs, where they were given.
    pub jobs: Vec<RunJob>,
}

/// Billed minutes and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    /// Whole minutes, each job rounded up.
    pub minutes: u64,
    /// Their price on the day of the run.
    pub usd: Usd,
    /// Minutes whose price is not known.
    pub unpriced: u64,
    /// Whether the jobs were not given, and the time of the whole run stands for them.
    pub rough: bool,
}

impl WorkflowRun {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.status == "completed"
    }

    /// How long it took, from the beginning of its first job to the end of its last.
    pub fn seconds(&self) -> Option<u64> {
        let began = self.jobs.iter().filter_map(|job| job.started).min();
        let ended = self.jobs.iter().filter_map(|job| job.completed).max();
        let (began, ended) = began.zip(ended).or_else(|| self.started.zip(self.updated).filter(|_| self.is_over()))?;
        Some(ended.0.saturating_sub(began.0) / 1000)
    }

    /// What GitHub bills for it: each job rounded up. Without jobs its time as that of one job on Linux.
    pub fn bill(&self) -> Bill {
        if self.jobs.is_empty() {
            let minutes = if self.conclusion == "skipped" { 0 } else { self.seconds().map_or(0, billed_minutes) };
            let price = Runner::Linux.price(self.created).unwrap_or_default();
            return Bill { minutes, usd: price.times(minutes), unpriced: 0, rough: true };
        }
        let mut bill = Bill::default();
        for job in &self.jobs {
            let minutes = job.seconds().map_or(0, billed_minutes);
            bill.minutes += minutes;
            match job.runner.price(job.started.unwrap_or(self.created)) {
                Some(price) => bill.usd += price.times(minutes),
                None => bill.unpriced += minutes,
            }
        }
        bill
    }
}

/// Reads runs and jobs from any number of texts, each one JSON value or several, one after the other, as pages are.
///
/// Jobs are put to their runs by the number of the run; a run or job that is there twice counts once.
///
/// ```
/// let list = r#"[{"databaseId": 7, "workflowName": "CI", "event": "push", "status": "completed", "conclusion": "success",
///     "createdAt": "2026-11-01T10:00:00Z", "startedAt": "2026-11-01T10:00:05Z", "updatedAt": "2026-11-01T10:02:06Z"}]"#;
/// let jobs = r#"{"jobs": [{"id": 1, "run_id": 7, "name": "test", "conclusion": "success", "labels": ["ubuntu-latest"],
///     "started_at": "2026-11-01T10:00:10Z", "completed_at": "2026-11-01T10:01:50Z"}]}"#;
/// let runs = orch_core::ext::actions::read_runs(&[list, jobs])?;
/// assert_eq!(runs[0].bill().minutes, 2);
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidFormat`](ErrorKind::InvalidFormat) for what is no JSON, or has neither runs nor jobs.
pub fn read_runs<T: AsRef<str>>(texts: &[T]) -> Result<Vec<WorkflowRun>> {
    let mut found = Found::default();
    for text in texts {
        let text = text.as_ref();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let value =
                value.map_err(|error| Error::new(ErrorKind::InvalidFormat, "the runs are no JSON").caused_by(error))?;
            found.take(&value, 0)?;
        }
    }
    let Found { mut runs, jobs } = found;
    for (run, job) in jobs {
        if let Some(run) = runs.get_mut(&run)
            && !(job.id != 0 && run.jobs.iter().any(|known| known.id == job.id))
        {
            run.jobs.push(job);
        }
    }
    Ok(runs.into_values().collect())
}

#[derive(Default)]
struct Found {
    runs: BTreeMap<u64, WorkflowRun>,
    jobs: Vec<(u64, RunJob)>,
}

impl Found {
    fn take(&mut self, value: &Value, depth: usize) -> Result<()> {
        let strange = || {
            Error::new(
                ErrorKind::InvalidFormat,
                "this JSON has neither runs nor jobs; give `gh run list --json …`, or what the API answers for runs and jobs",
            )
        };
        if depth > 3 {
            return Err(strange());
        }
        if let Value::Array(items) = value {
            return items.iter().try_for_each(|item| self.take(item, depth + 1));
        }
        let list = |key: &str| value.get(key).and_then(Value::as_array);
        if let Some(runs) = list("workflow_runs") {
            runs.iter().for_each(|run| self.run(run));
            return Ok(());
        }
        let id = number(value, &["databaseId", "id"]);
        let is_run = text(value, &["createdAt", "created_at"]).is_some() && value.get("run_id").is_none();
        if is_run {
            self.run(value);
        }
        if let Some(jobs) = list("jobs") {
            for job in jobs {
                let run = number(job, &["run_id"]).or(id);
                self.jobs.extend(run.zip(read_job(job)));
            }
            return Ok(());
        }
        if let (Some(run), Some(job)) = (number(value, &["run_id"]), read_job(value)) {
            self.jobs.push((run, job));
            return Ok(());
        }
        if is_run { Ok(()) } else { Err(strange()) }
    }

    fn run(&mut self, value: &Value) {
        let Some(created) = time(value, &["createdAt", "created_at"]) else { return };
        let id = number(value, &["databaseId", "id"]).unwrap_or(self.runs.len() as u64);
        let file = text(value, &["path"]).map(|path| {
            let path = path.split('@').next().unwrap_or(path);
            path.rsplit('/').next().unwrap_or(path).to_owned()
        });
        let workflow =
            text(value, &["workflowName"]).or_else(|| text(value, &["name"])).unwrap_or("(no name)").to_owned();
        let owned = |keys: &[&str]| text(value, keys).unwrap_or_default().to_owned();
        let run = WorkflowRun {
            id,
            workflow,
            file,
            event: owned(&["event"]),
            branch: owned(&["headBranch", "head_branch"]),
            status: owned(&["status"]),
            conclusion: owned(&["conclusion"]),
            created,
            started: time(value, &["startedAt", "run_started_at"]),
            updated: time(value, &["updatedAt", "updated_at"]),
            jobs: Vec::new(),
        };
        self.runs.entry(id).or_insert(run);
    }
}

fn read_job(value: &Value) -> Option<RunJob> {
    let name = text(value, &["name"])?.to_owned();
    let labels: Vec<&str> = match value.get("labels") {
        Some(Value::Array(labels)) => labels.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    // `gh run view` does not tell labels.
    let runner = if labels.is_empty() { Runner::Linux } else { Runner::of_labels(labels) };
    // GitHub's own machines may have labels of the user's; the group says that they are GitHub's, not which.
    Some(RunJob {
        id: number(value, &["databaseId", "id"]).unwrap_or(0),
        name,
        conclusion: text(value, &["conclusion"]).unwrap_or_default().to_owned(),
        started: time(value, &["startedAt", "started_at"]),
        completed: time(value, &["completedAt", "completed_at"]),
        runner,
    })
}

fn text<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| value.get(key)?.as_str())
}

fn number(value: &Value, keys: &[&str]) -> Option<u64> {
    keys.iter().find_map(|key| value.get(key)?.as_u64())
}

fn time(value: &Value, keys: &[&str]) -> Option<WallTime> {
    let time: WallTime = text(value, keys)?.parse().ok()?;
    // `gh` writes the first year for a time that is not known; it is before 1970 and does not parse.
    (time.0 > 0).then_some(time)
}

/// What past runs say of workflows: how often, how long, how many for nothing.
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

    fn job(run: u64, id: u64, name: &str, from: &str, to: &str, label: &str) -> String {
        format!(
            r#"{{"id": {id}, "run_id": {run}, "name": "{name}", "conclusion": "success", "labels": ["{label}"],
                "started_at": "2026-11-01T{from}Z", "completed_at": "2026-11-01T{to}Z"}}"#
        )
    }

    fn run(id: u64, event: &str, created: &str, updated: &str) -> String {
        format!(
            r#"{{"id": {id}, "name": "CI", "path": ".github/workflows/ci.yml@refs/heads/main", "event": "{event}",
                "head_branch": "x", "status": "completed", "conclusion": "success", "created_at": "{created}",
                "run_started_at": "{created}", "updated_at": "{updated}"}}"#
        )
    }

    #[test]
    fn pages_lists_and_jobs_are_one_history() {
        let first = run(1, "pull_request", "2026-11-01T10:00:00Z", "2026-11-01T10:10:00Z");
        let second = run(2, "pull_request", "2026-11-01T10:05:00Z", "2026-11-01T10:10:00Z");
        let pages = format!("{{\"workflow_runs\": [{first}]}}\n{{\"workflow_runs\": [{second}, {first}]}}\n");
        let jobs = format!(
            "[{{\"jobs\": [{}, {}]}}, {{\"jobs\": [{}]}}]",
            job(1, 11, "test (3.11)", "10:00:10", "10:01:10", "ubuntu-latest"),
            job(1, 12, "test (3.12)", "10:00:10", "10:01:11", "macos-15"),
            job(1, 11, "test (3.11)", "10:00:10", "10:01:10", "ubuntu-latest"),
        );
        let runs = read_runs(&[pages, jobs]).unwrap();
        assert_eq!(runs.iter().map(|run| (run.id, run.jobs.len())).collect::<Vec<_>>(), [(1, 2), (2, 0)]);
        assert_eq!(runs[0].file.as_deref(), Some("ci.yml"));
        let bill = runs[0].bill();
        assert_eq!((bill.minutes, bill.usd, bill.rough), (3, Usd::from_nanos(6_000_000 + 2 * 62_000_000), false));
        assert_eq!(runs[0].seconds(), Some(61));
        assert!(runs[1].bill().rough);
        let history = History::of(&runs).unwrap();
        let measured = history.of_workflow("ci.yml", None).unwrap();
        assert_eq!(measured.runs_per_30_days("pull_request"), 60.0);
        assert_eq!(measured.superseded("pull_request"), 0.5);
        assert_eq!((measured.job_minutes("test"), measured.job_p95("test")), (Some(1.5), Some(61.0)));
    }

    #[test]
    fn what_is_no_run_is_refused() {
        for text in ["{", "nonsense", "{\"a\": 1}", "[1]", "[[[[[]]]]]{\"x\":1}"] {
            assert!(read_runs(&[text]).is_err(), "{text}");
        }
        assert!(read_runs(&["[]"]).unwrap().is_empty());
        assert!(read_runs::<&str>(&[]).unwrap().is_empty());
        assert!(History::of(&[]).is_err());
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        let values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!([50, 95, 100].map(|percent| quantile(&values, percent)), [Some(50), Some(95), Some(100)]);
        assert_eq!((quantile(&[7], 95), quantile(&[], 95)), (Some(7), None));
    }
}
