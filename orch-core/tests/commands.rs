//! The commands in `examples/commands`: sound, as large and as quick as their descriptions say.
#![cfg(test)]

use std::{fs, path::Path, time::Duration};

use orch_core::{Command, GraphOptions, Plan, PlanOptions};

/// The plan of an example, which has no problem however strictly one looks, and nothing to leave out.
#[track_caller]
fn plan(name: &str) -> (Plan, usize) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/commands").join(name);
    let command = Command::parse(&fs::read_to_string(file).unwrap()).unwrap();
    let options = GraphOptions { strict: true, ..GraphOptions::default() };
    assert_eq!(command.problems(&options), []);
    assert_eq!(command.name(), format!("/{}", name.strip_suffix(".json").unwrap()));
    assert!(command.description().chars().count() <= 200);
    for agent in command.phases().iter().flat_map(|phase| &phase.agents) {
        assert!(agent.timeout.unwrap() >= 3 * agent.estimate.unwrap(), "`{}` may take three times as long", agent.id);
        assert_eq!(agent.outputs.len(), 1, "`{}`: with one output, what a program prints is its value", agent.id);
    }
    let graph = command.graph(&options).unwrap();
    assert_eq!(graph.optimize().unwrap().changes, []);
    (Plan::new(&graph, &PlanOptions::default()).unwrap(), command.phases().len())
}

/// Phases, tasks, dependencies, levels, minutes one after another, minutes side by side.
fn numbers((plan, phases): &(Plan, usize)) -> (usize, usize, usize, u32, Duration, Duration) {
    (*phases, plan.graph().len(), plan.graph().edges(), plan.levels(), plan.serial(), plan.critical())
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn review_all() {
    assert_eq!(numbers(&plan("review-all.json")), (3, 7, 10, 3, minutes(41), minutes(17)));
}

#[test]
fn security_fortress() {
    assert_eq!(numbers(&plan("security-fortress.json")), (7, 21, 54, 9, minutes(175), minutes(70)));
}

#[test]
fn performance_surge() {
    assert_eq!(numbers(&plan("performance-surge.json")), (8, 42, 70, 10, minutes(210), minutes(54)));
}

#[test]
fn deploy_with_undo() {
    let (plan, phases) = plan("deploy-with-undo.json");
    assert_eq!(
        numbers(&(plan.clone(), phases)),
        (3, 6, 5, 5, minutes(6) + Duration::from_secs(10), minutes(4) + Duration::from_secs(40))
    );
    let undo = |id: &str| plan.graph().task(plan.graph().find(id).unwrap()).options().undo.clone();
    assert_eq!(undo("save-database"), None, "a copy is kept");
    assert_eq!(undo("change-schema").unwrap().agent.as_deref(), Some("restorer"));
    assert_eq!(undo("upload-pictures").unwrap().agent, None, "by the same agent");
}

#[test]
fn parallel_worktrees() {
    assert_eq!(numbers(&plan("parallel-worktrees.json")), (2, 6, 5, 2, minutes(8), minutes(3)));
}
