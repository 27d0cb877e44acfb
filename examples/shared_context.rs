//! How do five reviewers share one analysis, and what does that save?

use std::time::Duration;

use orch_core::{
    CacheOptions, Engine, Graph, Input, Outcome, OutputSpec, Plan, PlanOptions, PriceTable, Rates, Result, RunOptions,
    Task, TaskContext, TtlCache, Usage, Usd, blocking,
};

fn main() -> Result<()> {
    // What has a time to live is shared; what has none stays data of its run.
    let ttl = Some(Duration::from_secs(3600));
    let analysis =
        Task::new("analysis").with(|options| options.outputs.push(OutputSpec { key: "code_map".into(), ttl }));
    let map = Input { key: "code_map".into(), required: true, default: None };
    let reviewers = ["quality", "security", "speed", "accessibility", "documents"]
        .map(|side| Task::new(side).after("analysis").with(|options| options.inputs.push(map.clone())));
    let graph = Graph::builder("review").task(analysis).tasks(reviewers).build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;

    // All runs of an engine share its cache. Prices turn saved tokens into money.
    let prices = PriceTable::default().with("sonnet", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
    let engine =
        Engine::builder().executor(work).cache(TtlCache::new(CacheOptions::default())).prices(prices).build()?;

    let first = blocking::run(&engine, &plan, RunOptions::default())?;
    println!("{first}");
    assert_eq!((first.context().made, first.context().hits), (1, 5));
    assert_eq!(first.context().avoided.money, Some(Usd::from_cents(60)));

    // The second run finds the analysis: the task is not run at all.
    let second = blocking::run(&engine, &plan, RunOptions::default())?;
    println!("{second}");
    assert_eq!((second.context().known, second.find("analysis").map(|task| task.attempts())), (1, Some(0)));
    second.into_result()
}

/// Stands in for agents: the analysis takes a while and 32,000 tokens.
async fn work(task: TaskContext) -> Outcome {
    if task.id().as_str() == "analysis" {
        tokio::time::sleep(Duration::from_millis(50)).await;
        return Outcome::done("three modules, one long file").used(Usage::tokens("sonnet", 30_000, 2_000));
    }
    let map = task.inputs().values().get("code_map").and_then(|map| map.as_str()).unwrap_or_default();
    Outcome::done(format!("read: {map}"))
}
