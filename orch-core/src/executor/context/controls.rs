//! Attempts outside an engine, for tests of executors.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use tokio::sync::mpsc;

use super::{Inputs, News, Note, RunShared, Slot, TaskContext};
use crate::{
    definition::Graph,
    event::Stream,
    id::{RunId, TaskIx},
};

/// What a test holds of an attempt outside an engine: it cancels the attempt and hears its lines.
#[derive(Debug)]
pub struct Controls {
    pub(super) slot: Arc<Slot>,
    notes: mpsc::Receiver<Note>,
}

impl Controls {
    /// Tells the attempt to stop.
    pub fn cancel(&self) {
        self.slot.cancel();
    }

    /// Waits for the next line that the attempt says.
    pub async fn next_line(&mut self) -> (Stream, Arc<str>) {
        loop {
            match self.notes.recv().await {
                Some(Note::Line(_, stream, line)) => return (stream, line),
                Some(_) => {}
                // INVARIANT: the slot holds a sender, so the queue is never closed.
                None => std::future::pending().await,
            }
        }
    }

    /// The lines that the attempt has said since the last look. Never waits.
    pub fn lines(&mut self) -> Vec<(Stream, Arc<str>)> {
        let mut lines = Vec::new();
        while let Ok(note) = self.notes.try_recv() {
            if let Note::Line(_, stream, line) = note {
                lines.push((stream, line));
            }
        }
        lines
    }
}

impl TaskContext {
    /// The first attempt of a task outside any engine, for the tests of executors. Its queue holds so many lines that it is
    /// never full in a test that does not read them.
    ///
    /// ```
    /// use orch_core::{Executor, Graph, Task, TaskContext, TaskIx, executor::Inputs};
    ///
    /// let graph = Graph::builder("one").task(Task::new("a")).build()?;
    /// let (context, controls) = TaskContext::detached(&graph, TaskIx::from(0), Inputs::default());
    /// controls.cancel();
    /// assert!(context.is_cancelled());
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn detached(graph: &Graph, task: TaskIx, inputs: Inputs) -> (Self, Controls) {
        let (sender, notes) = mpsc::channel(1_000_000);
        let id = RunId::from_parts(0, 0);
        let news = News::new(Arc::new(|| ()));
        let slot = Slot::new(Arc::new(RunShared {
            id,
            rounds: BTreeMap::new(),
            graph: RwLock::new(graph.clone()),
            notes: sender,
            news,
        }));
        (slot.enter(task, 1, Some(Arc::new(inputs))), Controls { slot, notes })
    }
}
