//! Mermaid, which GitHub and many editors draw.

mod groups;

use std::fmt::Write as _;

use self::groups::Groups;
use super::palette::{STATES, TEXT, look};
use crate::{
    definition::Graph,
    event::TaskState,
    id::{Printable, TaskIx},
};

/// Mermaid refuses a longer text (its `maxTextSize`).
const MAX_TEXT: usize = 50_000;

/// Mermaid refuses more edges (its `maxEdges`).
const MAX_EDGES: usize = 500;

/// The longest name that is shown in full, in characters.
const MAX_LABEL: usize = 80;

/// The graph as a Mermaid flowchart.
///
/// `states` holds a state for each place, which colours the tasks; a place without one is pending, and an empty list
/// colours nothing. Tasks stand in boxes of their phases where there are several. Identifiers are made up, names are
/// escaped labels of at most 80 characters.
///
/// Mermaid draws at most 500 edges and 50,000 characters. A larger graph is drawn as groups of tasks with their number: by
/// phase, else by level, else by runs of levels; a comment in the first line says so.
///
/// ```
/// use orch_core::{Graph, Task, TaskState, definition::export};
///
/// let graph = Graph::builder("g").task(Task::new("say \"hi\"")).build()?;
/// assert!(export::mermaid(&graph, &[]).contains("n0[\"say #quot;hi#quot;\"]"));
/// assert!(export::mermaid(&graph, &[TaskState::Failed]).contains("class n0 failed"));
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn mermaid(graph: &Graph, states: &[TaskState]) -> String {
    // The shortest line of a task and of an edge: whether it is worth to try.
    if graph.edges() <= MAX_EDGES && graph.len() <= MAX_TEXT / 12 {
        let text = tasks(graph, states);
        if text.chars().count() <= MAX_TEXT {
            return text;
        }
    }
    Groups::by_phase(graph)
        .into_iter()
        .chain(Groups::by_level(graph))
        .filter(|groups| groups.edges(graph).len() <= MAX_EDGES)
        .map(|groups| grouped(graph, &groups, states))
        .find(|text| text.chars().count() <= MAX_TEXT)
        .unwrap_or_else(|| grouped(graph, &Groups::few(graph), states))
}

/// One node a task.
fn tasks(graph: &Graph, states: &[TaskState]) -> String {
    let mut text = String::from("flowchart TD\n");
    let node = |text: &mut String, indent: &str, ix: TaskIx| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{indent}n{}[\"{}\"]", ix.index(), label(graph.id(ix).as_str()));
    };
    match Groups::by_phase(graph) {
        None => graph.indices().for_each(|ix| node(&mut text, "    ", ix)),
        Some(phases) => {
            for (nth, phase) in phases.names().iter().enumerate() {
                let _ = writeln!(text, "    subgraph p{nth}[\"{}\"]", label(phase));
                phases.members(nth, graph).for_each(|ix| node(&mut text, "        ", ix));
                text.push_str("    end\n");
            }
        }
    }
    for to in graph.indices() {
        for from in graph.parents(to) {
            let _ = writeln!(text, "    n{} --> n{}", from.index(), to.index());
        }
    }
    if !states.is_empty() {
        let states = graph.indices().map(|ix| states.get(ix.index()).copied().unwrap_or_default());
        colours(&mut text, states);
    }
    text
}

/// One node a group.
fn grouped(graph: &Graph, groups: &Groups, states: &[TaskState]) -> String {
    let mut text = String::from("flowchart TD\n");
    let _ = writeln!(
        text,
        "    %% {} tasks and {} dependencies as {} groups: Mermaid draws at most {MAX_EDGES} dependencies",
        graph.len(),
        graph.edges(),
        groups.names().len()
    );
    for (nth, (name, size)) in groups.names().iter().zip(groups.sizes()).enumerate() {
        let plural = if size == 1 { "" } else { "s" };
        let _ = writeln!(text, "    n{nth}[\"{}<br/>{size} task{plural}\"]", label(name));
    }
    for (from, to) in groups.edges(graph) {
        let _ = writeln!(text, "    n{from} --> n{to}");
    }
    if !states.is_empty() {
        colours(&mut text, groups.states(states).into_iter());
    }
    text
}

/// The classes in use, and who belongs to each.
fn colours(text: &mut String, states: impl Iterator<Item = TaskState>) {
    let states: Vec<TaskState> = states.collect();
    for state in STATES {
        let members: Vec<String> =
            states.iter().enumerate().filter(|(_, of)| **of == state).map(|(nth, _)| format!("n{nth}")).collect();
        if !members.is_empty() {
            let look = look(state);
            let _ = writeln!(text, "    classDef {state} fill:{},stroke:{},color:{TEXT}", look.fill, look.border);
            let _ = writeln!(text, "    class {} {state}", members.join(","));
        }
    }
}

/// A name inside a quoted label. Mermaid reads quotes, entities, HTML, Markdown, `%%{` directives and `style` statements
/// there, so whatever is not plainly text becomes an entity of it.
fn label(name: &str) -> String {
    let shown = Printable(name).to_string();
    let mut text = String::with_capacity(shown.len() + 8);
    let mut rest = shown.chars().take(MAX_LABEL).peekable();
    let mut before = None;
    // "1. x" and "- x" would become lists, which Mermaid then refuses to draw.
    let mut only_digits = true;
    while let Some(char) = rest.next() {
        let between_words =
            before.is_some_and(char::is_alphanumeric) && rest.peek().copied().is_some_and(char::is_alphanumeric);
        let plain = match char {
            '.' | ')' => !only_digits,
            '-' => before.is_some(),
            '_' => between_words,
            ' ' | ',' | '/' | '(' | '?' | '!' | '\'' | '+' => true,
            _ => char.is_alphanumeric() || !char.is_ascii(),
        };
        match char {
            '"' => text.push_str("#quot;"),
            _ if plain => text.push(char),
            _ => {
                let _ = write!(text, "#{};", u32::from(char));
            }
        }
        only_digits &= char.is_ascii_digit();
        before = Some(char);
    }
    if shown.chars().nth(MAX_LABEL).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{Task, testing::graphs::graphs};

    #[test]
    fn hostile_names_stay_labels() {
        let names = [
            "say \"hi\"]; click n0 href",
            "%%{init: {}}%%",
            "a\u{1b}[2J\nb",
            "style x:#f00;",
            "1. first",
            "- item",
            "__init__",
            "snake_case-id 2.0",
            "<b>&amp;`",
            "#quot;",
            "end",
        ];
        let graph = Graph::builder("g").tasks(names.map(Task::new)).build().unwrap();
        insta::assert_snapshot!(mermaid(&graph, &[]), @r##"
        flowchart TD
            n0["say #quot;hi#quot;#93;#59; click n0 href"]
            n1["#37;#37;#123;init#58; #123;#125;#125;#37;#37;"]
            n2["a#92;u#123;1b#125;#91;2J#92;nb"]
            n3["style x#58;#35;f00#59;"]
            n4["1#46; first"]
            n5["#45; item"]
            n6["#95;#95;init#95;#95;"]
            n7["snake_case-id 2.0"]
            n8["#60;b#62;#38;amp#59;#96;"]
            n9["#35;quot#59;"]
            n10["end"]
        "##);
    }

    #[test]
    fn phases_are_boxes_and_states_are_classes() {
        let task = |name: &str, phase: &str| Task::new(name).with(|options| options.phase = Some(phase.into()));
        let graph = Graph::builder("g")
            .task(task("a", "Look"))
            .task(task("b", "Look"))
            .task(task("c", "Do \"it\"").after("a").after("b"))
            .build()
            .unwrap();
        insta::assert_snapshot!(mermaid(&graph, &[TaskState::Succeeded, TaskState::Failed]), @r#"
        flowchart TD
            subgraph p0["Look"]
                n0["a"]
                n1["b"]
            end
            subgraph p1["Do #quot;it#quot;"]
                n2["c"]
            end
            n0 --> n2
            n1 --> n2
            classDef pending fill:#f3f4f6,stroke:#6b7280,color:#111827
            class n2 pending
            classDef succeeded fill:#dcfce7,stroke:#16a34a,color:#111827
            class n0 succeeded
            classDef failed fill:#fee2e2,stroke:#dc2626,color:#111827
            class n1 failed
        "#);
    }

    fn wide(count: usize) -> Graph {
        let mut builder = Graph::builder("wide");
        let first = builder.add(Task::new("first"));
        let last = builder.add(Task::new("last"));
        for nth in 0..count {
            let ix = builder.add(Task::new(format!("w{nth}")).estimate(Duration::from_secs(1)));
            builder.link(first, ix);
            builder.link(ix, last);
        }
        builder.build().unwrap()
    }

    #[test]
    fn too_many_edges_become_levels() {
        assert!(!mermaid(&wide(250), &[]).contains("%%"), "500 edges are drawn");
        insta::assert_snapshot!(mermaid(&wide(1_000), &[TaskState::Succeeded]), @r#"
        flowchart TD
            %% 1002 tasks and 2000 dependencies as 3 groups: Mermaid draws at most 500 dependencies
            n0["level 1<br/>1 task"]
            n1["level 2<br/>1000 tasks"]
            n2["level 3<br/>1 task"]
            n0 --> n1
            n1 --> n2
            classDef pending fill:#f3f4f6,stroke:#6b7280,color:#111827
            class n1,n2 pending
            classDef succeeded fill:#dcfce7,stroke:#16a34a,color:#111827
            class n0 succeeded
        "#);
    }

    #[test]
    fn a_long_chain_becomes_runs_of_levels() {
        let mut builder = Graph::builder("chain");
        let tasks: Vec<_> = (0..100_000).map(|nth| builder.add(Task::new(nth.to_string()))).collect();
        tasks.windows(2).for_each(|pair| builder.link(pair[0], pair[1]));
        let text = mermaid(&builder.build().unwrap(), &[]);
        assert!(text.contains("n29[\"levels 96687 to 100000<br/>3314 tasks\"]"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("-->")).count(), 29);
    }

    #[test]
    fn long_names_in_many_phases_stay_below_the_limit() {
        let graph = Graph::builder("g")
            .tasks((0..400).map(|nth| {
                let phase = format!("{nth}{}", "\"".repeat(400));
                Task::new(format!("{nth}{}", "<".repeat(400))).with(|options| options.phase = Some(phase))
            }))
            .build()
            .unwrap();
        let text = mermaid(&graph, &[]);
        assert!(text.chars().count() <= MAX_TEXT);
        assert!(text.contains("level 1<br/>400 tasks"), "{text}");
    }

    proptest! {
        #[test]
        fn every_task_and_every_dependency_is_drawn_once(graph in graphs(30)) {
            let text = mermaid(&graph, &[]);
            prop_assert_eq!(text.lines().filter(|line| line.contains("[\"")).count(), graph.len());
            prop_assert_eq!(text.lines().filter(|line| line.contains(" --> ")).count(), graph.edges());
        }

        #[test]
        fn a_label_is_one_line_without_what_mermaid_reads(name in "\\PC{0,100}|[\"#;%{}<>`:&*\\[\\]|\\\\\n]{0,40}") {
            let text = label(&name);
            prop_assert!(!text.contains(['"', '<', '>', '%', '`', '\n', '&', ':', '{', '[', ']', '\\', '*', '|']), "{text}");
        }
    }
}
