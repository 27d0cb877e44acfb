//! Real workflows, and one small file for each rule.

use std::collections::BTreeSet;

use super::*;
use crate::fixtures;

fn folder(set: &str) -> Option<Folder> {
    Some(Folder::read(&fixtures::path(&format!("kindlemint/workflows/{set}"))?).unwrap())
}

fn look(folder: &Folder) -> Audit {
    let options = AuditOptions { disabled: folder.disabled.clone(), ..AuditOptions::default() };
    audit(&folder.files, &options)
}

#[test]
fn the_real_sets_have_their_counts() {
    for (set, files, scheduled, crons, fires, concurrency, invalid, dead) in [
        ("392d1da3", 36, 22, 25, Some(25_634), 2, 5, 1),
        ("35caef20", 52, 25, 29, None, 2, 4, 0),
        ("40ddccae", 32, 17, 20, Some(6_048), 30, 4, 23),
    ] {
        let Some(folder) = folder(set) else { return };
        let found = look(&folder);
        assert_eq!(found.files, files, "{set}");
        assert_eq!((found.written.scheduled, found.written.crons), (scheduled, crons), "{set}");
        assert_eq!(found.with_concurrency, concurrency, "{set}");
        assert_eq!(
            (found.invalid.len(), found.dead.len()),
            (invalid, dead),
            "{set}: {:?} {:?}",
            found.invalid,
            found.dead
        );
        if let Some(fires) = fires {
            assert_eq!(found.written.fires_per_30_days, fires, "{set}");
        }
    }
}

#[test]
fn the_bad_crons_and_the_missing_workflows_are_found() {
    let Some(old) = folder("35caef20") else { return };
    let found = look(&old);
    let bad: Vec<(&str, usize)> = found
        .findings
        .iter()
        .filter(|finding| finding.rule == Rule::InvalidCron)
        .map(|finding| (finding.file.as_str(), finding.line))
        .collect();
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(bad.iter().all(|(file, _)| *file == "autonomous-alert-orchestration.yml"), "{bad:?}");
    let Some(new) = folder("40ddccae") else { return };
    let found = look(&new);
    let scheduler: Vec<&Finding> = found
        .findings
        .iter()
        .filter(|finding| finding.file == "unified-scheduler.yml" && finding.rule == Rule::DeadDispatch)
        .collect();
    assert_eq!(scheduler.len(), 15, "{scheduler:#?}");
    // Each at its own line of the script.
    assert_eq!(scheduler.iter().map(|finding| finding.line).collect::<BTreeSet<_>>().len(), 15);
}

#[test]
fn real_files_are_fixed_without_another_difference() {
    for set in ["392d1da3", "35caef20", "40ddccae"] {
        let Some(folder) = folder(set) else { return };
        let found = look(&folder);
        let repository: BTreeSet<String> = ["requirements.txt".to_owned(), "package-lock.json".to_owned()].into();
        let named = vec![
            Rule::MissingConcurrency,
            Rule::CancelInProgress,
            Rule::MissingTimeout,
            Rule::MissingCache,
            Rule::CronOnTheHour,
        ];
        let mut edited = 0;
        for rules in [Vec::new(), named] {
            for file in &folder.files {
                let audit = AuditOptions { repository: repository.clone(), ..AuditOptions::default() };
                let options = FixOptions { audit, rules: rules.clone(), ..FixOptions::default() };
                let fixed = fix(file, &options);
                let broken = found.invalid.contains(&file.name) || found.dead.contains(&file.name);
                assert_eq!(broken, fixed.refused.iter().any(|refusal| refusal.rule.is_none()), "{set}/{}", file.name);
                let Some(text) = fixed.text else { continue };
                edited += 1;
                let old = file.text.as_deref().unwrap();
                fix::tests::only_lines_were_added(old, &text, !rules.is_empty());
                let again = fix(&WorkflowFile::new(&file.name, text), &options);
                assert_eq!((again.text, again.repairs), (None, Vec::new()), "{set}/{}", file.name);
            }
        }
        assert!(edited > 3, "{set}: {edited}");
    }
}

#[track_caller]
fn check(text: &str, wanted: &[(&str, usize)]) {
    let options = AuditOptions {
        repository: ["package-lock.json".to_owned()].into(),
        required: vec!["needed".to_owned()],
        ..AuditOptions::default()
    };
    let file = WorkflowFile::new("a.yml", text);
    let found = audit(
        &[
            file,
            WorkflowFile::new("b.yml", "on: workflow_dispatch\nname: B\njobs: {b: {runs-on: x, timeout-minutes: 1}}\n"),
        ],
        &options,
    );
    let found: Vec<(&str, usize)> = found
        .findings
        .iter()
        .filter(|finding| finding.file == "a.yml")
        .map(|finding| (finding.rule.id(), finding.line))
        .collect();
    assert_eq!(found, wanted, "{text}");
}

const JOB: &str = "jobs:\n  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    steps: [{run: make test}]\n";
const GROUP: &str =
    "concurrency: {group: '${{ github.ref }}', cancel-in-progress: '${{ github.event_name == ''pull_request'' }}'}\n";

#[test]
fn each_rule_finds_its_line() {
    // What is right has nothing.
    check(&format!("on:\n  push: {{branches: [main], paths: [src/**]}}\n  pull_request: {{}}\n{GROUP}{JOB}"), &[]);
    check("a: [", &[("invalid-yaml", 1)]);
    check("on: push\non: push\n", &[("invalid-yaml", 2)]);
    check("- a\n", &[("invalid-yaml", 1)]);
    check(&format!("on:\n{JOB}"), &[("dead-triggers", 1)]);
    check(&format!("# x\ntrue:\n  push:\n{JOB}"), &[("dead-triggers", 2)]);
    check("on: workflow_dispatch\nconcurrency: x\n", &[("invalid-yaml", 1)]);
    let cron = |cron: &str| format!("on:\n  schedule:\n    - cron: '{cron}'\nconcurrency: x\n{JOB}");
    check(&cron("7 2 * * *"), &[]);
    check(&cron("7 2 * *"), &[("invalid-cron", 3)]);
    check(&cron("7 2 30 2 *"), &[("invalid-cron", 3)]);
    check(&cron("0 2 * * *"), &[("cron-on-the-hour", 3)]);
    check(&cron("7/10 2 * * *"), &[("aggressive-cron", 3)]);
    check(&format!("on: [push, pull_request]\n{GROUP}{JOB}"), &[("double-run", 1), ("missing-paths", 1)]);
    check(&format!("on: {{pull_request: {{paths: [a]}}}}\n{JOB}"), &[("missing-concurrency", 1)]);
    check(
        &format!("on: {{pull_request: {{paths: [a]}}}}\nconcurrency: ${{{{ github.ref }}}}\n{JOB}"),
        &[("cancel-in-progress", 2)],
    );
    // Somebody meant it.
    check(
        &format!("on: {{pull_request: {{paths: [a]}}}}\nconcurrency: {{group: x, cancel-in-progress: false}}\n{JOB}"),
        &[],
    );
    let needed = JOB.replace("  a:", "  needed:");
    check(&format!("on:\n  pull_request: {{paths: [a]}}\n{GROUP}{needed}"), &[("required-paths", 2)]);
    let deploy = JOB.replace("  a:", "  deploy:");
    check(
        &format!("on: workflow_dispatch\nconcurrency:\n  group: x\n  cancel-in-progress: true\n{deploy}"),
        &[("unsafe-cancel", 4)],
    );
    check(
        &format!(
            "on: {{workflow_run: {{workflows: [B], types: [completed]}}}}\nconcurrency: {{group: x, cancel-in-progress: true}}\n{JOB}"
        ),
        &[("unsafe-cancel", 2)],
    );
    check(&format!("on: {{workflow_run: {{workflows: [C]}}}}\nconcurrency: x\n{JOB}"), &[("dead-dispatch", 1)]);
    let job = |more: &str| format!("on: workflow_dispatch\nconcurrency: x\n{JOB}{more}");
    check(&job("  b:\n    runs-on: ubuntu-latest\n    steps: [{run: make}]\n"), &[("missing-timeout", 8)]);
    check(
        &job("  b:\n    runs-on: macos-latest\n    timeout-minutes: 5\n    steps: [{run: make}]\n"),
        &[("dear-runner", 9)],
    );
    check(&job("  b:\n    runs-on: macos-latest\n    timeout-minutes: 5\n    steps: [{run: xcodebuild}]\n"), &[]);
    check(
        &job("  b:\n    runs-on: ubuntu-latest-8-cores\n    timeout-minutes: 5\n    steps: [{run: make}]\n"),
        &[("dear-runner", 9)],
    );
    check(
        &job("  b:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    steps: [{run: echo}]\n"),
        &[("smaller-runner", 9)],
    );
    check(
        &job(
            "  b:\n    runs-on: x\n    timeout-minutes: 5\n    strategy:\n      matrix: {a: [1, 2, 3], b: [1, 2, 3]}\n    steps: [{run: make}]\n",
        ),
        &[("large-matrix", 12)],
    );
    check(
        &job(
            "  b:\n    runs-on: x\n    timeout-minutes: 5\n    strategy:\n      matrix: {a: [1, 2, 3], b: [1, 2, 3], exclude: [{a: 1, b: 1}]}\n",
        ),
        &[],
    );
    check(
        &job(
            "  b:\n    runs-on: x\n    timeout-minutes: 5\n    strategy:\n      fail-fast: false\n      matrix: {a: [1, 2]}\n",
        ),
        &[("matrix-fail-fast", 12)],
    );
    let steps = |steps: &str| {
        format!(
            "on: workflow_dispatch\nconcurrency: x\njobs:\n  a:\n    runs-on: x\n    timeout-minutes: 5\n    steps:\n{steps}"
        )
    };
    check(&steps("      - uses: a/b@v1\n      - uses: ./c\n"), &[("unpinned-action", 8)]);
    let sha = "0123456789012345678901234567890123456789";
    check(&steps(&format!("      - uses: actions/setup-node@{sha}\n")), &[("missing-cache", 8)]);
    check(&steps(&format!("      - uses: actions/setup-node@{sha}\n        with: {{cache: npm}}\n")), &[]);
    check(
        &steps(&format!("      - uses: actions/checkout@{sha}\n        with:\n          fetch-depth: 0\n")),
        &[("checkout-depth", 10)],
    );
    check(&steps(&format!("      - uses: actions/upload-artifact@{sha}\n")), &[("artifact-retention", 8)]);
    check(
        &steps("      - run: |\n          echo\n          gh workflow run b.yml\n          gh workflow run c.yml\n"),
        &[("dead-dispatch", 11)],
    );
    check(&steps("      - run: |\n\n          gh workflow run c.yml\n"), &[("dead-dispatch", 10)]);
    check(&steps("      - run: gh workflow run c.yml\n"), &[("dead-dispatch", 8)]);
    check(&steps("      - run: ls # orch: ignore[no-such]\n"), &[("bad-ignore", 8)]);
    check(&steps("      # orch: ignore[unpinned-action]\n      - uses: a/b@v1\n"), &[]);
    let two = "  b: {runs-on: u, timeout-minutes: 1, steps: [{run: echo}]}\n  c: {runs-on: u, timeout-minutes: 1, steps: [{run: ls}]}\n";
    check(&job(two), &[("tiny-job", 8)]);
}

#[test]
fn costs_follow_fires_jobs_and_prices() {
    // Every 10 minutes: 4,320 fires, 3,600 more than hourly, each two jobs: a minute of Linux and one of macOS.
    let text = "on: {schedule: [{cron: '7/10 * * * *'}]}\nconcurrency: x\njobs:\n  a: {runs-on: ubuntu-latest, timeout-minutes: 1}\n  b: {runs-on: macos-latest, timeout-minutes: 1, steps: [{run: swift test}]}\n";
    let text = text.replace("7/10", "*/10");
    let found = audit(&[WorkflowFile::new("a.yml", text)], &AuditOptions::default());
    let often = found.findings.iter().find(|finding| finding.rule == Rule::AggressiveCron).unwrap();
    let usd = often.usd.unwrap();
    assert_eq!((often.minutes, usd.nanos() / 1_000_000, often.basis), (7_200, 3_600 * 68, Basis::Schedule));
    assert_eq!(found.written.fires_per_30_days, 4_320);
}

#[test]
fn what_has_no_price_is_not_free() {
    let text =
        "on: {schedule: [{cron: '7/10 * * * *'}]}\nconcurrency: x\njobs:\n  a: {runs-on: ours, timeout-minutes: 1}\n";
    let often = |text: &str| {
        let found = audit(&[WorkflowFile::new("a.yml", text)], &AuditOptions::default());
        let often = found.findings.iter().find(|finding| finding.rule == Rule::AggressiveCron).unwrap().clone();
        (found, often)
    };
    let (found, ours) = often(text);
    assert_eq!((ours.minutes, ours.usd, ours.unpriced_minutes), (3_600, None, 3_600));
    assert_eq!(found.json()["findings"][0]["usd"], serde_json::Value::Null);
    let said = found.text(|_, text| text.to_owned());
    assert!(said.contains("at a price that is not known") && said.contains("without 3600 minutes"), "{said}");
    // Of a matrix the part that is known.
    let matrix = "{runs-on: '${{ matrix.on }}', strategy: {matrix: {on: [ubuntu-latest, ours]}}, timeout-minutes: 1}";
    let (_, both) = often(&text.replace("{runs-on: ours, timeout-minutes: 1}", matrix));
    assert_eq!((both.minutes, both.unpriced_minutes), (7_200, 3_600));
    assert_eq!(both.usd, Some(crate::Usd::from_nanos(3_600 * 6_000_000)));
    // One's own machine has a price: none.
    let (_, own) = often(&text.replace("ours", "self-hosted"));
    assert_eq!((own.usd, own.unpriced_minutes), (Some(crate::Usd::ZERO), 0));
}

#[test]
fn arm_is_advised_where_it_is_some_money() {
    // 8,640 runs of a minute: a tenth of a cent each.
    let text = "on: {schedule: [{cron: '3/5 * * * *'}]}\nconcurrency: x\njobs:\n  a: {runs-on: ubuntu-latest, timeout-minutes: 1, steps: [{run: make test}]}\n";
    let advised = |text: String| {
        let found = audit(&[WorkflowFile::new("a.yml", text)], &AuditOptions::default());
        found
            .findings
            .iter()
            .find(|finding| finding.rule == Rule::SmallerRunner)
            .map(|finding| finding.usd.unwrap().dollars())
    };
    assert_eq!(advised(text.to_owned()), Some(8.64));
    assert_eq!(advised(text.replace("3/5 *", "3 2")), None, "30 runs");
    assert_eq!(advised(text.replace("make test", "docker build .")), None);
}

#[test]
fn runs_without_their_jobs_measure_no_minutes() {
    let list = r#"[{"databaseId": 1, "workflowName": "CI", "event": "pull_request", "status": "completed", "conclusion": "success",
        "createdAt": "2026-11-01T10:00:00Z", "startedAt": "2026-11-01T10:00:00Z", "updatedAt": "2026-11-01T10:04:00Z"}]"#;
    let text = "name: CI\non: [push, pull_request]\njobs:\n  a:\n    runs-on: ubuntu-latest\n";
    let basis = |texts: &[&str]| {
        let history = Some(History::of(&read_runs(texts).unwrap()).unwrap());
        let found = audit(&[WorkflowFile::new("a.yml", text)], &AuditOptions { history, ..AuditOptions::default() });
        found
            .findings
            .iter()
            .find(|finding| finding.rule == Rule::DoubleRun)
            .map(|one| (one.minutes, one.basis))
            .unwrap()
    };
    assert_eq!(basis(&[list]), (30, Basis::Assumed));
    let jobs = r#"{"jobs": [{"id": 1, "run_id": 1, "name": "a", "conclusion": "success", "labels": ["ubuntu-latest"],
        "started_at": "2026-11-01T10:00:00Z", "completed_at": "2026-11-01T10:04:00Z"}]}"#;
    assert_eq!(basis(&[list, jobs]), (120, Basis::Measured));
}

#[test]
fn many_findings_have_all_forms() {
    let Some(folder) = folder("392d1da3") else { return };
    let found = look(&folder);
    let json = found.json();
    assert_eq!(json["fires_per_30_days"], 25_634);
    assert_eq!(json["findings"].as_array().unwrap().len(), found.findings.len());
    for finding in json["findings"].as_array().unwrap() {
        let keys: Vec<&str> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "rule",
                "severity",
                "file",
                "line",
                "column",
                "reason",
                "minutes",
                "usd",
                "unpriced_minutes",
                "basis",
                "fix"
            ]
        );
    }
    let text = found.text(|_, text| text.to_owned());
    assert!(text.contains("36 files, 22 of them scheduled with 25 crons: 25634 fires"), "{text}");
    assert_eq!(found.sarif("")["runs"][0]["results"].as_array().unwrap().len(), found.findings.len());
}
