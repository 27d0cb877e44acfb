//! Who hears the events.

use super::Event;

/// Hears every event of a run, in order, on the thread that drives the run.
///
/// A sink must be quick: the run waits for it. What is slow belongs behind a channel of the sink's own.
pub trait EventSink: Send {
    /// Takes the events of one step.
    fn hear(&mut self, events: &[Event]);
}

impl<F: FnMut(&Event) + Send> EventSink for F {
    fn hear(&mut self, events: &[Event]) {
        events.iter().for_each(self);
    }
}
