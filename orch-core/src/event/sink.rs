//! Who hears the events.

use super::Event;
use crate::definition::Graph;

/// Hears every event of a run, in order, on the thread that drives the run. A function is a sink.
///
/// A sink must be quick: the run waits for it. What is slow belongs behind a channel of the sink's own.
///
/// ```
/// use orch_core::{Event, EventSink, Graph};
///
/// fn takes_sink(_: impl EventSink) {}
/// takes_sink(|graph: &Graph, events: &[Event]| println!("{}: {} events", graph.name(), events.len()));
/// ```
pub trait EventSink: Send + Sync {
    /// Takes the events of one step. `graph` has the names of the tasks.
    fn hear(&self, graph: &Graph, events: &[Event]);
}

impl<F: Fn(&Graph, &[Event]) + Send + Sync> EventSink for F {
    fn hear(&self, graph: &Graph, events: &[Event]) {
        self(graph, events);
    }
}
