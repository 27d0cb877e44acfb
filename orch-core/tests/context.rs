//! The shared context in a run: what is made once and read by many, and what is not run at all.
#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use orch_core::{
    CacheOptions, Engine, EventKind, FailurePolicy, Graph, Outcome, Plan, PlanOptions, PriceTable, Rates, Report,
    RunOptions, Task, TaskContext, TaskState, TtlCache, Usage, Usd, blocking,
};
use orch_core::{Input, OutputSpec};
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
