//! Jobs: how long they may take, on which machine, in how many pieces, and with whose actions.

use std::collections::BTreeMap;

use super::{
    super::{
        audit::{Basis, Findings, Looked},
        cost::money,
        price::Runner,
        workflow::{Job, Step},
        yaml::View,
    },
    Rule,
};
use crate::id::Printable;

/// Minutes of a timeout that is a guess.
pub(in super::super) const DEFAULT_TIMEOUT: u64 = 30;
/// What GitHub takes where nothing is written.
const UNWRITTEN_TIMEOUT: f64 = 360.0;
/// Seconds of a job that is tiny.
const TINY_SECONDS: f64 = 30.0;

/// The timeout for a job: twice what 95 of 100 of its runs took, from 5 minutes on, and whether that was measured.
pub(in super::super) fn timeout_of(measured_p95_seconds: Option<f64>) -> (u64, bool) {
    match measured_p95_seconds {
        Some(seconds) => {
            let minutes = (seconds * 2.0 / 60.0).ceil() as u64;
            (minutes.div_ceil(5).max(1) * 5, true)
        }
        None => (DEFAULT_TIMEOUT, false),
    }
}

pub(in super::super) fn check(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    for job in &looked.workflow.jobs {
        timeout(looked, job, findings);
        runner(looked, job, findings);
        matrix(looked, job, findings);
        for step in &job.steps {
            action(*step, findings);
        }
    }
    tiny(looked, findings);
}

fn timeout(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    let written = job.node.get("timeout-minutes").is_some();
    // A called workflow has its own, and here GitHub refuses it.
    if written || job.calls().is_some() || !job.node.is_map() {
        return;
    }
    let measured = looked.costs.measured();
    let (minutes, known) = timeout_of(measured.and_then(|measured| measured.job_p95(job.name())));
    let (runs, basis) = looked.costs.all_runs();
    let lost = match measured {
        Some(measured) => measured.beyond(job.name(), minutes),
        None => {
            let hangs = looked.options.assumptions.hangs_per_thousand / 1000.0;
            runs * job.copies() as f64 * hangs * (UNWRITTEN_TIMEOUT - minutes as f64)
        }
    };
    let from = if known { "twice what 95 of 100 runs took" } else { "a guess: no runs were given" };
    let reason = format!(
        "`{}` may run for 360 minutes before GitHub ends it; write `timeout-minutes: {minutes}` ({from})",
        Printable(job.id)
    );
    findings.add(
        Rule::MissingTimeout,
        job.key.place(),
        reason,
        looked.costs.of_job(job, lost, if measured.is_some() { basis } else { Basis::Assumed }),
    );
}

fn runner(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    let Some((key, _)) = job.node.entry("runs-on") else { return };
    let labels = job.labels();
    // Which of several a matrix asks for is what it is there for.
    let [labels] = labels.as_slice() else { return };
    let runner = Runner::of_labels(labels.iter().copied());
    let (cheaper, needs): (Runner, &[&str]) = match runner {
        Runner::Macos | Runner::Macos12 => (
            Runner::Linux,
            &["xcode", "swift", "xcrun", "codesign", "brew ", "cocoapods", "ios", "macos", "darwin", "dmg"],
        ),
        Runner::Windows => (
            Runner::Linux,
            &[
                "msbuild",
                "nuget",
                "powershell",
                "pwsh",
                ".exe",
                "choco",
                "windows",
                "win32",
                "dotnet",
                "vcvars",
                ".ps1",
                "wix",
            ],
        ),
        Runner::Linux4 | Runner::Linux8 | Runner::Linux16 => (Runner::Linux, &[]),
        _ => return,
    };
    let mut said = String::new();
    for (key, value) in job.node.entries().filter(|(key, _)| !matches!(key.scalar(), Some("runs-on" | "steps"))) {
        said += &format!("{} {}\n", key.scalar().unwrap_or_default(), value.texts().join(" "));
    }
    for step in &job.steps {
        for (key, value) in step.node.entries() {
            said += &format!("{} {}\n", key.scalar().unwrap_or_default(), value.texts().join(" "));
        }
    }
    let said = said.to_ascii_lowercase();
    if needs.iter().any(|word| said.contains(word)) {
        return;
    }
    let (now, then) = (runner.price(looked.options.at), cheaper.price(looked.options.at));
    let (Some(now), Some(then)) = (now, then) else { return };
    let (runs, basis) = looked.costs.all_runs();
    let minutes = runs * looked.costs.minutes(job);
    let reason = match runner {
        Runner::Linux4 | Runner::Linux8 | Runner::Linux16 => format!(
            "`{}` runs on {} at {now} a minute; {} is {then}: try whether it takes less than {:.1} times as long there",
            Printable(job.id),
            runner.name(),
            cheaper.name(),
            now.nanos() as f64 / then.nanos().max(1) as f64
        ),
        _ => format!(
            "`{}` runs on {} at {now} a minute, and nothing in it seems to need that; {} is {then}",
            Printable(job.id),
            runner.name(),
            cheaper.name()
        ),
    };
    // The minutes stay; the money is what they would cost less.
    findings.add(Rule::DearRunner, key.place(), reason, (0.0, money(now - then, minutes), basis));
}

fn matrix(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    let Some(strategy) = job.node.get("strategy") else { return };
    let Some((key, value)) = strategy.entry("fail-fast") else { return };
    let copies = job.copies();
    if value.flag() != Some(false) || copies < 2 {
        return;
    }
    let (runs, basis) = looked.costs.all_runs();
    let (failing, basis) = match looked.costs.measured() {
        Some(measured) => (measured.failing(), basis),
        None => (looked.options.assumptions.failing_percent / 100.0, Basis::Assumed),
    };
    let others = looked.costs.minutes(job) * (copies - 1) as f64 / copies as f64;
    let reason = format!(
        "after one of the {copies} jobs of `{}` has failed the others go on; without `fail-fast: false` they would end, if \
         nobody needs to know which of them fail",
        Printable(job.id)
    );
    findings.add(Rule::MatrixFailFast, key.place(), reason, looked.costs.of_job(job, runs * failing * others, basis));
}

fn action(step: Step<'_>, findings: &mut Findings<'_>) {
    let Some((uses, node)) = step.uses() else { return };
    let uses = uses.trim();
    if !uses.starts_with("./") && !uses.starts_with("docker://") && !uses.contains("${{") {
        let version = uses.split_once('@').map(|(_, version)| version);
        let pinned = version.is_some_and(|it| it.len() == 40 && it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !pinned {
            let reason = format!(
                "`{}` is whatever its owner puts there; write the commit, and the version in a comment",
                Printable(uses)
            );
            findings.note(Rule::UnpinnedAction, node.place(), reason);
        }
    }
    let action = step.action().unwrap_or_default();
    if action == "actions/checkout" && step.with("fetch-depth").and_then(View::scalar) == Some("0") {
        let place = step.with("fetch-depth").map_or((1, 1), View::place);
        let reason = "`fetch-depth: 0` fetches every commit; where only the last are needed, write how many".to_owned();
        findings.note(Rule::CheckoutDepth, place, reason);
    }
    if action == "actions/upload-artifact" && step.with("retention-days").is_none() {
        let reason =
            "artifacts are kept, and paid for, 90 days unless the repository says otherwise; write `retention-days`";
        findings.note(Rule::ArtifactRetention, node.place(), reason.to_owned());
    }
}

/// Jobs of seconds on one kind of machine, of which each is billed for a minute.
fn tiny(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let measured = looked.costs.measured();
    let seconds = |job: &Job<'_>| measured.and_then(|measured| measured.job_seconds(job.name()));
    let is_tiny = |job: &&Job<'_>| {
        let small = match measured {
            Some(_) => seconds(job).is_some_and(|seconds| seconds < TINY_SECONDS),
            None => looks_tiny(job),
        };
        small && job.copies() == 1 && job.calls().is_none() && job.node.get("environment").is_none()
    };
    // What waits for other jobs, or for none, cannot be one with what does not.
    let mut groups: BTreeMap<[Vec<&str>; 2], Vec<&Job<'_>>> = BTreeMap::new();
    for job in looked.workflow.jobs.iter().filter(is_tiny) {
        let needs = job.node.get("needs").map(View::texts).unwrap_or_default();
        groups.entry([job.labels().into_iter().flatten().collect(), needs]).or_default().push(job);
    }
    for jobs in groups.into_values().filter(|jobs| jobs.len() > 1) {
        let Some((first, others)) = jobs.split_first() else { continue };
        let together = match measured {
            Some(_) => (jobs.iter().filter_map(|job| seconds(job)).sum::<f64>() / 60.0).ceil(),
            None => 1.0,
        };
        let (runs, basis) = looked.costs.all_runs();
        let saved = runs * (jobs.len() as f64 - together).max(0.0);
        let names: Vec<String> = others.iter().map(|job| format!("`{}`", Printable(job.id))).collect();
        let sure = if measured.is_some() { "take" } else { "seem to take" };
        let reason = format!(
            "`{}` and {} {sure} seconds each and are billed {} minutes; as one job they would be {together:.0}",
            Printable(first.id),
            names.join(", "),
            jobs.len()
        );
        findings.add(Rule::TinyJob, first.key.place(), reason, looked.costs.of_job(first, saved, basis));
    }
}

/// A job whose few short steps set nothing up.
fn looks_tiny(job: &Job<'_>) -> bool {
    let quick = |step: &Step<'_>| match (step.action(), step.run()) {
        (Some(action), _) => matches!(action.as_str(), "actions/checkout" | "actions/github-script"),
        (_, Some((run, _))) => {
            let slow =
                ["install", "build", "test", "npm ", "cargo ", "make", "docker", "pytest", "wait", "sleep", "python"];
            run.lines().count() <= 5 && !slow.iter().any(|word| run.contains(word))
        }
        _ => false,
    };
    !job.steps.is_empty()
        && job.steps.len() <= 3
        && job.steps.iter().all(quick)
        && job.node.get("services").is_none()
        && job.node.get("container").is_none()
}

#[cfg(test)]
mod tests {
    use super::timeout_of;

    #[test]
    fn timeouts_come_from_runs_or_are_guesses() {
        assert_eq!(timeout_of(None), (30, false));
        assert_eq!([10.0, 140.0, 151.0, 1800.0].map(|p95| timeout_of(Some(p95)).0), [5, 5, 10, 60]);
    }
}
