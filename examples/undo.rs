//! What becomes of half a release when its last step fails?

use std::sync::{Arc, Mutex};

use orch_core::{
    Engine, Graph, Outcome, Plan, PlanOptions, Result, RunOptions, Task, TaskContext, TaskState, Undo, UndoOn,
    report::UndoState,
};

#[tokio::main]
async fn main() -> Result<()> {
    let graph = Graph::builder("release")
        .task(Task::new("build").undo("delete"))
        .task(Task::new("test").after("build"))
        .task(Task::new("publish").after("test").undo("withdraw"))
        // Only when a check finds the release bad; a lost connection is no reason to forget that it was written.
        .task(Task::new("notes").after("build").undo(Undo { on: vec![UndoOn::Validation], ..Undo::by("delete") }))
        .task(Task::new("announce").after("publish").after("notes"))
        .build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;

    // What the outside world has of the release.
    let world: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = world.clone();
    let work = move |task: TaskContext| {
        let world = world.clone();
        async move {
            let mut world = world.lock().expect("nobody panics while holding it");
            // An executor that undoes looks here first.
            if let Some(undo) = task.undo() {
                let thing = undo.output.json().and_then(|output| output.as_str()).unwrap_or_default().to_owned();
                world.retain(|known| *known != thing);
                return Outcome::done(format!("{} {thing}", task.agent().unwrap_or_default()));
            }
            match task.id().as_str() {
                "test" => Outcome::done(()),
                "announce" => Outcome::failed("the mailing list is down"),
                name => {
                    let thing = format!("{name} of version 2");
                    world.push(thing.clone());
                    Outcome::done(thing)
                }
            }
        }
    };

    let engine = Engine::builder().executor(work).build()?;
    let report = engine.run(&plan, RunOptions::default()).await?;
    println!("{report}");

    let undo = report.undo().expect("the run failed, and there was something to undo");
    let order: Vec<&str> = undo.steps.iter().map(|step| graph.id(step.task).as_str()).collect();
    assert_eq!(order, ["publish", "build"], "the latest first; `test` has nothing to undo");
    assert!(undo.steps.iter().all(|step| step.state == UndoState::Undone));
    assert_eq!(report.find("publish").expect("a task").state(), TaskState::Undone);
    for &(task, why) in &undo.kept {
        println!("kept: {}, since {}", graph.id(task), report.why_kept(task, why));
    }
    assert_eq!(*seen.lock().expect("nobody holds it"), ["notes of version 2"]);
    Ok(())
}
