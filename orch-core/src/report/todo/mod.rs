//! A run as the to-do lists of coding agents: a TodoWrite list, and a Task list.
//!
//! Both are made afresh from a [`Report`](crate::Report), at any time and as often as wanted: what stands for which task is
//! known by its place, never by its text, so that equal or similar names cannot take each other's state. The texts are
//! those of the first orchestrator's demo; the forms are those of the agent's tools, to the letter.
//!
//! What it does not do: send the list anywhere.
//!
//! ```
//! use orch_core::{Graph, Plan, PlanOptions, Report, Task};
//! use orch_core::report::todo::{TodoMode, todo_list};
//!
//! let graph = Graph::builder("/review").task(Task::new("scan")).build()?;
//! let report = Report::new(&Plan::new(&graph, &PlanOptions::default())?);
//! let list = todo_list(&report, TodoMode::Parallel);
//! let texts: Vec<&str> = list.todos.iter().map(|todo| todo.content.as_str()).collect();
//! assert_eq!(texts, ["Initialize /review", "Level 0: Execute 1 agents in parallel", "  └─ scan"]);
//! # Ok::<(), orch_core::Error>(())
//! ```

mod task_list;
mod write;

pub use task_list::{TaskItem, TaskList, TaskMetadata, task_list};
pub use write::{Todo, TodoLayout, TodoList, TodoMode, TodoStatus, todo_list, todo_list_in};

#[cfg(test)]
mod tests;
