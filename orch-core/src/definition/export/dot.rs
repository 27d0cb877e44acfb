//! DOT, the language of Graphviz.

use std::fmt::Write as _;

use super::palette::{TEXT, look};
use crate::{definition::Graph, event::TaskState, id::Printable};

/// The graph as DOT, for Graphviz.
///
/// `states` holds a state for each place, which colours the tasks; a place without one stays white. Identifiers are made
/// up (`n0`, `n1` …), names are escaped labels, and no label is HTML. There is no limit on the size: Graphviz has none,
/// but it is slow above some thousand tasks.
///
/// ```
/// use orch_core::{Graph, Task, TaskState, definition::export};
///
/// let graph = Graph::builder("g").task(Task::new("say \"hi\"")).build()?;
/// let text = export::dot(&graph, &[TaskState::Failed]);
/// assert!(text.contains(r##""n0" [label="say \"hi\"", fillcolor="#fee2e2", color="#dc2626"];"##));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn dot(graph: &Graph, states: &[TaskState]) -> String {
    let mut text = String::with_capacity(64 * (graph.len() + graph.edges()) + 256);
    text.push_str("digraph orch {\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "    graph [label={}, rankdir=TB];", quoted(graph.name()));
    let _ = writeln!(
        text,
        "    node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#6b7280\", fontcolor=\"{TEXT}\"];"
    );
    for ix in graph.indices() {
        let _ = write!(text, "    \"n{}\" [label={}", ix.index(), quoted(graph.id(ix).as_str()));
        if let Some(&state) = states.get(ix.index()) {
            let look = look(state);
            let _ = write!(text, ", fillcolor=\"{}\", color=\"{}\"", look.fill, look.border);
        }
        text.push_str("];\n");
    }
    for to in graph.indices() {
        for from in graph.parents(to) {
            let _ = writeln!(text, "    \"n{}\" -> \"n{}\";", from.index(), to.index());
        }
    }
    text.push_str("}\n");
    text
}

/// A quoted string of DOT that shows the name as it is: Graphviz reads `\N`, `\n` and HTML entities in labels, so each
/// backslash is doubled and each ampersand is an entity itself.
fn quoted(name: &str) -> String {
    let shown = Printable(name).to_string();
    format!("\"{}\"", shown.replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    #[test]
    fn hostile_names_stay_labels() {
        let graph = Graph::builder("a\"];x[\\")
            .task(Task::new("end\\"))
            .task(Task::new("<b>&lt;\u{1b}\\N\n").after("end\\"))
            .build()
            .unwrap();
        insta::assert_snapshot!(dot(&graph, &[TaskState::Running]), @r##"
        digraph orch {
            graph [label="a\"];x[\\", rankdir=TB];
            node [shape=box, style="rounded,filled", fillcolor="#ffffff", color="#6b7280", fontcolor="#111827"];
            "n0" [label="end\\", fillcolor="#dbeafe", color="#2563eb"];
            "n1" [label="<b>&amp;lt;\\u{1b}\\N\\n"];
            "n0" -> "n1";
        }
        "##);
    }
}
