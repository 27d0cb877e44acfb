//! Runs that survive: stored before told, resumed by content, owned by one process at a time.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use orch_core::{
    Clock, Engine, Error, ErrorKind, Event, EventKind, Graph, Outcome, Plan, PlanOptions, Report, Result, Resume,
    RunId, RunOptions, RunState, Task, TaskContext, TaskState, Usage,
    recovery::resume::Again,
    report::Earlier,
    session::StoredRun,
    store::{
        Append, Blob, BlobHash, CacheRow, Delivery, Letter, LetterRow, Locked, MemoryStore, Record, RunHeader, RunRow,
        Store, Wish,
    },
};
use serde_json::json;
use tokio::sync::Notify;

#[path = "store_runs/deal.rs"]
mod deal;
#[path = "store_runs/faults.rs"]
mod faults;
#[path = "store_runs/learn.rs"]
mod learn;
#[path = "store_runs/owners.rs"]
mod owners;

fn plan(graph: &Graph) -> Plan {
    Plan::new(graph, &PlanOptions::default()).unwrap()
}

fn graph(tasks: impl IntoIterator<Item = Task>) -> Graph {
    Graph::builder("g").tasks(tasks).build().unwrap()
}

fn diamond() -> Graph {
    graph([Task::new("a"), Task::new("b").after("a"), Task::new("c").after("a"), Task::new("d").after("b").after("c")])
}

fn memory() -> MemoryStore {
    MemoryStore::new(Clock::system())
}

fn run(number: u128) -> RunId {
    RunId::from_parts(1, number)
}

fn options(number: u128) -> RunOptions {
    RunOptions { run: Some(run(number)), ..RunOptions::default() }
}

/// How often each task was begun.
#[derive(Clone, Default)]
struct Began(Arc<Mutex<BTreeMap<String, u32>>>);

impl Began {
    fn note(&self, task: &TaskContext) {
        *self.0.lock().unwrap().entry(task.id().to_string()).or_default() += 1;
    }

    fn times(&self, task: &str) -> u32 {
        self.0.lock().unwrap().get(task).copied().unwrap_or_default()
    }
}

fn names(graph: &Graph, again: &[(orch_core::TaskIx, Again)]) -> Vec<(String, Again)> {
    again.iter().map(|(ix, why)| (graph.id(*ix).to_string(), why.clone())).collect()
}

#[tokio::test]
async fn what_is_told_is_stored_before() {
    let store = memory();
    let seen = store.clone();
    let sink = move |_: &Graph, events: &[Event]| {
        let stored = seen.run(run(1)).unwrap().unwrap().events;
        let told = events.last().unwrap().seq;
        assert!(told < stored, "event {told} is told, and {stored} are stored");
    };
    let read = store.clone();
    let work = move |task: TaskContext| {
        let read = read.clone();
        async move {
            // What waits for nothing begins before the store has heard of the run.
            for parent in task.graph().parents(task.ix()) {
                let stored = StoredRun::load(&read, run(1)).unwrap();
                assert_eq!(stored.report.task(parent).state(), TaskState::Succeeded, "{} builds on it", task.id());
            }
            task.id().to_string()
        }
    };
    let engine = Engine::builder().executor(work).sink(sink).store(store.clone()).build().unwrap();
    let report = engine.run(&plan(&diamond()), options(1)).await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded);

    let stored = StoredRun::load(&store, run(1)).unwrap();
    assert_eq!((stored.row.state, stored.row.name.as_str()), (RunState::Succeeded, "g"));
    assert_eq!(stored.events.last().unwrap().kind, EventKind::RunFinished { state: RunState::Succeeded });
    for (then, now) in report.tasks().zip(stored.report.tasks()) {
        assert_eq!((then.output(), then.finished(), then.state()), (now.output(), now.finished(), now.state()));
    }
}

#[tokio::test]
async fn a_run_that_failed_goes_on_where_it_was() {
    let (store, began) = (memory(), Began::default());
    let broken = Arc::new(AtomicU64::new(1));
    let work = {
        let (began, broken) = (began.clone(), broken.clone());
        move |task: TaskContext| {
            began.note(&task);
            let fails = task.id().as_str() == "c" && broken.load(Ordering::Relaxed) == 1;
            let output = json!({"of": task.id(), "large": "x".repeat(5_000)});
            async move { if fails { Outcome::failed("no") } else { Outcome::done(output) } }
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let mut inputs = serde_json::Map::new();
    inputs.insert("depth".into(), json!(3));
    let first = RunOptions { inputs, source: "review.json".into(), ..options(1) };
    let report = engine.run(&plan(&diamond()), first).await.unwrap();
    assert_eq!(report.state(), RunState::Failed);
    assert_eq!(store.runs(Some("review.json"), 9).unwrap()[0].run, run(1));

    let resume = Resume::load(&store, run(1), None, None, None).unwrap();
    assert_eq!(resume.inputs()["depth"], 3);
    assert_eq!(names(resume.graph(), resume.again())[0], ("c".to_owned(), Again::Failed));
    broken.store(0, Ordering::Relaxed);
    let again = engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!((again.state(), again.run()), (RunState::Succeeded, Some(run(1))));
    assert_eq!(began.times("a"), 1, "its result was recorded");
    assert_eq!(began.times("c"), 2);
    assert_eq!(again.find("a").unwrap().output().json().unwrap()["large"].as_str().unwrap().len(), 5_000);

    let done = engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    assert!(done.tasks().all(|task| task.is_restored()), "nothing is left to do");
    assert_eq!(began.times("d"), 1);
    assert_eq!(store.runs(None, 9).unwrap().len(), 1, "it is one run");
}

#[tokio::test]
async fn an_edited_task_and_what_follows_is_run_again() {
    let (store, began) = (memory(), Began::default());
    let work = {
        let began = began.clone();
        move |task: TaskContext| {
            began.note(&task);
            async {}
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    engine.run(&plan(&diamond()), options(1)).await.unwrap();
    let edited = graph([
        Task::new("c").after("a").agent("another"),
        Task::new("a"),
        Task::new("d").after("b").after("c"),
        Task::new("b").after("a"),
        Task::new("e").after("b"),
    ]);
    let resume = Resume::load(&store, run(1), Some(&edited), None, None).unwrap();
    let again = [("c", Again::Edited), ("d", Again::After("c".into())), ("e", Again::New)];
    assert_eq!(names(&edited, resume.again()), again.map(|(task, why)| (task.to_owned(), why)));
    let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
    let report = engine.run(&plan(&edited), options).await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded);
    assert_eq!(["a", "b", "c", "d", "e"].map(|task| began.times(task)), [1, 1, 2, 2, 1]);
}

#[tokio::test]
async fn keys_stay_the_same_until_a_task_is_made_anew() {
    let store = memory();
    let keys = Arc::new(Mutex::new(Vec::<(String, String)>::new()));
    let fails = Arc::new(AtomicU64::new(1));
    let work = {
        let (keys, fails) = (keys.clone(), fails.clone());
        move |task: TaskContext| {
            keys.lock().unwrap().push((task.id().to_string(), task.idempotency_key()));
            let fails = task.id().as_str() == "b" && fails.load(Ordering::Relaxed) == 1;
            async move { if fails { Outcome::failed("no") } else { Outcome::done(()) } }
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let line = |agent: &str| graph([Task::new("a").agent(agent), Task::new("b").after("a")]);
    engine.run(&plan(&line("x")), options(1)).await.unwrap();
    fails.store(0, Ordering::Relaxed);
    engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    let edited = line("y");
    let resume = Resume::load(&store, run(1), Some(&edited), None, None).unwrap();
    engine.run(&plan(&edited), RunOptions { resume: Some(resume), ..RunOptions::default() }).await.unwrap();
    let keys = keys.lock().unwrap();
    let (tasks, keys): (Vec<&str>, Vec<&str>) = keys.iter().map(|(task, key)| (task.as_str(), key.as_str())).unzip();
    assert_eq!(tasks, ["a", "b", "b", "a", "b"]);
    assert_eq!(keys[1], keys[2], "`b` had failed: the same work");
    assert_ne!(keys[0], keys[3], "`a` was edited");
    assert_ne!(keys[2], keys[4], "`b` had ended and is made anew");
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn what_an_earlier_process_did_is_undone_too() {
    let store = memory();
    let done = Arc::new(Mutex::new(Vec::<String>::new()));
    let rounds = Arc::new(AtomicU64::new(0));
    let work = {
        let (done, rounds) = (done.clone(), rounds.clone());
        move |task: TaskContext| {
            let name = task.id().to_string();
            let undo = task.undo().is_some();
            done.lock().unwrap().push(if undo { format!("undo {name}") } else { name.clone() });
            let fails = name == "c" && !undo;
            rounds.fetch_add(1, Ordering::Relaxed);
            async move { if fails { Outcome::failed("no") } else { Outcome::done(()) } }
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let line = graph([Task::new("a").undo("x"), Task::new("b").after("a").undo("x"), Task::new("c").after("b")]);
    let no_undo = RunOptions { undo: false, ..options(1) };
    engine.run(&plan(&line), no_undo).await.unwrap();
    let report = engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!(report.state(), RunState::Failed);
    assert_eq!(*done.lock().unwrap(), ["a", "b", "c", "c", "undo b", "undo a"]);
    let third = Resume::load(&store, run(1), None, None, None).unwrap();
    let again = [("a", Again::Undone), ("b", Again::Undone), ("c", Again::Failed)];
    assert_eq!(names(third.graph(), third.again()), again.map(|(task, why)| (task.to_owned(), why)));
}

#[tokio::test]
async fn added_tasks_are_part_of_what_is_resumed() {
    let (store, began) = (memory(), Began::default());
    let fails = Arc::new(AtomicU64::new(1));
    let work = {
        let (began, fails) = (began.clone(), fails.clone());
        move |task: TaskContext| {
            began.note(&task);
            let name = task.id().to_string();
            let fails = name == "y" && fails.load(Ordering::Relaxed) == 1;
            async move {
                match name.as_str() {
                    "plan" => Outcome::done(json!([{"id": "x"}, {"id": "y", "dependencies": ["x"]}])),
                    _ if fails => Outcome::failed("no"),
                    _ => Outcome::done(name),
                }
            }
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let start = graph([
        Task::new("plan").with(|options| options.expand = Some(orch_core::Expand::default())),
        Task::new("end").after("plan"),
    ]);
    engine.run(&plan(&start), options(1)).await.unwrap();
    fails.store(0, Ordering::Relaxed);
    let resume = Resume::load(&store, run(1), Some(&start), None, None).unwrap();
    assert_eq!(resume.graph().len(), 4);
    let report = engine.resume(run(1), RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded, "{report}");
    assert_eq!(["plan", "x", "y"].map(|task| began.times(task)), [1, 1, 2]);
}

#[tokio::test]
async fn added_tasks_stay_part_of_it_however_often_it_is_resumed() {
    let (store, began) = (memory(), Began::default());
    let work = {
        let began = began.clone();
        move |task: TaskContext| {
            began.note(&task);
            let name = task.id().to_string();
            // By a program, not by its definition.
            if name == "maker" {
                task.add(Task::new("extra"));
                task.add(Task::new("late").after("extra"));
            }
            let fails = name == "late" && began.times("late") < 3;
            async move { if fails { Outcome::failed("no") } else { Outcome::done(name) } }
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let given = graph([Task::new("maker"), Task::new("end").after("maker")]);
    engine.run(&plan(&given), options(1)).await.unwrap();
    for (graph, attempts) in [(Some(&given), 2), (None, 3)] {
        let resume = Resume::load(&store, run(1), graph, None, None).unwrap();
        assert_eq!(resume.graph().len(), 4);
        let options = RunOptions { resume: Some(resume.clone()), ..RunOptions::default() };
        engine.start(&plan(resume.graph()), options).report().await.unwrap();
        assert_eq!(["maker", "extra", "late"].map(|task| began.times(task)), [1, 1, attempts]);
    }
    let last = StoredRun::load(&store, run(1)).unwrap();
    assert_eq!(last.report.state(), RunState::Succeeded, "{}", last.report);
    // Another graph has none of them: whoever added them does it again.
    let edited = graph([Task::new("maker"), Task::new("end").after("maker"), Task::new("new")]);
    let resume = Resume::load(&store, run(1), Some(&edited), None, None).unwrap();
    let again = [("maker", Again::Adds), ("end", Again::After("maker".into())), ("new", Again::New)];
    assert_eq!(names(&edited, resume.again()), again.map(|(task, why)| (task.to_owned(), why)));
}

#[tokio::test]
async fn functions_that_were_added_are_added_again_where_one_is_left_to_run() {
    let (store, fails) = (memory(), Arc::new(AtomicU64::new(1)));
    let work = {
        let fails = fails.clone();
        move |task: TaskContext| {
            if task.id().as_str() == "maker" {
                task.add(Task::new("extra"));
            }
            let fails = task.id().as_str() == "extra" && fails.load(Ordering::Relaxed) == 1;
            async move { if fails { Outcome::failed("no") } else { Outcome::done("done") } }
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let given = graph([Task::new("maker"), Task::new("other")]);
    engine.run(&plan(&given), options(1)).await.unwrap();
    let load = || Resume::load_functions(&store, run(1), &given, None, None).unwrap();
    let resume = load();
    assert_eq!(resume.graph().len(), 2);
    assert_eq!(names(&given, resume.again())[0], ("maker".to_owned(), Again::Adds));
    fails.store(0, Ordering::Relaxed);
    let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
    let report = engine.start(&plan(&given), options).report().await.unwrap();
    assert_eq!(report.state(), RunState::Succeeded, "{report}");
    // Now all of them are kept, and nobody is called.
    assert_eq!(load().again(), []);
    assert_eq!(load().graph().len(), 3);
}

#[tokio::test]
async fn files_that_changed_make_their_task_run_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "one").unwrap();
    let (store, began) = (memory(), Began::default());
    let work = {
        let began = began.clone();
        move |task: TaskContext| {
            began.note(&task);
            async {}
        }
    };
    let engine = Engine::builder().executor(work).store(store.clone()).build().unwrap();
    let line = graph([
        Task::new("read").with(|options| {
            let files = vec!["a.txt".to_owned()];
            options.sources = Some(orch_core::definition::Sources { files, ..Default::default() });
        }),
        Task::new("tell").after("read"),
    ]);
    let directory = Some(folder.path().to_owned());
    engine.run(&plan(&line), RunOptions { directory, ..options(1) }).await.unwrap();
    let load = || Resume::load(&store, run(1), None, None, Some(folder.path())).unwrap();
    assert_eq!(load().again(), []);
    std::fs::write(folder.path().join("a.txt"), "two").unwrap();
    let again = [("read", Again::File("a.txt".into())), ("tell", Again::After("read".into()))];
    assert_eq!(names(&line, load().again()), again.map(|(task, why)| (task.to_owned(), why)));
}

#[tokio::test]
async fn what_cannot_be_resumed_is_said() {
    let store = memory();
    let engine = |store: Option<&MemoryStore>| {
        let builder = Engine::builder().executor(async |_: TaskContext| ());
        store
            .map_or(Engine::builder().executor(async |_: TaskContext| ()), |store| builder.store(store.clone()))
            .build()
            .unwrap()
    };
    let kind = |result: Result<orch_core::Run>| result.unwrap_err().kind();
    assert_eq!(kind(engine(None).resume(run(1), RunOptions::default())), ErrorKind::Misuse);
    assert_eq!(kind(engine(Some(&store)).resume(run(1), RunOptions::default())), ErrorKind::NotFound);
    engine(Some(&store)).run(&plan(&diamond()), options(1)).await.unwrap();
    let twice = engine(Some(&store)).run(&plan(&diamond()), options(1)).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict, "{twice}");
    let resume = Resume::load(&store, run(1), None, None, None).unwrap();
    let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
    let elsewhere = engine(None).run(&plan(&diamond()), options).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::Misuse, "{elsewhere}");
}

/// The checkpoint `built` is made when `a` has ended; then the process ends. Where `a` is edited, it is run again, and nothing is
/// known of what was before.
#[tokio::test]
async fn checkpoints_of_earlier_parts_are_known_as_long_as_their_tasks_are_kept() {
    for edited in [false, true] {
        let store = memory();
        let tasks = |params: u32| {
            let first = Task::new("a").with(|options| options.params = json!(params));
            graph([first, Task::new("b").after("a"), Task::new("c").after("b")])
        };
        let first = async |task: TaskContext| {
            if task.id().as_str() == "b" {
                task.checkpoint("built");
            }
            if task.id().as_str() != "c" {
                return Outcome::done("made");
            }
            Outcome::failed("no network").used(Usage::tokens("m", 20, 10))
        };
        let engine = Engine::builder().executor(first).store(store.clone()).build().unwrap();
        let report = engine.run(&plan(&tasks(1)), options(1)).await.unwrap();
        assert_eq!((report.checkpoints().len(), report.earlier()), (1, None));
        let read = || StoredRun::load(&store, run(1)).unwrap().report;
        let mut spent = read().so_far();

        // Twice, so that one that was taken over is taken over again.
        for part in 1..=2 {
            let now = tasks(if edited { 2 } else { 1 });
            let resume = Resume::load(&store, run(1), Some(&now), None, None).unwrap();
            let failing = async |task: TaskContext| match task.id().as_str() {
                "c" => Outcome::failed("still no network").used(Usage::tokens("m", 20, 10)),
                _ => Outcome::done("made"),
            };
            let engine = Engine::builder().executor(failing).store(store.clone()).build().unwrap();
            let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
            let report = engine.run(&plan(&now), options).await.unwrap();
            let known: Vec<_> = report
                .checkpoints()
                .iter()
                .map(|made| {
                    (made.name.to_string(), made.tasks.iter().map(|&ix| now.id(ix).to_string()).collect::<Vec<_>>())
                })
                .collect();
            let wanted = if edited { vec![] } else { vec![("built".to_owned(), vec!["a".to_owned()])] };
            assert_eq!(known, wanted);
            // The store knows how long parts took to the microsecond.
            let shown = |of: &Earlier| (of.parts, of.cost.time.as_micros(), of.cost.usage.clone());
            assert_eq!(report.earlier().map(shown), Some(shown(&spent)));
            assert_eq!((spent.parts, spent.cost.usage.total_tokens()), (part, u64::from(part) * 30));
            assert_eq!(read().earlier().map(shown), Some(shown(&spent)));
            spent = read().so_far();
            assert_eq!(read().checkpoints().len(), known.len());
        }
    }
}
