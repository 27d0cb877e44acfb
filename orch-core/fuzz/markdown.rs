//! What the fuzz target `markdown` does with one input. In a file of its own: `bodies.rs` also serves tests without the
//! feature.

use orch_core::{
    GraphOptions, Severity,
    definition::command::{Command, convert},
};

/// A version 1 command, on its way to a graph.
pub(crate) fn markdown(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(conversion) = convert(text, None) else { return };
    let command = &conversion.command;
    // Every problem is told by a line of the text, and the definition is one that JSON can carry.
    assert!(conversion.problems.iter().all(|problem| problem.line.is_some()), "{conversion}");
    assert_eq!(Command::from_value(command.as_value().clone()).phases(), command.phases());
    let sound = conversion.problems.iter().all(|problem| problem.severity != Severity::Error);
    match command.graph(&GraphOptions::default()) {
        Ok(graph) => {
            assert!(sound && !graph.is_empty());
            assert!(conversion.parallel.is_some_and(|parallel| parallel <= conversion.serial));
        }
        Err(_) => assert!(!sound),
    }
    assert!(!conversion.to_string().is_empty());
}
