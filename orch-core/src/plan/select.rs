//! Parts of a graph: only some targets, with what they need.

use crate::{
    definition::{Graph, GraphBuilder, UndoScope, nearest},
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// The graph of `targets` and of everything that they wait for, directly or not. The tasks keep their order.
///
/// Limits and breakers stay; a rollback to a task that goes is one of all. A quorum asks for at most as many successes as its group still has tasks. Naming a target twice is the
/// same as once; no target gives an empty graph.
///
/// ```
/// use orch_core::{Graph, Task, plan::select};
///
/// let graph = Graph::builder("release")
///     .task(Task::new("test"))
///     .task(Task::new("build"))
///     .task(Task::new("publish").after("build"))
///     .build()?;
/// let part = select(&graph, ["publish"])?;
/// assert_eq!(part.tasks().iter().map(|task| task.id().as_str()).collect::<Vec<_>>(), ["build", "publish"]);
///
/// let error = select(&graph, ["publsih"]).unwrap_err();
/// assert!(error.to_string().contains("did you mean `publish`?"));
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if a target is no task of the graph; the message names each.
#[expect(clippy::indexing_slicing, reason = "places of a graph are below its length, the length of the lists here")]
pub fn select<I>(graph: &Graph, targets: I) -> Result<Graph>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let mut wanted = vec![false; graph.len()];
    let mut unknown = Vec::new();
    for target in targets {
        match graph.find(target.as_ref()) {
            Some(ix) => wanted[ix.index()] = true,
            None => unknown.push(no_task(graph, target.as_ref())),
        }
    }
    if !unknown.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, unknown.join("; ")));
    }
    for ix in graph.topological().rev() {
        if wanted[ix.index()] {
            graph.parents(ix).for_each(|parent| wanted[parent.index()] = true);
        }
    }
    part(graph, &wanted)
}

/// The tasks that are `wanted`, with the dependencies among them.
#[expect(clippy::indexing_slicing, reason = "places of a graph are below its length, the length of the lists here")]
fn part(graph: &Graph, wanted: &[bool]) -> Result<Graph> {
    let mut builder = Graph::builder(graph.name());
    let mut places = vec![None; graph.len()];
    for ix in graph.indices().filter(|ix| wanted[ix.index()]) {
        let mut task = graph.task(ix).clone();
        if let Some(UndoScope::To(target)) = task.options().rollback.as_ref().map(|rollback| &rollback.scope)
            && graph.find(target.as_str()).is_none_or(|target| !wanted[target.index()])
        {
            // What is not there does not end, and then everything is undone.
            task = task.with(|options| options.rollback = None);
        }
        places[ix.index()] = Some(builder.add(task));
    }
    for ix in graph.indices() {
        let Some(to) = places[ix.index()] else { continue };
        for from in graph.parents(ix).filter_map(|parent| places[parent.index()]) {
            builder.link(from, to);
        }
    }
    builder = graph.resources().values().cloned().fold(builder, GraphBuilder::resource);
    for (group, &least) in graph.quorums() {
        let members = graph
            .indices()
            .filter(|ix| wanted[ix.index()] && graph.task(*ix).options().group.as_ref() == Some(group))
            .count();
        if members > 0 {
            builder = builder.quorum(group, least.min(u32::try_from(members).unwrap_or(u32::MAX)));
        }
    }
    for (name, options) in graph.breakers() {
        builder = builder.breaker(name, options.clone());
    }
    builder.build()
}

fn no_task(graph: &Graph, target: &str) -> String {
    /// A suggestion costs a comparison with every name.
    const COMPARED: usize = 10_000;
    let near = nearest(target, graph.tasks().iter().take(COMPARED).map(|task| task.id().as_str()));
    let hint = near.map(|near| format!("; did you mean `{}`?", Printable(near))).unwrap_or_default();
    format!("the target `{}` is no task of `{}`{hint}", Printable(target), Printable(graph.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::{Resource, Task, TaskIx, testing::graphs::graphs};

    /// A task and all it waits for, by the definition.
    fn needs<'g>(graph: &'g Graph, ix: TaskIx, into: &mut BTreeSet<&'g str>) {
        if into.insert(graph.id(ix).as_str()) {
            graph.parents(ix).for_each(|parent| needs(graph, parent, into));
        }
    }

    proptest! {
        #[test]
        fn a_part_holds_the_targets_and_what_they_need(graph in graphs(20), picks in prop::collection::vec(any::<Index>(), 0..4)) {
            let targets: Vec<_> = picks.iter().map(|pick| TaskIx::from(pick.index(graph.len()) as u32)).collect();
            let part = select(&graph, targets.iter().map(|&ix| graph.id(ix).as_str())).unwrap();
            let mut expected = BTreeSet::new();
            targets.iter().for_each(|&ix| needs(&graph, ix, &mut expected));
            let names: Vec<_> = part.tasks().iter().map(|task| task.id().as_str()).collect();
            let in_order: Vec<_> =
                graph.tasks().iter().map(|task| task.id().as_str()).filter(|name| expected.contains(name)).collect();
            prop_assert_eq!(names, in_order);
            for ix in part.indices() {
                let before = graph.find(part.id(ix).as_str()).unwrap();
                let parents: BTreeSet<_> = part.parents(ix).map(|parent| part.id(parent)).collect();
                let parents_before: BTreeSet<_> = graph.parents(before).map(|parent| graph.id(parent)).collect();
                prop_assert_eq!(parents, parents_before);
                prop_assert_eq!(part.task(ix), graph.task(before));
            }
        }
    }

    #[test]
    fn every_unknown_target_is_named() {
        let graph = Graph::builder("g").task(Task::new("lint")).task(Task::new("test")).build().unwrap();
        let error = select(&graph, ["tset", "lint", "\u{1b}[2J"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        insta::assert_snapshot!(error, @r#"the target `tset` is no task of `g`; the target `\u{1b}[2J` is no task of `g`"#);
    }

    #[test]
    fn a_quorum_shrinks_with_its_group() {
        let vote = |name: &str| Task::new(name).with(|options| options.group = Some("votes".into()));
        let graph = Graph::builder("g")
            .tasks([vote("a"), vote("b"), vote("c"), Task::new("d")])
            .quorum("votes", 2)
            .resource(Resource::new("gpu").capacity(1))
            .build()
            .unwrap();
        let part = select(&graph, ["b"]).unwrap();
        assert_eq!((part.quorums().get("votes"), part.resources()["gpu"].capacity), (Some(&1), Some(1)));
        assert!(select(&graph, ["d"]).unwrap().quorums().is_empty());
        assert!(select(&graph, [""; 0]).unwrap().is_empty());
    }
}
