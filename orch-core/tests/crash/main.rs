//! The crash campaign: processes that are killed, at named points of the store and at random moments, and what is left.
//!
//! A cycle is one process, which works on a random run until it is killed or through; the next one goes on with the same run. The
//! processes write down in a file what they begin and what they are told. Between two of them the store is read: what it holds
//! must never be begun again.
//!
//! `cargo test` makes some cycles; `ORCH_CRASH_CYCLES=10000` makes as many, and prints the figures with `--nocapture`.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]
#![cfg(all(unix, feature = "sqlite"))]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use orch_core::{
    Engine, Event, EventKind, Graph, Plan, PlanOptions, Resume, RunId, RunOptions, RunState, Task, TaskContext,
    TaskState, blocking,
    session::StoredRun,
    store::{SqliteOptions, SqliteStore, Store},
};
use serde_json::{Value, json};

mod claims;
mod contend;
mod fatal;

use fatal::{Fatal, POINTS};

/// What a process is told by its environment: `what folder seed point nth`.
const ORDER: &str = "ORCH_CRASH_ORDER";

/// A number for every step; the same seed gives the same ones.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn run_of(seed: u64) -> RunId {
    RunId::from_parts(1, seed.into())
}

/// A graph of 5 to 40 tasks with up to three parents each.
fn graph_of(seed: u64) -> Graph {
    let mut random = Random(seed);
    let tasks = 5 + random.below(36);
    let mut graph = Graph::builder(format!("graph {seed}"));
    for at in 0..tasks {
        let mut task = Task::new(format!("t{at}"));
        for _ in 0..random.below(4).min(at) {
            task = task.after(format!("t{}", random.below(at)));
        }
        graph = graph.task(task);
    }
    graph.build().unwrap()
}

/// What a task makes of what those before it made; some of it is large.
fn product(name: &str, parents: &[&Value]) -> Value {
    let sum: u64 = parents.iter().map(|parent| parent["sum"].as_u64().unwrap()).sum();
    let large = if name.ends_with('7') { 5_000 } else { 3 };
    json!({"sum": (sum + 1) % 1_000_003, "of": name, "pad": "x".repeat(large)})
}

/// What all tasks of a graph make.
fn products(graph: &Graph) -> BTreeMap<String, Value> {
    let mut made = BTreeMap::<String, Value>::new();
    for ix in graph.topological() {
        let parents: Vec<&Value> = graph.parents(ix).map(|parent| &made[graph.id(parent).as_str()]).collect();
        let value = product(graph.id(ix).as_str(), &parents);
        made.insert(graph.id(ix).to_string(), value);
    }
    made
}

fn store_in(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("orch.db"), SqliteOptions::default()).unwrap()
}

/// Writes whole lines that survive the process.
#[derive(Clone)]
struct Log(Arc<Mutex<File>>);

impl Log {
    fn open(folder: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        Self(Arc::new(Mutex::new(file)))
    }

    fn say(&self, line: &str) {
        self.0.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// A process of the campaign. Without an order it does nothing.
#[test]
#[ignore = "it is started by the others"]
fn child() {
    let Ok(order) = env::var(ORDER) else { return };
    let order: Vec<&str> = order.split('\n').collect();
    let [what, folder, seed, point, nth] = order[..] else { panic!("{order:?}") };
    let (folder, seed, nth) = (Path::new(folder), seed.parse().unwrap(), nth.parse().unwrap());
    match what {
        "work" => work(folder, seed, point, nth),
        "contend" => contend::work(folder, seed),
        "claim" => claims::work(folder, seed),
        other => panic!("{other}"),
    }
}

/// Starts or goes on with a run, to its end or to the point at which it dies.
fn work(folder: &Path, seed: u64, point: &str, nth: u64) {
    let began = Instant::now();
    let log = Log::open(folder);
    let store = store_in(folder);
    let run = run_of(seed);
    let resume = store.run(run).unwrap().map(|_| Resume::load(&store, run, None, None, None).unwrap());
    let graph = resume.as_ref().map_or_else(|| graph_of(seed), |resume| resume.graph().clone());
    let fatal = Fatal::new(store, point, nth);
    let (in_body, in_sink) = (fatal.clone(), fatal.clone());
    let (begins, tells) = (log.clone(), log.clone());
    let body = move |task: TaskContext| {
        begins.say(&format!("begin {} {}", task.id(), task.idempotency_key()));
        in_body.pass("body");
        let parents: Vec<&Value> = task.inputs().outputs().map(|(_, output)| output.json().unwrap()).collect();
        let value = product(task.id().as_str(), &parents);
        async move {
            tokio::task::yield_now().await;
            value
        }
    };
    let sink = move |graph: &Graph, events: &[Event]| {
        for event in events {
            match &event.kind {
                EventKind::RunStarted { .. } => tells.say(&format!("up {}", began.elapsed().as_micros())),
                EventKind::TaskFinished { task, result, .. } => {
                    assert!(result.is_ok());
                    tells.say(&format!("told {}", graph.id(*task)));
                }
                _ => {}
            }
        }
        in_sink.pass("sink");
    };
    let engine = Engine::builder().executor(body).sink(sink).store(fatal).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let max_parallel = 1 + u32::try_from(seed % 6).unwrap();
    let options = RunOptions { run: resume.is_none().then_some(run), resume, max_parallel, ..RunOptions::default() };
    let report = blocking::run(&engine, &plan, options).unwrap();
    assert_eq!(report.state(), RunState::Succeeded);
}

fn start(what: &str, folder: &Path, seed: u64, point: &str, nth: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(ORDER, format!("{what}\n{}\n{seed}\n{point}\n{nth}", folder.display()))
        .stdout(Stdio::null())
        .stderr(File::create(folder.join(format!("stderr{seed}"))).unwrap())
        .spawn()
        .unwrap()
}

/// The tasks whose results the store has.
fn recorded(folder: &Path, run: RunId) -> BTreeSet<String> {
    let store = store_in(folder);
    if store.run(run).unwrap().is_none() {
        return BTreeSet::new();
    }
    let stored = StoredRun::load(&store, run).unwrap();
    let done = stored.report.tasks().filter(|task| task.state() == TaskState::Succeeded);
    done.map(|task| task.id().to_string()).collect()
}

fn lines(folder: &Path) -> Vec<String> {
    fs::read_to_string(folder.join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// What came out of the campaign.
#[derive(Default)]
struct Figures {
    cycles: u64,
    runs: u64,
    killed: u64,
    at_points: BTreeMap<&'static str, u64>,
    again: u64,
    recoveries: Vec<u64>,
}

/// One run, killed again and again until it is through, and everything that must hold.
fn survive(seed: u64, figures: &mut Figures) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (run, graph) = (run_of(seed), graph_of(seed));
    let mut random = Random(seed ^ 0x5eed);
    let mut known = BTreeSet::new();
    let mut kills = 0;
    loop {
        figures.cycles += 1;
        let before = lines(folder).len();
        // At last it is let through, so that every run ends.
        let (point, nth) = match random.below(3) {
            _ if kills >= 6 => ("", 0),
            0 => ("", 0),
            _ => (POINTS[random.below(POINTS.len() as u64) as usize], random.below(8)),
        };
        let mut child = start("work", folder, seed, point, nth);
        if point.is_empty() && kills < 6 {
            let until = Duration::from_micros(random.below(60_000));
            thread::sleep(until);
            // It may be through already.
            drop(child.kill());
        }
        let ended = child.wait().unwrap();
        let stderr = fs::read_to_string(folder.join(format!("stderr{seed}"))).unwrap();
        assert!(!stderr.contains("panicked"), "seed {seed}: {stderr}");

        let log = lines(folder);
        for line in &log[before..] {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["begin", task, _] => {
                    assert!(!known.contains(task), "seed {seed}: `{task}` was recorded, and begun again")
                }
                ["up", micros] if before > 0 => figures.recoveries.push(micros.parse().unwrap()),
                _ => {}
            }
        }
        let now = recorded(folder, run);
        assert!(known.is_subset(&now), "seed {seed}: {known:?} were recorded, now {now:?}");
        let told = log.iter().filter_map(|line| line.strip_prefix("told "));
        told.for_each(|task| assert!(now.contains(task), "seed {seed}: `{task}` was told, and is lost"));
        known = now;
        if ended.success() {
            break;
        }
        kills += 1;
        figures.killed += 1;
        if !point.is_empty() {
            *figures.at_points.entry(point_name(point)).or_default() += 1;
        }
    }
    figures.runs += 1;
    let stored = StoredRun::load(&store_in(folder), run).unwrap();
    assert_eq!(stored.row.state, RunState::Succeeded, "seed {seed}");
    let wanted = products(&graph);
    for task in stored.report.tasks() {
        assert_eq!(task.output().json(), Some(&wanted[task.id().as_str()]), "seed {seed}: {}", task.id());
    }
    let log = lines(folder);
    let mut keys = BTreeMap::<&str, (&str, u64)>::new();
    let mut told = BTreeSet::new();
    for line in &log {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["begin", task, key] => {
                let (first, times) = keys.entry(task).or_insert((key, 0));
                assert_eq!(*first, key, "seed {seed}: the key of `{task}` stays");
                *times += 1;
            }
            ["told", task] => assert!(told.insert(task), "seed {seed}: `{task}` was told to have ended twice"),
            _ => {}
        }
    }
    assert_eq!(keys.len(), graph.len());
    figures.again += keys.values().map(|(_, times)| times - 1).sum::<u64>();
    assert!(store_in(folder).check().unwrap().problems.is_empty(), "seed {seed}");
}

fn point_name(point: &str) -> &'static str {
    POINTS.into_iter().find(|known| *known == point).unwrap_or("")
}

#[test]
fn nothing_recorded_is_lost_or_done_again_however_often_it_is_killed() {
    let cycles: u64 = env::var("ORCH_CRASH_CYCLES").map_or(40, |text| text.parse().unwrap());
    let seed: u64 = env::var("ORCH_CRASH_SEED").map_or(1, |text| text.parse().unwrap());
    let mut figures = Figures::default();
    let mut next = seed;
    while figures.cycles < cycles {
        survive(next, &mut figures);
        next += 1;
    }
    let Figures { cycles, runs, killed, at_points, again, mut recoveries } = figures;
    recoveries.sort_unstable();
    let at = |share: f64| recoveries.get(((recoveries.len() as f64) * share) as usize).copied().unwrap_or_default();
    println!("{cycles} processes, {runs} runs, {killed} killed: {at_points:?} at named points, the rest at random");
    println!("recorded results lost 0, recorded results made again 0, runs that did not end 0");
    println!("{again} attempts were repeated that had begun and were not recorded");
    println!("from the start of a process to its first event: median {} µs, p99 {} µs", at(0.5), at(0.99));
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
