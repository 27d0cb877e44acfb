//! What keeping runs costs: `cargo bench --bench store`.
//!
//! Whole runs of 10,000 no-op tasks, beside the same runs without a store, in turns; then what is on the disk, how long a run of
//! 100,000 finished tasks takes to go on, and a read from the second tier. `ORCH_STORE_FOLDER` says where the files lie; default:
//! the system's folder for temporary files.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use benches::{Shape, numbers};
use orch_core::{
    Clock, Engine, Graph, Plan, PlanOptions, Resume, RunId, RunOptions, Task, TaskContext,
    store::{CacheRow, SqliteOptions, SqliteStore, Store as _, Synchronous},
};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 7;
const TASKS: u32 = 10_000;
const FINISHED: u32 = 100_000;
const HITS: u32 = 5_000;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let root = env::var_os("ORCH_STORE_FOLDER").map_or_else(env::temp_dir, PathBuf::from);
        let folder = root.join(format!("orch-bench-store-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn open(&self, name: &str, synchronous: Synchronous) -> SqliteStore {
        let options = SqliteOptions { synchronous, ..SqliteOptions::default() };
        SqliteStore::open(self.0.join(name), options).expect("a store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn engine(store: Option<SqliteStore>) -> Engine {
    let builder = Engine::builder().executor(async |_: TaskContext| ());
    match store {
        Some(store) => builder.store(store),
        None => builder,
    }
    .build()
    .expect("an engine")
}

/// How long a run takes, whose store is opened before.
fn once(runtime: &Runtime, plan: &Plan, engine: &Engine) -> Duration {
    let options = RunOptions { max_parallel: 1_000_000, ..RunOptions::default() };
    let began = Instant::now();
    runtime.block_on(engine.run(plan, options)).expect("a report");
    began.elapsed()
}

fn bytes(folder: &Path, name: &str) -> u64 {
    let of = |end: &str| fs::metadata(folder.join(format!("{name}{end}"))).map_or(0, |file| file.len());
    of("") + of("-wal")
}

fn runs(runtime: &Runtime) -> String {
    let mut text = String::from(
        "Microseconds a no-op task, median of rounds in which each kind runs once; in brackets what the store adds.\n\n\
         | shape | tasks | no store | normal | full | bytes a task on disk |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for shape in [Shape::chain(TASKS), Shape::fan(TASKS), Shape::tree(TASKS), Shape::layered(100, TASKS / 100)] {
        let plan = Plan::new(&shape.graph(), &PlanOptions::default()).expect("a plan");
        let (mut none, mut normal, mut full, mut disk) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for round in 0..=ROUNDS {
            let folder = Folder::new();
            let times = [
                once(runtime, &plan, &engine(None)),
                once(runtime, &plan, &engine(Some(folder.open("normal.db", Synchronous::Normal)))),
                once(runtime, &plan, &engine(Some(folder.open("full.db", Synchronous::Full)))),
            ];
            // A first round to warm up. What is in the log goes into the file when the last connection closes.
            if round > 0 {
                for (times, time) in [&mut none, &mut normal, &mut full].into_iter().zip(times) {
                    times.push(numbers::nanos_each(time, shape.tasks) / 1e3);
                }
                disk = bytes(&folder.0, "normal.db") / u64::from(shape.tasks);
            }
        }
        let (none, normal, full) = (numbers::median(&none), numbers::median(&normal), numbers::median(&full));
        let tasks = numbers::grouped(shape.tasks.into());
        writeln!(
            text,
            "| {} | {tasks} | {none:.2} | {normal:.2} (+{:.2}) | {full:.2} (+{:.2}) | {disk} |",
            shape.name,
            normal - none,
            full - none
        )
        .expect("a string");
    }
    text
}

/// How long it takes from nothing to the end, when all but one of the tasks have ended.
fn resume(runtime: &Runtime) -> String {
    let folder = Folder::new();
    let tasks = (0..FINISHED).map(|ix| Task::new(format!("t{ix}")));
    let graph = Graph::builder("wide").tasks(tasks).build().expect("a graph");
    let plan = Plan::new(&graph, &PlanOptions::default()).expect("a plan");
    let run = RunId::new(&Clock::system());
    let store = folder.open("resume.db", Synchronous::Normal);
    let first = RunOptions { run: Some(run), max_parallel: 1_000_000, ..RunOptions::default() };
    runtime.block_on(engine(Some(store.clone())).run(&plan, first)).expect("a report");
    drop(store);
    let began = Instant::now();
    let store = folder.open("resume.db", Synchronous::Normal);
    let resume = Resume::load(&store, run, Some(&graph), None, None).expect("a run");
    let read = began.elapsed();
    let kept = resume.restore().len();
    let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
    runtime.block_on(engine(Some(store)).run(&plan, options)).expect("a report");
    let whole = began.elapsed();
    format!(
        "A run of {} finished tasks goes on: {} ms until it is read and decided ({} kept), {} ms until it has ended anew.\n",
        numbers::grouped(FINISHED.into()),
        read.as_millis(),
        numbers::grouped(kept as u64),
        whole.as_millis()
    )
}

fn hits() -> String {
    let folder = Folder::new();
    let store = folder.open("cache.db", Synchronous::Normal);
    let row = CacheRow { value: vec![7; 1_024], about: "{}".into(), left: Duration::ZERO, worth: 1 };
    for key in 0..HITS {
        store.cache_put(&format!("key {key}"), &row, Duration::from_secs(3_600), u64::MAX).expect("room");
    }
    let began = Instant::now();
    for key in 0..HITS {
        store.cache_get(&format!("key {}", key.wrapping_mul(7_919) % HITS)).expect("it is there").expect("it is good");
    }
    let each = numbers::nanos_each(began.elapsed(), HITS) / 1e3;
    format!("A read of an entry of 1 KiB: {each:.1} µs.\n")
}

fn main() {
    if env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let text = format!(
        "Measured by `cargo bench --bench store` on {}.\n\n{}\n{}\n{}",
        numbers::machine(),
        runs(&runtime),
        resume(&runtime),
        hits()
    );
    numbers::publish("store", &text);
}
