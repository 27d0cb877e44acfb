//! What each rule leaves alone, and the edges of what it finds.

use std::collections::BTreeSet;

use crate::ext::actions::{Audit, AuditOptions, FixOptions, Fixing, Rule, WorkflowFile, audit, fix};

fn look(files: &[(&str, &str)]) -> Audit {
    let files: Vec<WorkflowFile> = files.iter().map(|(name, text)| WorkflowFile::new(*name, *text)).collect();
    let repository = ["package-lock.json".to_owned()].into();
    audit(&files, &AuditOptions { repository, ..AuditOptions::default() })
}

/// Whether that rule finds something in `a.yml`.
fn finds(rule: Rule, text: &str) -> bool {
    look(&[("a.yml", text)]).findings.iter().any(|finding| finding.rule == rule)
}

const TESTS: &str = "jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: make test}]\n";

#[test]
fn only_what_pull_requests_start_and_what_writes_nothing_is_cancelled() {
    let repaired = |text: &str| {
        let paths = fix(&WorkflowFile::new("a.yml", text), &FixOptions::default()).repairs;
        paths.iter().any(|repair| repair.rule == Rule::MissingConcurrency)
    };
    let text = format!("on:\n  pull_request:\n{TESTS}");
    assert!(repaired(&text));
    for (old, new) in [
        ("on:\n", "on:\n  schedule: [{cron: '7 2 * * *'}]\n"),
        ("on:\n", "on:\n  workflow_run: {workflows: [x]}\n"),
        ("on:\n", "on:\n  release:\n"),
        ("  a:\n", "  deploy:\n"),
        ("make test", "make test && git push"),
        ("jobs:", "permissions: {contents: write}\njobs:"),
    ] {
        let text = text.replace(old, new);
        assert!(!repaired(&text), "{text}");
        // It is said, and why.
        let found = look(&[("a.yml", &text)]);
        let said = found.findings.iter().find(|finding| finding.rule == Rule::MissingConcurrency).unwrap();
        assert!(said.reason.contains("cancelling is not safe"), "{}", said.reason);
        assert_eq!(said.fix, Fixing::Suggested);
    }
}

#[test]
fn half_past_is_crowded_and_hourly_is_often_enough() {
    let on = |cron: &str| format!("on: {{schedule: [{{cron: '{cron}'}}]}}\n{TESTS}");
    for (cron, crowded, often) in [
        ("0 2 * * *", true, false),
        ("30 2 * * *", true, false),
        ("29,31 2 * * *", false, true),
        ("7 * * * *", false, false),
        ("7,37 2 * * *", false, true),
    ] {
        let text = on(cron);
        assert_eq!((finds(Rule::CronOnTheHour, &text), finds(Rule::AggressiveCron, &text)), (crowded, often), "{cron}");
    }
}

#[test]
fn pushes_of_tags_or_of_named_branches_run_once() {
    for (push, double) in [
        ("{}", true),
        ("{branches: ['**']}", true),
        ("{branches: [main]}", false),
        ("{branches-ignore: [x]}", false),
        ("{tags: ['v*']}", false),
        ("{tags: ['v*'], branches: ['*']}", true),
    ] {
        let text = format!("on: {{push: {push}, pull_request: {{}}}}\n{TESTS}");
        assert_eq!(finds(Rule::DoubleRun, &text), double, "{push}");
    }
}

#[test]
fn who_looks_which_files_changed_needs_no_path_filter() {
    let text = format!("on: pull_request\n{TESTS}");
    assert!(finds(Rule::MissingPaths, &text));
    assert!(!finds(Rule::MissingPaths, &text.replace("make test", "git diff --name-only HEAD^1")));
    assert!(!finds(Rule::MissingPaths, &text.replace("run: make test", "uses: dorny/paths-filter@v3")));
}

#[test]
fn caches_are_asked_for_once_and_where_the_lock_file_is() {
    let text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/setup-node@v4\n      - run: npm ci\n";
    assert!(finds(Rule::MissingCache, text));
    for (old, new) in [
        ("      - run: npm ci\n", "      - uses: actions/cache@v4\n"),
        ("    steps:\n", "    defaults: {run: {working-directory: web}}\n    steps:\n"),
        ("jobs:\n", "defaults: {run: {working-directory: web}}\njobs:\n"),
        ("setup-node@v4\n", "setup-node@v4\n        with: {cache: npm}\n"),
    ] {
        assert!(!finds(Rule::MissingCache, &text.replace(old, new)), "{new}");
    }
}

#[test]
fn tiny_jobs_that_wait_for_each_other_are_two() {
    let text = "on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo}]}\n  b: {runs-on: x, steps: [{run: echo}]}\n";
    assert!(finds(Rule::TinyJob, text));
    assert!(!finds(Rule::TinyJob, &text.replace("  b: {", "  b: {needs: a, ")));
    assert!(!finds(Rule::TinyJob, &text.replace("  b: {runs-on: x", "  b: {runs-on: y")));
    assert!(!finds(Rule::TinyJob, &text.replace("  b: {", "  b: {environment: e, ")));
}

#[test]
fn dear_machines_are_left_to_what_needs_them() {
    for (on, run, dear) in [
        ("windows-latest", "make", true),
        ("windows-latest", "msbuild a.sln", false),
        ("macos-latest", "make", true),
        ("macos-latest", "xcodebuild", false),
        ("macos-15-xlarge", "xcodebuild", true),
        ("ubuntu-latest-16-cores", "make", true),
        ("ubuntu-24.04-arm-8-cores", "make", true),
        ("ubuntu-22.04-gpu", "make", false),
        ("self-hosted", "make", false),
        ("ours", "make", false),
    ] {
        let text = format!("on: push\njobs: {{a: {{runs-on: {on}, steps: [{{run: {run}}}]}}}}\n");
        assert_eq!(finds(Rule::DearRunner, &text), dear, "{on} {run}");
    }
}

#[test]
fn matrices_end_early_unless_somebody_wrote_otherwise() {
    let text =
        "on: push\njobs: {a: {runs-on: x, strategy: {fail-fast: false, matrix: {v: [1, 2]}}, steps: [{run: make}]}}\n";
    assert!(finds(Rule::MatrixFailFast, text));
    for (old, new) in [("false", "true"), ("fail-fast: false, ", ""), ("[1, 2]", "[1]"), ("false", "'${{ x }}'")] {
        assert!(!finds(Rule::MatrixFailFast, &text.replace(old, new)), "{new}");
    }
}

#[test]
fn only_whole_commits_pin_an_action() {
    for (uses, pinned) in [
        ("a/b@0123456789abcdef0123456789abcdef01234567", true),
        ("a/b@0123456", false),
        ("a/b@v4", false),
        ("a/b", false),
        ("./.github/actions/x", true),
        ("docker://alpine:3", true),
    ] {
        let text = format!("on: push\njobs: {{a: {{runs-on: x, steps: [{{uses: '{uses}'}}]}}}}\n");
        assert_eq!(finds(Rule::UnpinnedAction, &text), !pinned, "{uses}");
    }
}

#[test]
fn a_job_that_calls_has_no_timeout_of_its_own() {
    let text =
        "on: push\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n  b:\n    runs-on: x\n    timeout-minutes: 5\n";
    assert!(!finds(Rule::MissingTimeout, text));
    assert_eq!(fix(&WorkflowFile::new("a.yml", text), &FixOptions::default()).repairs, []);
}

#[test]
fn what_is_started_must_be_there_and_let_itself_be_started() {
    let scheduler = "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: gh workflow run b.yml}]\n  c:\n    uses: ./.github/workflows/b.yml\n";
    let waits = "on: {workflow_run: {workflows: [B]}}\njobs: {a: {runs-on: x}}\n";
    let lines = |text: &str, other: Option<&str>| -> BTreeSet<usize> {
        let files: Vec<(&str, &str)> =
            [Some(("a.yml", text)), other.map(|other| ("b.yml", other))].into_iter().flatten().collect();
        let found = look(&files).findings;
        found.iter().filter(|one| one.file == "a.yml" && one.rule == Rule::DeadDispatch).map(|one| one.line).collect()
    };
    let other = |on: &str| format!("name: B\non: {on}\njobs: {{a: {{runs-on: x}}}}\n");
    assert_eq!(lines(scheduler, None), [5, 7].into());
    assert_eq!(lines(scheduler, Some(&other("push"))), [5, 7].into());
    assert_eq!(lines(scheduler, Some(&other("workflow_dispatch"))), [7].into());
    assert_eq!(lines(scheduler, Some(&other("workflow_call"))), [5].into());
    assert_eq!(lines(scheduler, Some(&other("[workflow_dispatch, workflow_call]"))), [].into());
    assert_eq!(lines(waits, None), [1].into());
    assert_eq!(lines(waits, Some(&other("push"))), [].into());
    // A file that cannot be read may have any name and any trigger.
    assert_eq!(lines(waits, Some("a: [")), [].into());
    assert_eq!(lines(scheduler, Some("a: [")), [].into());
}
