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

/// How the items are put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TodoLayout {
    /// Each level with its agents below: `Level {n}: Execute {k} agents in parallel`.
    #[default]
    Levels,
    /// Each phase of the definition with its agents below: `{phase}: Execute {k} agents`. Agents without a phase are in
    /// `Other`.
    Phases,
    /// Agents alone. In the [strict](TodoMode::Strict) mode the first of those that run is in progress.
    Flat,
}

/// The most items of a list. A run with more tasks shows its levels alone, and of more levels the first.
const MOST_ITEMS: usize = 200;
/// What stands before an agent below its level.
const BELOW: &str = "  └─ ";
/// The longest text of an item, in characters.
const LONGEST: usize = 200;

/// The run as a TodoWrite list: `Initialize {command}`, then each level with its agents, and when the run has succeeded
/// `✅ Completed in {seconds}s`. Levels are numbered from 0. An agent that several tasks of a level share is followed by
/// the task's name.
///
/// In both modes a skipped agent is completed, with ` (skipped)` and the active form `Skipped`; a cancelled one is pending:
/// it was not done; so is an undone one, with ` (undone)`. At most 200 items of at most 200 characters; a run with more tasks shows its levels alone.
pub fn todo_list(report: &Report, mode: TodoMode) -> TodoList {
    todo_list_in(report, mode, TodoLayout::Levels)
}

/// The same in another layout.
pub fn todo_list_in(report: &Report, mode: TodoMode, layout: TodoLayout) -> TodoList {
    let levels = groups(report, layout);
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
        if layout == TodoLayout::Flat && with_agents {
            todos.extend(flat(report, level, mode));
            continue;
        }
        todos.push(level_todo(level, level_status(report, level, mode, current == Some(number)), report));
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
    /// What is to be done, and what is being done.
    texts: (String, String),
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

fn groups(report: &Report, layout: TodoLayout) -> Vec<Level<'_>> {
    match layout {
        TodoLayout::Levels => {
            let plan = report.plan();
            let grown = match plan.graph().len() == report.graph().len() {
                true => None,
                false => Plan::new(report.graph(), plan.options()).ok(),
            };
            let levels = grown.as_ref().unwrap_or(plan).by_level();
            let text = |number, agents| {
                (format!("Level {number}: Execute {agents} agents in parallel"), format!("Executing level {number}"))
            };
            let levels = levels.into_iter().enumerate();
            levels.map(|(number, tasks)| group(report, text(number, tasks.len()), tasks)).collect()
        }
        TodoLayout::Phases => {
            let mut phases: Vec<(&str, Vec<TaskIx>)> = Vec::new();
            let mut places: HashMap<&str, usize> = HashMap::new();
            for task in report.tasks() {
                let phase = task.task().options().phase.as_deref().unwrap_or("Other");
                let place = *places.entry(phase).or_insert_with(|| {
                    phases.push((phase, Vec::new()));
                    phases.len() - 1
                });
                if let Some((_, tasks)) = phases.get_mut(place) {
                    tasks.push(task.ix());
                }
            }
            let text = |phase, agents| {
                let phase = Printable(phase);
                (format!("{phase}: Execute {agents} agents"), format!("Executing {phase}"))
            };
            phases.into_iter().map(|(phase, tasks)| group(report, text(phase, tasks.len()), tasks)).collect()
        }
        TodoLayout::Flat => {
            let tasks = report.graph().topological().collect::<Vec<_>>();
            let text = (format!("Execute {} agents", tasks.len()), "Executing agents".to_owned());
            vec![group(report, text, tasks)]
        }
    }
}

/// Each agent as an item of its own.
fn flat<'a>(report: &'a Report, level: &'a Level<'_>, mode: TodoMode) -> impl Iterator<Item = Todo> + use<'a> {
    let first = level.tasks.iter().copied().find(|&ix| report.task(ix).state() == TaskState::Running);
    level.tasks.iter().map(move |&ix| {
        let mut todo = agent_todo(&report.task(ix), level, mode);
        if let Some(content) = todo.content.strip_prefix(BELOW) {
            todo.content = content.to_owned();
        }
        if mode == TodoMode::Strict && first == Some(ix) {
            todo.status = TodoStatus::InProgress;
        }
        todo
    })
}

fn group(report: &Report, texts: (String, String), tasks: Vec<TaskIx>) -> Level<'_> {
    let (mut counts, mut agents) = (Counts::default(), HashMap::new());
    for task in tasks.iter().map(|&ix| report.task(ix)) {
        counts.add(task.state());
        if let Some(agent) = &task.task().options().agent {
            *agents.entry(agent.as_str()).or_insert(0) += 1;
        }
    }
    Level { texts, tasks, counts, agents }
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

fn level_todo(level: &Level<'_>, status: TodoStatus, report: &Report) -> Todo {
    let agents = level.tasks.len();
    let (content, active) = level.texts.clone();
    let active_form = if level.counts.failed > 0 && level.is_over() && report.state() != RunState::Succeeded {
        format!("Failed: {} of {agents} agents", level.counts.failed)
    } else {
        active
    };
    todo(content, status, active_form)
}

fn agent_todo(task: &TaskResult<'_>, level: &Level<'_>, mode: TodoMode) -> Todo {
    let agent = agent_name(task, level);
    let running = format!("Running {agent}");
    let error = || task.error().map(|error| Printable(&error).to_string()).unwrap_or_default();
    let plain = format!("{BELOW}{agent}");
    match (task.state(), mode) {
        (TaskState::Pending | TaskState::Cancelled, _) => todo(plain, TodoStatus::Pending, running),
        (TaskState::Running, TodoMode::Strict) => todo(plain, TodoStatus::Pending, running),
        (TaskState::Running, TodoMode::Parallel) => todo(plain, TodoStatus::InProgress, running),
        (TaskState::Undone, _) => todo(format!("{plain} (undone)"), TodoStatus::Pending, running),
        (TaskState::Succeeded, _) => todo(plain, TodoStatus::Completed, running),
        (TaskState::Skipped, _) => todo(format!("{plain} (skipped)"), TodoStatus::Completed, "Skipped".to_owned()),
        (TaskState::Failed, TodoMode::Strict) => {
            let failed = format!("Failed: {}", error());
            todo(format!("{BELOW}x {agent}: {failed}"), TodoStatus::Completed, failed)
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
