//! `orch metrics` and `orch badges`, by the real program in repositories made for the test.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use super::*;

struct Repository(Folder);

impl Repository {
    /// With these messages as commits, a day after each other from the first of July 2025 on.
    fn new(messages: &[&str]) -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn call(&self, program: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
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

    fn try_orch(&self, args: &[&str]) -> (i32, String, String) {
        parts(self.call(env!("CARGO_BIN_EXE_orch"), args, &[]))
    }

    #[track_caller]
    fn orch(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.try_orch(args);
        assert_eq!(code, 0, "{stdout}{stderr}");
        stdout
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = parts(self.call("git", args, &[]));
        assert_eq!(code, 0, "{args:?}: {stdout}{stderr}");
        stdout.trim_end().to_owned()
    }
}

fn parts(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const AT: [&str; 2] = ["--at", "2025-07-20T00:00:00Z"];

fn with(words: &[&'static str]) -> Vec<&'static str> {
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
    let row = "2025-07         2             1  50.0 %     $1.00   $0.70  $0.30  30.0 %";
    assert!(table.contains(row), "{table}");
}

#[test]
fn nothing_is_invented() {
    let repository = Repository::new(&["a", "b"]);
    // No hook has recorded anything, so nobody knows.
    let says = |args: &[&str]| repository.orch(args).lines().step_by(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(says(&["badges", AT[0], AT[1]]), ["MTD Cost: no data", "Orchestration Savings: no data"]);
    assert_eq!(says(&with(&["badges"])), ["MTD Cost: $1.00 modelled", "Orchestration Savings: $0.00 0% modelled"]);
    let all = says(&with(&["badges", "--basis", "measured", "--only", "mtd-cost,savings,rate,hit-rate,budget,runs"]));
    let wanted = [
        "MTD Cost: no data",
        "Orchestration Savings: no data",
        "Orchestration Rate: 0.0%",
        "Cache Hits: no data",
        "Budget Left: no data",
        "Runs: no data",
    ];
    assert_eq!(all, wanted);
}

#[test]
fn a_readme_is_checked_and_written() {
    let repository = Repository::new(&["a worktree"]);
    repository.write("work/README.md", "# App\n\nText\n");
    let words = with(&["badges", "--readme", "README.md"]);
    assert_eq!(repository.try_orch(&words).0, 2, "there are no marks");
    let check = [words.as_slice(), &["--insert", "--check"]].concat();
    assert_eq!(repository.try_orch(&check).0, 1);
    assert_eq!(repository.read("work/README.md"), "# App\n\nText\n");
    repository.orch(&[words.as_slice(), &["--insert"]].concat());
    let text = repository.read("work/README.md");
    assert!(text.contains("[![MTD Cost](https://img.shields.io/badge/MTD_Cost-$0.20_modelled-green?style=for-the-badge)](./reports/orchestration/) [![Orchestration Savings]("), "{text}");
    assert_eq!(repository.try_orch(&check).0, 0);
    let endpoints =
        [words.as_slice(), &["--endpoints", "https://example.org/b", "--link", "https://example.org/"]].concat();
    repository.orch(&endpoints);
    let text = repository.read("work/README.md");
    assert!(text.contains("(https://img.shields.io/endpoint?url=https%3A%2F%2Fexample.org%2Fb%2Fmtd-cost.json&style=for-the-badge)](https://example.org/)"), "{text}");
    repository.orch(&[words.as_slice(), &["--pictures", "./badges"]].concat());
    assert!(repository.read("work/README.md").contains("[![MTD Cost](./badges/mtd-cost.svg)]"));
}

#[test]
fn publishing_takes_only_what_it_has_seen() {
    let repository = Repository::new(&["a worktree"]);
    let (code, _, stderr) = repository.try_orch(&with(&["badges", "--publish", "main"]));
    assert!(code == 2 && stderr.contains("is checked out"), "{stderr}");
    repository.git(&["branch", "badges"]);
    repository.orch(&with(&["badges", "--publish", "badges"]));
    let names = repository.git(&["ls-tree", "--name-only", "badges"]);
    assert_eq!(names, "mtd-cost-dark.svg\nmtd-cost.json\nmtd-cost.svg\nsavings-dark.svg\nsavings.json\nsavings.svg");
    assert_eq!(repository.git(&["rev-list", "--count", "badges"]), "2");
    repository.orch(&with(&["badges", "--publish", "badges"]));
    assert_eq!(repository.git(&["rev-list", "--count", "badges"]), "2", "nothing new");
    // Many at once: each is on the branch, on top of another.
    let names = ["rate", "hit-rate", "budget", "runs"];
    thread::scope(|scope| {
        for name in names {
            let repository = &repository;
            let words = [with(&["badges", "--publish", "badges"]).as_slice(), &["--only", name]].concat();
            scope.spawn(move || repository.orch(&words));
        }
    });
    let files = repository.git(&["ls-tree", "--name-only", "badges"]);
    for name in names {
        assert!(files.contains(&format!("{name}.json")), "{files}");
    }
    assert_eq!(repository.git(&["rev-list", "--count", "badges"]), "6");
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
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
fn the_hook_draws_the_local_badges_anew() {
    let repository = Repository::new(&["a"]);
    repository.orch(&["hooks", "install", "git", "--program", env!("CARGO_BIN_EXE_orch")]);
    let local = "work/.git/orch/badges";
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "b"]);
    assert!(!repository.path(local).exists(), "nobody has asked for them");
    repository.orch(&["badges", "--local", "--only", "rate"]);
    repository.write("work/orch.toml", "[metrics]\nbadges = [\"rate\"]\npolicy = \"message\"\n");
    assert!(!repository.read(&format!("{local}/rate.json")).contains("50.0%"));
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "a worktree"]);
    // Two commits of this month, one of them orchestrated. The hook does not wait for it, so this does.
    let end = Instant::now() + Duration::from_secs(120);
    while !repository.read(&format!("{local}/rate.json")).contains("50.0%") {
        assert!(Instant::now() < end, "{}", repository.read(&format!("{local}/rate.json")));
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(repository.git(&["status", "--porcelain"]), "?? orch.toml");
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
