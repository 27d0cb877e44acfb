//! What each fuzz target does with one input. `tests/fuzz_corpus.rs` runs the same functions over the seeds.
//!
//! A body may only end: a panic, an endless loop or a failed comparison is a bug.

use std::time::Duration;

use orch_core::{
    Graph, GraphOptions, PhaseOrder, Plan, PlanOptions,
    definition::{
        command::{Command, Expression},
        export,
    },
    run::{Rules, simulate},
};

/// A command definition in JSON, on its whole way to a forecast.
pub(crate) fn json(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(command) = Command::parse(text) else { return };
    // What is written back is read as the same definition.
    let written = serde_json::to_string(&command).unwrap();
    let again = Command::parse(&written).unwrap();
    assert_eq!(command.as_value(), again.as_value());
    assert_eq!(command.phases(), again.phases());
    for phase_order in [PhaseOrder::Dag, PhaseOrder::Barrier] {
        for strict in [false, true] {
            let options = GraphOptions { phase_order, strict, ..GraphOptions::default() };
            let problems = command.problems(&options);
            match command.graph(&options) {
                Ok(built) => graph(&built),
                Err(error) => {
                    assert_eq!(error.problems(), problems);
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

/// A workflow in WfFormat.
pub(crate) fn wfformat(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(read) = export::from_wfformat(text) else { return };
    graph(&read);
    let again = export::from_wfformat(&export::wfformat(&read)).unwrap();
    assert_eq!((again.len(), again.edges()), (read.len(), read.edges()));
}

/// What must hold for every graph.
fn graph(graph: &Graph) {
    let Ok(plan) = Plan::new(graph, &PlanOptions::default()) else { return };
    assert_eq!(plan.critical_path().is_empty(), graph.is_empty());
    assert!(plan.critical() <= plan.serial());
    let rules = Rules { max_parallel: 2, ..Rules::default() };
    let forecast = simulate(&plan, rules, |_| Duration::from_secs(1)).unwrap();
    assert_eq!(forecast.work, Duration::from_secs(graph.len() as u64));
    let optimized = graph.optimize().unwrap();
    assert!(optimized.graph.edges() <= graph.edges());
    drop((export::mermaid(graph, &[]), export::dot(graph, &[]), export::wfformat(graph)));
}

/// A condition, over values of every type.
pub(crate) fn condition(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(expression) = Expression::parse(text) else { return };
    assert_eq!(expression.source(), text);
    let scope = serde_json::json!({
        "context": {"a": 1, "b": "text", "list": [1, "x", {"a": true}, [], null], "yes": true, "none": null},
        "outputs": {"scan": {"issues": [{"severity": "high"}, {"severity": "low"}], "count": -0.5}},
        "inputs": {"level": 3},
    });
    let holds = expression.evaluate(&scope);
    assert_eq!(expression.evaluate(&scope), holds);
    // Each value that is read is named, so that a reader of the definition knows what it waits for.
    assert!(expression.references().iter().all(|path| !path.is_empty()));
    let copy: Expression = serde_json::from_value(serde_json::to_value(&expression).unwrap()).unwrap();
    assert_eq!(copy.evaluate(&scope), holds);
}
