//! Jobs: how long they may take, on which machine, in how many pieces, and with whose actions.

use std::collections::BTreeMap;

use super::{
    super::{
        audit::{Basis, Findings, Looked},
        cost::{Cost, money},
        price::Runner,
        workflow::{Job, Step},
        yaml::View,
    },
    Rule,
};
use crate::{id::Printable, units::Usd};

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

/// Whether a timeout may be written and is not. A called workflow has its own, and where it is called GitHub refuses one.
pub(in super::super) fn lacks_timeout(job: &Job<'_>) -> bool {
    job.node.is_map() && job.calls().is_none() && job.node.get("timeout-minutes").is_none()
}

fn timeout(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    if !lacks_timeout(job) {
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

/// Words that say that a job needs macOS.
const NEEDS_MACOS: [&str; 10] =
    ["xcode", "swift", "xcrun", "codesign", "brew ", "cocoapods", "ios", "macos", "darwin", "dmg"];
/// Words that say that a job needs Windows.
const NEEDS_WINDOWS: [&str; 12] =
    ["msbuild", "nuget", "powershell", "pwsh", ".exe", "choco", "windows", "win32", "dotnet", "vcvars", ".ps1", "wix"];

/// Machines that cost more than the job seems to need.
fn runner(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    let Some((key, _)) = job.node.entry("runs-on") else { return };
    let labels = job.labels();
    // Which of several a matrix asks for is what it is there for.
    let [labels] = labels.as_slice() else { return };
    let runner = Runner::of_labels(labels.iter().copied());
    let Runner::Hosted(machine) = runner else { return };
    let bound = |words: &[&str]| {
        let said = said(job);
        words.iter().any(|word| said.contains(word))
    };
    let (rule, cheaper, why) = match machine.sku {
        "linux" if looks_tiny(job) => {
            (Rule::SmallerRunner, Runner::LINUX_SLIM, "it seems to do little (there a job is ended after 15 minutes)")
        }
        "linux" if looks_portable(job) => {
            (Rule::SmallerRunner, Runner::LINUX_ARM, "nothing in it seems to be bound to x86 (`ubuntu-24.04-arm`)")
        }
        sku if sku.starts_with("macos") && !bound(&NEEDS_MACOS) => {
            (Rule::DearRunner, Runner::LINUX, "nothing in it seems to need macOS")
        }
        "windows" | "windows_2_core_arm" if !bound(&NEEDS_WINDOWS) => {
            (Rule::DearRunner, Runner::LINUX, "nothing in it seems to need Windows")
        }
        _ => match runner.smallest() {
            Some(smallest) => (Rule::DearRunner, smallest, ""),
            None => return,
        },
    };
    let (Some(now), Some(then)) = (runner.price(looked.options.at), cheaper.price(looked.options.at)) else { return };
    let (runs, basis) = looked.costs.all_runs();
    let (each, basis) = looked.costs.minutes(job, basis);
    let usd = money(now - then, runs * each);
    // A sixth less is worth a word only where it is some money.
    if cheaper == Runner::LINUX_ARM && runner == Runner::LINUX && usd < WORTH_ARM {
        return;
    }
    let why = match why {
        "" => {
            let times = now.nanos() as f64 / then.nanos().max(1) as f64;
            format!("try whether it takes less than {times:.1} times as long there")
        }
        why => why.to_owned(),
    };
    let reason = format!(
        "`{}` runs on {} at {now} a minute; {} is {then}: {why}",
        Printable(job.id),
        machine.name,
        cheaper.name()
    );
    // The minutes stay; the money is what they would cost less.
    findings.add(rule, key.place(), reason, Cost { usd, basis, ..Cost::NONE });
}

/// What a month must save before arm64 is advised.
const WORTH_ARM: Usd = Usd::from_nanos(1_000_000_000);

/// Keys and texts of a job but for its machine, in lower case.
fn said(job: &Job<'_>) -> String {
    let of_job = job.node.entries().filter(|(key, _)| !matches!(key.scalar(), Some("runs-on" | "steps")));
    let of_steps = job.steps.iter().flat_map(|step| step.node.entries());
    let mut said = String::new();
    for (key, value) in of_job.chain(of_steps) {
        said += &format!("{} {}\n", key.scalar().unwrap_or_default(), value.texts().join(" "));
    }
    said.to_ascii_lowercase()
}

/// A job of well-known actions and of scripts that name nothing which is made for one kind of processor.
fn looks_portable(job: &Job<'_>) -> bool {
    const ACTIONS: [&str; 10] = [
        "actions/checkout",
        "actions/cache",
        "actions/setup-node",
        "actions/setup-python",
        "actions/setup-java",
        "actions/setup-go",
        "actions/github-script",
        "actions/upload-artifact",
        "actions/download-artifact",
        "swatinem/rust-cache",
    ];
    const BOUND: [&str; 16] = [
        "docker",
        "apt",
        "wget",
        "curl",
        "x86",
        "x64",
        "amd64",
        "i686",
        "musl",
        ".deb",
        "wine",
        "chrome",
        "playwright",
        "cypress",
        "snap",
        "target",
    ];
    let known = |step: &Step<'_>| step.action().is_none_or(|action| ACTIONS.contains(&action.as_str()));
    let said = said(job);
    !job.steps.is_empty()
        && job.steps.iter().all(known)
        && job.node.get("services").is_none()
        && job.node.get("container").is_none()
        && !BOUND.iter().any(|word| said.contains(word))
}

fn matrix(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    large_matrix(looked, job, findings);
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
    let (all, basis) = looked.costs.minutes(job, basis);
    let others = all * (copies - 1) as f64 / copies as f64;
    let reason = format!(
        "after one of the {copies} jobs of `{}` has failed the others go on; without `fail-fast: false` they would end, if \
         nobody needs to know which of them fail",
        Printable(job.id)
    );
    findings.add(Rule::MatrixFailFast, key.place(), reason, looked.costs.of_job(job, runs * failing * others, basis));
}

/// Jobs of a matrix from which on it is large.
const LARGE_MATRIX: u64 = 8;

/// A matrix that tries everything with everything.
fn large_matrix(looked: &Looked<'_>, job: &Job<'_>, findings: &mut Findings<'_>) {
    let Some(matrix) = job.matrix().filter(|matrix| matrix.get("exclude").is_none()) else { return };
    let axes = job.axes();
    let copies = job.copies();
    // One line along each axis, which meet in one job.
    let lines = axes.iter().sum::<u64>().saturating_sub(axes.len() as u64) + 1;
    if axes.len() < 2 || copies < LARGE_MATRIX || lines >= copies {
        return;
    }
    let (runs, basis) = looked.costs.all_runs();
    let (all, basis) = looked.costs.minutes(job, basis);
    let spared = (copies - lines) as f64 / copies as f64;
    let reason = format!(
        "the matrix of `{}` makes {copies} jobs of each run; `exclude` what tells nothing new: each value once with the others at their usual \
         would be {lines}",
        Printable(job.id)
    );
    findings.add(Rule::LargeMatrix, matrix.place(), reason, looked.costs.of_job(job, runs * all * spared, basis));
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
