//! A stored run that goes on.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Map, Value};

use super::kept::{self, About, StoredRun};
use crate::{
    definition::Graph,
    error::Result,
    event::{EventKind, TaskState},
    id::{RunId, TaskId, TaskIx},
    recovery::{
        checkpoint::Restored,
        resume::{Again, Present, Resumed, resume},
    },
    store::{BlobHash, Store},
};

/// How a stored run goes on: what is kept, and what is run, and why. For
/// [`RunOptions::resume`](crate::RunOptions::resume), with a plan of its [graph](Resume::graph).
#[derive(Debug, Clone)]
pub struct Resume {
    run: RunId,
    source: String,
    graph: Graph,
    inputs: Map<String, Value>,
    resumed: Resumed,
    /// What is kept beside the events. The inputs are those of the run, above.
    pub(super) about: About,
    /// The checkpoints of that part, by the tasks of the graph of now.
    pub(super) checkpoints: Vec<(Arc<str>, Arc<[TaskIx]>)>,
    /// The part that this was made of, and its length.
    pub(super) seen: (u64, u64),
}

impl Resume {
    /// Reads a run and decides how it goes on. `graph`: what is to be run now; `None`: what was run then. `inputs`: those of now;
    /// `None`: those of then. `directory`: where the files lie that tasks depend on. Blocks.
    ///
    /// # Errors
    ///
    /// Those of [`StoredRun::load`].
    pub fn load(
        store: &dyn Store,
        run: RunId,
        graph: Option<&Graph>,
        inputs: Option<&Map<String, Value>>,
        directory: Option<&Path>,
    ) -> Result<Self> {
        Self::decide(store, run, graph, inputs, directory, false)
    }

    /// The same where tasks are functions that are gone with their process. What a function added can only be run by whoever
    /// adds it again: so if there is any such task left to run, those that added tasks are run again as well.
    ///
    /// # Errors
    ///
    /// Those of [`StoredRun::load`].
    pub fn load_functions(
        store: &dyn Store,
        run: RunId,
        graph: &Graph,
        inputs: Option<&Map<String, Value>>,
        directory: Option<&Path>,
    ) -> Result<Self> {
        Self::decide(store, run, Some(graph), inputs, directory, true)
    }

    fn decide(
        store: &dyn Store,
        run: RunId,
        graph: Option<&Graph>,
        inputs: Option<&Map<String, Value>>,
        directory: Option<&Path>,
        functions: bool,
    ) -> Result<Self> {
        let past = StoredRun::load(store, run)?;
        let grown = past.report.graph();
        let added = added(&past);
        // By the stored form: a graph that was read back has the same, whatever it is in memory.
        let given = past.about.given.unwrap_or(past.row.graph);
        let same = graph.is_none_or(|graph| BlobHash::of(&serde_json::to_vec(graph).unwrap_or_default()) == given);
        let mut now = match graph {
            Some(graph) => graph.clone(),
            None => past.graph.without(&past.about.added.values().flatten().cloned().collect())?,
        };
        let mut present = Present {
            other_inputs: inputs.is_some_and(|inputs| *inputs != past.inputs),
            other_files: other_files(&past, if same { grown } else { &now }, directory),
            ..Present::default()
        };
        let mut about =
            About { rounds: past.about.rounds.clone(), earlier: Some(past.report.so_far()), ..About::default() };
        // What tasks added then is part of the graph, as long as it is the same and those tasks are kept.
        let mut resumed = None;
        if !added.is_empty() {
            if same {
                let whole = resume(grown, &past.report, &present);
                let by_function = |ix: TaskIx| {
                    let expands = |by: &TaskId| {
                        grown.find(by.as_str()).is_some_and(|by| grown.task(by).options().expand.is_some())
                    };
                    added.iter().any(|(by, tasks)| tasks.contains(grown.id(ix)) && !expands(by))
                };
                let adds_again =
                    |(ix, _): &(TaskIx, Again)| added.contains_key(grown.id(*ix)) || functions && by_function(*ix);
                if !whole.again.iter().any(adds_again) {
                    now = grown.clone();
                    resumed = Some(whole);
                    about.given = Some(given);
                    about.added.clone_from(&added);
                }
            }
            if resumed.is_none() {
                present.without_added = true;
                present.adders = added.into_keys().collect();
            }
        }
        let resumed = resumed.unwrap_or_else(|| resume(&now, &past.report, &present));
        let rounds = &mut about.rounds;
        for (ix, _) in &resumed.again {
            let id = now.id(*ix);
            let had_ended = past
                .report
                .find(id.as_str())
                .is_some_and(|was| matches!(was.state(), TaskState::Succeeded | TaskState::Undone));
            if had_ended {
                *rounds.entry(id.clone()).or_default() += 1;
            }
        }
        let tasks_now = |tasks: &[TaskIx]| -> Option<Arc<[TaskIx]>> {
            tasks.iter().map(|&ix| now.find(grown.id(ix).as_str())).collect()
        };
        let made = past.report.checkpoints().iter();
        let checkpoints = made.filter_map(|made| Some((made.name.clone(), tasks_now(&made.tasks)?))).collect();
        Ok(Self {
            checkpoints,
            run,
            source: past.row.source.clone(),
            graph: now,
            inputs: inputs.cloned().unwrap_or(past.inputs),
            resumed,
            about,
            seen: (past.row.fence, past.row.events),
        })
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// What it was made of, as its first owner said.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The graph that is to be run: the one of now, with what tasks added that are kept.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The inputs of the run.
    pub fn inputs(&self) -> &Map<String, Value> {
        &self.inputs
    }

    /// The tasks that are kept, in the order in which they ended.
    pub fn restore(&self) -> &[Restored] {
        &self.resumed.restore
    }

    /// The tasks that are run, in the order of definition, and why.
    pub fn again(&self) -> &[(TaskIx, Again)] {
        &self.resumed.again
    }
}

/// Which tasks were added, in all parts, by who added them.
fn added(past: &StoredRun) -> BTreeMap<TaskId, Vec<TaskId>> {
    let mut added = past.about.added.clone();
    let grown = past.report.graph();
    for event in &past.events {
        if let EventKind::TasksAdded { by, tasks, .. } = &event.kind
            && by.index() < grown.len()
        {
            let by = added.entry(grown.id(*by).clone()).or_default();
            // What did not fit is not in the graph.
            by.extend(tasks.iter().map(|task| task.id().clone()).filter(|id| grown.find(id.as_str()).is_some()));
        }
    }
    added
}

/// Tasks that depend on files which hold something else than when they began.
fn other_files(past: &StoredRun, graph: &Graph, directory: Option<&Path>) -> BTreeMap<TaskId, String> {
    let mut other = BTreeMap::new();
    for (id, then) in &past.files {
        let Some(ix) = graph.find(id.as_str()) else { continue };
        let Some(sources) = &graph.task(ix).options().sources else { continue };
        let now = kept::files_hash(directory, &sources.files);
        if now.is_empty() || now != *then {
            other.insert(id.clone(), sources.files.join(", "));
        }
    }
    other
}
