//! A smaller graph that does the same.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use super::{
    builder::GraphBuilder,
    command::condition::Test,
    graph::Graph,
    redundant::RedundantEdge,
    task::{Task, TaskOptions},
    undo::UndoScope,
};
use crate::{
    error::Result,
    id::{TaskId, TaskIx},
};

/// The answer of [`Graph::optimize`].
#[derive(Debug, Clone)]
pub struct Optimized {
    /// The smaller graph.
    pub graph: Graph,
    /// What was changed and why, merged tasks first. Empty if there was nothing to do.
    pub changes: Vec<Change>,
    /// Whether all dependencies were looked at; very tangled graphs are left as they are where the search grows too long.
    pub complete: bool,
}

/// One change of [`Graph::optimize`]; its `Display` is a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What was changed.
    pub edit: Edit,
    /// Why nothing is lost, lower case, no full stop.
    pub why: String,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// A task no longer waits for another directly; it still starts after it.
    DroppedDependency {
        /// What it waited for.
        from: TaskId,
        /// Who waited.
        to: TaskId,
    },
    /// Two tasks that are the same became one.
    Merged {
        /// The task that stays: the earlier one.
        kept: TaskId,
        /// The task that is gone. What waited for it now waits for `kept`.
        dropped: TaskId,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.edit {
            Edit::DroppedDependency { from, to } => write!(f, "dropped the dependency of `{to}` on `{from}`")?,
            Edit::Merged { kept, dropped } => write!(f, "merged `{dropped}` into `{kept}`")?,
        }
        write!(f, ": {}", self.why)
    }
}

impl Graph {
    /// The same work with fewer tasks and dependencies, and an explanation of each change.
    ///
    /// A dependency goes if another way of dependencies says the same. It stays where it carries a declared value, that is
    /// where the one task declares an output that the other declares as an input; and where every other way leads through
    /// a task whose failure is forgiven, since then the dependency also says "only if that one succeeds".
    ///
    /// Two tasks become one only if the definition itself says that they are the same: equal agent, description,
    /// parameters, inputs, options and dependencies, and equal declared outputs, at least one; no condition and no rollback names
    /// the one that goes, no task adds tasks to the running graph, and neither counts for a quorum. Tasks that declare no output
    /// are never merged: they may be run for their effect, and twice is not once. Nor are the links of a chain: a result
    /// between them may be read.
    ///
    /// Only what is declared can be seen. A task that reads a dependency's output by that task's name, without declaring
    /// an input, needs the dependency: declare it.
    ///
    /// ```
    /// use orch_core::{Graph, Task};
    ///
    /// let graph = Graph::builder("g")
    ///     .task(Task::new("build"))
    ///     .task(Task::new("test").after("build"))
    ///     .task(Task::new("publish").after("build").after("test"))
    ///     .build()?;
    /// let optimized = graph.optimize()?;
    /// assert_eq!(optimized.graph.edges(), 2);
    /// assert_eq!(
    ///     optimized.changes[0].to_string(),
    ///     "dropped the dependency of `publish` on `build`: `publish` waits for `test`, which waits for `build`"
    /// );
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None for a graph that was built; the smaller graph is checked as every other.
    pub fn optimize(&self) -> Result<Optimized> {
        let (merged, mut changes) = self.merged()?;
        let (graph, complete) = merged.reduced(&mut changes)?;
        Ok(Optimized { graph, changes, complete })
    }

    /// The graph with equal tasks as one. Tasks that wait for merged ones may become equal by that, so it goes on in
    /// topological order with the parents as they are by then.
    #[expect(clippy::indexing_slicing, reason = "`kept` has one entry a task")]
    fn merged(&self) -> Result<(Self, Vec<Change>)> {
        let named = self.named_elsewhere();
        let mut kept: Vec<TaskIx> = self.indices().collect();
        let mut known: HashMap<blake3::Hash, TaskIx> = HashMap::new();
        let mut changes = Vec::new();
        // Tasks that come while the run goes on may name any task as their dependency.
        let grows = self.tasks().iter().any(|task| task.options().expand.is_some());
        for ix in self.topological().filter(|ix| !grows && self.may_merge(*ix)) {
            let task = self.task(ix);
            let mut parents: Vec<TaskIx> = self.parents(ix).map(|parent| kept[parent.index()]).collect();
            parents.sort_unstable();
            parents.dedup();
            let other = *known.entry(fingerprint(task, &parents)).or_insert(ix);
            if other != ix && !named.contains(&spoken(task.id.as_str())) && is_same(self.task(other), task) {
                kept[ix.index()] = other;
                changes.push(Change {
                    edit: Edit::Merged { kept: self.id(other).clone(), dropped: task.id.clone() },
                    why:
                        "same agent, description, parameters, inputs, options and dependencies, and both make the same \
                          values"
                            .into(),
                });
            }
        }
        if changes.is_empty() {
            return Ok((self.clone(), changes));
        }
        let merged = self.rebuilt(
            |ix| kept[ix.index()] == ix,
            |from, to| Some((kept[from.index()], to)).filter(|_| kept[to.index()] == to),
        )?;
        Ok((merged, changes))
    }

    /// Whether the definition says enough of the task to tell that another is the same.
    fn may_merge(&self, ix: TaskIx) -> bool {
        let options = self.task(ix).options();
        options.agent.is_some() && !options.outputs.is_empty() && !self.counts(ix)
    }

    /// Whether the task counts for a quorum.
    fn counts(&self, ix: TaskIx) -> bool {
        self.task(ix).options().group.as_ref().is_some_and(|group| self.quorums().contains_key(group))
    }

    /// The names, as conditions write them, that conditions and rollbacks speak of.
    fn named_elsewhere(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for options in self.tasks().iter().map(Task::options) {
            if let Some(UndoScope::To(target)) = options.rollback.as_ref().map(|rollback| &rollback.scope) {
                names.insert(spoken(target.as_str()));
            }
            for condition in &options.conditions {
                if let Test::Expression(expression) = &condition.test {
                    names.extend(
                        expression.source().split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').map(spoken),
                    );
                }
            }
        }
        names
    }

    /// The graph without the dependencies that others imply.
    fn reduced(&self, changes: &mut Vec<Change>) -> Result<(Self, bool)> {
        let forgiven = |ix: TaskIx| self.task(ix).options().allow_failure || self.counts(ix);
        let found = self.redundant_edges_through(Self::SEARCH_STEPS, |ix| !forgiven(ix));
        let useless: Vec<RedundantEdge> =
            found.edges.into_iter().filter(|edge| !carries_value(self.task(edge.from), self.task(edge.to))).collect();
        if useless.is_empty() {
            return Ok((self.clone(), found.complete));
        }
        changes.extend(useless.iter().map(|edge| self.dropped(edge)));
        let mut dropped: Vec<(TaskIx, TaskIx)> = useless.iter().map(|edge| (edge.from, edge.to)).collect();
        dropped.sort_unstable();
        let reduced =
            self.rebuilt(|_| true, |from, to| Some((from, to)).filter(|edge| dropped.binary_search(edge).is_err()))?;
        Ok((reduced, found.complete))
    }

    fn dropped(&self, edge: &RedundantEdge) -> Change {
        let [from, to, through] = [edge.from, edge.to, edge.through].map(|ix| self.id(ix).clone());
        let directly = self.parents(edge.through).any(|parent| parent == edge.from);
        let by_others = if directly { "" } else { " by way of others" };
        let why = format!("`{to}` waits for `{through}`, which waits for `{from}`{by_others}");
        Change { edit: Edit::DroppedDependency { from, to }, why }
    }

    /// The graph with some tasks, and with dependencies changed or left out.
    #[expect(clippy::indexing_slicing, reason = "`places` has one entry a task")]
    fn rebuilt(
        &self,
        keep: impl Fn(TaskIx) -> bool,
        edge: impl Fn(TaskIx, TaskIx) -> Option<(TaskIx, TaskIx)>,
    ) -> Result<Self> {
        let mut builder = Self::builder(self.name());
        let mut places = vec![None; self.len()];
        for ix in self.indices().filter(|ix| keep(*ix)) {
            places[ix.index()] = Some(builder.add(self.task(ix).clone()));
        }
        let edges = self.indices().flat_map(|to| self.parents(to).map(move |from| (from, to)));
        for (from, to) in edges.filter_map(|(from, to)| edge(from, to)) {
            if let (Some(from), Some(to)) = (places[from.index()], places[to.index()]) {
                builder.link(from, to);
            }
        }
        builder = self.resources().values().cloned().fold(builder, GraphBuilder::resource);
        for (group, &least) in self.quorums() {
            builder = builder.quorum(group, least);
        }
        for (name, options) in self.breakers() {
            builder = builder.breaker(name, options.clone());
        }
        builder.build()
    }
}

/// Whether two tasks differ in nothing but their names. Their dependencies are compared elsewhere.
fn is_same(a: &Task, b: &Task) -> bool {
    a.estimate == b.estimate && without_phase(a) == without_phase(b)
}

/// A number that tasks share if they are the same, so that a task need not be compared with all others.
fn fingerprint(task: &Task, parents: &[TaskIx]) -> blake3::Hash {
    // Serialising plain data to a buffer cannot fail; and what is found by the hash is compared before it is believed.
    blake3::hash(&serde_json::to_vec(&(parents, without_phase(task))).unwrap_or_default())
}

/// The options that change what is done. The phase only groups tasks for showing.
fn without_phase(task: &Task) -> TaskOptions {
    TaskOptions { phase: None, ..task.options().clone() }
}

/// Whether `to` declares an input that `from` declares as its output.
fn carries_value(from: &Task, to: &Task) -> bool {
    let outputs = &from.options().outputs;
    to.options().inputs.iter().any(|input| outputs.iter().any(|output| output.key == input.key))
}

/// A name as conditions may write it: `risk-assessment` and `riskAssessment` are the same.
fn spoken(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Plan, PlanOptions,
        definition::{
            Input, OutputSpec,
            command::condition::{Condition, Expression},
        },
        testing::graphs::graphs,
    };

    fn reviewer(name: &str, output: &str) -> Task {
        Task::new(name).agent("reviewer").with(|options| {
            options.description = "review the map".into();
            options.inputs.push(Input { key: "map".into(), required: true, default: None });
            options.outputs.push(OutputSpec { key: output.into(), ttl: None });
        })
    }

    fn mapper() -> Task {
        Task::new("map")
            .agent("mapper")
            .with(|options| options.outputs.push(OutputSpec { key: "map".into(), ttl: None }))
    }

    fn changes(graph: &Graph) -> Vec<String> {
        graph.optimize().unwrap().changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn equal_tasks_become_one_and_so_do_those_behind_them() {
        let graph = Graph::builder("g")
            .task(mapper())
            .task(reviewer("a", "review").after("map"))
            .task(reviewer("b", "review").after("map"))
            .task(reviewer("c", "review").after("map").estimate(Duration::from_secs(1)))
            .task(reviewer("sum a", "sum").after("a"))
            .task(reviewer("sum b", "sum").after("b"))
            .task(Task::new("end").after("sum a").after("sum b").after("c"))
            .build()
            .unwrap();
        let optimized = graph.optimize().unwrap();
        insta::assert_snapshot!(changes(&graph).join("\n"), @r#"
        merged `b` into `a`: same agent, description, parameters, inputs, options and dependencies, and both make the same values
        merged `sum b` into `sum a`: same agent, description, parameters, inputs, options and dependencies, and both make the same values
        "#);
        assert_eq!((optimized.graph.len(), optimized.graph.edges()), (5, 5));
        let end = optimized.graph.find("end").unwrap();
        let parents: Vec<_> = optimized.graph.parents(end).map(|ix| optimized.graph.id(ix).as_str()).collect();
        assert_eq!(parents, ["sum a", "c"]);
    }

    #[test]
    fn tasks_that_only_look_alike_stay() {
        let condition = || Condition {
            test: Test::Expression(Expression::parse("context.secondLook.verdict === 'bad'").unwrap()),
            run_when: true,
            message: None,
        };
        let pairs: [(&str, [Task; 2]); 6] = [
            ("no declared output", ["a", "b"].map(|name| Task::new(name).agent("mailer"))),
            ("no agent", ["a", "b"].map(|name| reviewer(name, "x").with(|options| options.agent = None))),
            ("other outputs", [reviewer("a", "x"), reviewer("b", "y")]),
            ("other dependencies", [reviewer("a", "x"), reviewer("b", "x").after("map")]),
            (
                "a quorum",
                ["a", "b"].map(|name| reviewer(name, "x").with(|options| options.group = Some("votes".into()))),
            ),
            ("a condition names it", [reviewer("a", "x"), reviewer("second-look", "x")]),
        ];
        for (why, pair) in pairs {
            let graph = Graph::builder("g")
                .task(mapper())
                .tasks(pair)
                .task(Task::new("votes").with(|options| options.group = Some("votes".into())))
                .task(Task::new("fix").when(condition()))
                .quorum("votes", 1)
                .build()
                .unwrap();
            assert_eq!(changes(&graph), [""; 0], "{why}");
        }
    }

    #[test]
    fn nothing_is_merged_that_a_later_task_may_name() {
        let pair = || [reviewer("a", "x"), reviewer("b", "x")];
        let grower =
            |grows: bool| Task::new("grower").with(|options| options.expand = grows.then(crate::Expand::default));
        let merges = |grows| changes(&Graph::builder("g").tasks(pair()).task(grower(grows)).build().unwrap()).len();
        assert_eq!((merges(true), merges(false)), (0, 1));
    }

    #[test]
    fn a_dependency_that_carries_a_value_stays() {
        let graph = Graph::builder("g")
            .task(mapper())
            .task(Task::new("lint").after("map"))
            .task(reviewer("review", "review").after("map").after("lint"))
            .build()
            .unwrap();
        assert_eq!(changes(&graph), [""; 0]);
    }

    #[test]
    fn a_dependency_that_guards_against_failure_stays() {
        let graph = |forgiving: bool| {
            Graph::builder("g")
                .task(Task::new("build"))
                .task(Task::new("lint").after("build").with(|options| options.allow_failure = forgiving))
                .task(Task::new("publish").after("build").after("lint"))
                .build()
                .unwrap()
        };
        // If `build` fails, `lint` is forgiven: only the direct dependency keeps `publish` from running.
        assert_eq!(changes(&graph(true)), [""; 0]);
        assert_eq!(changes(&graph(false)).len(), 1);
    }

    proptest! {
        #[test]
        fn the_order_and_the_critical_path_stay(graph in graphs(20)) {
            let optimized = graph.optimize().unwrap();
            let small = &optimized.graph;
            prop_assert_eq!(small.len(), graph.len());
            prop_assert_eq!(small.edges() + optimized.changes.len(), graph.edges());
            prop_assert!(small.redundant_edges(Graph::SEARCH_STEPS).edges.is_empty());
            for ix in graph.indices() {
                prop_assert_eq!(ancestors(&graph, ix), ancestors(small, ix));
            }
            let plan = |graph| Plan::new(graph, &PlanOptions::default()).unwrap();
            prop_assert_eq!(plan(&graph).critical(), plan(small).critical());
            prop_assert!(small.optimize().unwrap().changes.is_empty(), "once is enough");
        }
    }

    fn ancestors(graph: &Graph, ix: TaskIx) -> BTreeSet<TaskIx> {
        let mut found = BTreeSet::new();
        let mut stack = vec![ix];
        while let Some(ix) = stack.pop() {
            stack.extend(graph.parents(ix).filter(|parent| found.insert(*parent)));
        }
        found
    }
}
