//! Runs whose tasks have worktrees of their own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use orch_core::{
    Clock, Engine, FailurePolicy, Graph, Outcome, Plan, PlanOptions, Report, RunId, RunOptions, RunState, Task,
    TaskContext, TaskState,
    ext::worktree::{Candidate, GATE_AGENT, Gate, How, InWorktrees, InWorktreesOptions, Pool, PoolOptions},
};
use serde_json::json;

use super::*;

/// What a task does: lines of `file=text` in its description.
async fn write_files(task: TaskContext) -> Outcome {
    let directory = task.place().unwrap().directory.clone();
    for line in task.graph().task(task.ix()).options().description.lines() {
        if line == "fail" {
            return Outcome::failed("as told");
        }
        if let Some((name, text)) = line.split_once('=') {
            write(&directory, name, &format!("{text}\n"));
        }
    }
    Outcome::done(read(directory.join("a.txt")))
}

fn does(id: &str, what: &str) -> Task {
    Task::new(id).with(|options| options.description = what.to_owned())
}

fn run(repository: &Repository, tasks: impl IntoIterator<Item = Task>, max: u32) -> Report {
    let graph = Graph::builder("g").tasks(tasks).build().unwrap();
    let pool = Pool::new(repository.worktrees(), PoolOptions { max, ..PoolOptions::default() });
    let options = InWorktreesOptions { approved: true, ..InWorktreesOptions::default() };
    let engine = Engine::builder().executor(InWorktrees::new(write_files, pool, options)).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let options = RunOptions {
        on_failure: FailurePolicy::Continue,
        run: Some(RunId::new(&Clock::system())),
        ..RunOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(engine.run(&plan, options)).unwrap()
}

fn result(repository: &Repository, report: &Report, task: &str, file: &str) -> String {
    git(&repository.main, &["show", &format!("refs/orch/runs/{}/{task}:{file}", report.run().unwrap())])
}

#[test]
fn a_task_begins_at_the_results_of_those_before_it() {
    let repository = Repository::new();
    repository.write("a.txt", "not committed\n");
    let report = run(
        &repository,
        [
            does("left", "l=1\na.txt=two"),
            does("right", "r=1"),
            does("both", "b=1").after("left").after("right"),
            does("last", "").after("both"),
        ],
        2,
    );
    assert_eq!(report.state(), RunState::Succeeded, "{report}");
    assert_eq!(report.find("last").unwrap().output().json().unwrap(), "two\n");
    assert_eq!(
        report.find("right").unwrap().output().json().unwrap(),
        "one\n",
        "what is not committed in main is not there"
    );
    for (task, files) in [("left", ".gitignore a.txt b.txt l"), ("both", ".gitignore a.txt b b.txt l r")] {
        let name = format!("refs/orch/runs/{}/{task}", report.run().unwrap());
        let listed = git(&repository.main, &["ls-tree", "--name-only", &name]);
        assert_eq!(listed.split_whitespace().collect::<Vec<_>>().join(" "), files);
    }
    let message = git(
        &repository.main,
        &[
            "log",
            "-1",
            "--format=%(trailers:key=Task,valueonly)",
            &format!("refs/orch/runs/{}/left", report.run().unwrap()),
        ],
    );
    assert_eq!(message.trim(), "left");
    assert_eq!(read(repository.main.join("a.txt")), "not committed\n", "the main worktree is nobody's");
    assert_eq!(git(&repository.main, &["branch", "--format=%(refname:short)", "--list", "orch/*"]).lines().count(), 4);
    assert!(repository.worktrees().all().unwrap().len() <= 3, "two of them were enough");
}

#[test]
fn results_that_conflict_fail_the_task_that_needs_both() {
    let repository = Repository::new();
    let report = run(
        &repository,
        [does("one", "a.txt=1"), does("two", "a.txt=2"), does("both", "").after("one").after("two")],
        2,
    );
    let failure = report.find("both").unwrap().failure().unwrap().to_string();
    assert!(failure.contains("conflict: `two` with what came before it (one), in a.txt"), "{failure}");
    assert_eq!(
        (result(&repository, &report, "one", "a.txt"), result(&repository, &report, "two", "a.txt")),
        ("1\n".into(), "2\n".into())
    );
}

#[test]
fn what_a_failed_task_left_is_kept_and_not_built_on() {
    let repository = Repository::new();
    let report = run(&repository, [does("bad", "new=precious\nfail"), does("good", "x=1")], 1);
    assert_eq!(report.find("bad").unwrap().state(), TaskState::Failed);
    assert_eq!(
        git(&repository.main, &["show", &format!("refs/orch/left/{}/bad/1:new", report.run().unwrap())]),
        "precious\n"
    );
    assert_eq!(result(&repository, &report, "good", "x"), "1\n");
    let files =
        git(&repository.main, &["ls-tree", "--name-only", &format!("refs/orch/runs/{}/good", report.run().unwrap())]);
    assert!(!files.contains("new"), "{files}");
}

#[test]
fn a_task_without_a_worktree_fails_and_runs_nowhere_else() {
    let repository = Repository::new();
    // Where worktrees would lie is a file.
    fs::write(repository.at("").as_os_str().to_str().unwrap().trim_end_matches('/'), "").unwrap();
    let report = run(&repository, [does("one", "pwned=1")], 1);
    let failure = report.find("one").unwrap().failure().unwrap().to_string();
    assert!(failure.starts_with("no worktree for the task"), "{failure}");
    assert!(!repository.main.join("pwned").exists());
    let repository = Repository::new();
    let main = does("one", "pwned=1").with(|options| options.params = json!({"worktree": "app"}));
    let failure = run(&repository, [main], 1).find("one").unwrap().failure().unwrap().to_string();
    assert!(failure.contains("is the main worktree, in which no task runs"), "{failure}");
}

#[test]
fn two_tasks_of_one_worktree_are_never_in_it_at_once() {
    let repository = Repository::new();
    let (inside, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let tasks = (0..4)
        .map(|nth| Task::new(format!("t{nth}")).with(|options| options.params = json!({"worktree": "puzzle-gen"})));
    let graph = Graph::builder("g").tasks(tasks).build().unwrap();
    let (count, log) = (inside, seen.clone());
    let work = move |task: TaskContext| {
        let (count, log) = (count.clone(), log.clone());
        async move {
            assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "somebody is in it");
            let directory = task.place().unwrap().directory.clone();
            tokio::task::yield_now().await;
            let before = fs::read_to_string(directory.join("log")).unwrap_or_default();
            tokio::task::yield_now().await;
            write(&directory, "log", &format!("{before}{}\n", task.id()));
            log.lock().unwrap().push(directory);
            count.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let pool = Pool::new(repository.worktrees(), PoolOptions::default());
    let engine =
        Engine::builder().executor(InWorktrees::new(work, pool, InWorktreesOptions::default())).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(engine.run(&plan, RunOptions::default())).unwrap();
    assert_eq!(report.state(), RunState::Succeeded, "{report}");
    assert!(seen.lock().unwrap().iter().all(|path| *path == repository.at("puzzle-gen")));
    assert_eq!(git(&repository.main, &["show", "puzzle-gen:log"]).lines().count(), 4, "each builds on the one before");
    assert_eq!(git(&repository.main, &["rev-list", "--count", "main..puzzle-gen"]).trim(), "4");
}

#[test]
fn a_gate_brings_in_what_fits_and_reports_the_rest() {
    let repository = Repository::new();
    let gate = |check: &[&str]| {
        let params = json!({"into": "main", "how": "squash", "check": check});
        let names = ["docs", "api", "ui", "api2", "tests"];
        names.iter().fold(Task::new("gate").agent(GATE_AGENT).with(|options| options.params = params), |task, name| {
            task.after(*name)
        })
    };
    let five = || {
        [
            does("docs", "docs=1"),
            does("api", "a.txt=api"),
            does("ui", "ui=1"),
            does("api2", "a.txt=other"),
            does("tests", "broken=1"),
        ]
    };
    let report = run(
        &repository,
        five().into_iter().chain([gate(&["sh", "-c", "test ! -e broken || { echo broken; exit 1; }"])]),
        3,
    );
    assert_eq!(report.state(), RunState::Succeeded, "{report}");
    let output = report.find("gate").unwrap().output().json().unwrap().clone();
    let names = |key: &str| -> Vec<String> {
        output[key].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (names("merged"), names("refused")),
        (vec!["docs".into(), "ui".into(), "api".into()], vec!["tests".into(), "api2".into()])
    );
    assert_eq!(output["refused"][0]["why"], "the check failed on it: broken");
    assert_eq!(output["refused"][1]["paths"], json!(["a.txt"]));
    assert_eq!(git(&repository.main, &["rev-list", "--count", "main"]).trim(), "4", "one commit each");
    assert_eq!((read(repository.main.join("a.txt")).as_str(), repository.main.join("docs").exists()), ("api\n", true));
    assert_eq!(git(&repository.main, &["status", "--porcelain"]), "");
    let names: Vec<String> = repository.worktrees().all().unwrap().iter().map(Known::name).collect();
    assert!(names.iter().skip(1).all(|name| name.starts_with("pool-")), "the one for the check is gone: {names:?}");
}

#[test]
fn a_gate_does_not_touch_changes_where_the_branch_is_checked_out() {
    let repository = Repository::new();
    let worktrees = repository.worktrees();
    let made = worktrees.create(&named("work")).unwrap();
    write(&made.path, "a.txt", "two\n");
    git(&made.path, &["commit", "-qam", "mine"]);
    let candidate = || Candidate { name: "work".into(), commit: worktrees.git().commit("work").unwrap() };
    repository.write("a.txt", "mine\n");
    let before = worktrees.git().commit("main").unwrap();
    assert!(worktrees.gate(&[candidate()], &Gate::default()).is_err());
    assert_eq!(
        (read(repository.main.join("a.txt")).as_str(), worktrees.git().commit("main").unwrap()),
        ("mine\n", before.clone())
    );
    let dry = worktrees.gate(&[candidate()], &Gate { dry: true, ..Gate::default() }).unwrap();
    assert_eq!((dry.merged.len(), worktrees.git().commit("main").unwrap()), (1, before));
    git(&repository.main, &["checkout", "-q", "a.txt"]);
    let done = worktrees.gate(&[candidate()], &Gate { how: How::Ff, ..Gate::default() }).unwrap();
    assert_eq!(
        (done.after, read(repository.main.join("a.txt")).as_str()),
        (worktrees.git().commit("work").unwrap(), "two\n")
    );
}
