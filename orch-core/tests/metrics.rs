//! What orchestration saves, on real histories and files.

// It is always true here; it tells the lints that these lines are test code.
#![cfg(test)]
#![cfg(feature = "metrics")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use orch_core::{
    ErrorKind, WallTime,
    cost::budget::Zone,
    ext::metrics::{
        Aggregate, AggregatedFile, CommitMetrics, Facts, MetricsOptions, Policy, Rules, RunFact, Tally, collect,
        conflict, record_month, report_html, report_markdown,
    },
    git::{Git, GitOptions, LogEntry, Oid},
    session::CommitRecord,
};
use serde_json::Value;
use support::fixtures;

/// A repository with that history.
fn imported(stream: &Path) -> (tempfile::TempDir, Git) {
    let folder = tempfile::tempdir().unwrap();
    let git = |words: &[&str]| {
        Command::new("git")
            .args(words)
            .current_dir(folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .output()
    };
    assert!(git(&["init", "--quiet", "-b", "main"]).unwrap().status.success());
    let import = Command::new("git")
        .args(["fast-import", "--done", "--quiet"])
        .current_dir(folder.path())
        .stdin(fs::File::open(stream).unwrap())
        .status();
    assert!(import.unwrap().success());
    let git = Git::new(folder.path(), GitOptions::default());
    (folder, git)
}

fn new_york() -> Zone {
    // Named where names are known; of these months it is the same.
    "America/New_York".parse().unwrap_or_else(|_| "-04:00".parse().unwrap())
}

fn local(text: &str) -> WallTime {
    format!("{}-04:00", text.get(..23).unwrap()).parse().unwrap()
}

/// The last commit of `main` that was made before that time.
fn head_at(git: &Git, at: WallTime) -> Oid {
    let mut last: Option<(WallTime, String)> = None;
    git.log(&git.commit("main").unwrap(), |entry| {
        if entry.at <= at && last.as_ref().is_none_or(|(latest, _)| entry.at > *latest) {
            last = Some((entry.at, entry.hash.to_string()));
        }
        Ok(())
    })
    .unwrap();
    last.unwrap().1.parse().unwrap()
}

fn counted(git: &Git, head: &Oid, policy: Policy, at: WallTime) -> Aggregate {
    let options = MetricsOptions { policy, zone: new_york(), ..MetricsOptions::at(at) };
    collect(git, Some(head), options, &Facts::default()).unwrap()
}

#[test]
fn the_published_figures_come_out_again_and_the_right_ones_too() {
    let Some(golden) = fixtures::path("kindlemint/golden_metrics.json") else { return };
    let golden: Value = serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    let (_folder, git) = imported(&fixtures::path("kindlemint/history.fast-import").unwrap());
    let mut rows = 0;
    for row in golden["rows"].as_array().unwrap().iter().filter(|row| row.get("published").is_some()) {
        let name = row["snapshot_commit"].as_str().unwrap();
        let at = local(row["last_updated_local"].as_str().unwrap());
        // A snapshot that was committed without being made anew stands on the history of before.
        let head = head_at(&git, at);
        let compat = counted(&git, &head, Policy::Compat, at);
        let (month, published) = (compat.month(), &row["published"]);
        let of = compat.options.model.of(month.commits, Policy::Compat);
        assert_eq!(
            (month.commits.total, month.commits.orchestrated),
            (published["total"].as_u64().unwrap(), published["orchestrated"].as_u64().unwrap()),
            "{name}"
        );
        for (got, key) in [
            (month.commits.rate(), "orchestration_rate"),
            (of.saved_usd, "saved_usd"),
            (of.actual_usd, "actual_usd"),
            (of.savings_percentage, "savings_percentage"),
        ] {
            assert_eq!(got.to_bits(), published[key].as_f64().unwrap().to_bits(), "{name} {key}: {got}");
        }

        let message = counted(&git, &head, Policy::Message, at);
        let (month, correct) = (message.month(), &row["correct_month_start"]);
        let of = message.options.model.of(month.commits, Policy::Message);
        assert_eq!(
            (month.commits.total, month.commits.orchestrated),
            (correct["total"].as_u64().unwrap(), correct["orchestrated_by_message_grep"].as_u64().unwrap()),
            "{name}"
        );
        for (got, key) in [
            (month.commits.rate(), "rate"),
            (of.baseline_usd, "baseline_usd"),
            (of.saved_usd, "saved_usd"),
            (of.savings_percentage, "savings_percentage"),
        ] {
            let wanted = correct[key].as_f64().unwrap();
            assert!((got - wanted).abs() < 1e-12, "{name} {key}: {got} and {wanted}");
        }
        rows += 1;
    }
    assert_eq!(rows, 10);
}

#[test]
fn a_whole_month_and_nothing_recorded() {
    let Some(stream) = fixtures::path("kindlemint/history.fast-import") else { return };
    let (_folder, git) = imported(&stream);
    let head = git.commit("main").unwrap();
    let at = local("2025-07-20T12:00:00.000");
    let message = counted(&git, &head, Policy::Message, at);
    assert_eq!(
        message
            .months
            .iter()
            .map(|(name, part)| (name.as_str(), part.commits.total, part.commits.orchestrated))
            .collect::<Vec<_>>(),
        [("2025-06", 623, 0), ("2025-07", 347, 34)]
    );
    let of = message.options.model.of(message.month().commits, Policy::Message);
    assert_eq!((of.baseline_usd, of.saved_usd), (173.5, 10.2));
    assert_eq!(format!("{:.3}", of.savings_percentage), "5.879");
    let recorded = counted(&git, &head, Policy::Recorded, at);
    assert_eq!((recorded.all().commits.total, recorded.all().commits.orchestrated), (970, 0));
    // The same input gives the same bytes.
    assert_eq!(message.file_text(), counted(&git, &head, Policy::Message, at).file_text());
    for text in [report_markdown(&message, true), report_html(&message, "a <b>", true)] {
        assert!(text.contains("author-1") && text.contains("347") && !text.contains("<b> "), "{text}");
    }
}

#[test]
fn windows_are_explicit_instants() {
    let Some(stream) = fixtures::path("kindlemint/history.fast-import") else { return };
    let (_folder, git) = imported(&stream);
    let head = git.commit("main").unwrap();
    let total = |since: Option<&str>, until: Option<&str>| {
        let at = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let options = MetricsOptions {
            policy: Policy::Message,
            since: at(since),
            until: at(until),
            ..MetricsOptions::at(local("2025-07-20T12:00:00.000"))
        };
        collect(&git, Some(&head), options, &Facts::default()).unwrap().all().commits.total
    };
    let middle = "2025-07-03T16:57:49-04:00";
    assert_eq!(total(None, None), 970);
    assert_eq!(total(Some(middle), None) + total(None, Some(middle)), 970);
    assert_eq!(total(Some("2025-07-01T04:00:00Z"), Some("2025-08-01T00:00:00-04:00")), 347);
    // Of the 970, 61 are merges.
    let at = local("2025-07-20T12:00:00.000");
    let rules = Rules { merges: false, ..Rules::default() };
    let options = MetricsOptions { policy: Policy::Message, rules, ..MetricsOptions::at(at) };
    assert_eq!(collect(&git, Some(&head), options, &Facts::default()).unwrap().all().commits.total, 909);
}

#[test]
fn every_published_file_is_read_and_conflicts_are_told() {
    let Some(folder) = fixtures::path("kindlemint/aggregated_metrics") else { return };
    let (mut read, mut conflicted) = (0, Vec::new());
    for path in files(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        match AggregatedFile::parse(&text) {
            Ok(file) => {
                let month = &file.monthly_data["2025-07"];
                assert_eq!((file.schema, file.monthly_data.len()), (1, 1));
                assert!(month.commits.total > month.commits.orchestrated && month.costs.saved_usd > 1.0, "{path:?}");
                assert!((file.all_time_savings.cost_saved_usd - month.costs.saved_usd).abs() < 1e-9, "{path:?}");
                read += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert_eq!(conflict(&text), Some(2), "{path:?}");
                conflicted.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert_eq!((read, conflicted.as_slice()), (10, ["15ef4199", "main-HEAD.conflicted"].map(str::to_owned).as_slice()));
}

#[test]
fn every_record_of_the_hook_is_read() {
    let Some(folder) = fixtures::path("kindlemint/reports-orchestration") else { return };
    let (mut records, mut in_worktrees) = (0, 0);
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        match record_month(&name) {
            Some(month) => {
                assert_eq!(month, "2025-07");
                let record = CommitMetrics::parse(&text).unwrap();
                assert_eq!(record.token_optimization, record.worktree_used.is_some());
                in_worktrees += usize::from(record.worktree_used.as_deref() == Some("worktrees"));
                records += 1;
            }
            None => assert!(!name.starts_with("commit_metrics_"), "{name}"),
        }
        // A report of the same figures is as the scripts wrote it, up to what orch adds.
        if name == "README.f473755a.md" {
            let ours = report_markdown(&of_published(153, 12), false);
            for line in text.lines().take_while(|line| !line.contains("Efficiency")).filter(|line| !line.is_empty()) {
                assert!(ours.contains(&format!("{line}\n")), "{line}\n{ours}");
            }
        }
        if name == "README.conflicted.md" {
            assert_eq!(conflict(&text), Some(7));
        }
    }
    assert_eq!((records, in_worktrees), (51, 2));
}

/// A month with so many commits.
fn of_published(total: u64, orchestrated: u64) -> Aggregate {
    let options = MetricsOptions { policy: Policy::Compat, ..MetricsOptions::at(local("2025-07-05T14:24:13.216")) };
    let facts = Facts::default();
    let mut tally = Tally::new(options, &facts).unwrap();
    for nth in 0..total {
        let message = if nth < orchestrated { "a worktree" } else { "no tree" };
        let (hash, at) = (nth.to_string().into(), local("2025-07-04T12:00:00.000"));
        tally.add(&LogEntry { hash, at, message: message.into(), ..Default::default() });
    }
    tally.finish()
}

#[test]
fn no_name_becomes_markup() {
    let bad = "<b>|*x*`&\"'".to_owned();
    let record = CommitRecord { commit: "aa".into(), worktree: bad.clone(), managed: true, ..CommitRecord::default() };
    let run = RunFact {
        run: bad.clone(),
        name: bad.clone(),
        state: "failed".into(),
        at: WallTime(1_751_740_569_000),
        ..RunFact::default()
    };
    let facts = Facts { commits: vec![record], runs: vec![run], ..Facts::default() };
    let mut tally = Tally::new(MetricsOptions::at(WallTime(1_751_740_569_000)), &facts).unwrap();
    let (hash, author) = ("aa".into(), bad.clone().into());
    tally.add(&LogEntry { hash, author, at: WallTime(1_751_740_000_000), ..LogEntry::default() });
    let aggregate = tally.finish();
    let html = report_html(&aggregate, &bad, true);
    // The page, the author, the worktree, the run by name and by id.
    assert_eq!(html.matches("&lt;b&gt;|*x*`&amp;&quot;&apos;").count(), 6, "{html}");
    assert!(!html.contains("<b>|"), "{html}");
    let markdown = report_markdown(&aggregate, true);
    assert_eq!(markdown.matches(r#"| \<b\>\|\*x\*\`\&"' |"#).count(), 2, "{markdown}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_repository_without_commits_has_no_figures() {
    let folder = tempfile::tempdir().unwrap();
    let git = Git::new(folder.path(), GitOptions::default());
    git.call(["init", "--quiet"]).writes().run().unwrap();
    let options = MetricsOptions::at(WallTime(1_751_740_569_000));
    let aggregate = collect(&git, None, options, &Facts::default()).unwrap();
    assert_eq!((aggregate.all(), aggregate.current(), aggregate.projection()), (Default::default(), "2025-07", None));
    assert!(report_html(&aggregate, "x", false).contains("no data"));
}
