//! How what a task did is taken back, and what its failure takes back with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::task::{Retry, is_default, millis};
use crate::id::TaskId;

/// What takes back the effect of a task that worked, when its run does not succeed: a step of a saga, also called a
/// compensation.
///
/// It is done like a task: by an agent, with retries and a timeout, and it is given what the task made. Undo steps begin
/// when nothing else of the run is under way any more, one after the other, the latest task first, and none before every
/// task that was built on its own has been undone: see [`saga`](crate::recovery::saga).
///
/// ```
/// use orch_core::{Task, Undo, UndoOn};
///
/// let publish = Task::new("publish").undo("unpublish");
/// assert_eq!(publish.options().undo.as_ref().unwrap().agent.as_deref(), Some("unpublish"));
///
/// let careful = Task::new("migrate").undo(Undo { on: vec![UndoOn::Error], itself: true, ..Undo::by("dba") });
/// assert!(careful.options().undo.as_ref().unwrap().itself);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Undo {
    /// Who does it: the key under which an executor looks up a program or a function. Default: the task's own agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What to do, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Free values for the executor.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub params: Value,
    /// After which failures the task is undone. Empty: after every one, and when the run is cancelled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<UndoOn>,
    /// Whether and when a failed undo is tried again. Default: [`Retry::default`], three attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The longest an attempt of the undo may take. Default: the task's own timeout.
    #[serde(rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Also undoes the task when it had begun and did not work: it failed, or was stopped. Default: no, for what did not
    /// complete is mostly not there to be undone.
    #[serde(skip_serializing_if = "is_default")]
    pub itself: bool,
    /// Of the tasks that may be undone next, higher goes first; of equal ones the latest. Default: 0.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
}

impl Undo {
    /// Done by that agent, all else by default.
    pub fn by(agent: impl Into<String>) -> Self {
        Self { agent: Some(agent.into()), ..Self::default() }
    }

    /// How a failed undo is tried again where [`retry`](Undo::retry) does not say: [`Retry::default`].
    pub fn retry(&self) -> Retry {
        self.retry.clone().unwrap_or_default()
    }
}

impl From<&str> for Undo {
    fn from(agent: &str) -> Self {
        Self::by(agent)
    }
}

impl From<String> for Undo {
    fn from(agent: String) -> Self {
        Self::by(agent)
    }
}

/// What is undone when a task fails for good. A task without one undoes all that its run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollback {
    /// How far back.
    pub scope: UndoScope,
    /// For which failures of the task; after others all is undone, as without a rollback. Empty: for every one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<UndoOn>,
}

/// How far back a run is undone. Only tasks that have an [`Undo`] are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoScope {
    /// All that the run did.
    #[default]
    Run,
    /// The chain of the failed task: what it waited for, directly or not, and everything that was built on what is undone.
    Cascade,
    /// Everything that ended after that task, which itself stays. If it did not end, everything.
    To(TaskId),
    /// Everything that ended after the checkpoint of that name; of several, the latest. If there is none, everything. Tasks
    /// make checkpoints ([`TaskContext::checkpoint`](crate::TaskContext::checkpoint)), and who started the run does
    /// ([`Run::checkpoint`](crate::Run::checkpoint)).
    ToCheckpoint(String),
}

/// What sort of end makes a run undo its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UndoOn {
    /// A task failed.
    Error,
    /// A task took too long or was silent too long, or the deadline of the run passed.
    Timeout,
    /// A task found that something is not as it should be.
    Validation,
    /// The run was cancelled.
    Cancel,
}

impl UndoOn {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Error, Self::Timeout, Self::Validation, Self::Cancel];

    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Validation => "validation",
            Self::Cancel => "cancel",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(undo: &Undo, form: Value) {
        assert_eq!(serde_json::to_value(undo).unwrap(), form);
        assert_eq!(&serde_json::from_value::<Undo>(form).unwrap(), undo);
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        check(&Undo::default(), json!({}));
        let whole = Undo {
            description: "take it down".into(),
            params: json!({"region": 1}),
            on: vec![UndoOn::Error, UndoOn::Validation],
            retry: Some(Retry { max_attempts: 5, ..Retry::default() }),
            timeout: Some(Duration::from_secs(2)),
            itself: true,
            priority: -1,
            ..Undo::by("unpublish")
        };
        check(
            &whole,
            json!({
                "agent": "unpublish", "description": "take it down", "params": {"region": 1}, "on": ["error", "validation"],
                "retry": {"max_attempts": 5, "strategy": "exponential", "initial_delay_ms": 1000, "max_delay_ms": 30000,
                    "multiplier": 2.0, "jitter": true},
                "timeout_ms": 2000, "itself": true, "priority": -1,
            }),
        );
    }

    #[test]
    fn a_rollback_has_one_form() {
        for (scope, form) in [
            (UndoScope::Run, json!("run")),
            (UndoScope::Cascade, json!("cascade")),
            (UndoScope::To("backup".into()), json!({"to": "backup"})),
            (UndoScope::ToCheckpoint("before".into()), json!({"to_checkpoint": "before"})),
        ] {
            let rollback = Rollback { scope, on: vec![UndoOn::Validation] };
            let form = json!({"scope": form, "on": ["validation"]});
            assert_eq!(serde_json::to_value(&rollback).unwrap(), form);
            assert_eq!(serde_json::from_value::<Rollback>(form).unwrap(), rollback);
        }
    }

    #[test]
    fn what_can_be_undone_is_not_shared() {
        let ttl = Some(Duration::from_secs(60));
        let task =
            crate::Task::new("a").with(|options| options.outputs.push(crate::OutputSpec { key: "k".into(), ttl }));
        assert!(task.options().shares());
        assert!(!task.undo("x").options().shares());
    }

    #[test]
    fn names_are_those_of_the_json_form() {
        for on in UndoOn::ALL {
            assert_eq!(serde_json::to_value(on).unwrap(), on.name());
        }
    }
}
