//! How can a task decide, while the run goes on, what else is to do?

use orch_core::{Engine, Expand, Graph, Plan, PlanOptions, Result, RunOptions, Task, TaskContext};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<()> {
    // Each element of `tasks` in the output of `plan` becomes a task; `report` then waits for all of them.
    let expand = Expand { path: vec!["tasks".into()], before: vec!["report".into()], ..Expand::default() };
    let graph = Graph::builder("refactoring")
        .task(Task::new("plan").with(|options| options.expand = Some(expand)))
        .task(Task::new("report").after("plan"))
        .build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;
    let engine = Engine::builder().executor(work).build()?;
    let report = engine.run(&plan, RunOptions::default()).await?;

    println!("{report}");
    let ids: Vec<&str> = report.graph().tasks().iter().map(|task| task.id().as_str()).collect();
    assert_eq!(ids, ["plan", "report", "rename", "move"]);
    assert!(
        report.find("move").and_then(|task| task.finished()) <= report.find("report").and_then(|task| task.started())
    );
    report.into_result()
}

async fn work(task: TaskContext) -> Value {
    match task.id().as_str() {
        "plan" => json!({"tasks": [
            {"id": "rename", "description": "rename the type"},
            {"id": "move", "description": "move the module", "dependencies": ["rename"]},
        ]}),
        other => json!(format!("{other} is done")),
    }
}
