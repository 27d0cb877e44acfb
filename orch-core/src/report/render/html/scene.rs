//! What one page shows, of a run or of a plan, before it is laid out. Text is as it came; [`page`](super::page) escapes.

use std::borrow::Cow;

use serde::Serialize;

use super::{lanes::Span, text};
use crate::{definition::Graph, event::TaskState};

/// The most tasks that a page lists with their details. The timeline and the graph show all.
pub(super) const MOST_ROWS: usize = 10_000;

/// How a task, or an attempt, is marked: by colour, by pattern and by sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Failed,
    /// An attempt that failed and was repeated.
    Retried,
    Running,
    Cancelled,
    /// It worked and was undone.
    Undone,
    Skipped,
    Pending,
    Succeeded,
    /// A task of a plan.
    Planned,
}

impl Mark {
    /// Every mark, the one that a person should see first in front.
    pub(super) const ALL: [Self; 9] = [
        Self::Failed,
        Self::Retried,
        Self::Running,
        Self::Cancelled,
        Self::Undone,
        Self::Skipped,
        Self::Pending,
        Self::Succeeded,
        Self::Planned,
    ];

    /// The word for it, which is also its class in the style sheet.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Running => "running",
            Self::Cancelled => "cancelled",
            Self::Undone => "undone",
            Self::Skipped => "skipped",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Planned => "planned",
        }
    }
}

impl From<TaskState> for Mark {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Pending => Self::Pending,
            TaskState::Running => Self::Running,
            TaskState::Succeeded => Self::Succeeded,
            TaskState::Failed => Self::Failed,
            TaskState::Skipped => Self::Skipped,
            TaskState::Cancelled => Self::Cancelled,
            TaskState::Undone => Self::Undone,
        }
    }
}

/// A number of the head, with what it means.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

/// Something that a person has to know first.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) task: Option<usize>,
    /// What it is about, in a few of our own words.
    pub(super) about: String,
    /// What was said, by whoever said it.
    pub(super) message: String,
}

/// One attempt on the timeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) task: usize,
    pub(super) number: u32,
    pub(super) span: Span,
    pub(super) mark: Mark,
}

/// One task in the table. Times in nanoseconds.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) task: usize,
    pub(super) attempts: u32,
    pub(super) queued: Option<u64>,
    pub(super) start: Option<u64>,
    pub(super) duration: Option<u64>,
    /// From the first start to the end, waits between attempts included.
    pub(super) span: Option<Span>,
    pub(super) error: Cow<'a, str>,
    pub(super) output: Cow<'a, str>,
    /// What else the details say, as label and text.
    pub(super) more: Vec<(&'static str, String)>,
}

/// What all tasks of the graph are called first.
pub(super) fn common_start(graph: &Graph) -> &str {
    text::common_start(graph.tasks().iter().map(|task| task.id().as_str()))
}

/// What was undone.
#[derive(Debug)]
pub(super) struct Undone {
    pub(super) summary: String,
    /// When it began, in nanoseconds.
    pub(super) began: u64,
    /// In the order in which they were undone.
    pub(super) steps: Vec<UndoneStep>,
    /// The checkpoints of the run.
    pub(super) checkpoints: Vec<String>,
    /// Tasks that stay, and why.
    pub(super) kept: Vec<(usize, String)>,
}

/// One task that was undone, or not.
#[derive(Debug)]
pub(super) struct UndoneStep {
    pub(super) task: usize,
    pub(super) mark: Mark,
    /// What became of it, in a few of our own words.
    pub(super) about: String,
    /// What was to do, by the definition.
    pub(super) what: String,
    /// Why it failed.
    pub(super) message: String,
    pub(super) attempts: Vec<Attempt>,
}

/// What one page shows.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) graph: &'a Graph,
    pub(super) is_plan: bool,
    /// What all names begin with, where pictures leave it out.
    pub(super) start: &'a str,
    /// How the run ended; `planned` for a plan.
    pub(super) state: Mark,
    /// What happened, in a sentence.
    pub(super) headline: String,
    /// Small facts under the name.
    pub(super) about: Vec<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) failures: Vec<Trouble>,
    pub(super) failures_left_out: usize,
    pub(super) warnings: Vec<Trouble>,
    pub(super) warnings_left_out: usize,
    /// One a task.
    pub(super) marks: Vec<Mark>,
    /// The level of each task.
    pub(super) levels: Vec<usize>,
    pub(super) attempts: Vec<Attempt>,
    /// How long the whole took, in nanoseconds.
    pub(super) total: u64,
    /// The critical path, first task first.
    pub(super) path: Vec<usize>,
    /// What the path is, in a sentence.
    pub(super) path_note: String,
    /// At most [`MOST_ROWS`], in the order in which the table begins.
    pub(super) rows: Vec<Row<'a>>,
    pub(super) undone: Option<Undone>,
    /// What each agent was expected to cost, what it did, and by how much that differs.
    pub(super) costs: Vec<[String; 4]>,
}

impl Scene<'_> {
    /// The name of a task in a picture, in at most so many columns.
    pub(super) fn label(&self, task: usize, columns: usize) -> String {
        let id = self.graph.tasks().get(task).map_or("", |task| task.id().as_str());
        text::label(id.strip_prefix(self.start).unwrap_or(id), columns)
    }
}
