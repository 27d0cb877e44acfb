//! The table, and the data from which the script makes more of it.

use std::time::Duration;

use serde::Serialize;

use super::{
    scene::{Mark, Row, Scene},
    text,
};
use crate::{id::TaskIx, report::Short};

/// The most rows that stand in the file as HTML; the script shows the others.
const MOST_STATIC: usize = 300;
/// What the texts of all rows may cost in the file, in bytes.
const TEXTS: usize = 1_800_000;
/// The most parents and children that the details of a task name.
const MOST_RELATIVES: usize = 24;

/// One task, as the template shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Entry {
    /// The task's place.
    i: usize,
    id: String,
    mark: &'static str,
    critical: bool,
    attempts: u32,
    queued: Option<Time>,
    start: Option<Time>,
    duration: Option<Time>,
    /// Place and width on the timeline, in percent.
    x: Option<(f64, f64)>,
    error: String,
    output: String,
    more: Vec<(&'static str, String)>,
    after: Vec<usize>,
    before: Vec<usize>,
}

impl Entry {
    /// The same for the script: without names, since a large page has ten thousand of them.
    fn for_script(&self) -> impl Serialize {
        let times = (&self.queued, &self.start, &self.duration, self.x);
        let texts = (&self.error, &self.output, &self.more);
        (self.i, &self.id, self.mark, u8::from(self.critical), self.attempts, times, texts, &self.after, &self.before)
    }
}

/// A time to sort by, and as a person reads it.
#[derive(Debug, Clone, Serialize)]
struct Time(u64, String);

impl Time {
    fn new(nanos: u64) -> Self {
        Self(nanos, Short(Duration::from_nanos(nanos)).to_string())
    }
}

/// The table of a page.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    /// The rows that stand in the file as HTML: the first of those that the page knows.
    rows: Vec<Entry>,
    /// How many there are of those, of those that the script knows, and of tasks in the graph, for a person.
    shown: String,
    listed: String,
    total: String,
    is_cut: bool,
    is_partial: bool,
    /// Whether any task has an error, an output or a description.
    has_text: bool,
    tallies: Vec<Tally>,
    /// All rows, for the script.
    #[serde(skip)]
    known: Vec<Entry>,
}

impl Table {
    /// What the script reads.
    ///
    /// # Errors
    ///
    /// None that is known: it is plain data.
    pub(super) fn data(&self) -> serde_json::Result<String> {
        let rows: Vec<_> = self.known.iter().map(Entry::for_script).collect();
        text::script_json(&rows)
    }
}

/// How many tasks have a mark.
#[derive(Debug, Serialize)]
struct Tally {
    mark: &'static str,
    count: String,
}

pub(super) fn table(scene: &Scene<'_>, critical: &[bool]) -> Table {
    let budget = (TEXTS / scene.rows.len().max(1)).clamp(100, 6_000);
    let known: Vec<Entry> = scene.rows.iter().map(|row| entry(scene, critical, row, budget)).collect();
    let tally = |mark: Mark| {
        let count = scene.marks.iter().filter(|&&other| other == mark).count();
        (count > 0).then(|| Tally { mark: mark.word(), count: text::count(count as u64) })
    };
    let first: Vec<Entry> = known.iter().take(MOST_STATIC).cloned().collect();
    Table {
        shown: text::count(first.len() as u64),
        listed: text::count(known.len() as u64),
        total: text::count(scene.graph.len() as u64),
        is_cut: first.len() < known.len(),
        has_text: known.iter().any(|entry| !entry.error.is_empty() || !entry.output.is_empty()),
        is_partial: known.len() < scene.graph.len(),
        tallies: Mark::ALL.into_iter().filter_map(tally).collect(),
        rows: first,
        known,
    }
}

fn entry(scene: &Scene<'_>, critical: &[bool], row: &Row<'_>, budget: usize) -> Entry {
    let graph = scene.graph;
    let ix = TaskIx::from(row.task as u32);
    let percent = |at: u64| (at as f64 / scene.total.max(1) as f64 * 10_000.0).round() / 100.0;
    // An error comes before an output, and few tasks have both.
    let error = text::block(&row.error, budget / 2);
    let left = if error.is_empty() { budget / 2 } else { budget / 6 };
    let relatives = if graph.len() > 2_000 { 6 } else { MOST_RELATIVES };
    Entry {
        i: row.task,
        id: text::line(graph.id(ix).as_str(), (budget / 3).clamp(64, 512)),
        mark: scene.marks.get(row.task).copied().unwrap_or(Mark::Pending).word(),
        critical: critical.get(row.task).copied().unwrap_or(false),
        attempts: row.attempts,
        queued: row.queued.map(Time::new),
        start: row.start.map(Time::new),
        duration: row.duration.map(Time::new),
        x: row.span.map(|span| (percent(span.start), percent(span.end - span.start))),
        error,
        output: text::block(&row.output, left),
        more: row.more.iter().map(|(label, text)| (*label, text::line(text, (budget / 5).max(24)))).collect(),
        after: graph.parents(ix).take(relatives).map(TaskIx::index).collect(),
        before: graph.children(ix).take(relatives).map(TaskIx::index).collect(),
    }
}
