//! Going back and going on in real runs: checkpoints and circuit breakers.
#![cfg(test)]

use std::sync::{Mutex, PoisonError};

use orch_core::{
    Engine, EventKind, Graph, Outcome, Plan, PlanOptions, Report, Rollback, RunOptions, RunState, Task, TaskContext,
    TaskState, UndoScope,
    recovery::{checkpoint::Checkpoint, saga},
    report::render,
};

fn plan(graph: &Graph) -> Plan {
    Plan::new(graph, &PlanOptions::default()).unwrap()
}

/// build → publish → announce; all can be undone.
fn release() -> Graph {
    let tasks = [Task::new("build"), Task::new("publish").after("build"), Task::new("announce").after("publish")];
    let undoable = tasks.map(|task| {
        task.undo("x").with(|options| {
            options.rollback = Some(Rollback { scope: UndoScope::ToCheckpoint("built".into()), ..Rollback::default() });
        })
    });
    Graph::builder("release").tasks(undoable).build().unwrap()
}

/// What was done, in order.
#[derive(Default)]
struct Done(Mutex<Vec<String>>);

impl Done {
    fn add(&self, task: &TaskContext) {
        let undo = if task.undo().is_some() { "undo " } else { "" };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{undo}{}", task.id()));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn states(report: &Report) -> Vec<TaskState> {
    report.tasks().map(|task| task.state()).collect()
}

#[tokio::test]
async fn a_task_makes_a_checkpoint_and_a_failure_goes_back_to_it() {
    let done = std::sync::Arc::new(Done::default());
    let log = done.clone();
    let work = move |task: TaskContext| {
        let log = log.clone();
        async move {
            log.add(&task);
            match (task.id().as_str(), task.undo()) {
                ("publish", None) => task.checkpoint("built"),
                ("announce", None) => return Outcome::failed("no network"),
                _ => {}
            }
            Outcome::done(())
        }
    };
    let engine = Engine::builder().executor(work).build().unwrap();
    let report = engine.run(&plan(&release()), RunOptions::default()).await.unwrap();
    assert_eq!(done.take(), ["build", "publish", "announce", "undo publish"], "`build` was before the checkpoint");
    assert_eq!(states(&report), [TaskState::Succeeded, TaskState::Undone, TaskState::Failed]);
    let text = render::text(&report, 80);
    assert!(text.contains("checkpoints:\n  built after ") && text.contains("1 task done"), "{text}");
    assert!(text.contains("kept: build: the run does not go back that far"), "{text}");
}

/// The caller makes a checkpoint, goes back to it, and a second run continues from there.
#[tokio::test]
async fn a_caller_goes_back_and_goes_on_in_another_run() {
    let done = std::sync::Arc::new(Done::default());
    let log = done.clone();
    let work = move |task: TaskContext| {
        let log = log.clone();
        async move {
            log.add(&task);
            let first_run = task.inputs().values().contains_key("first");
            if task.id().as_str() == "announce" && task.undo().is_none() && first_run {
                std::future::pending::<()>().await;
            }
            Outcome::done(format!("{} is done", task.id()))
        }
    };
    let engine = Engine::builder().executor(work).build().unwrap();
    let graph = release();
    let inputs = [("first".to_owned(), true.into())].into_iter().collect();
    let mut run = engine.start(&plan(&graph), RunOptions { inputs, ..RunOptions::default() });
    let mut made = 0;
    while let Some(event) = run.next_event().await {
        match &event.kind {
            EventKind::TaskStarted { task, .. } if graph.id(*task).as_str() == "announce" => {
                run.checkpoint("published")
            }
            EventKind::CheckpointMade { name, tasks } => {
                made += 1;
                assert_eq!((&**name, tasks.len()), ("published", 2));
                run.back_to("published");
            }
            _ => {}
        }
    }
    let report = run.report().await.unwrap();
    assert_eq!((made, report.state()), (1, RunState::Cancelled));
    assert_eq!(done.take(), ["build", "publish", "announce"], "`announce` did not end, so there is nothing to undo");

    let checkpoint = Checkpoint::of(&report, "published").unwrap();
    // As it would be kept in a file.
    let checkpoint: Checkpoint = serde_json::from_str(&serde_json::to_string(&checkpoint).unwrap()).unwrap();
    let back = checkpoint.back(&graph, &saga::standing(&report)).unwrap();
    let report =
        engine.run(&plan(&graph), RunOptions { restore: back.restore, ..RunOptions::default() }).await.unwrap();
    assert_eq!((report.state(), done.take()), (RunState::Succeeded, vec!["announce".to_owned()]));
    let build = report.find("build").unwrap();
    assert!(build.is_restored() && build.attempts() == 0);
    assert_eq!(build.output().json().unwrap(), "build is done");
}
