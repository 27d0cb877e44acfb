//! What counting a long history takes: `cargo bench --bench metrics`.
//!
//! A repository of 100,000 commits (`ORCH_COMMITS` says another number), one every ten minutes, by ten authors, each twentieth a merge, each fifth recorded by a hook. Counted is by
//! whole processes (`orch metrics --json`; for where `orch` is see `benches::programs::orch`), and beside them what git alone takes to tell the same.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use benches::{
    numbers,
    programs::{self, git},
};
use orch_core::{
    WallTime,
    session::{CommitRecord, record_commit},
    store::{SqliteOptions, SqliteStore, sqlite::store_path},
};

const COMMITS: u64 = 100_000;
const ROUNDS: usize = 7;
/// Of the first commit, in seconds since 1970.
const BEGAN: u64 = 1_700_000_000;
const EVERY: u64 = 600;
/// What is asked for.
const COUNT: Duration = Duration::from_millis(1500);

/// The history as `git fast-import` takes it.
fn history(commits: u64) -> String {
    let mut stream = String::new();
    for nth in 1..=commits {
        let (who, at) = (nth % 10, BEGAN + nth * EVERY);
        let tree = if nth % 7 == 0 { "in a worktree" } else { "as before" };
        let message =
            format!("feat(part-{}): change {nth} {tree}\n\nWhy it was needed, in a line of its own.\n", nth % 40);
        let who = format!("author-{who} <author-{who}@localhost> {at} +0200");
        let length = message.len();
        write!(stream, "commit refs/heads/main\nmark :{nth}\nauthor {who}\ncommitter {who}\ndata {length}\n{message}")
            .expect("memory");
        if nth > 1 {
            writeln!(stream, "from :{}", nth - 1).expect("memory");
        }
        if nth % 20 == 0 {
            writeln!(stream, "merge :{}", nth - 10).expect("memory");
        }
    }
    stream + "done\n"
}

fn repository(folder: &Path, commits: u64) -> PathBuf {
    let at = folder.join("app");
    fs::create_dir(&at).expect("a folder");
    let stream = folder.join("history");
    fs::write(&stream, history(commits)).expect("a file");
    git(&at, &["init", "-q", "-b", "main"], Stdio::null());
    git(&at, &["fast-import", "--quiet", "--done"], File::open(&stream).expect("a file").into());
    at
}

/// Records each fifth commit, as the hook does.
fn record(at: &Path) -> usize {
    let path = store_path(None, at, |_| None).expect("a place");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let store = SqliteStore::open(path, SqliteOptions::default()).expect("a store");
    let list = Command::new("git").args(["rev-list", "--reverse", "main"]).current_dir(at).output().expect("git");
    let list = String::from_utf8(list.stdout).expect("hashes");
    let mut records = 0;
    for (nth, hash) in (1..).zip(list.lines()).filter(|(nth, _)| nth % 5 == 0) {
        let tree = format!("work-{}", nth % 8);
        let commit = CommitRecord {
            at: WallTime((BEGAN + nth * EVERY) * 1000),
            hook: "post-commit".into(),
            commit: hash.into(),
            path: format!("/trees/{tree}"),
            worktree: tree,
            managed: true,
            branch: Some("main".into()),
            ..CommitRecord::default()
        };
        records += usize::from(record_commit(&store, &commit, None).expect("it is kept"));
    }
    records
}

fn timed(program: &Path, arguments: &[&str], at: &Path) -> Vec<Duration> {
    let round = |_| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(at).env_remove("ORCH_STORE").stdin(Stdio::null());
        let start = Instant::now();
        let output = command.output().expect("the program");
        let took = start.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    };
    // The first one reads the files into memory.
    (0..=ROUNDS).map(round).skip(1).collect()
}

fn main() {
    let Some(orch) = programs::orch() else { panic!("there is no `orch` beside this program; see ORCH_PROGRAM") };
    let commits = env::var("ORCH_COMMITS").ok().map_or(COMMITS, |text| text.parse().expect("ORCH_COMMITS is a number"));
    let folder = env::temp_dir().join(format!("orch-bench-metrics-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    let at = repository(&folder, commits);
    let records = record(&at);
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    let mut text = format!(
        "A repository of {} commits, {} of them recorded. {ROUNDS} rounds. {}.\n\n| | median | slowest | asked for |\n|---|--:|--:|---|",
        numbers::grouped(commits),
        numbers::grouped(records as u64),
        numbers::machine()
    );
    let all = format!("--at={}", WallTime((BEGAN + (commits + 1) * EVERY) * 1000));
    let git_alone = ["log", "-z", "--format=tformat:%H %ct %P%n%aN%n%aE%n%B", "main"];
    let mut row = |what: &str, times: Vec<Duration>, asked: bool| {
        let (median, slowest) = (numbers::median(&times), times.iter().max().copied().unwrap_or_default());
        let holds = if median < COUNT { "holds" } else { "**does not hold**" };
        let asked = if asked { format!("under {}: {holds}", ms(COUNT)) } else { String::new() };
        write!(text, "\n| {what} | {} | {} | {asked} |", ms(median), ms(slowest)).expect("memory");
    };
    row("`git log` alone, of the same", timed(Path::new("git"), &git_alone, &at), false);
    for (policy, asked) in [("recorded", true), ("message", true), ("compat", false)] {
        let what = format!("`orch metrics --policy {policy} --json`, whole process");
        row(&what, timed(&orch, &["metrics", "--json", "--policy", policy, &all], &at), asked);
    }
    fs::remove_dir_all(&folder).expect("the folder goes");
    numbers::publish("metrics", &text);
}
