//! Models as the agents of runs.

use std::time::Duration;

use orch_core::{
    Agent, AgentExecutor, Agents, Clock, Engine, Graph, Plan, PlanOptions, PriceTable, ProcessExecutor, ProcessOptions,
    Rates, Report, RunOptions, RunState, Task, Usage, Usd,
    cost::budget::{AtLimit, Limit, Limits},
    executor::models::{Ask, Endpoints, Models, PipelineStep},
    session::{Budget, Ledger},
    store::MemoryStore,
};
use serde_json::json;

use super::{
    endpoint, names,
    server::{Server, says},
};

fn engine(agent: Agent, endpoints: Endpoints, limits: Vec<Limit>) -> (Engine, Ledger) {
    let store = std::sync::Arc::new(MemoryStore::default());
    let ledger = Ledger::new(store, Limits::new(limits).unwrap(), Clock::system());
    let agents = Agents::default().with_agent("writer", agent).with("*", ["true"]);
    let programs = ProcessExecutor::new(agents, ProcessOptions::default());
    let models = Models::with_parts(endpoints, Clock::system(), |_| Some("key".into()), std::thread::sleep);
    // A thousand tokens are a cent.
    let rates = |cents| Rates::new(Usd::from_cents(cents), Usd::from_cents(cents));
    let prices = PriceTable::default().with("m", rates(1000)).with("small", rates(100));
    let engine = Engine::builder()
        .executor(AgentExecutor::new(programs, models))
        .prices(prices)
        .budget(Budget::new(ledger.clone()))
        .build()
        .unwrap();
    (engine, ledger)
}

async fn run(engine: &Engine, tasks: impl IntoIterator<Item = Task>) -> Report {
    let graph = Graph::builder("g").tasks(tasks).build().unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    engine.run(&plan, RunOptions::default()).await.unwrap()
}

fn writes(id: &str) -> Task {
    Task::new(id).agent("writer").with(|options| options.description = format!("write {id}"))
}

fn one() -> Agent {
    Agent { models: names(&["one"]), ..Agent::default() }
}

#[tokio::test]
async fn a_task_is_done_by_a_model_and_charged() {
    let server = Server::new(|_, asked| says(&json!({"said": asked.body["messages"][0]["content"]}).to_string(), 2000));
    let endpoints = Endpoints::default().with("one", endpoint(server.base()));
    let (engine, ledger) = engine(one(), endpoints, Vec::new());
    let report = run(&engine, [writes("a"), Task::new("program").after("a")]).await;
    assert_eq!(report.state(), RunState::Succeeded);
    assert_eq!(report.find("a").unwrap().output().json().unwrap(), &json!({"said": "write a"}), "JSON is read as such");
    let charges = ledger.charges(None, None).unwrap();
    assert_eq!((charges.len(), charges[0].usd), (1, Usd::from_cents(2)));
}

#[tokio::test]
async fn a_pipeline_ends_at_its_budget_and_what_it_used_is_charged() {
    let server = Server::new(|_, _| says("text", 3000));
    let step = |name: &str| PipelineStep { name: name.into(), models: names(&["one"]), ask: Ask::new("{task}") };
    let steps = vec![step("first"), step("second"), step("third")];
    for (cents, state, calls) in [(9, RunState::Succeeded, 3), (5, RunState::Failed, 2)] {
        let before = server.count();
        let endpoints = Endpoints::default().with("one", endpoint(server.base()));
        let agent = Agent { steps: steps.clone(), ..Agent::default() };
        let (engine, ledger) = engine(agent, endpoints, vec![Limit::new("all", Usd::from_cents(cents))]);
        let report = run(&engine, [writes("a")]).await;
        assert_eq!((report.state(), server.count() - before), (state, calls));
        let spent: Usd = ledger.charges(None, None).unwrap().iter().map(|charge| charge.usd).sum();
        assert_eq!(spent, Usd::from_cents(calls as i64 * 3), "the last call was paid for too");
        if let Some(failure) = report.find("a").unwrap().failure() {
            assert!(failure.message.contains("stopped at its budget: it has used $0.06"), "{}", failure.message);
        } else {
            let output = report.find("a").unwrap().output().json().unwrap().clone();
            assert_eq!(output, json!({"first": "text", "second": "text", "third": "text"}));
        }
    }
}

#[tokio::test]
async fn a_budget_that_steps_down_asks_the_cheaper_model() {
    let server = Server::new(|_, asked| says(asked.body["model"].as_str().unwrap(), 1000));
    let small = orch_core::executor::models::Endpoint { model: "small".into(), ..endpoint(server.base()) };
    let endpoints = Endpoints::default().with("one", endpoint(server.base())).with("cheap", small);
    let limit = Limit { at_limit: AtLimit::Downgrade("small".into()), ..Limit::new("all", Usd::from_cents(5)) };
    let (engine, _) = engine(one(), endpoints, vec![limit]);
    let task = |id: &str| writes(id).expects(Usage::tokens("m", 4000, 0));
    let report = run(&engine, [task("a"), task("b").after("a"), task("c").after("b")]).await;
    let used = ["a", "b", "c"].map(|id| report.find(id).unwrap().output().json().unwrap().clone());
    // After `a` has cost one cent of its four, there is enough for `b`; then not any more.
    assert_eq!(used, [json!("m"), json!("m"), json!("small")]);
}

#[tokio::test]
async fn a_model_that_says_nothing_does_not_hold_up_the_end_of_a_run() {
    let server = Server::new(|_, _| None);
    let endpoints = Endpoints::default().with("one", endpoint(server.base()));
    let (engine, ledger) = engine(one(), endpoints, vec![Limit::new("all", Usd::from_cents(5))]);
    let task = writes("a").expects(Usage::tokens("m", 4000, 0)).timeout(Duration::from_millis(100));
    let report = run(&engine, [task]).await;
    assert_eq!(report.state(), RunState::Failed);
    let charges = ledger.charges(None, None).unwrap();
    assert_eq!((charges.len(), charges[0].assumed, charges[0].usd), (1, true, Usd::from_cents(4)), "it may be billed");
}
