//! A stored run that goes on.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::kept::{self, StoredRun};
use crate::{
    definition::Graph,
    error::Result,
    event::TaskState,
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
    /// How often tasks had ended, and are run again all the same.
    pub(super) rounds: BTreeMap<TaskId, u32>,
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
        let past = StoredRun::load(store, run)?;
        let wanted = graph.unwrap_or(&past.graph);
        let mut present = Present {
            other_inputs: inputs.is_some_and(|inputs| *inputs != past.inputs),
            other_files: other_files(&past, wanted, directory),
            without_added: false,
        };
        // What tasks added then is part of the graph, as long as it is the same and those tasks are kept.
        let mut now = wanted.clone();
        let grown = past.report.graph();
        let mut resumed = None;
        if grown.len() > past.graph.len() {
            // By the stored form: a graph that was read back has the same, whatever it is in memory.
            let same = graph
                .is_none_or(|graph| BlobHash::of(&serde_json::to_vec(graph).unwrap_or_default()) == past.row.graph);
            if same {
                let whole = resume(grown, &past.report, &present);
                let adds_again = |(ix, _): &(TaskIx, Again)| {
                    let added = past.report.task(*ix).state().is_final();
                    added && grown.task(*ix).options().expand.is_some()
                };
                if !whole.again.iter().any(adds_again) {
                    now = grown.clone();
                    resumed = Some(whole);
                }
            }
            present.without_added = resumed.is_none();
        }
        let resumed = resumed.unwrap_or_else(|| resume(&now, &past.report, &present));
        let mut rounds = past.rounds.clone();
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
        Ok(Self {
            run,
            source: past.row.source.clone(),
            graph: now,
            inputs: inputs.cloned().unwrap_or(past.inputs),
            resumed,
            rounds,
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
