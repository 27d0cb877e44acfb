//! What worktrees cost: `cargo bench --bench worktrees`.
//!
//! A repository of 10,000 files, ten a folder, or the one that `ORCH_REPOSITORY` names (a folder that is cloned, or a file for `git fast-import`). A warm
//! worktree is lent and given back; a hook records a commit, as a whole process (see `benches::programs::orch`); then there are 100 worktrees, a tenth of them with changes and commits of their own, and all are listed with
//! their states.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use benches::{
    numbers,
    programs::{self, git},
};
use orch_core::{
    ext::worktree::{Holder, Look, New, Pool, PoolOptions, Wanted, WorktreeOptions, Worktrees},
    git::BranchName,
};

const ROUNDS: usize = 15;
const WORKTREES: usize = 100;
const FILES: usize = 10_000;
/// What is asked for.
const LEND: Duration = Duration::from_millis(50);
const HOOK: Duration = Duration::from_millis(50);
const LIST: Duration = Duration::from_secs(1);

/// The repository, in a folder that is removed at the end, and what it is.
fn repository(folder: &Path) -> (PathBuf, String) {
    let at = folder.join("app");
    let quiet = |arguments: &[&str]| git(&at, arguments, Stdio::null());
    if let Some(from) = env::var_os("ORCH_REPOSITORY").map(PathBuf::from) {
        fs::create_dir(&at).expect("a folder");
        quiet(&["init", "-q", "-b", "main"]);
        if from.is_dir() {
            quiet(&["pull", "-q", from.to_str().expect("a path"), "HEAD"]);
        } else {
            git(&at, &["fast-import", "--quiet"], File::open(&from).expect("a file").into());
            quiet(&["reset", "-q", "--hard"]);
        }
        let name = from.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return (at, name);
    }
    fs::create_dir(&at).expect("a folder");
    quiet(&["init", "-q", "-b", "main"]);
    for nth in 0..FILES {
        let file = at.join(format!("d{:02}/e{:02}/f{nth}.txt", nth / 1000, nth / 10 % 100));
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, format!("file {nth}\n").repeat(20)).expect("a file");
    }
    quiet(&["add", "-A"]);
    quiet(&["commit", "-q", "-m", "first"]);
    (at, format!("{} files in {} folders", numbers::grouped(FILES as u64), numbers::grouped(FILES as u64 / 10)))
}

fn spread(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort();
    (numbers::median(times), times.last().copied().unwrap_or_default())
}

/// Lends and gives back; the first makes the worktree.
fn lend(worktrees: &Worktrees) -> (Duration, Vec<Duration>, Vec<Duration>) {
    let pool = Pool::new(worktrees.clone(), PoolOptions { max: 1, ..PoolOptions::default() });
    let base = worktrees.git().commit("HEAD").expect("a commit");
    let (mut lent, mut back) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let wanted = Wanted {
            base: base.clone(),
            branch: BranchName::new(&format!("task-{round}")).expect("a name"),
            holder: Holder::default(),
        };
        let start = Instant::now();
        let lease = pool.lend(&wanted).expect("a worktree").expect("it is free");
        lent.push(start.elapsed());
        let left = pool.look(&lease, "left").expect("a look");
        let start = Instant::now();
        pool.give_back(lease, &left).expect("it is clean");
        back.push(start.elapsed());
    }
    let cold = lent.remove(0);
    back.remove(0);
    (cold, lent, back)
}

/// What git waits for after each commit; nothing without the program.
fn hook(worktrees: &Worktrees) -> Option<Vec<Duration>> {
    let program = programs::orch()?;
    let made = worktrees.create(&New { name: "hooked".into(), ..New::default() }).expect("a worktree");
    let round = |_| {
        git(&made.path, &["commit", "-q", "--allow-empty", "-m", "next"], Stdio::null());
        let mut hook = Command::new(&program);
        hook.args(["hook", "git", "post-commit"]).current_dir(&made.path).stdin(Stdio::null());
        let start = Instant::now();
        let output = hook.output().expect("the program");
        let took = start.elapsed();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    };
    // The first makes the store.
    Some((0..=ROUNDS).map(round).skip(1).collect())
}

/// Makes 100, four at once, and lists them.
fn list(worktrees: &Worktrees) -> (Duration, Vec<Duration>, Vec<Duration>) {
    let start = Instant::now();
    thread::scope(|scope| {
        for share in 0..4 {
            scope.spawn(move || {
                for nth in (share..WORKTREES).step_by(4) {
                    let new = New { name: format!("work-{nth}"), ..New::default() };
                    let made = worktrees.create(&new).expect("a worktree");
                    if nth % 10 == 0 {
                        fs::write(made.path.join("committed.txt"), format!("{nth}\n")).expect("a file");
                        git(&made.path, &["add", "committed.txt"], Stdio::null());
                        git(&made.path, &["commit", "-q", "-m", "mine"], Stdio::null());
                        fs::write(made.path.join("changed.txt"), "n\n").expect("a file");
                    }
                }
            });
        }
    });
    let made = start.elapsed();
    let rounds = |conflicts: bool| {
        let look = Look { conflicts: Some(conflicts), ..Look::default() };
        let round = |_| {
            let start = Instant::now();
            let overview = worktrees.look(&look).expect("a look");
            assert!(overview.rows.len() > WORKTREES, "all of them, and the main one");
            start.elapsed()
        };
        (0..ROUNDS).map(round).collect::<Vec<_>>()
    };
    (made, rounds(false), rounds(true))
}

fn main() {
    let folder = env::temp_dir().join(format!("orch-bench-worktrees-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    let folder = fs::canonicalize(&folder).expect("a folder");
    let (at, name) = repository(&folder);
    let worktrees = Worktrees::open(&at, WorktreeOptions::default()).expect("a repository");
    let (cold, mut lent, mut back) = lend(&worktrees);
    let mut hooked = hook(&worktrees);
    let (made, mut listed, mut compared) = list(&worktrees);
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    let holds = |time: Duration, most: Duration| if time < most { "holds" } else { "**does not hold**" };
    let mut text = format!(
        "A repository: {name}. {ROUNDS} rounds. {}.\n\n| | median | slowest | asked for |\n|---|--:|--:|---|",
        numbers::machine()
    );
    let mut row = |what: &str, times: &mut [Duration], asked: Option<Duration>| {
        let (median, slowest) = spread(times);
        let asked = asked.map(|most| format!("under {}: {}", ms(most), holds(median, most))).unwrap_or_default();
        write!(text, "\n| {what} | {} | {} | {asked} |", ms(median), ms(slowest)).expect("memory");
    };
    row("lend a worktree that is made first (once)", &mut [cold], None);
    row("lend a warm one", &mut lent, Some(LEND));
    row("give it back, clean", &mut back, None);
    if let Some(times) = &mut hooked {
        row("a hook after a commit, whole process", times, Some(HOOK));
    }
    row("make 100, four at once (once)", &mut [made], None);
    row("list them with their states", &mut listed, Some(LIST));
    row("the same, each compared with each", &mut compared, None);
    fs::remove_dir_all(&folder).expect("the folder goes");
    numbers::publish("worktrees", &text);
}
