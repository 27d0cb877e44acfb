//! Reports and progress of real runs, in virtual time: the engine, the shipped commands, and every form.

// Always so here; it tells the lints that the functions beside the tests are test code too.
#![cfg(test)]

mod support;

use std::{fs, time::Duration};

use orch_core::{
    Command, Engine, Event, EventKind, Expand, FailurePolicy, Graph, GraphOptions, Outcome, Plan, PlanOptions,
    Progress, Report, RunOptions, RunState, Task, TaskContext, TaskState, Usage,
    report::{
        render,
        todo::{TodoMode, todo_list},
    },
};
use serde_json::{Value, json};

/// The plan of a shipped command, where the fixtures are there.
fn shipped(name: &str) -> Option<Plan> {
    let path = support::fixtures::path(&format!("commands/v2/{name}.json"))?;
    let command = Command::parse(&fs::read_to_string(path).unwrap()).unwrap();
    Some(Plan::new(&command.graph(&GraphOptions::default()).unwrap(), &PlanOptions::default()).unwrap())
}

/// Takes exactly as long as estimated.
async fn as_estimated(context: TaskContext) {
    let estimate = context.graph().task(context.ix()).estimated().unwrap_or(Duration::from_secs(60));
    tokio::time::sleep(estimate).await;
}

async fn events(engine: &Engine, plan: &Plan, options: RunOptions) -> (Vec<Event>, Report) {
    let mut run = engine.start(plan, options);
    let mut events = Vec::new();
    while let Some(event) = run.next_event().await {
        events.push(event);
    }
    (events, run.report().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_limit_takes_its_critical_path() {
    let Some(plan) = shipped("review-all") else { return };
    let engine = Engine::builder().executor(as_estimated).build().unwrap();
    let (events, report) = events(&engine, &plan, RunOptions::default()).await;
    assert_eq!((report.state(), report.counts().succeeded), (RunState::Succeeded, 7));
    assert_eq!((report.makespan(), report.serial()), (Duration::from_secs(1_020), Duration::from_secs(2_460)));
    assert_eq!((report.lower_bound(), report.over_lower_bound()), (Duration::from_secs(1_020), Some(1.0)));
    let path: Vec<_> = report.critical_path().iter().map(|step| step.task).collect();
    assert_eq!(path, plan.critical_path());

    // With exact estimates, what has passed and what is left always add up to the end.
    let mut progress = Progress::new(&plan);
    for event in &events {
        progress.on(event);
        assert_eq!(event.at + progress.rest(event.at), report.makespan(), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_with_one_worker_takes_all_the_work() {
    let Some(plan) = shipped("review-all") else { return };
    let engine = Engine::builder().executor(as_estimated).build().unwrap();
    let (events, report) = events(&engine, &plan, RunOptions { max_parallel: 1, ..RunOptions::default() }).await;
    assert_eq!((report.makespan(), report.utilisation()), (report.serial(), Some(1.0)));
    assert_eq!((report.lower_bound(), report.peak()), (report.serial(), 1));
    let waited: Duration = report.critical_path().iter().map(|step| step.waited).sum();
    assert_eq!(waited, report.tasks().map(|task| task.queued()).max().unwrap(), "only the place was waited for");
    let mut progress = Progress::new(&plan);
    for event in &events {
        progress.on(event);
        assert_eq!(event.at + progress.rest(event.at), report.makespan(), "{event:?}");
    }
}

/// Fails, is tried again, uses models.
async fn eventful(context: TaskContext) -> Outcome {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let usage = Usage::tokens("haiku", 100, 10);
    match (context.id().as_str(), context.attempt()) {
        ("flaky", 1) => Outcome::failed("no network\nat all").used(usage),
        ("broken", _) => Outcome::failed("exit code 1\n\u{1b}[31m]]>"),
        _ => Outcome::done(()).used(usage),
    }
}

#[tokio::test(start_paused = true)]
async fn an_eventful_run_is_told_in_every_form() {
    let graph = Graph::builder("eventful")
        .task(Task::new("flaky").retries(2))
        .task(Task::new("broken"))
        .task(Task::new("needs broken").after("broken"))
        .task(Task::new("<b>\u{1b}[2J").after("flaky"))
        .build()
        .unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let engine = Engine::builder().executor(eventful).build().unwrap();
    let options = RunOptions { max_parallel: 2, on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let (events, report) = events(&engine, &plan, options).await;

    // The report of the run is the fold over its events, no more.
    let mut folded = Report::new(&plan);
    events.iter().for_each(|event| folded.on(event));
    assert_eq!(render::json(&folded), render::json(&report));

    assert_eq!((report.state(), report.counts().succeeded), (RunState::Failed, 2));
    assert_eq!(report.find("flaky").unwrap().attempts(), 2);
    assert_eq!(report.find("flaky").unwrap().usage().unwrap().models()[0].requests, 2);
    assert_eq!(report.find("needs broken").unwrap().state(), TaskState::Cancelled);

    let json: Value = serde_json::from_str(&render::json(&report)).unwrap();
    assert_eq!(json["tasks"][1]["error"], "exit code 1\n\u{1b}[31m]]>");
    for event in &events {
        let line: Value = serde_json::from_str(&render::json_line(&event.named(report.graph()))).unwrap();
        assert_eq!(line["event"], event.kind.name());
        assert_ne!(line.get("task"), Some(&Value::Null), "every task has its name");
    }
    let kinds = |name: &str| events.iter().filter(|event| event.kind.name() == name).count();
    assert_eq!((kinds("task_retrying"), kinds("run_finished")), (1, 1));
    assert!(matches!(events[0].kind, EventKind::RunStarted { max_parallel: Some(2), .. }));

    let trace: Value = serde_json::from_str(&render::chrome_trace(&report)).unwrap();
    let slices = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["cat"] == "task").count();
    assert_eq!(slices, report.tasks().map(|task| task.attempts() as usize).sum::<usize>());
    assert!(render::junit(&report).contains(r#"tests="4" failures="1" errors="0" skipped="1""#));
    assert!(render::github_summary(&report).contains("| ❌ | broken | failed | 1 |"));
    assert!(render::text(&report, 80).contains("\n  exit code 1\n"));
    let list = todo_list(&report, TodoMode::Parallel);
    let broken = list.todos.iter().find(|todo| todo.content == "  └─ broken").unwrap();
    assert_eq!(broken.active_form, "Failed: exit code 1\\n\\u{1b}[31m]]>");
}

/// Its output adds two tasks, one of them with a name that tries to leave its place.
async fn adding(context: TaskContext) -> Outcome {
    tokio::time::sleep(Duration::from_millis(20)).await;
    if context.id().as_str() != "plan" {
        return Outcome::done(());
    }
    Outcome::done(json!({"tasks": [
        {"id": "added <b>", "agent": "x"},
        {"id": "added \u{202e}", "agent": "x", "dependencies": ["added <b>"]},
    ]}))
}

#[tokio::test(start_paused = true)]
async fn tasks_that_the_run_adds_are_part_of_everything() {
    let expand = Expand { path: vec!["tasks".into()], before: vec!["join".into()], ..Expand::default() };
    let graph = Graph::builder("growing")
        .task(Task::new("plan").with(|options| options.expand = Some(expand)))
        .task(Task::new("join").after("plan"))
        .build()
        .unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
    let engine = Engine::builder().executor(adding).build().unwrap();
    let (events, report) = events(&engine, &plan, RunOptions::default()).await;

    let added = events.iter().find(|event| event.kind.name() == "tasks_added").unwrap();
    let line: Value = serde_json::from_str(&render::json_line(&added.named(report.graph()))).unwrap();
    assert_eq!((&line["by"], &line["tasks"][1]["id"]), (&json!("plan"), &json!("added \u{202e}")));

    assert_eq!((report.state(), report.counts().succeeded), (RunState::Succeeded, 4));
    assert_eq!(report.makespan(), Duration::from_millis(80), "one after the other");
    let path: Vec<_> = report.critical_path().iter().map(|step| report.graph().id(step.task).to_string()).collect();
    assert_eq!(path, ["plan", "added <b>", "added \\u{202e}", "join"]);
    let mut progress = Progress::new(&plan);
    events.iter().for_each(|event| progress.on(event));
    assert_eq!((progress.percent(), progress.counts().total()), (100.0, 4));
    let list = todo_list(&report, TodoMode::Strict);
    let levels = list.todos.iter().filter(|todo| todo.content.starts_with("Level ")).count();
    assert_eq!(levels, 4);
}
