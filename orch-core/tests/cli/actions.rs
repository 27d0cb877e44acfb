//! Workflows of GitHub Actions, as a person at a terminal and CI see them.

use super::*;

const CI: &str = "name: CI # kept\non:\n  pull_request:\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make test\n";
const NIGHTLY: &str = "name: Nightly\non:\n  schedule:\n    - cron: '0 3 * * *'\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n";

/// A repository with two workflows, and the path of one.
fn repository() -> (Folder, impl Fn(&str) -> String) {
    let folder = Folder::new();
    let workflows = folder.path(".github/workflows");
    fs::create_dir_all(&workflows).unwrap();
    fs::write(workflows.join("ci.yml"), CI).unwrap();
    fs::write(workflows.join("nightly.yml"), NIGHTLY).unwrap();
    (folder, move |name| fs::read_to_string(workflows.join(name)).unwrap())
}

#[test]
fn an_audit_says_what_is_wrong_and_how_bad() {
    let (folder, _) = repository();
    let here = folder.0.path().to_str().unwrap();
    let audit = orch(["actions", "audit", here, "--json"]).exits(0).json();
    for (field, value) in
        [("files", 2), ("scheduled", 1), ("crons", 1), ("fires_per_30_days", 30), ("with_concurrency", 0)]
    {
        assert_eq!(audit[field], value, "{field}");
    }
    let findings = audit["findings"].as_array().unwrap();
    let missing = findings.iter().find(|found| found["rule"] == "missing-timeout").unwrap();
    assert_eq!((&missing["file"], &missing["line"], &missing["fix"]), (&json!("ci.yml"), &json!(5), &json!("safe")));
    orch(["actions", "audit", here, "--fail-on", "warning"]).exits(1);
    orch(["actions", "audit", here, "--fail-on", "never"]).exits(0);
    let sarif = orch(["actions", "audit", here, "--sarif"]).exits(0).json();
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), findings.len());
    let said = orch(["actions", "audit", here, "--annotations"]).exits(0).stdout;
    assert!(said.contains("::warning file=") && said.contains("missing-timeout"), "{said}");

    // Who says why need not hear it again.
    let quiet = CI.replace("  test:", "  test: # orch: ignore[missing-timeout] it ends by itself");
    fs::write(folder.path(".github/workflows/ci.yml"), quiet).unwrap();
    let audit = orch(["actions", "audit", &folder.at(".github/workflows/ci.yml"), "--json"]).exits(0).json();
    let rules: Vec<&str> = audit["findings"].as_array().unwrap().iter().filter_map(|it| it["rule"].as_str()).collect();
    assert!(!rules.contains(&"missing-timeout") && rules.contains(&"missing-concurrency"), "{rules:?}");

    let done = orch(["actions", "audit", &folder.at("nowhere")]).exits(2);
    assert!(done.stderr.contains("nowhere"), "{}", done.stderr);
    fs::write(folder.path(".github/workflows/broken.yml"), "on: [push\njobs: {").unwrap();
    let audit = orch(["actions", "audit", here, "--json"]).exits(1).json();
    assert_eq!(audit["invalid"], json!(["broken.yml"]), "one that cannot be read does not hide the others");
    assert_eq!(audit["files"], 3);
}

#[test]
fn a_fix_is_shown_first_then_made_once() {
    let (folder, read) = repository();
    let here = folder.0.path().to_str().unwrap();
    let shown = orch(["actions", "fix", here]).exits(0).stdout;
    assert!(shown.contains("+    timeout-minutes: 30") && shown.contains("--- a/ci.yml"), "{shown}");
    assert_eq!((read("ci.yml"), read("nightly.yml")), (CI.to_owned(), NIGHTLY.to_owned()), "nothing is written");

    let made = orch(["actions", "fix", here, "--write", "--json"]).exits(0).json();
    let paths: Vec<&Value> = made["files"][0]["repairs"].as_array().unwrap().iter().map(|it| &it["path"]).collect();
    assert_eq!(paths, [&json!("concurrency"), &json!("jobs.test.timeout-minutes")]);
    let once = (read("ci.yml"), read("nightly.yml"));
    assert!(once.0.starts_with("name: CI # kept\non:\n  pull_request:\n"), "{}", once.0);
    assert!(once.0.contains("cancel-in-progress: ${{ github.event_name == 'pull_request' }}"), "{}", once.0);
    let again = orch(["actions", "fix", here, "--write", "--json"]).exits(0).json();
    assert_eq!((again["files"].clone(), (read("ci.yml"), read("nightly.yml"))), (json!([]), once));
}

#[test]
fn schedules_become_one_dispatcher_that_makes_up_for_what_was_late() {
    let (folder, read) = repository();
    let (here, table) = (folder.0.path().to_str().unwrap(), folder.at(".github/orch-schedule.json"));
    let shown = orch(["actions", "schedule", here, "--json", "--install", "true"]).exits(0).json();
    assert_eq!((&shown["before"], &shown["started"]), (&json!(30), &json!(30)));
    assert!(!folder.path(".github/orch-schedule.json").exists(), "nothing is written");

    // A dispatcher looks more often than one schedule fires.
    let written = orch(["actions", "schedule", here, "--write", "--install", "true"]).exits(0);
    assert!(written.stderr.contains("more than before"), "{}", written.stderr);
    assert!(read("nightly.yml").contains("workflow_dispatch") && !read("nightly.yml").contains("cron"));
    assert_eq!(read("ci.yml"), CI);
    assert!(read("orch-scheduler.yml").contains("actions: write"));
    orch(["actions", "audit", here]).exits(0);

    // Three nights later, of which nobody heard: it is started once.
    let mut written: Value = serde_json::from_str(&folder.read(".github/orch-schedule.json")).unwrap();
    written["since"] = json!("2026-11-01T00:00:00Z");
    folder.file(".github/orch-schedule.json", written.to_string());
    let due = orch(["actions", "due", "--table", &table, "--now", "2026-11-04T05:00:00Z", "--json"]).exits(0).json();
    assert_eq!(due["due"].as_array().unwrap().len(), 1, "{due}");
    assert_eq!(due["due"][0]["file"], "nightly.yml");
    let early = orch(["actions", "due", "--table", &table, "--now", "2026-11-01T00:30:00Z", "--json"]).exits(0).json();
    assert_eq!(early["due"], json!([]));
    orch(["actions", "due", "--table", &folder.at("none.json")]).exits(2);
}

#[test]
fn the_rules_and_a_template_are_told() {
    let (folder, _) = repository();
    let rules = orch(["actions", "rules", "--json"]).exits(0).stdout;
    assert!(rules.contains("missing-timeout") && rules.contains("unsafe-cancel"), "{rules}");
    folder.file("Cargo.toml", "[package]\nname = \"x\"\n");
    let template = orch(["actions", "template", folder.0.path().to_str().unwrap()]).exits(0).stdout;
    assert!(template.contains("cargo") && !template.contains("npm"), "{template}");
    // What it makes has nothing that it would complain of.
    let folder = Folder::new();
    let path = folder.file("ci.yml", template);
    let audit = orch(["actions", "audit", &path, "--json", "--fail-on", "warning"]).exits(0).json();
    assert_eq!(audit["invalid"], json!([]));
}
