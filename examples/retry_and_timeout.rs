//! What happens to tasks that fail, hang or panic?

use std::time::Duration;

use orch_core::{
    Backoff, Engine, FailurePolicy, Graph, Plan, PlanOptions, Result, Retry, RunOptions, Task, TaskContext, TaskState,
};

#[tokio::main]
async fn main() -> Result<()> {
    let retry = Retry {
        max_attempts: 3,
        strategy: Backoff::Exponential,
        initial_delay: Duration::from_millis(10),
        ..Retry::default()
    };
    let graph = Graph::builder("trouble")
        .task(Task::new("flaky").with(|options| options.retry = Some(retry)))
        .task(Task::new("slow").timeout(Duration::from_millis(50)).with(|options| options.allow_failure = true))
        .task(Task::new("buggy"))
        .task(Task::new("after-flaky").after("flaky").after("slow"))
        .task(Task::new("after-buggy").after("buggy"))
        .build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;

    let engine = Engine::builder().executor(work).build()?;
    // The default stops everything at the first failure; here all that does not need the failed task goes on.
    let options = RunOptions { on_failure: FailurePolicy::Continue, ..RunOptions::default() };
    let report = engine.run(&plan, options).await?;

    println!("{report}");
    let states: Vec<TaskState> = report.tasks().map(|task| task.state()).collect();
    use TaskState::{Cancelled, Failed, Succeeded};
    assert_eq!(states, [Succeeded, Failed, Failed, Succeeded, Cancelled]);
    // A failed task is data in the report; it becomes an error only when asked.
    println!("{}", report.into_result().expect_err("`buggy` failed"));
    Ok(())
}

async fn work(task: TaskContext) -> Result<String, String> {
    match task.id().as_str() {
        "flaky" if task.attempt() < 3 => Err(format!("attempt {} met a closed door", task.attempt())),
        "slow" => std::future::pending().await,
        "buggy" => panic!("a panic fails the task, not the engine"),
        _ => Ok("fine".to_owned()),
    }
}
