//! What starts a workflow: nothing, twice, or too often.

use super::{
    super::{
        audit::{Basis, Findings, Looked},
        workflow::On,
    },
    Rule,
};

pub(in super::super) fn check(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let workflow = looked.workflow;
    let place = workflow.on_at.map_or((1, 1), |at| at.place());
    match workflow.on {
        On::Written => {}
        On::Nothing => {
            let reason = "`on` has no value, so nothing starts this workflow; a key that stands under it belongs there, or elsewhere";
            findings.note(Rule::DeadTriggers, place, reason.to_owned());
        }
        On::Missing => {
            findings.note(Rule::DeadTriggers, place, "there is no `on`, so nothing starts this workflow".to_owned())
        }
        On::True => {
            let reason = "the key is not `on`; a tool that reads YAML 1.1 takes `on` for a truth and writes it back as `true`: write `on`";
            findings.note(Rule::DeadTriggers, place, reason.to_owned());
        }
    }
    if workflow.jobs.is_empty() {
        let place = workflow.root.entry("jobs").map_or((1, 1), |(key, _)| key.place());
        findings.note(Rule::InvalidYaml, place, "the workflow has no jobs, and GitHub refuses it".to_owned());
    }
    double_run(looked, findings);
    paths(looked, findings);
}

/// `push` without branches beside `pull_request`: a push to a pull request of the same repository starts both.
fn double_run(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let (Some(push), Some(_)) = (looked.workflow.trigger("push"), looked.workflow.trigger("pull_request")) else {
        return;
    };
    let branches = push.list("branches").unwrap_or_default();
    let all = |branches: &[&str]| branches.iter().any(|branch| matches!(*branch, "*" | "**"));
    // With tags alone a push to a branch starts nothing.
    let only_tags = push.has("tags") && !push.has("branches") && !push.has("branches-ignore");
    if push.has("branches-ignore") || only_tags || (!branches.is_empty() && !all(&branches)) {
        return;
    }
    let (runs, basis) = looked.costs.runs("pull_request");
    let reason = "a push to a pull request starts this twice, for `push` and for `pull_request`; give `push` the branches \
                  that are released or deployed, such as `branches: [main]`";
    findings.add(Rule::DoubleRun, push.at.place(), reason.to_owned(), looked.costs.of_runs(runs, basis));
    if push.has("branches") || push.has("tags") {
        findings.only_suggested();
    }
}

const FILTERS: [&str; 2] = ["paths", "paths-ignore"];

fn paths(looked: &Looked<'_>, findings: &mut Findings<'_>) {
    let workflow = looked.workflow;
    let events: Vec<_> = ["push", "pull_request"].iter().filter_map(|event| workflow.trigger(event)).collect();
    let Some(first) = events.first() else { return };
    let is_required = |job: &&super::super::workflow::Job<'_>| {
        looked.options.required.iter().any(|check| check == job.name() || check == job.id)
    };
    let required = workflow.jobs.iter().find(is_required);
    let filtered = events.iter().find(|trigger| FILTERS.iter().any(|filter| trigger.has(filter)));
    if let (Some(job), Some(trigger)) = (required, filtered) {
        if trigger.event == "pull_request" {
            let reason = format!(
                "`{}` is a required check, and with a path filter it is not reported where the filter skips it: such a pull \
                 request can never be merged; filter in a first job, and let `{}` be one that always ends well",
                job.name(),
                job.id
            );
            findings.note(Rule::RequiredPaths, trigger.at.place(), reason);
        }
        return;
    }
    // Somebody looks already which files changed.
    let looks = workflow.steps().any(|(_, step)| {
        let script = step.run().is_some_and(|(run, _)| run.contains("git diff --name-only"));
        let filters = ["dorny/paths-filter", "tj-actions/changed-files"];
        script || step.action().is_some_and(|action| filters.contains(&action.as_str()))
    });
    // A workflow that deploys or releases is about more than what it tests.
    if looks || filtered.is_some() || workflow.writes().is_some() || events.iter().all(|trigger| trigger.has("tags")) {
        return;
    }
    let share = looked.options.assumptions.unrelated_percent / 100.0;
    let runs: f64 = events.iter().map(|trigger| looked.costs.runs(trigger.event).0).sum();
    let how = match required {
        Some(job) => format!(
            "`{}` is a required check, so not by `paths`, which would block merging: let a first job look which files \
             changed, and skip the steps of the others",
            job.name()
        ),
        None => {
            "with `paths-ignore: ['**.md', 'docs/**']`, if no branch protection requires one of its checks: a required \
                 check that is skipped by a path filter blocks merging"
                .to_owned()
        }
    };
    let reason = format!("changes that nothing here tests, such as documentation, start it; leave them out: {how}");
    findings.add(Rule::MissingPaths, first.at.place(), reason, looked.costs.of_runs(runs * share, Basis::Assumed));
}
