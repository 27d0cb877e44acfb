//! The list of the TodoWrite tool.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::{RunState, TaskState},
    id::{Printable, TaskIx},
    plan::Plan,
    report::{Counts, Report, TaskResult, width::cut_chars},
};

/// The input of the TodoWrite tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TodoList {
    /// The items, in an order that stays the same during a run.
    pub todos: Vec<Todo>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Todo {
    /// What to do.
    pub content: String,
    /// Where it stands.
    pub status: TodoStatus,
    /// What is being done, shown while it is in progress.
    pub active_form: String,
}

/// Where an item stands. The tool knows no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    /// Not begun.
    Pending,
    /// Being done.
    InProgress,
    /// Done.
    Completed,
}

/// How many items may be in progress at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TodoMode {
    /// One, as the tool asks: the first level that is not over. Its agents are pending until they are done; an agent that
    /// failed is completed and says so: `  └─ x {agent}: Failed: {error}`. After a failed run it is the first level with a
    /// failure.
    #[default]
    Strict,
    /// As many as are: each level and agent under way. An agent that failed stays in progress with the active form
    /// `Failed: {error}`.
    Parallel,
}

/// The most items of a list. A run with more tasks shows its levels alone, and of more levels the first.
const MOST_ITEMS: usize = 200;
/// The longest text of an item, in characters.
const LONGEST: usize = 200;

/// The run as a TodoWrite list: `Initialize {command}`, then each level with its agents, and when the run has succeeded
/// `✅ Completed in {seconds}s`. Levels are numbered from 0. An agent that several tasks of a level share is followed by
/// the task's name.
///
/// In both modes a skipped agent is completed, with ` (skipped)` and the active form `Skipped`; a cancelled one is pending:
/// it was not done; so is an undone one, with ` (undone)`. At most 200 items of at most 200 characters; a run with more tasks shows its levels alone.
pub fn todo_list(report: &Report, mode: TodoMode) -> TodoList {
    let levels = levels(report);
    let command = Printable(report.graph().name());
    let begun = report.run().is_some() || report.counts().pending < report.counts().total();
    let mut todos = vec![todo(
        format!("Initialize {command}"),
        if begun {
            TodoStatus::Completed
        } else if mode == TodoMode::Strict {
            TodoStatus::InProgress
        } else {
            TodoStatus::Pending
        },
        format!("Initializing {command}"),
    )];
    let current = if begun && mode == TodoMode::Strict { current_level(report, &levels) } else { None };
    let with_agents = 2 + levels.len() + report.tasks().len() <= MOST_ITEMS;
    let shown = levels.len().min(MOST_ITEMS - 3);
    for (number, level) in levels.iter().enumerate().take(shown) {
        todos.push(level_todo(number, level, level_status(report, level, mode, current == Some(number)), report));
        if with_agents {
            todos.extend(level.tasks.iter().map(|&ix| agent_todo(&report.task(ix), level, mode)));
        }
    }
    if shown < levels.len() {
        let rest = format!("{} more levels", levels.len() - shown);
        todos.push(todo(rest.clone(), TodoStatus::Pending, rest));
    }
    if report.state() == RunState::Succeeded {
        let text = format!("✅ Completed in {:.1}s", report.makespan().as_secs_f64());
        todos.push(todo(text.clone(), TodoStatus::Completed, text));
    }
    TodoList { todos }
}

struct Level<'a> {
    tasks: Vec<TaskIx>,
    counts: Counts,
    /// How many of its tasks each agent does.
    agents: HashMap<&'a str, usize>,
}

impl Level<'_> {
    /// Nothing more will happen in it.
    fn is_over(&self) -> bool {
        self.counts.finished() == self.tasks.len()
    }

    /// Everything in it is done.
    fn is_done(&self) -> bool {
        self.counts.succeeded + self.counts.skipped == self.tasks.len()
    }
}

fn levels(report: &Report) -> Vec<Level<'_>> {
    let plan = report.plan();
    let grown =
        if plan.graph().len() == report.graph().len() { None } else { Plan::new(report.graph(), plan.options()).ok() };
    let level = |tasks: Vec<TaskIx>| {
        let (mut counts, mut agents) = (Counts::default(), HashMap::new());
        for task in tasks.iter().map(|&ix| report.task(ix)) {
            counts.add(task.state());
            if let Some(agent) = &task.task().options().agent {
                *agents.entry(agent.as_str()).or_insert(0) += 1;
            }
        }
        Level { tasks, counts, agents }
    };
    grown.as_ref().unwrap_or(plan).by_level().into_iter().map(level).collect()
}

/// The one level that is in progress in strict mode.
fn current_level(report: &Report, levels: &[Level<'_>]) -> Option<usize> {
    if report.state() == RunState::Succeeded {
        return None;
    }
    let open = levels.iter().position(|level| !level.is_over());
    open.or_else(|| levels.iter().position(|level| !level.is_done()))
}

fn level_status(report: &Report, level: &Level<'_>, mode: TodoMode, current: bool) -> TodoStatus {
    // What failed in a run that succeeded was forgiven.
    let done = level.is_done() || level.is_over() && report.state() == RunState::Succeeded;
    let untouched = level.counts.pending + level.counts.cancelled == level.tasks.len();
    match mode {
        _ if done => TodoStatus::Completed,
        TodoMode::Strict if current => TodoStatus::InProgress,
        TodoMode::Strict if level.is_over() && level.counts.failed > 0 => TodoStatus::Completed,
        TodoMode::Strict => TodoStatus::Pending,
        TodoMode::Parallel if untouched => TodoStatus::Pending,
        TodoMode::Parallel => TodoStatus::InProgress,
    }
}

fn level_todo(number: usize, level: &Level<'_>, status: TodoStatus, report: &Report) -> Todo {
    let agents = level.tasks.len();
    let content = format!("Level {number}: Execute {agents} agents in parallel");
    let active_form = if level.counts.failed > 0 && level.is_over() && report.state() != RunState::Succeeded {
        format!("Failed: {} of {agents} agents", level.counts.failed)
    } else {
        format!("Executing level {number}")
    };
    todo(content, status, active_form)
}

fn agent_todo(task: &TaskResult<'_>, level: &Level<'_>, mode: TodoMode) -> Todo {
    let agent = agent_name(task, level);
    let running = format!("Running {agent}");
    let error = || task.error().map(|error| Printable(&error).to_string()).unwrap_or_default();
    let plain = format!("  └─ {agent}");
    match (task.state(), mode) {
        (TaskState::Pending | TaskState::Cancelled, _) => todo(plain, TodoStatus::Pending, running),
        (TaskState::Running, TodoMode::Strict) => todo(plain, TodoStatus::Pending, running),
        (TaskState::Running, TodoMode::Parallel) => todo(plain, TodoStatus::InProgress, running),
        (TaskState::Undone, _) => todo(format!("{plain} (undone)"), TodoStatus::Pending, running),
        (TaskState::Succeeded, _) => todo(plain, TodoStatus::Completed, running),
        (TaskState::Skipped, _) => todo(format!("{plain} (skipped)"), TodoStatus::Completed, "Skipped".to_owned()),
        (TaskState::Failed, TodoMode::Strict) => {
            let failed = format!("Failed: {}", error());
            todo(format!("  └─ x {agent}: {failed}"), TodoStatus::Completed, failed)
        }
        (TaskState::Failed, TodoMode::Parallel) => todo(plain, TodoStatus::InProgress, format!("Failed: {}", error())),
    }
}

/// The agent, with the task where it does several of the level; the task where it names no agent.
fn agent_name(task: &TaskResult<'_>, level: &Level<'_>) -> String {
    let Some(agent) = &task.task().options().agent else { return task.id().to_string() };
    let agent_name = Printable(agent);
    if agent == task.id().as_str() || level.agents.get(agent.as_str()) == Some(&1) {
        agent_name.to_string()
    } else {
        format!("{agent_name} ({})", task.id())
    }
}

fn todo(content: String, status: TodoStatus, active_form: String) -> Todo {
    Todo { content: cut_chars(content, LONGEST), status, active_form: cut_chars(active_form, LONGEST) }
}
