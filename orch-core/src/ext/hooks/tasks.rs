//! The task list of a session, as its tools and events tell it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::input::HookInput;
use crate::{clock::WallTime, executor::Redactor};

/// One thing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskItem {
    /// What it is found by.
    pub id: String,
    /// What is to do.
    pub subject: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
    /// Who does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What has to be done before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
}

/// The task list of a session: the latest that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskList {
    /// The session.
    pub session: String,
    /// Where it works.
    pub cwd: String,
    /// When something of it changed.
    pub updated: WallTime,
    /// In the order in which they were made.
    pub tasks: Vec<TaskItem>,
}

/// More than that is no list for people.
const MOST: usize = 500;
const LONGEST: usize = 1_000;

impl TaskList {
    /// Whether something is still to do.
    pub fn is_open(&self) -> bool {
        self.tasks.iter().any(|task| task.status != "completed")
    }

    fn kind(input: &HookInput) -> (&str, &str) {
        (input.event(), input.text("tool_name").unwrap_or_default())
    }

    /// Whether it is about tasks.
    pub(super) fn is_told_by(input: &HookInput) -> bool {
        matches!(
            Self::kind(input),
            ("PostToolUse", "TodoWrite" | "TaskCreate" | "TaskUpdate" | "TaskList")
                | ("TaskCreated" | "TaskCompleted", _)
        )
    }

    /// Takes over what an event says of tasks; whether it says something.
    pub(super) fn hear(&mut self, input: &HookInput, now: WallTime) -> bool {
        let before = self.tasks.clone();
        match Self::kind(input) {
            ("PostToolUse", "TodoWrite") => self.replace(input.value("tool_input").get("todos")),
            ("PostToolUse", "TaskCreate") => {
                let (asked, made) = (input.value("tool_input"), input.value("tool_response").get("task"));
                let id = made.and_then(|task| id(task, "id")).unwrap_or_else(|| (self.tasks.len() + 1).to_string());
                self.change(&id, asked);
            }
            ("PostToolUse", "TaskUpdate") => {
                let asked = input.value("tool_input");
                if let Some(id) = id(asked, "taskId") {
                    self.change(&id, asked);
                }
            }
            ("PostToolUse", "TaskList") => {
                for task in input.value("tool_response").get("tasks").and_then(Value::as_array).into_iter().flatten() {
                    if let Some(id) = id(task, "id") {
                        self.change(&id, task);
                    }
                }
            }
            ("TaskCreated" | "TaskCompleted", _) => {
                let Some(id) = id(input.value("task_id"), "") else { return false };
                let status = (input.event() == "TaskCompleted").then_some("completed");
                let (subject, owner) = (input.text("task_subject"), input.text("teammate_name"));
                self.change(&id, &serde_json::json!({"subject": subject, "owner": owner, "status": status}));
            }
            _ => return false,
        }
        self.tasks.truncate(MOST);
        let changed = self.tasks != before;
        if changed {
            self.session = input.session().to_owned();
            self.cwd = input.text("cwd").unwrap_or_default().to_owned();
            self.updated = now;
        }
        changed
    }

    /// `TodoWrite` always says all of it.
    fn replace(&mut self, todos: Option<&Value>) {
        let Some(todos) = todos.and_then(Value::as_array) else { return };
        self.tasks = todos
            .iter()
            .enumerate()
            .map(|(nth, todo)| TaskItem {
                id: (nth + 1).to_string(),
                subject: text(todo, "content").unwrap_or_default(),
                status: status(todo).unwrap_or("pending").to_owned(),
                ..TaskItem::default()
            })
            .collect();
    }

    /// One that is there, or a new one.
    fn change(&mut self, id: &str, said: &Value) {
        if said.get("status").and_then(Value::as_str) == Some("deleted") {
            self.tasks.retain(|task| task.id != id);
            return;
        }
        let at = self.tasks.iter().position(|task| task.id == id).unwrap_or_else(|| {
            self.tasks.push(TaskItem { id: id.to_owned(), status: "pending".to_owned(), ..TaskItem::default() });
            self.tasks.len() - 1
        });
        let names = |key: &str| -> Vec<String> {
            said.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(cut).collect()
        };
        let (blocks, mut blocked_by) = (names("addBlocks"), names("addBlockedBy"));
        blocked_by.extend(names("blockedBy"));
        if let Some(task) = self.tasks.get_mut(at) {
            if let Some(subject) = text(said, "subject") {
                task.subject = subject;
            }
            if let Some(status) = status(said) {
                status.clone_into(&mut task.status);
            }
            task.owner = text(said, "owner").or_else(|| task.owner.take());
            blocked_by.retain(|other| !task.blocked_by.contains(other));
            task.blocked_by.extend(blocked_by);
        }
        for other in self.tasks.iter_mut().filter(|other| blocks.contains(&other.id)) {
            if !other.blocked_by.iter().any(|blocker| blocker == id) {
                other.blocked_by.push(id.to_owned());
            }
        }
    }
}

/// Numbers are names too.
fn id(value: &Value, key: &str) -> Option<String> {
    let value = if key.is_empty() { value } else { value.get(key)? };
    match value {
        Value::String(text) if !text.is_empty() => Some(cut(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn status(said: &Value) -> Option<&str> {
    said.get("status").and_then(Value::as_str).filter(|status| ["pending", "in_progress", "completed"].contains(status))
}

fn text(said: &Value, key: &str) -> Option<String> {
    said.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(cut)
}

/// Not longer than a line, and without what looks like a secret.
fn cut(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect();
    Redactor::new().redact(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(list: &mut TaskList, event: &str, more: Value) -> bool {
        let mut input = json!({"hook_event_name": event, "session_id": "s", "cwd": "/w"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        list.hear(&HookInput::read(&input.to_string()).unwrap(), WallTime(7))
    }

    fn shown(list: &TaskList) -> Vec<(&str, &str, &str)> {
        list.tasks.iter().map(|task| (task.id.as_str(), task.subject.as_str(), task.status.as_str())).collect()
    }

    #[test]
    fn the_older_tool_says_all_of_it() {
        let mut list = TaskList::default();
        let todos = json!([{"content": "read", "status": "completed", "activeForm": "reading"}, {"content": "write", "status": "in_progress", "activeForm": "writing"}]);
        let more = json!({"tool_name": "TodoWrite", "tool_input": {"todos": todos}});
        assert!(told(&mut list, "PostToolUse", more.clone()));
        assert_eq!(shown(&list), [("1", "read", "completed"), ("2", "write", "in_progress")]);
        assert!(!told(&mut list, "PostToolUse", more.clone()), "nothing new");
        assert!(!told(&mut list, "PreToolUse", more), "only what was done");
        assert_eq!((list.session.as_str(), list.updated, list.is_open()), ("s", WallTime(7), true));
    }

    #[test]
    fn tasks_are_made_changed_and_deleted() {
        let mut list = TaskList::default();
        let made = |id: &str, subject: &str| {
            json!({"tool_name": "TaskCreate", "tool_input": {"subject": subject, "description": "d"},
                   "tool_response": {"task": {"id": id, "subject": subject}}})
        };
        told(&mut list, "PostToolUse", made("a", "read"));
        told(&mut list, "TaskCreated", json!({"task_id": "a", "task_subject": "read", "teammate_name": "ann"}));
        told(&mut list, "PostToolUse", made("b", "write"));
        let update = json!({"tool_name": "TaskUpdate", "tool_input": {"taskId": "a", "status": "in_progress", "addBlocks": ["b"]}});
        told(&mut list, "PostToolUse", update);
        assert_eq!(list.tasks[0].owner.as_deref(), Some("ann"));
        assert_eq!(list.tasks[1].blocked_by, ["a"]);
        told(&mut list, "TaskCompleted", json!({"task_id": "a"}));
        assert_eq!(shown(&list), [("a", "read", "completed"), ("b", "write", "pending")]);
        told(
            &mut list,
            "PostToolUse",
            json!({"tool_name": "TaskUpdate", "tool_input": {"taskId": "b", "status": "deleted"}}),
        );
        assert_eq!(shown(&list), [("a", "read", "completed")]);
        assert!(!list.is_open());
    }

    #[test]
    fn odd_input_changes_nothing_and_secrets_are_not_kept() {
        let mut list = TaskList::default();
        for odd in [json!({}), json!({"tool_input": 3}), json!({"tool_input": {"todos": 3}}), json!({"task_id": {}})] {
            for (event, tool) in [("PostToolUse", "TodoWrite"), ("PostToolUse", "TaskUpdate"), ("TaskCreated", "")] {
                let mut more = odd.clone();
                more["tool_name"] = tool.into();
                told(&mut list, event, more);
            }
        }
        assert_eq!(list.tasks, []);
        let todos = json!([{"content": "use ghp_0123456789abcdefghijABCDEFGHIJ012345", "status": "odd"}]);
        told(&mut list, "PostToolUse", json!({"tool_name": "TodoWrite", "tool_input": {"todos": todos}}));
        assert!(!list.tasks[0].subject.contains("ghp_0123"), "{:?}", list.tasks[0]);
        assert_eq!(list.tasks[0].status, "pending");
    }
}
