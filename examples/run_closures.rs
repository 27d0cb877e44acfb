//! How do I run my own async functions as tasks?

use orch_core::{Engine, Graph, Plan, PlanOptions, Result, RunOptions, Task, TaskContext};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<()> {
    let graph = Graph::builder("greeting")
        .task(Task::new("name"))
        .task(Task::new("time"))
        .task(Task::new("greet").after("name").after("time"))
        .build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;

    let engine = Engine::builder().executor(work).build()?;
    let report = engine.run(&plan, RunOptions { max_parallel: 4, ..RunOptions::default() }).await?;

    println!("{report}");
    assert_eq!(report.find("greet").and_then(|task| task.output().json()), Some(&json!("Good evening, Ada")));
    report.into_result()
}

/// Any async function from a task to text, JSON, nothing, or a `Result` of them is an executor.
async fn work(task: TaskContext) -> Result<Value, String> {
    let text = |of: &str| task.inputs().output(of).and_then(|output| output.json()?.as_str()).unwrap_or_default();
    match task.id().as_str() {
        "name" => Ok(json!("Ada")),
        "time" => Ok(json!("evening")),
        "greet" => Ok(json!(format!("Good {}, {}", text("time"), text("name")))),
        other => Err(format!("nobody wrote `{other}`")),
    }
}
