//! Reads a stored run while it goes on, in whatever process.

use std::{fmt, sync::Arc, time::Duration};

use super::kept::{About, read_events, read_graph};
use crate::{
    definition::Graph,
    error::{Error, ErrorKind, Result},
    event::Event,
    id::RunId,
    plan::{Plan, PlanOptions},
    report::Report,
    store::{RunRow, Store},
};

/// A stored run that is read as it grows. Every call blocks.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use orch_core::store::MemoryStore;
/// use orch_core::{Clock, Engine, Graph, Plan, PlanOptions, RunOptions, RunState, Task, TaskContext, session::Follow};
///
/// # #[tokio::main]
/// # async fn main() -> orch_core::Result<()> {
/// let store = MemoryStore::new(Clock::system());
/// let engine = Engine::builder().executor(async |_: TaskContext| "done").store(store.clone()).build()?;
/// let plan = Plan::new(&Graph::builder("g").task(Task::new("a")).build()?, &PlanOptions::default())?;
/// let run = engine.run(&plan, RunOptions::default()).await?.run().unwrap();
///
/// let mut follow = Follow::new(Arc::new(store), run)?;
/// let news = follow.next(Duration::ZERO)?;
/// assert!(news.begins && news.events.len() as u64 == follow.row().events);
/// assert_eq!(follow.report().state(), RunState::Succeeded);
/// assert!(follow.next(Duration::ZERO)?.events.is_empty(), "each event is answered once");
/// # Ok(())
/// # }
/// ```
pub struct Follow {
    store: Arc<dyn Store>,
    row: RunRow,
    graph: Graph,
    report: Report,
    /// The part that is read, and how far.
    part: Option<u64>,
    read: u64,
}

/// What a run has said since it was asked last.
#[derive(Debug, Clone, Default)]
pub struct FollowNews {
    /// Whether these are the first ones of a part: the run was begun, or another process has gone on with it. What was read before
    /// is of an earlier part; what that made is among these events, as restored.
    pub begins: bool,
    /// The events, in order, numbered from 0 in each part.
    pub events: Vec<Event>,
}

impl Follow {
    /// Follows a run, from its beginning on. Nothing is read yet but its row.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such run; those of [`Store`].
    pub fn new(store: Arc<dyn Store>, run: RunId) -> Result<Self> {
        let unknown =
            || Error::new(ErrorKind::NotFound, format!("there is no run `{run}` in the store; `orch runs` lists them"));
        let row = store.run(run)?.ok_or_else(unknown)?;
        let graph = Graph::builder("").build()?;
        let report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
        Ok(Self { store, row, graph, report, part: None, read: 0 })
    }

    /// What is new; waits at most that long for it. Without anything new: no events, and perhaps another [state](RunRow::state) of
    /// the row.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) where something of the run is missing or not as it was written; those of [`Store`]. It may be
    /// asked again: nothing is passed over.
    pub fn next(&mut self, at_most: Duration) -> Result<FollowNews> {
        if self.part.is_some() {
            self.row = self.store.watch(&self.row, at_most)?;
        }
        let begins = self.part != Some(self.row.fence);
        if begins {
            let graph = read_graph(&*self.store, &self.row)?;
            let mut report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
            if let Some(earlier) = About::of(&self.row)?.earlier {
                report.set_earlier(earlier);
            }
            (self.graph, self.report, self.read) = (graph, report, 0);
        }
        let (events, _) = read_events(&*self.store, &self.row, self.read)?;
        events.iter().for_each(|event| self.report.on(event));
        self.read += events.len() as u64;
        self.part = Some(self.row.fence);
        Ok(FollowNews { begins, events })
    }

    /// The run, as the store had it last.
    pub fn row(&self) -> &RunRow {
        &self.row
    }

    /// The graph with which the part began; [`Report::graph`] has the tasks that were added.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the events mean that were answered.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The same, to [price](Report::price_with) it.
    pub fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, part, read, .. } = self;
        f.debug_struct("Follow").field("row", row).field("part", part).field("read", read).finish_non_exhaustive()
    }
}
