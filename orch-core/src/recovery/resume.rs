//! Where a stored run goes on: by content, not by position.
//!
//! What a task made is kept if the task is the same, nothing that it was built on is made again, and the files that it said it
//! depends on hold the same. All else is run. A graph may have been edited in between.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Event, EventKind, Graph, Output, Plan, PlanOptions, Report, Task};
//! use orch_core::recovery::resume::{Again, Present, resume};
//!
//! let graph = |depth: u32| {
//!     Graph::builder("review")
//!         .task(Task::new("collect"))
//!         .task(Task::new("style").after("collect"))
//!         .task(Task::new("security").after("collect").with(|options| options.params = depth.into()))
//!         .task(Task::new("summary").after("style").after("security"))
//!         .build()
//! };
//! // The run was killed when `summary` had begun.
//! let mut past = Report::new(&Plan::new(&graph(1)?, &PlanOptions::default())?);
//! for (seq, task) in (0..).zip([0, 1, 2]) {
//!     let kind = EventKind::TaskFinished { task: task.into(), attempt: 1, result: Ok(Output::NOTHING), usage: None };
//!     past.on(&Event { seq, at: Duration::from_secs(seq), kind });
//! }
//!
//! let edited = graph(2)?;
//! let resumed = resume(&edited, &past, &Present::default());
//! let why = |name: &str| resumed.again.iter().find(|(ix, _)| edited.id(*ix).as_str() == name).map(|(_, why)| why.clone());
//! assert_eq!(why("collect"), None, "it is not run again");
//! assert_eq!(why("security"), Some(Again::Edited));
//! assert_eq!(why("summary"), Some(Again::Unfinished));
//! assert_eq!(resumed.restore.len(), 2);
//! # Ok::<(), orch_core::Error>(())
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::checkpoint::Restored;
use crate::{
    definition::{Graph, Task, TaskOptions, command::Test},
    event::TaskState,
    id::{TaskId, TaskIx},
    report::{Report, TaskResult},
};

/// What is otherwise than when the run was stored. `Present::default()`: nothing.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// The inputs of the run are others: every task may read them.
    pub other_inputs: bool,
    /// Tasks that depend on files which hold something else now, and one of those files.
    pub other_files: BTreeMap<TaskId, String>,
    /// Tasks that add tasks to the graph are run again, because the graph is the one from before they did.
    pub without_added: bool,
    /// Those that did so though their definition does not say it: programs may add tasks.
    pub adders: BTreeSet<TaskId>,
}

/// How a stored run goes on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resumed {
    /// The tasks that are kept, in the order in which they ended.
    pub restore: Vec<Restored>,
    /// The tasks that are run, in the order of definition, and why.
    pub again: Vec<(TaskIx, Again)>,
}

/// Why a task is run when its run is resumed. `Display` is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Again {
    /// The run had no task of that name.
    New,
    /// Its definition is another, or it waits for others.
    Edited,
    /// It had not begun, or not ended.
    Unfinished,
    /// It had failed.
    Failed,
    /// What it did was undone.
    Undone,
    /// What it made had no JSON form and was lost with its process.
    Lost,
    /// This file, on which it depends, holds something else.
    File(String),
    /// The inputs of the run are others.
    Inputs,
    /// The question whether it runs is asked anew.
    Condition,
    /// It adds tasks, and the graph has changed since.
    Adds,
    /// It builds on a task that is run again.
    After(TaskId),
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("it is new"),
            Self::Edited => f.write_str("its definition changed"),
            Self::Unfinished => f.write_str("it had not ended"),
            Self::Failed => f.write_str("it had failed"),
            Self::Undone => f.write_str("it was undone"),
            Self::Lost => f.write_str("what it made has no JSON form"),
            Self::File(name) => write!(f, "file `{}` changed", crate::id::Printable(name)),
            Self::Inputs => f.write_str("the inputs of the run changed"),
            Self::Condition => f.write_str("its condition is asked anew"),
            Self::Adds => f.write_str("it adds tasks, and the graph changed"),
            Self::After(task) => write!(f, "`{task}` is run again"),
        }
    }
}

/// How a run goes on: `past` is what its latest part meant, `graph` what is to be run now.
pub fn resume(graph: &Graph, past: &Report, present: &Present) -> Resumed {
    let makers = makers(graph);
    let mut why: Vec<Option<Again>> = vec![None; graph.len()];
    let mut keep: Vec<(Duration, usize, Restored)> = Vec::new();
    for (rank, ix) in graph.topological().enumerate() {
        let judged = judge(graph, ix, past, present).and_then(|restored| {
            let before = |other: &TaskIx| why.get(other.index()).is_some_and(Option::is_some);
            let named = graph.task(ix).options().inputs.iter().filter_map(|input| makers.get(input.key.as_str()));
            let mut builds_on = graph.parents(ix).chain(named.flatten().copied().filter(|&maker| maker != ix));
            match builds_on.find(before) {
                Some(other) => Err(Again::After(graph.id(other).clone())),
                None => Ok(restored),
            }
        });
        match judged {
            Ok((at, restored)) => keep.push((at, rank, restored)),
            Err(again) => {
                if let Some(why) = why.get_mut(ix.index()) {
                    *why = Some(again);
                }
            }
        }
    }
    keep.sort_by_key(|(at, rank, _)| (*at, *rank));
    let again = graph.indices().zip(why).filter_map(|(ix, why)| Some((ix, why?))).collect();
    Resumed { restore: keep.into_iter().map(|(_, _, restored)| restored).collect(), again }
}

/// Which tasks make the value of a key.
fn makers(graph: &Graph) -> BTreeMap<&str, Vec<TaskIx>> {
    let mut makers: BTreeMap<&str, Vec<TaskIx>> = BTreeMap::new();
    for ix in graph.indices() {
        for output in &graph.task(ix).options().outputs {
            makers.entry(output.key.as_str()).or_default().push(ix);
        }
    }
    makers
}

/// Whether a task may be kept as far as it alone is concerned, and when it ended.
fn judge(graph: &Graph, ix: TaskIx, past: &Report, present: &Present) -> Result<(Duration, Restored), Again> {
    let (id, task) = (graph.id(ix), graph.task(ix));
    let was = past.find(id.as_str()).ok_or(Again::New)?;
    if !is_same(graph, ix, past, was) {
        return Err(Again::Edited);
    }
    let state = match was.state() {
        TaskState::Succeeded => TaskState::Succeeded,
        TaskState::Skipped => {
            if !task.options().conditions.iter().all(|condition| matches!(condition.test, Test::Expression(_))) {
                return Err(Again::Condition);
            }
            TaskState::Skipped
        }
        TaskState::Failed if was.is_forgiven() => TaskState::Failed,
        TaskState::Failed => return Err(Again::Failed),
        TaskState::Undone => return Err(Again::Undone),
        TaskState::Cancelled | TaskState::Pending | TaskState::Running => return Err(Again::Unfinished),
    };
    if was.output().json().is_none() && !was.output().is_nothing() {
        return Err(Again::Lost);
    }
    if present.other_inputs {
        return Err(Again::Inputs);
    }
    if present.without_added && (task.options().expand.is_some() || present.adders.contains(id)) {
        return Err(Again::Adds);
    }
    if let Some(file) = present.other_files.get(id) {
        return Err(Again::File(file.clone()));
    }
    let restored = Restored { task: ix, state, output: was.output().clone() };
    Ok((was.finished().unwrap_or_default(), restored))
}

/// Whether a task and what it waits for are as they were.
fn is_same(graph: &Graph, ix: TaskIx, past: &Report, was: TaskResult<'_>) -> bool {
    let (now, then) = (graph.task(ix), was.task());
    let plain = |task: &Task| *task.options() == TaskOptions::default();
    if !(plain(now) && plain(then)) && now.content() != then.content() {
        return false;
    }
    let old = past.graph();
    let mut parents = graph.parents(ix).map(|parent| graph.id(parent));
    let mut before = old.parents(was.ix()).map(|parent| old.id(parent));
    // In most cases the very same list.
    if graph.parents(ix).len() == old.parents(was.ix()).len() && parents.by_ref().eq(before.by_ref()) {
        return true;
    }
    let set = |graph: &Graph, ix: TaskIx| graph.parents(ix).map(|ix| graph.id(ix).clone()).collect::<BTreeSet<_>>();
    set(graph, ix) == set(old, was.ix())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{Event, EventKind, Failure, Input, Output, OutputSpec, Plan, PlanOptions, testing::graphs::tasks};

    /// What a run of that graph meant in which these tasks ended so, in this order.
    fn past(graph: &Graph, ended: &[(&str, Result<Output, Box<Failure>>)]) -> Report {
        let mut report = Report::new(&Plan::new(graph, &PlanOptions::default()).unwrap());
        for (seq, (task, result)) in (0..).zip(ended) {
            let task = graph.find(task).unwrap();
            let kind = EventKind::TaskFinished { task, attempt: 1, result: result.clone(), usage: None };
            report.on(&Event { seq, at: Duration::from_secs(seq), kind });
        }
        report
    }

    fn done(task: &str) -> (&str, Result<Output, Box<Failure>>) {
        (task, Ok(Output::from(task)))
    }

    fn graph(tasks: impl IntoIterator<Item = Task>) -> Graph {
        Graph::builder("g").tasks(tasks).build().unwrap()
    }

    fn line() -> [Task; 3] {
        [Task::new("a"), Task::new("b").after("a"), Task::new("c").after("b")]
    }

    /// Says what is kept, in order, and why the rest is not.
    #[track_caller]
    fn check(graph: &Graph, past: &Report, present: &Present, kept: &[&str], again: &[(&str, &str)]) {
        let resumed = resume(graph, past, present);
        let names: Vec<&str> = resumed.restore.iter().map(|restored| graph.id(restored.task).as_str()).collect();
        assert_eq!(names, kept);
        let why: Vec<(String, String)> =
            resumed.again.iter().map(|(ix, why)| (graph.id(*ix).to_string(), why.to_string())).collect();
        let wanted: Vec<(String, String)> =
            again.iter().map(|(task, why)| ((*task).to_owned(), (*why).to_owned())).collect();
        assert_eq!(why, wanted);
    }

    #[test]
    fn what_ended_is_kept_in_the_order_in_which_it_ended() {
        let graph = graph([Task::new("a"), Task::new("b"), Task::new("c").after("a").after("b")]);
        let past = past(&graph, &[done("b"), done("a")]);
        check(&graph, &past, &Present::default(), &["b", "a"], &[("c", "it had not ended")]);
    }

    #[test]
    fn an_edited_task_and_what_follows_is_run_again() {
        let before = graph(line());
        let past = past(&before, &[done("a"), done("b"), done("c")]);
        check(&before, &past, &Present::default(), &["a", "b", "c"], &[]);
        let [a, b, c] = line();
        let edited = graph([c.clone(), a.clone(), b.clone().agent("another")]);
        check(
            &edited,
            &past,
            &Present::default(),
            &["a"],
            &[("c", "`b` is run again"), ("b", "its definition changed")],
        );
        let waits = graph([a.clone(), b.clone(), c.clone().after("a")]);
        check(&waits, &past, &Present::default(), &["a", "b"], &[("c", "its definition changed")]);
        let new = graph([a.clone(), b.clone().after("x"), c.clone(), Task::new("x")]);
        let again = [("b", "its definition changed"), ("c", "`b` is run again"), ("x", "it is new")];
        check(&new, &past, &Present::default(), &["a"], &again);
        // What does not change what it makes.
        let same =
            graph([a.timeout(Duration::from_secs(1)), b.retries(3).priority(2), c.estimate(Duration::from_secs(2))]);
        check(&same, &past, &Present::default(), &["a", "b", "c"], &[]);
    }

    #[test]
    fn what_is_not_worth_keeping_is_run_again() {
        let graph = graph(line());
        let failed = past(&graph, &[done("a"), ("b", Err(Box::new(Failure::error("no"))))]);
        let again = [("b", "it had failed"), ("c", "it had not ended")];
        check(&graph, &failed, &Present::default(), &["a"], &again);
        let lost = past(&graph, &[("a", Ok(Output::typed(7u8))), done("b")]);
        let again = [("a", "what it made has no JSON form"), ("b", "`a` is run again"), ("c", "it had not ended")];
        check(&graph, &lost, &Present::default(), &[], &again);
        let all = past(&graph, &[done("a"), done("b"), done("c")]);
        let other_files = BTreeMap::from([("b".into(), "x.rs".to_owned())]);
        let again = [("b", "file `x.rs` changed"), ("c", "`b` is run again")];
        check(&graph, &all, &Present { other_files, ..Present::default() }, &["a"], &again);
        let inputs = ["a", "b", "c"].map(|task| (task, "the inputs of the run changed"));
        check(&graph, &all, &Present { other_inputs: true, ..Present::default() }, &[], &inputs);
    }

    #[test]
    fn a_forgiven_failure_is_kept() {
        let graph = graph([Task::new("a").with(|options| options.allow_failure = true), Task::new("b").after("a")]);
        let past = past(&graph, &[("a", Err(Box::new(Failure::error("no")))), done("b")]);
        check(&graph, &past, &Present::default(), &["a", "b"], &[]);
    }

    #[test]
    fn who_makes_a_value_counts_as_one_it_is_built_on() {
        let makes = |params: u32| {
            Task::new("make").with(|options| {
                options.outputs.push(OutputSpec { key: "map".into(), ttl: None });
                options.params = params.into();
            })
        };
        let reads = Task::new("read")
            .with(|options| options.inputs.push(Input { key: "map".into(), required: true, default: None }));
        let before = graph([makes(1), reads.clone()]);
        let past = past(&before, &[done("make"), done("read")]);
        let again = [("make", "its definition changed"), ("read", "`make` is run again")];
        check(&graph([makes(2), reads]), &past, &Present::default(), &[], &again);
    }

    proptest! {
        #[test]
        fn a_kept_task_is_the_same_and_stands_on_kept_ones(
            tasks in tasks(1..=10),
            flags in vec(any::<[bool; 3]>(), 10),
        ) {
            let before = graph(tasks.clone());
            let ended: Vec<_> = before
                .topological()
                .filter(|ix| flags[ix.index()][0])
                .map(|ix| done(before.id(ix).as_str()))
                .collect();
            let past = past(&before, &ended);
            let edit = |(task, flags): (Task, &[bool; 3])| if flags[1] { task.agent("edited") } else { task };
            let after = graph(tasks.into_iter().zip(&flags).map(edit));
            let other_files: BTreeMap<TaskId, String> =
                after.indices().filter(|ix| flags[ix.index()][2]).map(|ix| (after.id(ix).clone(), "f".into())).collect();
            let resumed = resume(&after, &past, &Present { other_files, ..Present::default() });

            let kept: BTreeSet<TaskIx> = resumed.restore.iter().map(|restored| restored.task).collect();
            let again: BTreeSet<TaskIx> = resumed.again.iter().map(|(ix, _)| *ix).collect();
            prop_assert!(after.indices().all(|ix| kept.contains(&ix) != again.contains(&ix)));
            for ix in after.indices() {
                let [ended, edited, file] = flags[ix.index()];
                let base = after.parents(ix).all(|parent| kept.contains(&parent));
                prop_assert_eq!(kept.contains(&ix), ended && !edited && !file && base);
            }
        }
    }
}
