//! In which order can these tasks run, and how long will it take?

use std::time::Duration;

use orch_core::{
    Graph, Plan, PlanOptions, Result, Task,
    definition::export,
    run::{Rules, simulate},
};

fn main() -> Result<()> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let graph = Graph::builder("release")
        .task(Task::new("test").estimate(minutes(12)))
        .task(Task::new("lint").estimate(minutes(2)))
        .task(Task::new("build").estimate(minutes(8)))
        .task(Task::new("notes").estimate(minutes(5)))
        .task(Task::new("package").after("build").after("lint").estimate(minutes(3)))
        .task(Task::new("publish").after("test").after("package").after("notes").estimate(minutes(1)))
        .build()?;
    let plan = Plan::new(&graph, &PlanOptions::default())?;

    for (level, tasks) in plan.by_level().iter().enumerate() {
        let names: Vec<String> = tasks.iter().map(|&task| graph.id(task).to_string()).collect();
        println!("level {level}: {}", names.join(", "));
    }
    let path: Vec<&str> = plan.critical_path().iter().map(|&task| graph.id(task).as_str()).collect();
    println!("critical path: {} ({:?})", path.join(" → "), plan.critical());
    println!("one after the other: {:?}", plan.serial());
    assert_eq!(path, ["test", "publish"]);

    // The machine that decides real runs, on a virtual clock.
    for workers in 1..=4 {
        let rules = Rules { max_parallel: workers, ..Rules::default() };
        let forecast = simulate(&plan, rules, |task| plan.step(task).estimate)?;
        println!("{workers} workers: {:?}, busy {:.0} %", forecast.makespan, 100.0 * forecast.utilisation(workers));
    }

    println!("\n{}", export::mermaid(&graph, &[]));
    Ok(())
}
