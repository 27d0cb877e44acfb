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

/// A `gh` that answers from files, and writes down what it is asked: GitHub itself is out of reach here. The forms are those of `gh` 2.46 and of the
/// REST API of 2022-11-28.
#[cfg(unix)]
struct Gh {
    folder: Folder,
}

#[cfg(unix)]
impl Gh {
    const SCRIPT: &'static str = r#"#!/bin/sh
echo "$*" >> "$FAKE/asked"
case "$*" in
  'run list --workflow broken.yml '*) echo 'HTTP 502' >&2; exit 1 ;;
  'run list --workflow '*) cat "$FAKE/last" 2>/dev/null || true ;;
  'run list '*) n=$(grep -c '^run list' "$FAKE/asked"); cat "$FAKE/runs-$n" 2>/dev/null || echo '[]' ;;
  'api --paginate repos/{owner}/{repo}/actions/runs/'*)
    id=${3#*runs/}; cat "$FAKE/jobs-${id%%/*}" 2>/dev/null || { echo 'gh: API rate limit exceeded (HTTP 403)' >&2; exit 1; } ;;
  'workflow run refused.yml'*) echo 'could not create workflow dispatch event: HTTP 422' >&2; exit 1 ;;
  'workflow run '*) ;;
  *) echo "what is $*?" >&2; exit 2 ;;
esac
"#;

    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::new();
        fs::create_dir(folder.path("bin")).unwrap();
        let program = folder.file("bin/gh", Self::SCRIPT);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Calls the real program with that `gh` first on its path: exit code, stdout, stderr.
    fn orch(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let path = format!("{}:{}", self.folder.at("bin"), std::env::var("PATH").unwrap());
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_orch"))
            .args(arguments)
            .current_dir(self.folder.0.path())
            .env("PATH", path)
            .env("FAKE", self.folder.0.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn asked(&self) -> Vec<String> {
        let asked: Vec<String> = self.folder.read("asked").lines().map(str::to_owned).collect();
        fs::remove_file(self.folder.path("asked")).unwrap();
        asked
    }
}

/// As `gh run list --json` writes it.
fn listed(id: u64, workflow: &str, created: &str, minutes: u64) -> Value {
    let updated = format!("{}:{minutes:02}:00Z", created.get(..13).unwrap());
    json!({"databaseId": id, "workflowName": workflow, "event": "push", "headBranch": "main", "status": "completed", "conclusion": "success",
        "createdAt": created, "startedAt": created, "updatedAt": updated})
}

/// As the API tells of a job.
fn worked(run: u64, id: u64, label: &str, attempt: u64, (from, to): (&str, &str)) -> Value {
    json!({"id": id, "run_id": run, "run_attempt": attempt, "workflow_name": "CI", "name": format!("job {id}"), "status": "completed",
        "conclusion": "success", "created_at": from, "started_at": from, "completed_at": to, "labels": [label], "runner_id": 1,
        "runner_name": "GitHub Actions 1", "runner_group_id": 0, "runner_group_name": "GitHub Actions", "steps": []})
}

#[cfg(unix)]
#[test]
fn a_report_asks_gh_for_runs_and_their_jobs() {
    let gh = Gh::new();
    let list = json!([
        listed(7, "CI", "2026-11-10T10:00:00Z", 40),
        listed(8, "CI", "2026-11-11T10:00:00Z", 5),
        listed(9, "Nightly", "2026-11-12T10:00:00Z", 3),
    ]);
    gh.folder.file("runs-1", list.to_string());
    // Waited for half an hour, then two jobs of a bit more than a minute; one of them again.
    let first = ("2026-11-10T10:30:00Z", "2026-11-10T10:31:01Z");
    let again = ("2026-11-10T10:38:00Z", "2026-11-10T10:38:20Z");
    let page = |jobs: Vec<Value>| json!({"total_count": 3, "jobs": jobs}).to_string();
    let pages = [
        page(vec![worked(7, 71, "ubuntu-latest", 1, first), worked(7, 72, "windows-11-arm", 1, first)]),
        page(vec![worked(7, 73, "ubuntu-latest", 2, again)]),
    ];
    gh.folder.file("jobs-7", pages.concat());
    gh.folder.file("jobs-9", page(vec![worked(9, 91, "ours", 1, ("2026-11-12T10:00:00Z", "2026-11-12T10:01:00Z"))]));
    gh.folder.file(
        "jobs-8",
        page(vec![worked(8, 81, "ubuntu-latest", 1, ("2026-11-11T10:01:00Z", "2026-11-11T10:01:30Z"))]),
    );

    let window = ["actions", "report", "--from", "2026-11-01", "--to", "2026-11-21"];
    let (code, stdout, stderr) = gh.orch(&[&window[..], &["--json"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let board: Value = serde_json::from_str(&stdout).unwrap();
    let ci = &board["workflows"]["CI"];
    // Billed: 2 + 2 + 1 and 1. Took: the later attempt 20 seconds, the other run 30.
    assert_eq!((&ci["minutes"], &ci["p50_seconds"], &ci["p95_seconds"]), (&json!(6), &json!(20), &json!(30)), "{ci:#}");
    assert_eq!((&ci["usd"], &ci["rough_runs"]), (&json!(0.04), &json!(0)), "2 + 1 + 1 at 0.006, 2 at 0.008");
    let nightly = &board["workflows"]["Nightly"];
    assert_eq!((&nightly["usd"], &nightly["unpriced_minutes"]), (&Value::Null, &json!(1)), "not free: not known");
    let asked = gh.asked();
    assert!(
        asked[0].starts_with("run list --limit 1000 --created 2026-11-01T00:00:00Z..2026-11-21T00:00:00Z --json "),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(
        asked[1], "api --paginate repos/{owner}/{repo}/actions/runs/9/jobs?filter=all&per_page=100",
        "the latest first"
    );

    // Of some runs only, and of none: the others are said to be rough.
    let (_, stdout, stderr) = gh.orch(&[&window[..], &["--jobs", "1", "--html", "page.html"]].concat());
    assert!(stdout.contains("of 2 runs the jobs or their machines were not told"), "{stdout}");
    assert!(stderr.contains("wrote page.html") && gh.folder.read("page.html").contains("Nightly"), "{stderr}");
    assert_eq!(gh.asked().len(), 2);
    // Where GitHub answers no more, what is known is shown.
    fs::remove_file(gh.folder.path("jobs-8")).unwrap();
    let (code, stdout, stderr) = gh.orch(&[&window[..], &["--json"]].concat());
    let board: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &board["total"]["rough_runs"]), (Some(0), &json!(2)), "{stderr}");
    assert!(stderr.contains("rate limit exceeded") && stderr.contains("2 runs are without their jobs"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_window_of_many_runs_is_asked_for_in_parts() {
    let gh = Gh::new();
    let many: Vec<Value> = (0..1_000).map(|id| listed(id, "CI", "2026-11-10T10:00:00Z", 1)).collect();
    gh.folder.file("runs-1", json!(many).to_string());
    gh.folder.file("runs-2", json!([listed(1, "CI", "2026-11-03T10:00:00Z", 1)]).to_string());
    gh.folder.file(
        "runs-3",
        json!([listed(2, "CI", "2026-11-12T10:00:00Z", 1), listed(1, "CI", "2026-11-03T10:00:00Z", 1)]).to_string(),
    );
    let (code, stdout, stderr) =
        gh.orch(&["actions", "report", "--from", "2026-11-01", "--to", "2026-11-21", "--jobs", "0", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let board: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(board["run_count"], 2, "a run of two parts counts once");
    let mut parts: Vec<String> = gh.asked().iter().map(|line| line.split(' ').nth(5).unwrap().to_owned()).collect();
    parts.sort();
    assert_eq!(
        parts,
        [
            "2026-11-01T00:00:00Z..2026-11-11T00:00:00Z",
            "2026-11-01T00:00:00Z..2026-11-21T00:00:00Z",
            "2026-11-11T00:00:00Z..2026-11-21T00:00:00Z"
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_dispatcher_starts_what_is_due_and_tells_what_it_could_not() {
    let gh = Gh::new();
    fs::create_dir_all(gh.folder.path(".github/workflows")).unwrap();
    for name in ["a.yml", "refused.yml", "broken.yml"] {
        gh.folder.file(&format!(".github/workflows/{name}"), NIGHTLY);
    }
    let slot = |file: &str| json!({"id": file, "file": file, "crons": ["0 3 * * *"]});
    let table = json!({"version": 1, "since": "2026-11-01T00:00:00Z",
        "slots": [slot("a.yml"), slot("gone.yml"), slot("refused.yml"), slot("broken.yml")]});
    gh.folder.file(".github/orch-schedule.json", table.to_string());
    let tick = |now: &str| {
        gh.orch(&["actions", "due", "--state", "state.json", "--dispatch", "--ref", "main", "--now", now, "--json"])
    };

    let (code, stdout, stderr) = tick("2026-11-03T05:00:00Z");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &said["started"]), (Some(1), &json!(["a.yml", "broken.yml"])), "{stderr}");
    assert!(stderr.contains("`gone.yml` is not there any more") && stderr.contains("HTTP 502"), "{stderr}");
    assert!(stderr.contains("could not start `refused.yml`; the next tick tries again"), "{stderr}");
    let asked = gh.asked();
    assert!(asked.contains(&"workflow run a.yml --ref main".to_owned()), "{asked:?}");
    assert!(!asked.iter().any(|line| line.starts_with("workflow run gone.yml")), "{asked:?}");
    // Half an hour later only what failed is tried again.
    let (_, stdout, _) = tick("2026-11-03T05:30:00Z");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(said["started"], json!([]));
    let started: Vec<String> = gh.asked().into_iter().filter(|line| line.starts_with("workflow run")).collect();
    assert_eq!(started, ["workflow run refused.yml --ref main"]);
    // The state is lost: what GitHub says was started last counts.
    fs::remove_file(gh.folder.path("state.json")).unwrap();
    gh.folder.file("last", "2026-11-03T05:00:10Z\n");
    let (_, stdout, _) = tick("2026-11-03T06:00:00Z");
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(said["started"], json!(["broken.yml"]), "of which nobody knows");
}

#[test]
fn a_second_schedule_keeps_what_the_first_took_over() {
    let (folder, read) = repository();
    let here = folder.0.path().to_str().unwrap();
    orch(["actions", "schedule", here, "--write", "--install", "true"]).exits(0);
    let first = read("orch-scheduler.yml").replace("true", "pip install orch-engine");
    folder.file(".github/workflows/orch-scheduler.yml", &first);
    let none = orch(["actions", "schedule", here, "--write"]).exits(0);
    assert!(none.stderr.contains("there is no schedule to take over"), "{}", none.stderr);
    folder.file(".github/workflows/weekly.yml", NIGHTLY.replace("0 3 * * *", "0 4 * * 1"));
    let second = orch(["actions", "schedule", here, "--write"]).exits(0);
    assert!(second.stderr.contains("stays as it is"), "{}", second.stderr);
    assert_eq!(read("orch-scheduler.yml"), first);
    let table: Value = serde_json::from_str(&folder.read(".github/orch-schedule.json")).unwrap();
    let files: Vec<&Value> = table["slots"].as_array().unwrap().iter().map(|slot| &slot["file"]).collect();
    assert_eq!(files, [&json!("weekly.yml"), &json!("nightly.yml")]);
    assert!(table["slots"][0]["since"].is_string() && table["slots"][1].get("since").is_none(), "{table}");
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    let folder = Folder::new();
    let here = folder.0.path().to_str().unwrap();
    let says = |done: Done, words: &[&str]| {
        for word in words {
            assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
        }
    };
    // A folder without workflows, and a repository without any.
    for command in ["audit", "fix", "schedule"] {
        says(orch(["actions", command, here]).exits(2), &["no workflow", ".github/workflows"]);
    }
    fs::create_dir(folder.path(".git")).unwrap();
    folder.file("compose.yml", "services: {}\n");
    says(orch(["actions", "audit", here]).exits(2), &["no workflow", ".github/workflows"]);
    says(orch(["actions", "due", "--table", &folder.at("none.json")]).exits(2), &["none.json", "schedule --write"]);
    let odd = Folder::new();
    let path = odd.file("odd.yml", NIGHTLY.replace("'0 3 * * *'", "'0 3 * * *'\n      timezone: Berlin"));
    says(orch(["actions", "schedule", &path]).exits(0), &["odd.yml keeps its schedule", "`Europe/Berlin`"]);
    says(orch(["actions", "template", here]).exits(2), &["Cargo.toml", "name the folder"]);
    says(orch(["actions", "fix", here, "--rule", "tiny-job"]).exits(2), &["missing-timeout"]);
    let (good, _) = repository();
    says(orch(["actions", "audit", &good.at("."), "--assume", "jobs=1"]).exits(2), &["--help"]);
    let runs = folder.file("runs.json", "{}");
    says(orch(["actions", "report", &runs]).exits(2), &["runs.json", "gh run list"]);
    let table = r#"{"version": 1, "since": "2026-11-01", "slots": [{"id": "a", "file": "a.yml", "crons": ["0 2 * * *"], "timezone": "Berlin"}]}"#;
    let table = folder.file("table.json", table);
    says(orch(["actions", "due", "--table", &table]).exits(2), &["table.json", "`Berlin`", "`Europe/Berlin`"]);
    let state = folder.file("state.json", "[]");
    let good = folder.file("good.json", r#"{"version": 1, "since": "2026-11-01", "slots": []}"#);
    says(orch(["actions", "due", "--table", &good, "--state", &state]).exits(2), &["state.json", "remove it"]);
}

#[test]
fn the_workflows_of_this_project_have_nothing_that_is_wrong() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/github");
    let audit = orch(["actions", "audit", folder, "--json", "--fail-on", "warning"]).exits(0).json();
    assert_eq!((&audit["invalid"], &audit["dead"]), (&json!([]), &json!([])), "{audit:#}");
}
