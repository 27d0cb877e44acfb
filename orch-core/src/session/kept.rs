//! What a store has of a run: its events, its report, and what belongs to it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::{FileLimits, file_states};
use crate::{
    cache::FileState,
    cost::{PriceSource, price},
    definition::Graph,
    error::{Error, ErrorKind, Result},
    event::{Event, TaskState, stored},
    id::{RunId, TaskId, TaskIx},
    plan::{History, Performance, Plan, PlanOptions},
    report::{Earlier, Report},
    store::{BlobHash, RunRow, Store},
    units::Usd,
};

/// What belongs to a part of a run beside its events: the text in [`RunRow::options`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct About {
    /// What conditions and tasks read as `inputs`.
    pub(super) inputs: Map<String, Value>,
    /// How often tasks had ended, and were run again all the same.
    pub(super) rounds: BTreeMap<TaskId, u32>,
    /// Which tasks of the part's graph were added in earlier parts, by who added them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) added: BTreeMap<TaskId, Vec<TaskId>>,
    /// The graph without those, as it was given: the hash of its JSON form. `None`: that is the part's graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) given: Option<BlobHash>,
    /// What the parts before this one took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) earlier: Option<Earlier>,
}

impl About {
    pub(super) fn text(&self) -> String {
        // Plain data; writing it to memory cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn of(row: &RunRow) -> Result<Self> {
        serde_json::from_str(&row.options).map_err(|error| {
            let message = format!("what belongs to the run `{}` cannot be read", row.run);
            Error::new(ErrorKind::Corrupt, message).caused_by(error)
        })
    }
}

/// A run as a store has it.
///
/// ```
/// use orch_core::store::MemoryStore;
/// use orch_core::{Clock, Engine, Graph, Plan, PlanOptions, RunOptions, TaskState, Task, TaskContext, session::StoredRun};
///
/// # #[tokio::main]
/// # async fn main() -> orch_core::Result<()> {
/// let store = MemoryStore::new(Clock::system());
/// let engine = Engine::builder().executor(async |_: TaskContext| "done").store(store.clone()).build()?;
/// let plan = Plan::new(&Graph::builder("g").task(Task::new("a")).build()?, &PlanOptions::default())?;
/// let run = engine.run(&plan, RunOptions::default()).await?.run().unwrap();
///
/// let stored = StoredRun::load(&store, run)?;
/// assert_eq!(stored.report.find("a").unwrap().state(), TaskState::Succeeded);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredRun {
    /// What lists show of it.
    pub row: RunRow,
    /// The graph with which its latest part began.
    pub graph: Graph,
    /// The inputs of the run.
    pub inputs: Map<String, Value>,
    /// The events of its latest part. What earlier parts made is in its beginning, as restored.
    pub events: Vec<Event>,
    /// What they mean.
    pub report: Report,
    pub(super) about: About,
    pub(super) files: BTreeMap<TaskId, String>,
}

impl StoredRun {
    /// Reads a run. Blocks.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such run; [`Corrupt`](ErrorKind::Corrupt) where something of it is missing
    /// or not as it was written; those of [`Store`].
    pub fn load(store: &dyn Store, run: RunId) -> Result<Self> {
        let unknown =
            || Error::new(ErrorKind::NotFound, format!("there is no run `{run}` in the store; `orch runs` lists them"));
        let row = store.run(run)?.ok_or_else(unknown)?;
        let graph = read_graph(store, &row)?;
        let mut about = About::of(&row)?;
        let (events, noted) = read_events(store, &row, 0)?;
        let row = RunRow { events: events.len() as u64, ..row };
        let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
        events.iter().for_each(|event| report.on(event));
        if let Some(earlier) = about.earlier.clone() {
            report.set_earlier(earlier);
        }
        let name = |task: TaskIx| report.graph().tasks().get(task.index()).map(|task| task.id().clone());
        let files = noted.into_iter().filter_map(|(task, hash)| Some((name(task)?, hash))).collect();
        let inputs = std::mem::take(&mut about.inputs);
        Ok(Self { row, graph, inputs, events, report, about, files })
    }
}

pub(super) fn damaged(run: RunId, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{what} of the run `{run}` is not as it was kept"))
}

/// The graph with which the latest part of a run began.
pub(super) fn read_graph(store: &dyn Store, row: &RunRow) -> Result<Graph> {
    let text = store.blob(row.graph)?.ok_or_else(|| damaged(row.run, "the graph"))?;
    serde_json::from_slice(&text).map_err(|error| damaged(row.run, "the graph").caused_by(error))
}

/// The hashes of the files that tasks read, by task.
type Noted = Vec<(TaskIx, String)>;

/// The events of the part that the row is of, from number `from` on.
pub(super) fn read_events(store: &dyn Store, row: &RunRow, from: u64) -> Result<(Vec<Event>, Noted)> {
    let damaged = |what: &str| damaged(row.run, what);
    let mut find = |name: &str| {
        let hash = name.parse().map_err(|_| damaged("the name of a value"))?;
        let bytes = store.blob(hash)?.ok_or_else(|| damaged("a value"))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged("a value").caused_by(error))
    };
    let (mut events, mut noted) = (Vec::new(), Vec::new());
    let mut next = None;
    for record in store.read(row.run, row.fence, from)? {
        // The first record may begin before what is asked for; one that begins after it shows below.
        let mut seq = next.unwrap_or_else(|| record.seq.min(from));
        for line in record.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match stored::read(line, &mut find)? {
                stored::Line::Event(kind, at) => {
                    events.extend((seq >= from).then_some(Event { seq, at, kind }));
                    seq += 1;
                }
                stored::Line::Files { task, hash } => noted.push((task, hash)),
            }
        }
        // The part may have grown since its row was read.
        if seq != record.seq + u64::from(record.events) {
            return Err(damaged("the number of events"));
        }
        next = Some(seq);
    }
    Ok((events, noted))
}

/// How long tasks took in the latest runs of that source, at most that many of them, and what they cost by these prices. Runs that
/// cannot be read teach nothing. Blocks.
///
/// # Errors
///
/// Those of [`Store::runs`].
pub fn history(store: &dyn Store, source: &str, runs: usize, prices: &dyn PriceSource) -> Result<History> {
    let mut history = History::default();
    for row in store.runs(Some(source), runs)?.into_iter().rev() {
        if let Ok(StoredRun { mut report, row, .. }) = StoredRun::load(store, row.run) {
            report.price_with(|usage| price(prices, usage, row.created).complete());
            history.extend(report.samples());
        }
    }
    Ok(history)
}

/// How the tasks of each agent went in the latest runs of the store, whatever they ran, at most that many runs, with costs by these
/// prices: what [`assign`](crate::plan::assign) chooses by. Runs that cannot be read show nothing. Blocks.
///
/// # Errors
///
/// Those of [`Store::runs`].
pub fn performance(store: &dyn Store, runs: usize, prices: &dyn PriceSource) -> Result<BTreeMap<String, Performance>> {
    let mut past: BTreeMap<String, (Performance, Vec<Duration>, Vec<Usd>)> = BTreeMap::new();
    for row in store.runs(None, runs)? {
        let Ok(StoredRun { mut report, row, .. }) = StoredRun::load(store, row.run) else { continue };
        report.price_with(|usage| price(prices, usage, row.created).complete());
        for task in report.tasks().filter(|task| task.attempts() > 0) {
            let Some(agent) = &task.task().options().agent else { continue };
            let (of, took, cost) = past.entry(agent.clone()).or_default();
            match task.state() {
                TaskState::Succeeded => {
                    of.succeeded += 1;
                    took.push(task.duration());
                    cost.extend(task.cost());
                }
                TaskState::Failed => of.failed += 1,
                _ => {}
            }
        }
    }
    let middle = |(of, mut took, mut cost): (Performance, Vec<Duration>, Vec<Usd>)| {
        took.sort_unstable();
        cost.sort_unstable();
        Performance { median: lower_middle(&took), cost: lower_middle(&cost), ..of }
    };
    Ok(past.into_iter().map(|(agent, past)| (agent, middle(past))).collect())
}

/// Of an even number the lower one: it was so once.
fn lower_middle<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// A hash of what these files hold now; one that is never met again where they cannot be read.
pub(super) fn files_hash(directory: Option<&Path>, files: &[String]) -> String {
    match file_states(directory.unwrap_or(Path::new(".")), files, &FileLimits::default()) {
        Err(_) => String::new(),
        Ok(states) => {
            let mut hasher = blake3::Hasher::new();
            for (name, state) in &states {
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                match state {
                    FileState::Content(hash) => hasher.update(b"c").update(hash.as_bytes()),
                    FileState::Blob(id) => hasher.update(b"b").update(id.to_string().as_bytes()),
                    FileState::Absent => hasher.update(b"a"),
                };
            }
            hasher.finalize().to_hex().to_string()
        }
    }
}
