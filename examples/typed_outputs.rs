//! How do tasks hand values of my own types to each other?

use orch_core::{Engine, Graph, Outcome, Output, Plan, PlanOptions, Result, RunOptions, Task, TaskContext};

/// Not JSON, not serialised, not copied: tasks of one process share it.
struct Words(Vec<&'static str>);

#[tokio::main]
async fn main() -> Result<()> {
    let graph = Graph::builder("count").task(Task::new("read")).task(Task::new("count").after("read")).build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;
    let engine = Engine::builder().executor(work).build()?;
    let report = engine.run(&plan, RunOptions::default()).await?;

    let count = report.find("count").and_then(|task| task.output().downcast::<usize>()).copied();
    println!("{count:?} words");
    assert_eq!(count, Some(4));
    report.into_result()
}

async fn work(task: TaskContext) -> Outcome {
    match task.inputs().output("read") {
        None => Outcome::done(Output::typed(Words("to be or not".split(' ').collect()))),
        Some(output) => match output.downcast::<Words>() {
            Some(words) => Outcome::done(Output::typed(words.0.len())),
            None => Outcome::failed("`read` made something else"),
        },
    }
}
