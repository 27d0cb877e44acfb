//! `orch badges`, by the real program in repositories made for the test.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::metrics::{AT, Repository, with};

#[test]
fn nothing_is_invented() {
    let repository = Repository::new(&["a", "b"]);
    // No hook has recorded anything, so nobody knows.
    let says = |args: &[&str]| repository.orch(args).lines().step_by(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(says(&["badges", AT[0], AT[1]]), ["MTD Cost: no data", "Orchestration Savings: no data"]);
    assert_eq!(says(&["badges", "--only", "trend", AT[0], AT[1]]), ["Savings per Week: no data"]);
    assert_eq!(says(&with(&["badges"])), ["MTD Cost: $1.00 modelled", "Orchestration Savings: $0.00 0% modelled"]);
    let all =
        says(&with(&["badges", "--basis", "measured", "--only", "mtd-cost,savings,rate,hit-rate,budget,runs,trend"]));
    let wanted = [
        "MTD Cost: no data",
        "Orchestration Savings: no data",
        "Orchestration Rate: 0.0%",
        "Cache Hits: no data",
        "Budget Left: no data",
        "Runs: no data",
        "Savings per Week: no data",
    ];
    assert_eq!(all, wanted);
}

#[test]
fn a_readme_is_checked_and_written() {
    let repository = Repository::new(&["a worktree"]);
    repository.write("work/README.md", "# App\n\nText\n");
    let words = with(&["badges", "--readme", "README.md"]);
    let (code, _, stderr) = repository.try_orch(&words);
    assert!(code == 2 && stderr.contains("there are no marks") && stderr.contains("`--insert`"), "{stderr}");
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
    let dark = "<source media=\"(prefers-color-scheme: dark)\" srcset=\"./badges/mtd-cost-dark.svg\">";
    let cost = format!("<picture>{dark}<img alt=\"MTD Cost\" src=\"./badges/mtd-cost.svg\"></picture></a> <a href=");
    assert!(repository.read("work/README.md").contains(&cost));
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
fn who_knows_nothing_is_told_what_to_do() {
    let repository = Repository::new(&["a worktree"]);
    let notes = |args: &[&str]| repository.try_orch(&[&["badges"], args].concat()).2;
    let july = notes(&AT);
    assert!(july.contains("no hook has recorded a commit") && july.contains("`orch hooks install git`"), "{july}");
    assert_eq!(july.matches("no data").count(), 1, "one reason, one line: {july}");
    let august = notes(&["--policy", "message", "--at", "2025-08-02"]);
    assert!(august.contains("there is no commit of 2025-08 that counts"), "{august}");
    assert_eq!(notes(&with(&[])), "", "all is known");
    let all = notes(&with(&["--only", "hit-rate,runs,budget"]));
    assert!(all.contains("`orch run FILE --store`") && all.contains("write `[[budget]]`"), "{all}");
    assert_eq!(all.lines().count(), 2, "{all}");
}

#[test]
fn a_week_without_commits_is_a_point_of_the_trend() {
    let repository = Repository::new(&["a worktree"]);
    let trend = ["--only", "trend", "--out", "drawn", "--policy", "message", "--at", "2025-07-20"];
    repository.orch(&[&["badges"], trend.as_slice()].concat());
    // The first week saved something, two later ones did not.
    let picture = repository.read("work/drawn/trend.svg");
    assert!(picture.contains("Savings per Week: $0.00 modelled, trend of 3"), "{picture}");
}

#[test]
fn one_draws_and_one_waits() {
    let repository = Repository::new(&["a"]);
    let local = repository.path("work/.git/orch/badges");
    fs::create_dir_all(&local).unwrap();
    let next = fs::File::create(local.join(".next")).unwrap();
    next.lock().unwrap();
    let (code, stdout, stderr) = repository.try_orch(&["badges", "--local"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(
        stderr.contains("another process is about to draw them") && !local.join("savings.svg").exists(),
        "{stderr}"
    );
    next.unlock().unwrap();
    repository.orch(&["badges", "--local"]);
    assert!(local.join("savings.svg").exists());
}
