//! What the fuzz target `markdown` does with one input. In a file of its own: `bodies.rs` also serves tests without the
//! feature.

use orch_core::{
    GraphOptions, Plan, PlanOptions, Problem, Severity,
    definition::command::{Command, convert},
};

/// A version 1 command, on its way to a graph.
pub(crate) fn markdown(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(conversion) = convert(text, None) else { return };
    let command = &conversion.command;
    // Every problem is told by a line of the text, and the definition is one that JSON can carry.
    let has_place = |problem: &Problem| problem.line.is_some() || problem.code == "MORE_PROBLEMS";
    assert!(conversion.problems.iter().all(has_place), "{conversion}");
    assert_eq!(Command::from_value(command.as_value().clone()).phases(), command.phases());
    let lines = text.lines().count() as u32;
    let notes = conversion.inferred.iter().chain(&conversion.unknown).filter_map(|note| note.line);
    let named = notes.chain(conversion.problems.iter().filter_map(|problem| problem.line));
    named.for_each(|line| assert!((1..=lines).contains(&line), "line {line} of {lines}"));
    // The same text always gives the same definition and the same account.
    let json = |conversion| serde_json::to_string(conversion).unwrap();
    assert_eq!(json(&convert(text, None).unwrap()), json(&conversion));
    let sound = conversion.problems.iter().all(|problem| problem.severity != Severity::Error);
    match command.graph(&GraphOptions::default()) {
        Ok(graph) => {
            assert!(sound && !graph.is_empty());
            let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
            assert_eq!((plan.serial(), Some(plan.critical())), (conversion.serial, conversion.parallel));
        }
        Err(_) => assert!(!sound),
    }
    assert!(!conversion.to_string().is_empty());
}
