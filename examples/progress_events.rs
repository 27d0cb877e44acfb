//! How do I follow a run while it goes on?

use std::time::Duration;

use orch_core::{Engine, EventKind, Graph, Plan, PlanOptions, Progress, Result, RunOptions, Stream, Task, TaskContext};

#[tokio::main]
async fn main() -> Result<()> {
    let graph = Graph::builder("pages")
        .tasks((1..=6).map(|page| Task::new(format!("page {page}")).estimate(Duration::from_millis(20))))
        .build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;
    let engine = Engine::builder().executor(work).build()?;

    // Events are the only thing a run says. Progress, reports and notices are folds over them.
    let mut progress = Progress::new(&plan);
    let mut run = engine.start(&plan, RunOptions { max_parallel: 2, ..RunOptions::default() });
    while let Some(event) = run.next_event().await {
        progress.on(&event);
        match &event.kind {
            EventKind::TaskOutput { task, text, .. } => println!("{}: {text}", graph.id(*task)),
            EventKind::TaskFinished { task, .. } => println!(
                "{:3.0} %, {} is done, about {:?} to go",
                progress.percent(),
                graph.id(*task),
                progress.rest(event.at)
            ),
            _ => {}
        }
    }
    assert_eq!(progress.percent(), 100.0);
    run.report().await?.into_result()
}

async fn work(task: TaskContext) -> &'static str {
    task.say(Stream::Stdout, "reading").await;
    tokio::time::sleep(Duration::from_millis(15)).await;
    "read"
}
