//! The list of the Task tools.

use serde::{Deserialize, Serialize};

use super::write::TodoStatus;
use crate::{
    event::TaskState,
    id::{Printable, TaskId, TaskIx},
    report::{Report, TaskResult, width::cut_chars},
    units::Usd,
};

/// The tasks of a run as Claude Code's Task tools know them: what `TaskCreate` takes, with the status and the links that
/// `TaskUpdate` sets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskList {
    /// One item a task, in the order of definition.
    pub tasks: Vec<TaskItem>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskItem {
    /// Its number in the list, from `1`; an agent that creates the tasks in order gives the same.
    pub id: String,
    /// The task's name.
    pub subject: String,
    /// What to do, in words.
    pub description: String,
    /// What is being done, shown while it is in progress.
    pub active_form: String,
    /// Where it stands. A task that failed stays in progress; one that was skipped is completed; one that was cancelled or
    /// undone is pending: it is not done.
    pub status: TodoStatus,
    /// The ids of the items that wait for it.
    pub blocks: Vec<String>,
    /// The ids of the items that it waits for.
    pub blocked_by: Vec<String>,
    /// What the tools keep but do not read.
    pub metadata: TaskMetadata,
}

/// What orch says of a task in its item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskMetadata {
    /// The task's name, unescaped and whole.
    pub orch_node: TaskId,
    /// Its state: an item knows fewer.
    pub orch_state: TaskState,
    /// Why it failed or was cancelled, or which condition did not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orch_error: Option<String>,
    /// What it cost, in US dollars, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// The longest subject and active form, and the longest description, in characters.
const LONGEST: usize = 200;
const LONGEST_DESCRIPTION: usize = 2_000;

/// The run as a Task list. Links are the dependencies, without loss.
pub fn task_list(report: &Report) -> TaskList {
    TaskList { tasks: report.tasks().map(|task| item(report, &task)).collect() }
}

fn item(report: &Report, task: &TaskResult<'_>) -> TaskItem {
    let number = |ix: TaskIx| (ix.index() + 1).to_string();
    let options = task.task().options();
    let subject = task.id().to_string();
    let description = if !options.description.is_empty() {
        Printable(&options.description).to_string()
    } else {
        match &options.agent {
            Some(agent) => format!("Run `{}`", Printable(agent)),
            None => format!("Run `{subject}`"),
        }
    };
    let remark = task.remark();
    let active_form = match (task.state(), &remark) {
        (TaskState::Failed, Some(error)) => format!("Failed: {}", Printable(error)),
        (TaskState::Skipped, _) => "Skipped".to_owned(),
        _ => format!("Running {subject}"),
    };
    TaskItem {
        id: number(task.ix()),
        subject: cut_chars(subject, LONGEST),
        description: cut_chars(description, LONGEST_DESCRIPTION),
        active_form: cut_chars(active_form, LONGEST),
        status: match task.state() {
            TaskState::Pending | TaskState::Cancelled | TaskState::Undone => TodoStatus::Pending,
            TaskState::Running | TaskState::Failed => TodoStatus::InProgress,
            TaskState::Succeeded | TaskState::Skipped => TodoStatus::Completed,
        },
        blocks: report.graph().children(task.ix()).map(number).collect(),
        blocked_by: report.graph().parents(task.ix()).map(number).collect(),
        metadata: TaskMetadata {
            orch_node: task.id().clone(),
            orch_state: task.state(),
            orch_error: remark.map(|remark| cut_chars(remark.into_owned(), LONGEST_DESCRIPTION)),
            cost_usd: task.cost().map(Usd::dollars),
        },
    }
}
