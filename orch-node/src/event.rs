//! Events in batches: numbers for what there is much of, JSON for the rest.

use napi_derive::napi;
use orch_core::{Event, EventKind, Graph};

use crate::convert::{self, millis};

/// How many numbers each event has: its kind, when it was (milliseconds), and two that its kind explains.
const NUMBERS: usize = 4;

/// A task began its first attempt: its place, how long it waited for a place to run.
const STARTED: f64 = 1.0;
/// A task worked and its output stays in JavaScript: its place, the attempt.
const WORKED: f64 = 2.0;
/// Everything else: the number of its JSON form in the batch, unused.
const OTHER: f64 = 0.0;

/// What happened since the last batch. Its numbers are where the driver has room for them: four for each event, its kind, milliseconds
/// since the start, and two more.
#[napi(object, object_from_js = false)]
pub struct Events {
    /// The number of the first.
    pub first: f64,
    /// How many numbers there are. More than there was room for: then nothing was told, and it is to be asked again with more.
    pub count: u32,
    /// The JSON forms of those that numbers cannot tell.
    pub texts: Vec<String>,
}

/// Collects.
#[derive(Default)]
pub(crate) struct Batch {
    first: Option<u64>,
    numbers: Vec<f64>,
    /// Heard, and not yet among the texts.
    rare: Vec<Event>,
    texts: Vec<String>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len() / NUMBERS
    }

    pub(crate) fn hear(&mut self, events: &[Event]) {
        self.numbers.reserve(events.len() * NUMBERS);
        for event in events {
            self.first.get_or_insert(event.seq);
            let at = millis(event.at);
            let told = match &event.kind {
                EventKind::TaskStarted { task, attempt: 1, queued } => {
                    [STARTED, at, task.index() as f64, millis(*queued)]
                }
                EventKind::TaskFinished { task, attempt, result: Ok(output), usage: None } if output.is_nothing() => {
                    [WORKED, at, task.index() as f64, f64::from(*attempt)]
                }
                _ => {
                    let number = self.texts.len() + self.rare.len();
                    self.rare.push(event.clone());
                    [OTHER, at, number as f64, 0.0]
                }
            };
            self.numbers.extend_from_slice(&told);
        }
    }

    /// Writes down what numbers cannot tell, with the names of tasks.
    pub(crate) fn write(&mut self, graph: &Graph) -> napi::Result<()> {
        for event in self.rare.drain(..) {
            self.texts.push(convert::shown(&event.named(graph))?);
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, room: &mut [u8]) -> Events {
        let (first, count) = (self.first.unwrap_or_default() as f64, self.numbers.len() as u32);
        let (slots, _) = room.as_chunks_mut::<8>();
        if slots.len() < self.numbers.len() {
            return Events { first, count, texts: Vec::new() };
        }
        self.numbers.iter().zip(slots).for_each(|(number, slot)| *slot = number.to_ne_bytes());
        self.clear();
        Events { first, count, texts: std::mem::take(&mut self.texts) }
    }

    /// Forgets what it has, but not where it was.
    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.numbers.clear();
        self.rare.clear();
    }
}
