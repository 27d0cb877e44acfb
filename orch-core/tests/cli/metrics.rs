//! `orch metrics`, by the real program in repositories made for the test.

use std::process::{Command, Output};

use super::*;

pub(super) struct Repository(Folder);

impl Repository {
    /// With these messages as commits, a day after each other from the first of July 2025 on.
    pub(super) fn new(messages: &[&str]) -> Self {
        let new = Self(Folder::new());
        fs::create_dir_all(new.path("home")).unwrap();
        fs::create_dir_all(new.path("work")).unwrap();
        new.git(&["init", "--quiet", "-b", "main"]);
        for (nth, message) in messages.iter().enumerate() {
            let date = format!("2025-07-{:02}T12:00:00Z", nth + 1);
            let words = ["commit", "--quiet", "--allow-empty", "-m", message];
            let (code, _, stderr) = parts(new.call("git", &words, &[("GIT_COMMITTER_DATE", &date)]));
            assert_eq!(code, 0, "{stderr}");
        }
        new
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn call(&self, program: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
        Command::new(program)
            .args(args)
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "a")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "a@localhost")))
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }

    pub(super) fn try_orch(&self, args: &[&str]) -> (i32, String, String) {
        parts(self.call(env!("CARGO_BIN_EXE_orch"), args, &[]))
    }

    #[track_caller]
    pub(super) fn orch(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.try_orch(args);
        assert_eq!(code, 0, "{stdout}{stderr}");
        stdout
    }

    #[track_caller]
    pub(super) fn git(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = parts(self.call("git", args, &[]));
        assert_eq!(code, 0, "{args:?}: {stdout}{stderr}");
        stdout.trim_end().to_owned()
    }
}

pub(super) fn parts(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub(super) const AT: [&str; 2] = ["--at", "2025-07-20T00:00:00Z"];

pub(super) fn with(words: &[&'static str]) -> Vec<&'static str> {
    [words, &["--policy", "message"], &AT].concat()
}

#[test]
fn files_are_written_once_and_damaged_ones_are_made_again() {
    let repository = Repository::new(&["a worktree", "b", "c", "d"]);
    let file = "work/reports/orchestration/aggregated_metrics.json";
    let (code, stdout, _) = repository.try_orch(&with(&["metrics", "update", "--check"]));
    assert!(code == 1 && stdout.ends_with("would change\n") && !repository.path(file).exists(), "{stdout}");
    repository.orch(&with(&["metrics", "update"]));
    let first = repository.read(file);
    let read: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&read["schema"], &read["current_month"]["commits"]["total"]), (&json!(2), &json!(4)));
    // Another time of day changes nothing.
    let later = ["metrics", "update", "--policy", "message", "--at", "2025-07-21T00:00:00Z"];
    assert!(repository.orch(&later).ends_with("is up to date\n"));
    assert_eq!(repository.read(file), first);
    for damaged in ["{\n<<<<<<< HEAD\n=======\n>>>>>>> x\n}", "", "{\"monthly_data\"", "[]"] {
        repository.write(file, damaged);
        let (code, _, stderr) = repository.try_orch(&with(&["metrics", "update"]));
        assert!(code == 0 && stderr.contains("is not trusted, it is made again from the history"), "{stderr}");
        assert_eq!(repository.read(file), first, "{damaged}");
    }
    // What another machine measured stays, where nothing is known here.
    let mut theirs = read;
    theirs["monthly_data"]["2025-07"]["measured"]["cost_usd"] = json!(1.25);
    theirs["monthly_data"]["2025-07"]["measured"]["charges"] = json!(3);
    repository.write(file, &theirs.to_string());
    repository.orch(&with(&["metrics", "update"]));
    let kept: Value = serde_json::from_str(&repository.read(file)).unwrap();
    assert_eq!((&kept["measured"]["cost_usd"], &kept["measured"]["charges"]), (&json!(1.25), &json!(3)));
    repository.write(file, "{\"schema\": 99, \"monthly_data\": {}}");
    assert_eq!(repository.try_orch(&with(&["metrics", "update"])).0, 2, "a newer one is nobody's to change");
}

#[test]
fn the_report_and_its_page_are_written() {
    let repository = Repository::new(&["a worktree", "b"]);
    repository.orch(&with(&["metrics", "report", "--html", "page.html"]));
    let report = repository.read("work/reports/orchestration/README.md");
    assert!(
        report.contains("| **Orchestration Rate** | 50.0% of commits |") && !report.contains("Leaderboard"),
        "{report}"
    );
    assert!(repository.read("work/page.html").contains("<h1>Orchestration of work</h1>"));
    assert!(
        repository.orch(&with(&["metrics", "report", "--print", "--leaderboard"])).contains("| a | 1 | 2 | 50.0% |")
    );
    assert_eq!(repository.try_orch(&with(&["metrics", "report", "--since", "2025-07-02"])).0, 2);
    let table = repository.orch(&with(&["metrics"]));
    let row = "2025-07         2             1  50.0 %     $1.00   $0.70  $0.30   30.0 %";
    assert!(table.contains(row), "{table}");
}

#[test]
fn records_rotate() {
    let repository = Repository::new(&["a"]);
    let folder = "work/reports/orchestration";
    repository.write(&format!("{folder}/commit_metrics_20250630_120000.json"), "{}");
    repository.write(&format!("{folder}/commit_metrics_20250703_120000.json"), "{}");
    let words = |more: &[&'static str]| [&["metrics", "rotate"], more, &AT].concat();
    let (code, stdout, _) = repository.try_orch(&words(&["--check"]));
    assert_eq!(
        (code, stdout.as_str()),
        (1, "rotation is due: 1 records of past months, 0 archives older than three months\n")
    );
    repository.orch(&words(&[]));
    assert!(repository.path(&format!("{folder}/archive/2025-06/commit_metrics_20250630_120000.json")).exists());
    assert!(repository.path(&format!("{folder}/commit_metrics_20250703_120000.json")).exists());
    assert_eq!(repository.orch(&words(&["--check"])), "no rotation is due\n");
    let summary: Value = serde_json::from_str(&repository.read(&format!("{folder}/last_rotation.json"))).unwrap();
    assert_eq!(
        (&summary["files_archived"], &summary["archive_location"]),
        (&json!(1), &json!("reports/orchestration/archive/"))
    );
    repository.orch(&words(&["--force"]));
    let summary: Value = serde_json::from_str(&repository.read(&format!("{folder}/last_rotation.json"))).unwrap();
    assert_eq!(summary["files_archived"], 0);
    assert_eq!(repository.git(&["status", "--porcelain", "--", "reports/orchestration/archive"]), "");
}

#[test]
fn settings_say_what_is_counted() {
    let repository = Repository::new(&["a worktree", "b"]);
    repository.write("work/orch.toml", "[metrics]\npolicy = \"message\"\nzone = \"+05:30\"\nnot_authors = [\"a <*\"]\ntargets = { rate = 60, commits = 1 }\n");
    let count = |args: &[&str]| {
        let form: Value =
            serde_json::from_str(&repository.orch(&[&["metrics", "--json"], args, &AT].concat())).unwrap();
        (form["aggregated"]["zone"].clone(), form["aggregated"]["current_month"]["commits"]["total"].clone())
    };
    assert_eq!(count(&[]), (json!("+05:30"), json!(0)));
    assert_eq!(count(&["--not-author", "b <*", "--zone", "UTC"]), (json!("UTC"), json!(2)));
    let alert = ["metrics", "alert", "--dry-run", "--not-author", "b", AT[0], AT[1]];
    let (code, stdout, _) = repository.try_orch(&alert);
    assert_eq!(
        (code, stdout.as_str()),
        (1, "2025-07: 50.0% of 2 commits were orchestrated, by their messages; the target is 60\n")
    );
    assert_eq!(repository.orch(&[alert.as_slice(), &["--rate", "50"]].concat()), "no target is missed\n");
    repository.write("work/orch.toml", "[metrics]\npolicy = \"message\"\ntargets = { rate = 60 }\n");
    let few =
        "no target was judged: 2025-07 has 2 commits, and targets are for 10 and more (`commits` of the targets)\n";
    assert_eq!(repository.orch(&["metrics", "alert", "--dry-run", AT[0], AT[1]]), few);
}

#[test]
fn a_target_that_is_missed_is_told_once_a_month() {
    let repository = Repository::new(&["a worktree", "b", "c"]);
    // The hook makes the store, which remembers what was told.
    repository.orch(&["hooks", "install", "git", "--program", env!("CARGO_BIN_EXE_orch")]);
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "d"]);
    repository.write("work/orch.toml", "[metrics]\ntargets = { rate = 60, commits = 1 }\n");
    let server = server::Server::new(|_| server::answer("204 No Content", "", ""));
    let address = server.address();
    let alert = |args: &[&'static str]| {
        let words = [with(&["metrics", "alert", "--json", "--rev", "HEAD~1"]).as_slice(), args].concat();
        let env = [("DISCORD_WEBHOOK_URL", address.as_str()), ("ORCH_WEBHOOK_LOCAL", "1")];
        let (code, stdout, stderr) = parts(repository.call(env!("CARGO_BIN_EXE_orch"), &words, &env));
        let form: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
        (code, form["told"].clone(), form["missed"].as_array().map(Vec::len))
    };
    assert_eq!(alert(&["--dry-run"]), (1, Value::Null, Some(1)));
    assert_eq!(alert(&[]), (1, json!(1), Some(1)));
    assert_eq!(alert(&[]), (1, json!(0), Some(1)), "it was told");
    assert_eq!(alert(&["--rate", "30"]), (0, Value::Null, Some(0)));
    assert_eq!(server.titles(), ["📉 Orchestration below its target"]);
}

/// Says what Claude Code says, and that it cost two cents.
#[cfg(unix)]
const AGENT: &str = r#"*=sh -c 'echo "{\"type\":\"result\",\"result\":\"ok\",\"total_cost_usd\":0.02,\"modelUsage\":{\"claude-haiku-4-5\":{\"inputTokens\":10,\"outputTokens\":5,\"costUSD\":0.02}}}"'"#;

#[cfg(unix)]
#[test]
fn what_runs_cost_and_find_is_measured() {
    let repository = Repository::new(&["a worktree"]);
    let mut work: Value = serde_json::from_str(&command(&[("map", "one", &[]), ("use", "two", &["map"])])).unwrap();
    work["phases"][0]["agents"][0]["context"] = json!({"outputs": [{"key": "code_map", "ttl": 3600}]});
    repository.write("work/work.json", &work.to_string());
    for _ in 0..2 {
        // Bare, it is the store of the repository, which is that of the metrics too.
        repository.orch(&["run", "work.json", "--agent", AGENT, "--store"]);
    }
    // From here on it is always that time, also if the month ends meanwhile.
    let now = orch_core::Clock::system().wall().to_string();
    let now = ["--at", now.as_str()];
    let form = |args: &[&str]| -> Value {
        serde_json::from_str(&repository.orch(&[&["metrics", "--json"], args].concat())).unwrap()
    };
    let all = form(&now);
    let measured = |form: &Value| form["aggregated"]["measured"].clone();
    let wanted = json!({"charges": 3, "assumed_charges": 0, "cost_usd": 0.06, "tokens": 45, "runs": 2, "runs_succeeded": 2,
        "cache_hits": 1, "cache_misses": 1, "saved_usd": 0.02, "saved_tokens": 15, "saved_ms": all["runs"][0]["saved_ms"]});
    assert_eq!(measured(&all), wanted);
    assert_eq!(all["runs"].as_array().map(Vec::len), Some(2));
    // Before all of it nothing had been spent.
    for words in [["--until", "2025-08-01"], ["--at", "2025-08-01"]] {
        assert_eq!((&form(&words)["runs"], &measured(&form(&words))["charges"]), (&json!([]), &json!(0)), "{words:?}");
    }
    let says = |args: &[&str]| {
        let words = [["badges", "--only", "mtd-cost,savings,hit-rate,runs,trend"].as_slice(), args, &now].concat();
        repository.orch(&words).lines().step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let real = [
        "MTD Cost: $0.06",
        "Orchestration Savings: $0.02 25%",
        "Cache Hits: 50.0%",
        "Runs: 2 of 2 succeeded",
        "Savings per Week: $0.02",
    ];
    assert_eq!(says(&[]), real);
    assert_eq!(says(&["--basis", "modelled"])[..2], ["MTD Cost: no data", "Orchestration Savings: no data"]);
    assert_eq!(says(&["--policy", "compat"])[..2], ["MTD Cost: no data", "Orchestration Savings: no data"]);
}

#[test]
fn a_window_has_nothing_of_the_file() {
    let repository = Repository::new(&["a worktree"]);
    repository.orch(&with(&["metrics", "update"]));
    let file = "work/reports/orchestration/aggregated_metrics.json";
    let mut theirs: Value = serde_json::from_str(&repository.read(file)).unwrap();
    theirs["monthly_data"]["2025-07"]["measured"]["runs"] = json!(7);
    repository.write(file, &theirs.to_string());
    let runs = |args: &[&str]| {
        let form: Value =
            serde_json::from_str(&repository.orch(&[with(&["metrics", "--json"]).as_slice(), args].concat())).unwrap();
        form["aggregated"]["measured"]["runs"].clone()
    };
    assert_eq!((runs(&[]), runs(&["--since", "2025-07-01"])), (json!(7), json!(0)));
    repository.write(file, "<<<<<<< HEAD");
    for words in [with(&["metrics"]), with(&["metrics", "report"]), with(&["badges"])] {
        let stderr = repository.try_orch(&words).2;
        assert!(
            stderr.contains("is not trusted") && stderr.contains("`orch metrics update` makes it again"),
            "{stderr}"
        );
    }
    repository.write("work/orch.toml", "[metrics]\nfolder = \"../elsewhere\"\n");
    let (code, _, stderr) = repository.try_orch(&["metrics", "update"]);
    assert!(code == 2 && stderr.contains("must be a folder inside the repository"), "{stderr}");
}
