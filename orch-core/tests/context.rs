//! The shared context in a run: what is made once and read by many, and what is not run at all.
#![cfg(test)]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use orch_core::{
    Admission, CacheEntry, CacheValue, Input, Keep, OutputSpec,
    cache::{Answer, Cache, Change, Miss, Part},
    definition::Sources,
    report::render,
};
use orch_core::{
    CacheOptions, Engine, EventKind, FailurePolicy, Graph, Outcome, Plan, PlanOptions, PriceTable, Rates, Report,
    RunOptions, Task, TaskContext, TaskState, TtlCache, Usage, Usd, blocking,
};
use serde_json::json;
use tokio::time::sleep;

const TTL: Duration = Duration::from_secs(3600);

fn makes(id: &str, key: &str, ttl: Option<Duration>) -> Task {
    Task::new(id).agent("worker").with(|options| options.outputs.push(OutputSpec { key: key.into(), ttl }))
}

fn reads(task: Task, key: &str) -> Task {
    task.with(|options| options.inputs.push(Input { key: key.into(), required: true, default: None }))
}

/// One analysis, five reviewers, one who joins their findings.
fn review() -> Plan {
    let mut builder = Graph::builder("review").task(makes("analysis", "code_map", Some(TTL)));
    let mut join = makes("join", "report", None);
    for nth in 0..5 {
        let (id, key) = (format!("review-{nth}"), format!("findings_{nth}"));
        builder = builder.task(reads(makes(&id, &key, None).after("analysis"), "code_map"));
        join = reads(join.after(id.as_str()), &key);
    }
    Plan::new(&builder.task(join).build().unwrap(), &PlanOptions::default()).unwrap()
}

/// Counts analyses; each takes 12 seconds, 30,000 tokens in and 2,000 out.
fn engine(analyses: &Arc<AtomicUsize>) -> (Engine, TtlCache) {
    let cache = TtlCache::new(CacheOptions::default());
    let analyses = analyses.clone();
    let engine = Engine::builder()
        .executor(move |task: TaskContext| {
            let analyses = analyses.clone();
            async move {
                if task.id().as_str() != "analysis" {
                    let map = task.inputs().values().get("code_map").cloned();
                    return Outcome::done(json!({"read": map}));
                }
                analyses.fetch_add(1, SeqCst);
                sleep(Duration::from_secs(12)).await;
                Outcome::done(json!({"files": 129})).used(Usage::tokens("sonnet", 30_000, 2_000))
            }
        })
        .cache(cache.clone())
        .prices(PriceTable::default().with("sonnet", Rates::new(Usd::from_cents(300), Usd::from_cents(1500))))
        .build()
        .unwrap();
    (engine, cache)
}

fn count(report: &Report, state: TaskState) -> usize {
    report.tasks().filter(|task| task.state() == state).count()
}

#[tokio::test(start_paused = true)]
async fn one_analysis_is_read_by_five() {
    let analyses = Arc::default();
    let (engine, _) = engine(&analyses);
    let report = engine.run(&review(), RunOptions::default()).await.unwrap();

    let context = report.context();
    assert_eq!((context.made, context.hits, context.misses, context.known), (1, 5, 0, 0));
    assert_eq!((context.spent.time, context.avoided.time), (Duration::from_secs(12), Duration::from_secs(60)));
    assert_eq!(context.avoided.usage.total_tokens(), 160_000);
    assert_eq!(context.avoided.money, Some(Usd::from_cents(60)), "30,000 for 9 cents and 2,000 for 3, five times");
    assert_eq!((context.net_seconds(), context.net_usd()), (48.0, Some(0.48)));
    assert_eq!(
        context.headline(),
        "1 shared value made (12.0 s, 32000 tokens, $0.1200), 5 hits avoided 1 min 00 s, 160000 tokens, $0.6000"
    );
    let reviewer = report.find("review-3").unwrap();
    assert_eq!(reviewer.output().json(), Some(&json!({"read": {"files": 129}})));
    assert_eq!(reviewer.reads()[0].key.as_ref(), "code_map");
    assert!(
        report.find("join").unwrap().reads().is_empty(),
        "findings are data of the run, nobody else would make them"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_not_run_again() {
    let analyses = Arc::default();
    let (engine, cache) = engine(&analyses);
    let first = engine.run(&review(), RunOptions::default()).await.unwrap();
    let second = engine.run(&review(), RunOptions::default()).await.unwrap();
    assert_eq!(analyses.load(SeqCst), 1);
    let analysis = second.find("analysis").unwrap();
    assert_eq!((analysis.state(), analysis.attempts()), (TaskState::Succeeded, 0));
    assert_eq!(analysis.saved().unwrap().time, Duration::from_secs(12));
    assert_eq!(analysis.output(), first.find("analysis").unwrap().output());
    assert_eq!(second.find("review-0").unwrap().output(), first.find("review-0").unwrap().output());
    assert_eq!((second.context().known, second.context().hits, second.context().made), (1, 5, 0));

    // Its time is over, or somebody threw it away.
    cache.clear();
    engine.run(&review(), RunOptions::default()).await.unwrap();
    assert_eq!(analyses.load(SeqCst), 2);

    // Another input of the run is another analysis.
    let inputs = json!({"branch": "next"}).as_object().unwrap().clone();
    engine.run(&review(), RunOptions { inputs, ..RunOptions::default() }).await.unwrap();
    assert_eq!(analyses.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn runs_at_the_same_time_wait_for_one_analysis() {
    let analyses = Arc::default();
    let (engine, _) = engine(&analyses);
    let runs: Vec<_> = (0..8).map(|_| engine.start(&review(), RunOptions::default())).collect();
    let mut known = 0;
    for run in runs {
        let report = run.report().await.unwrap();
        assert_eq!(count(&report, TaskState::Succeeded), 7);
        known += report.context().known;
    }
    assert_eq!((analyses.load(SeqCst), known), (1, 7));
}

#[tokio::test(start_paused = true)]
async fn when_the_maker_fails_or_is_cancelled_the_next_one_makes_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let engine = Engine::builder()
        .executor(move |_: TaskContext| {
            let call = seen.fetch_add(1, SeqCst);
            async move {
                sleep(Duration::from_secs(5)).await;
                match call {
                    0 => Outcome::failed("no network"),
                    1 => std::future::pending().await,
                    _ => Outcome::done("made"),
                }
            }
        })
        .cache(TtlCache::new(CacheOptions::default()))
        .build()
        .unwrap();
    let graph = Graph::builder("g").task(makes("a", "a", Some(TTL))).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let mut runs: Vec<_> = (0..4).map(|_| engine.start(&plan, RunOptions::default())).collect();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(calls.load(SeqCst), 2, "the first failed, one other began");
    runs[1].cancel("enough");
    let mut states = Vec::new();
    for run in runs.drain(..) {
        states.push(run.report().await.unwrap().find("a").unwrap().state());
    }
    assert_eq!(states, [TaskState::Failed, TaskState::Cancelled, TaskState::Succeeded, TaskState::Succeeded]);
    assert_eq!(calls.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_can_be_cancelled() {
    let analyses = Arc::default();
    let (engine, _) = engine(&analyses);
    let first = engine.start(&review(), RunOptions::default());
    sleep(Duration::from_secs(1)).await;
    let second = engine.start(&review(), RunOptions::default());
    sleep(Duration::from_secs(1)).await;
    second.cancel("enough");
    let report = second.report().await.unwrap();
    assert_eq!(count(&report, TaskState::Cancelled), 7);
    assert_eq!(count(&first.report().await.unwrap(), TaskState::Succeeded), 7);
    assert_eq!(analyses.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn equal_tasks_of_one_run_are_made_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let engine = Engine::builder()
        .executor(move |_: TaskContext| {
            seen.fetch_add(1, SeqCst);
            async {
                sleep(Duration::from_secs(1)).await;
                "made"
            }
        })
        .cache(TtlCache::new(CacheOptions::default()))
        .build()
        .unwrap();
    let tasks = (0..100).map(|nth| makes(&format!("t{nth}"), "same", Some(TTL)));
    let plan = Plan::new(&Graph::builder("g").tasks(tasks).build().unwrap(), &PlanOptions::default()).unwrap();
    let report = engine.run(&plan, RunOptions::default()).await.unwrap();
    assert_eq!((calls.load(SeqCst), report.context().known), (1, 99));
    assert_eq!(report.makespan(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_has_gone_is_a_miss() {
    let engine = Engine::builder()
        .executor(|task: TaskContext| async move {
            sleep(Duration::from_secs(if task.id().as_str() == "slow" { 20 } else { 1 })).await;
            Outcome::done("made")
        })
        .cache(TtlCache::new(CacheOptions { max_bytes: 0, ..CacheOptions::default() }))
        .build()
        .unwrap();
    let graph = Graph::builder("g")
        .task(makes("a", "facts", Some(TTL)))
        .task(reads(Task::new("b").after("a"), "facts"))
        .build()
        .unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let mut run = engine.start(&plan, RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() });
    let mut story = Vec::new();
    while let Some(event) = run.next_event().await {
        if let EventKind::ContextRead { .. } | EventKind::Warning { .. } = &event.kind {
            story.push(event.kind.name());
        }
    }
    let report = run.report().await.unwrap();
    assert_eq!(story, ["warning", "context_read"]);
    assert_eq!((report.context().hits, report.context().misses), (0, 1));
    assert!(
        report.warnings()[0].message.starts_with("`facts` is not shared: not kept: takes"),
        "{:?}",
        report.warnings()
    );
    assert_eq!(count(&report, TaskState::Succeeded), 2, "it still reads what the run made");
}

/// An engine that counts, and a folder with two sources.
struct Workshop {
    engine: Engine,
    cache: TtlCache,
    calls: Arc<AtomicUsize>,
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let (folder, seen) = (tempfile::tempdir().unwrap(), calls.clone());
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let cache = TtlCache::new(CacheOptions::default());
        let place = folder.path().to_owned();
        let executor = move |task: TaskContext| {
            seen.fetch_add(1, SeqCst);
            // A formatter changes what it reads.
            if task.id().as_str() == "formatter" {
                std::fs::write(place.join("src/a.rs"), "formatted").unwrap();
            }
            async move {
                if task.id().as_str() == "waits" {
                    std::future::pending::<()>().await;
                }
                "made"
            }
        };
        let engine = Engine::builder().executor(executor).cache(cache.clone()).build().unwrap();
        let workshop = Self { engine, cache, calls, folder };
        workshop.write("src/a.rs", "fn a() {}");
        workshop
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.path().join(path), text).unwrap();
    }

    async fn run(&self, tasks: impl IntoIterator<Item = Task>) -> Report {
        let graph = Graph::builder("g").tasks(tasks).build().unwrap();
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let directory = Some(self.folder.path().to_owned());
        self.engine.run(&plan, RunOptions { directory, ..RunOptions::default() }).await.unwrap()
    }

    /// Runs one task; why it was run, or `None` if it was not.
    async fn why(&self, task: Task) -> Option<Miss> {
        let before = self.calls.load(SeqCst);
        let name = task.id().to_string();
        let report = self.run([task]).await;
        assert!(report.warnings().is_empty(), "{:?}", report.warnings());
        let missed = report.find(&name).unwrap().missed().cloned();
        assert_eq!(missed.is_some(), self.calls.load(SeqCst) > before);
        missed
    }
}

fn sources() -> Sources {
    Sources::files(["src/**/*.rs", "Cargo.toml"]).model("sonnet-4").tool("rg", "14.1.0")
}

fn analysis(sources: Sources) -> Task {
    makes("analysis", "map", Some(TTL)).sources(sources)
}

fn changed(parts: &[Change]) -> Option<Miss> {
    Some(Miss::Changed(parts.to_vec()))
}

#[tokio::test]
async fn a_result_is_known_while_its_sources_are_the_same() {
    let workshop = Workshop::new();
    let why = async || workshop.why(analysis(sources())).await;
    let file = |name: &str| Part::File(name.into());
    assert_eq!(why().await, Some(Miss::First));
    assert_eq!(why().await, None);
    workshop.write("src/a.rs", "fn b() {}");
    assert_eq!(why().await, changed(&[Change::Changed(file("src/a.rs"))]));
    workshop.write("src/b.rs", "");
    workshop.write("Cargo.toml", "");
    assert_eq!(why().await, changed(&[Change::Changed(file("Cargo.toml")), Change::Added(file("src/b.rs"))]));
    std::fs::remove_file(workshop.folder.path().join("src/b.rs")).unwrap();
    assert_eq!(why().await, changed(&[Change::Removed(file("src/b.rs"))]));
    assert_eq!(why().await, None);
    workshop.write("src/a.rs", "fn a() {}");
    std::fs::remove_file(workshop.folder.path().join("Cargo.toml")).unwrap();
    assert_eq!(why().await, None, "all is as it was at first, and that is still known");
    workshop.cache.clear();
    assert!(matches!(why().await, Some(Miss::Changed(_))), "since it was last missed, not since it was last made");
    assert_eq!(why().await, None);
    workshop.cache.clear();
    assert_eq!(why().await, Some(Miss::Gone));

    let parts = [Change::Removed(Part::Model("sonnet-4".into())), Change::Added(Part::Model("sonnet-5".into()))];
    let newer = Sources { models: vec!["sonnet-5".into()], ..sources() };
    assert_eq!(workshop.why(analysis(newer.clone())).await, changed(&parts));
    let newer = newer.tool("rg", "14.1.1");
    assert_eq!(workshop.why(analysis(newer)).await, changed(&[Change::Changed(Part::Tool("rg".into()))]));
}

#[tokio::test]
async fn what_is_read_and_the_definition_are_explained_too() {
    let workshop = Workshop::new();
    let plan = |text: &str, level: u32| {
        let collect = Task::new("collect").with(|options| options.params = json!(text));
        let draft = makes("draft", "draft", Some(TTL)).after("collect");
        [collect, reads(draft, "style").with(|options| options.params = json!({"level": level}))]
    };
    let why = async |text: &str, level, style: &str| {
        workshop.cache.set("style", style);
        let report = workshop.run(plan(text, level)).await;
        report.find("draft").unwrap().missed().map(Miss::to_string)
    };
    assert_eq!(why("a", 1, "short").await.unwrap(), "nothing is known of it");
    assert_eq!(why("a", 2, "short").await.unwrap(), "param `level` changed");
    assert_eq!(why("a", 2, "long").await.unwrap(), "input `style` changed");
    assert_eq!(why("a", 2, "long").await, None);
}

#[tokio::test]
async fn a_miss_is_told_to_people_and_programs() {
    let workshop = Workshop::new();
    workshop.run([analysis(sources())]).await;
    workshop.write("src/a.rs", "fn b() {}");
    let graph = Graph::builder("g").task(analysis(sources())).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let directory = Some(workshop.folder.path().to_owned());
    let mut run = workshop.engine.start(&plan, RunOptions { directory, ..RunOptions::default() });
    let mut told = Vec::new();
    while let Some(event) = run.next_event().await {
        told.push(serde_json::to_value(event.named(&graph)).unwrap());
    }
    let why = json!({"changed": [{"changed": {"part": "file", "name": "src/a.rs"}}]});
    assert_eq!(
        (&told[1]["event"], &told[1]["task"], &told[1]["why"]),
        (&json!("task_missed"), &json!("analysis"), &why)
    );
    assert!(told[1]["key"].as_str().unwrap().starts_with("task#"));
    assert_eq!(told[2]["event"], "task_started");
    let report = run.report().await.unwrap();
    let form: serde_json::Value = serde_json::from_str(&render::json(&report)).unwrap();
    assert_eq!(form["tasks"][0]["missed"], why);
}

#[tokio::test]
async fn sources_out_of_reach_are_no_reason_to_fail() {
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.folder.path().join("folder")).unwrap();
    for _ in 0..2 {
        let report = workshop.run([analysis(Sources::files(["folder"]))]).await;
        let warning = &report.warnings()[0].message;
        assert!(warning.starts_with("is run, and not shared: `"), "{warning}");
        assert!(warning.ends_with("is a folder; name what is in it, with `/**` at the end"), "{warning}");
        assert_eq!(count(&report, TaskState::Succeeded), 1);
    }
    assert_eq!(workshop.calls.load(SeqCst), 2);
}

#[tokio::test]
async fn what_was_made_of_files_that_changed_meanwhile_is_not_kept() {
    let workshop = Workshop::new();
    let formatter = || makes("formatter", "f", Some(TTL)).sources(Sources::files(["src/*.rs"]));
    let graph = Graph::builder("g")
        .task(formatter())
        .task(Task::new("waits").after("formatter").timeout(Duration::from_secs(20)))
        .build()
        .unwrap();
    let directory = Some(workshop.folder.path().to_owned());
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let mut run = workshop.engine.start(&plan, RunOptions { directory, ..RunOptions::default() });
    while let Some(event) = run.next_event().await {
        if let EventKind::Warning { message, .. } = &event.kind {
            assert_eq!(message, "is not shared: `src/a.rs` changed while it ran");
            run.cancel("that is what the test wants to see");
        }
    }
    assert_eq!(run.report().await.unwrap().warnings().len(), 1);
    workshop.write("src/a.rs", "fn a() {}");
    let missed = workshop.run([formatter()]).await.find("formatter").unwrap().missed().cloned();
    assert_eq!(missed, Some(Miss::Gone), "it was made while its source became another");
    let before = changed(&[Change::Changed(Part::File("src/a.rs".into()))]);
    assert_eq!(workshop.why(formatter()).await, before, "formatted before");
    assert_eq!(workshop.why(formatter()).await, None, "now it changes nothing any more");
}

#[tokio::test]
async fn equal_tasks_with_sources_are_made_once() {
    let workshop = Workshop::new();
    let tasks = (0..50).map(|nth| makes(&format!("t{nth}"), "same", Some(TTL)).sources(sources()));
    let report = workshop.run(tasks).await;
    assert_eq!((workshop.calls.load(SeqCst), report.context().known), (1, 49));
    assert_eq!(report.tasks().filter(|task| task.missed().is_some()).count(), 1);
}

#[tokio::test]
async fn a_run_can_be_cancelled_while_sources_are_read() {
    let workshop = Workshop::new();
    let graph = Graph::builder("g").task(analysis(sources())).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let run = workshop.engine.start(&plan, RunOptions::default());
    run.cancel("enough");
    let state = run.report().await.unwrap().find("analysis").unwrap().state();
    assert!(matches!(state, TaskState::Cancelled | TaskState::Succeeded));
}

#[test]
fn sources_are_read_without_a_runtime_of_the_callers() {
    let workshop = Workshop::new();
    let graph = Graph::builder("g").task(analysis(sources())).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    for known in [0, 1] {
        let directory = Some(workshop.folder.path().to_owned());
        let options = RunOptions { directory, ..RunOptions::default() };
        assert_eq!(blocking::run(&workshop.engine, &plan, options).unwrap().context().known, known);
    }
}

#[test]
fn it_works_without_a_runtime_of_the_callers() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let engine = Engine::builder()
        .executor(move |_: TaskContext| {
            seen.fetch_add(1, SeqCst);
            async { "made" }
        })
        .cache(TtlCache::new(CacheOptions::default()))
        .build()
        .unwrap();
    let plan =
        Plan::new(&Graph::builder("g").task(makes("a", "a", Some(TTL))).build().unwrap(), &PlanOptions::default());
    let plan = plan.unwrap();
    for _ in 0..3 {
        blocking::run(&engine, &plan, RunOptions::default()).unwrap();
    }
    assert_eq!(calls.load(SeqCst), 1);
}

/// A cache that several engines share and that answers after a while, as one on a disk does.
#[derive(Debug, Clone, Default)]
struct Far {
    entries: Arc<Mutex<HashMap<String, (CacheValue, Keep)>>>,
    looks: Arc<AtomicUsize>,
    broken: bool,
}

impl Cache for Far {
    fn look(&self, key: &str) -> Answer<orch_core::Result<Option<CacheEntry>>> {
        self.looks.fetch_add(1, SeqCst);
        let (far, key) = (self.clone(), key.to_owned());
        Answer::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(!far.broken, "the disk is gone");
            let found = far.entries.lock().unwrap().get(&key).cloned();
            Ok(found.map(|(value, keep)| CacheEntry::new(&key, value, keep)))
        }))
    }

    fn keep(&self, key: &str, value: CacheValue, keep: Keep) -> Answer<orch_core::Result<Admission>> {
        let (far, key) = (self.clone(), key.to_owned());
        Answer::Later(Box::pin(async move {
            far.entries.lock().unwrap().insert(key, (value, keep));
            Ok(Admission::Kept)
        }))
    }

    fn invalidate(&self, key: &str) -> Answer<orch_core::Result<usize>> {
        Answer::Ready(Ok(self.entries.lock().unwrap().remove(key).map_or(0, |_| 1)))
    }
}

/// An engine as another process would have one, over that cache.
fn engine_over(far: impl Cache + 'static, calls: &Arc<AtomicUsize>) -> Engine {
    let calls = calls.clone();
    let executor = move |_: TaskContext| {
        calls.fetch_add(1, SeqCst);
        async { Outcome::done(json!({"files": 129})).used(Usage::tokens("sonnet", 30_000, 2_000)) }
    };
    Engine::builder().executor(executor).cache_behind(far).build().unwrap()
}

fn one_analysis() -> Plan {
    let graph = Graph::builder("g").task(makes("analysis", "map", Some(TTL))).build().unwrap();
    Plan::new(&graph, &PlanOptions::default()).unwrap()
}

#[tokio::test]
async fn engines_share_a_cache_behind_their_own() {
    let (far, calls) = (Far::default(), Arc::new(AtomicUsize::new(0)));
    let first = engine_over(far.clone(), &calls);
    first.run(&one_analysis(), RunOptions::default()).await.unwrap();
    while far.entries.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(far.entries.lock().unwrap().values().next().unwrap().1.ttl, Some(TTL));
    let second = engine_over(far.clone(), &calls);
    for _ in 0..2 {
        let report = second.run(&one_analysis(), RunOptions::default()).await.unwrap();
        let analysis = report.find("analysis").unwrap();
        assert_eq!(analysis.output().json(), Some(&json!({"files": 129})));
        assert_eq!(analysis.saved().unwrap().usage.total_tokens(), 32_000);
        assert!(analysis.missed().is_none());
    }
    assert_eq!((calls.load(SeqCst), far.looks.load(SeqCst)), (1, 2), "the second time it is nearer");
}

#[tokio::test]
async fn of_many_one_asks_the_cache_behind() {
    let (far, calls) = (Far::default(), Arc::new(AtomicUsize::new(0)));
    let tasks = (0..50).map(|nth| makes(&format!("t{nth}"), "same", Some(TTL)));
    let plan = Plan::new(&Graph::builder("g").tasks(tasks).build().unwrap(), &PlanOptions::default()).unwrap();
    let report = engine_over(far.clone(), &calls).run(&plan, RunOptions::default()).await.unwrap();
    assert_eq!((calls.load(SeqCst), far.looks.load(SeqCst), report.context().known), (1, 1, 49));
}

#[tokio::test]
async fn a_cache_behind_that_fails_or_answers_at_once_is_no_trouble() {
    let calls = Arc::new(AtomicUsize::new(0));
    let broken = engine_over(Far { broken: true, ..Far::default() }, &calls);
    let report = broken.run(&one_analysis(), RunOptions::default()).await.unwrap();
    assert_eq!((count(&report, TaskState::Succeeded), calls.load(SeqCst)), (1, 1));
    assert_eq!(report.find("analysis").unwrap().missed(), Some(&Miss::First));

    let near = TtlCache::new(CacheOptions::default());
    for _ in 0..2 {
        let engine = engine_over(near.clone(), &calls);
        engine.run(&one_analysis(), RunOptions::default()).await.unwrap();
    }
    assert_eq!((calls.load(SeqCst), near.stats().entries), (2, 1));
}

#[tokio::test]
async fn a_run_can_be_cancelled_while_the_cache_behind_thinks() {
    /// It takes as long as it likes.
    #[derive(Debug)]
    struct Slow;

    impl Cache for Slow {
        fn look(&self, _: &str) -> Answer<orch_core::Result<Option<CacheEntry>>> {
            Answer::Later(Box::pin(std::future::pending()))
        }

        fn keep(&self, _: &str, _: CacheValue, _: Keep) -> Answer<orch_core::Result<Admission>> {
            Answer::Ready(Ok(Admission::Kept))
        }

        fn invalidate(&self, _: &str) -> Answer<orch_core::Result<usize>> {
            Answer::Ready(Ok(0))
        }
    }

    let calls = Arc::new(AtomicUsize::new(0));
    let run = engine_over(Slow, &calls).start(&one_analysis(), RunOptions::default());
    run.cancel("enough");
    assert_eq!(count(&run.report().await.unwrap(), TaskState::Cancelled), 1);
    assert_eq!(calls.load(SeqCst), 0);
}
