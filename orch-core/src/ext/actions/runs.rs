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
    /// What it ran on; nothing where no labels were told: `gh run view` tells none.
    pub runner: Option<Runner>,
    /// Which attempt of its run it is of, from 1.
    pub attempt: u64,
}

impl RunJob {
    /// Whether both tell of the same.
    fn is(&self, other: &Self) -> bool {
        let again = self.attempt != other.attempt && self.started.is_some();
        self.id != 0 && self.id == other.id
            || again && (&self.name, self.started, self.completed) == (&other.name, other.started, other.completed)
    }

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
    /// Whether something stands for what was not told: for the jobs one that took the time of the whole run, for their machines Linux.
    pub rough: bool,
}

impl Bill {
    fn add(&mut self, seconds: u64, runner: Runner, at: WallTime) {
        let minutes = billed_minutes(seconds);
        self.minutes += minutes;
        match runner.price(at) {
            Some(price) => self.usd += price.times(minutes),
            None => self.unpriced += minutes,
        }
    }
}

impl WorkflowRun {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.status == "completed"
    }

    /// How long its latest attempt took, from the beginning of its first job to the end of its last.
    pub fn seconds(&self) -> Option<u64> {
        let latest = self.jobs.iter().map(|job| job.attempt).max();
        let jobs = || self.jobs.iter().filter(|job| Some(job.attempt) == latest && job.conclusion != "skipped");
        let began = jobs().filter_map(|job| job.started).min();
        let ended = jobs().filter_map(|job| job.completed).max();
        let (began, ended) = began.zip(ended).or_else(|| self.started.zip(self.updated).filter(|_| self.is_over()))?;
        Some(ended.0.saturating_sub(began.0) / 1000)
    }

    /// What GitHub bills for it: each job of each attempt rounded up. Without jobs its time as that of one job on Linux.
    pub fn bill(&self) -> Bill {
        let mut bill = Bill { rough: self.jobs.is_empty(), ..Bill::default() };
        if self.jobs.is_empty() && self.conclusion != "skipped" {
            bill.add(self.seconds().unwrap_or(0), Runner::LINUX, self.created);
        }
        for job in &self.jobs {
            bill.rough |= job.runner.is_none();
            bill.add(
                job.seconds().unwrap_or(0),
                job.runner.unwrap_or(Runner::LINUX),
                job.started.unwrap_or(self.created),
            );
        }
        bill
    }
}

/// Reads runs and jobs from any number of texts, each one JSON value or several, one after the other, as pages are.
///
/// Jobs are put to their runs by the number of the run; a run or job that is there twice counts once. Where failed jobs were started again, GitHub tells of
/// those that had ended well once more, as of the new attempt; those count once too.
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
        let Some(run) = runs.get_mut(&run) else { continue };
        match run.jobs.iter_mut().find(|known| known.is(&job)) {
            Some(known) => known.attempt = known.attempt.min(job.attempt),
            None => run.jobs.push(job),
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
    Some(RunJob {
        id: number(value, &["databaseId", "id"]).unwrap_or(0),
        name,
        conclusion: text(value, &["conclusion"]).unwrap_or_default().to_owned(),
        started: time(value, &["startedAt", "started_at"]),
        completed: time(value, &["completedAt", "completed_at"]),
        runner: (!labels.is_empty()).then(|| Runner::of_labels(labels)),
        attempt: number(value, &["run_attempt"]).unwrap_or(1),
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
        let history = super::super::history::History::of(&runs).unwrap();
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
    }

    #[test]
    fn each_attempt_is_billed_and_the_latest_is_how_long_it_took() {
        let again =
            |text: String, attempt: u64| text.replace("\"id\":", &format!("\"run_attempt\": {attempt}, \"id\":"));
        let list = run(1, "push", "2026-11-01T10:00:00Z", "2026-11-01T12:00:00Z");
        let jobs = [
            // GitHub tells of `lint` in both attempts; it ran once.
            again(job(1, 23, "lint", "10:00:00", "10:00:30", "ubuntu-latest"), 2),
            again(job(1, 22, "test", "11:00:00", "11:02:00", "ubuntu-latest"), 2),
            again(job(1, 12, "lint", "10:00:00", "10:00:30", "ubuntu-latest"), 1),
            again(job(1, 11, "test", "10:00:00", "10:03:00", "ubuntu-latest"), 1),
            // Two of one name, at once.
            again(job(1, 13, "test", "10:00:00", "10:03:00", "ubuntu-latest"), 1),
        ];
        let runs = read_runs(&[list, format!("{{\"jobs\": [{}]}}", jobs.join(","))]).unwrap();
        assert_eq!((runs[0].jobs.len(), runs[0].bill().minutes, runs[0].seconds()), (4, 2 + 1 + 3 + 3, Some(120)));
    }

    #[test]
    fn what_is_not_told_is_not_free_and_not_certain() {
        let list = run(1, "push", "2026-11-01T10:00:00Z", "2026-11-01T10:10:00Z");
        let bill = |job: String| read_runs(&[list.clone(), job]).unwrap()[0].bill();
        let ours = bill(job(1, 11, "a", "10:00:00", "10:02:00", "our-machine"));
        assert_eq!((ours.minutes, ours.usd, ours.unpriced, ours.rough), (2, Usd::ZERO, 2, false));
        let untold = bill(job(1, 11, "a", "10:00:00", "10:02:00", "x").replace("[\"x\"]", "[]"));
        assert_eq!((untold.minutes, untold.usd, untold.rough), (2, Usd::from_nanos(12_000_000), true));
    }
}
