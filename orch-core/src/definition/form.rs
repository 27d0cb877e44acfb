//! The JSON form of a graph, read with all that is wrong with it.

use std::collections::HashMap;

use super::{
    builder::GraphBuilder,
    graph::{Form, Graph},
    task::{Task, TaskOptions},
};
use crate::{
    error::{Error, ErrorKind, Problem, Result},
    id::{Printable, TaskId},
};

impl Graph {
    /// Reads the JSON form, as serde writes it.
    ///
    /// ```
    /// use orch_core::Graph;
    ///
    /// let text = r#"{"name": "g", "tasks": [
    ///     {"id": "a", "after": ["b"]}, {"id": "b", "after": ["a"]}, {"id": "c", "after": ["b"]}
    /// ]}"#;
    /// let error = Graph::parse(text).unwrap_err();
    /// let codes: Vec<&str> = error.problems().iter().map(|problem| problem.code.as_ref()).collect();
    /// assert_eq!(codes, ["CIRCULAR_DEPENDENCY", "UNREACHABLE"]);
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) for what is no such JSON;
    /// [`InvalidDefinition`](ErrorKind::InvalidDefinition) with every problem, and a warning `UNREACHABLE` for each task that
    /// waits for a circle of which it is no part.
    pub fn parse(text: &str) -> Result<Self> {
        let form: Form = serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::InvalidFormat, format!("the text is no graph: {}", Printable(&error.to_string())))
        })?;
        let unreachable = unreachable(&form.tasks);
        form.builder().build().map_err(|error| {
            let mut problems = error.problems().to_vec();
            problems.extend(unreachable.into_iter().map(|id| {
                let message = format!("`{id}` can never start: it waits for tasks that wait for each other");
                Problem::warning("UNREACHABLE", message).at(format!("tasks.{id}"))
            }));
            Error::invalid_definition(error.message().to_owned(), problems)
        })
    }
}

impl Form {
    pub(super) fn builder(mut self) -> GraphBuilder {
        // A task that says nothing is the same as one in code, whatever form serde read it into: the graph's hash tells.
        for task in &mut self.tasks {
            task.options.take_if(|options| **options == TaskOptions::default());
        }
        let mut builder = Graph::builder(self.name).tasks(self.tasks);
        builder = self.resources.into_iter().fold(builder, GraphBuilder::resource);
        for (group, least) in self.quorums {
            builder = builder.quorum(group, least);
        }
        for (name, options) in self.breakers {
            builder = builder.breaker(name, options);
        }
        builder
    }
}

/// The tasks that wait for a circle, directly or not, and are in none and before none.
#[expect(clippy::indexing_slicing, reason = "every row has one entry a task")]
fn unreachable(tasks: &[Task]) -> Vec<TaskId> {
    let places: HashMap<&str, usize> = tasks.iter().enumerate().map(|(at, task)| (task.id.as_str(), at)).collect();
    let parents: Vec<Vec<usize>> = tasks
        .iter()
        .map(|task| task.after.iter().filter_map(|id| places.get(id.as_str()).copied()).collect())
        .collect();
    let mut children = vec![Vec::new(); tasks.len()];
    for (at, row) in parents.iter().enumerate() {
        row.iter().for_each(|&parent| children[parent].push(at));
    }
    // First what can start goes, from the roots down; then, of the rest, what nothing of the rest waits for, from the leaves up.
    let startable = peel(&parents, &children, &vec![true; tasks.len()]);
    let stuck: Vec<bool> = startable.iter().map(|startable| !startable).collect();
    let behind = peel(&children, &parents, &stuck);
    tasks.iter().zip(behind).filter(|(_, behind)| *behind).map(|(task, _)| task.id.clone()).collect()
}

/// Of the nodes that are `among`, those that go when again and again those without a `before` among the rest go.
#[expect(clippy::indexing_slicing, reason = "every row has one entry a task")]
fn peel(before: &[Vec<usize>], after: &[Vec<usize>], among: &[bool]) -> Vec<bool> {
    let mut waiting: Vec<usize> = before.iter().map(|row| row.iter().filter(|&&other| among[other]).count()).collect();
    let mut open: Vec<usize> = (0..before.len()).filter(|&at| among[at] && waiting[at] == 0).collect();
    let mut gone = vec![false; before.len()];
    while let Some(at) = open.pop() {
        gone[at] = true;
        for &next in after[at].iter().filter(|&&next| among[next]) {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                open.push(next);
            }
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck(edges: &[(&str, &str)], names: &[&str]) -> Vec<String> {
        let task = |name: &&str| {
            let after = edges.iter().filter(|(_, to)| to == name).map(|(from, _)| *from);
            after.fold(Task::new(*name), Task::after)
        };
        unreachable(&names.iter().map(task).collect::<Vec<_>>()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_waits_for_a_circle_is_told_apart_from_the_circle() {
        let names = ["root", "a", "b", "behind", "further", "free"];
        let edges = [("root", "a"), ("a", "b"), ("b", "a"), ("b", "behind"), ("behind", "further"), ("root", "free")];
        assert_eq!(stuck(&edges, &names), ["behind", "further"]);
        assert_eq!(stuck(&edges[3..], &names), [""; 0]);
        assert_eq!(stuck(&[("a", "a"), ("a", "b"), ("a", "b"), ("x", "b")], &["a", "b"]), ["b"]);
        assert_eq!(stuck(&[], &[]), [""; 0]);
    }

    #[test]
    fn a_graph_reads_what_it_writes() {
        let graph = Graph::builder("g").task(Task::new("a")).task(Task::new("b").after("a")).build().unwrap();
        let text = serde_json::to_string(&graph).unwrap();
        assert_eq!(Graph::parse(&text).unwrap().hash(), graph.hash());
        let refused = |text: &str| Graph::parse(text).unwrap_err().kind();
        assert_eq!(refused("{"), ErrorKind::InvalidFormat);
        assert_eq!(refused(r#"{"name": "g", "tasks": 3}"#), ErrorKind::InvalidFormat);
        assert_eq!(refused(r#"{"name": "g", "tasks": [{"id": "a", "after": ["z"]}]}"#), ErrorKind::InvalidDefinition);
    }
}
