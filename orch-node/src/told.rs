//! What the driver in JavaScript tells a session: how to run, and what ended.

use std::path::PathBuf;

use orch_core::{
    Error, ErrorKind, Failure, FailureKind, FailurePolicy, Outcome, Output, Stream, TaskIx,
    run::{Message, Rules},
    session::SessionOptions,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{convert, error::Raised};

/// How one run behaves. Times in milliseconds.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    max_parallel: Option<u32>,
    on_failure: FailurePolicy,
    undo: bool,
    deadline_ms: Option<f64>,
    inputs: Map<String, Value>,
    seed: u64,
    directory: Option<PathBuf>,
    approve_commands: bool,
}

impl Default for Options {
    fn default() -> Self {
        let Rules { on_failure, undo, inputs, seed, .. } = Rules::default();
        let (max_parallel, deadline_ms, directory) = Default::default();
        Self { max_parallel, on_failure, undo, deadline_ms, inputs, seed, directory, approve_commands: false }
    }
}

impl Options {
    /// From JSON; `None`: the defaults.
    pub(crate) fn read(told: Option<&str>) -> napi::Result<SessionOptions> {
        let told: Self =
            told.map(|told| convert::read(told, "the options of the run")).transpose()?.unwrap_or_default();
        let rules = Rules {
            max_parallel: told.max_parallel.unwrap_or(Rules::UNLIMITED),
            on_failure: told.on_failure,
            undo: told.undo,
            deadline: told.deadline_ms.map(convert::duration).transpose()?,
            inputs: told.inputs,
            seed: told.seed,
            ..Rules::default()
        };
        let (directory, approve_commands) = (told.directory, told.approve_commands);
        Ok(SessionOptions { rules, directory, approve_commands, ..SessionOptions::default() })
    }
}

/// The attempt worked.
pub(crate) fn worked(task: TaskIx, attempt: u32, output: Output) -> Message {
    Message::Finished { task, attempt, outcome: Outcome { result: Ok(output), usage: None } }
}

/// What is told otherwise than by place. Kind `done` is a result that stays in JavaScript, `json` one as JSON; `heartbeat` and
/// `stdout` are signs of life; else it is the kind of a failure, with its message.
pub(crate) fn message(task: u32, attempt: u32, kind: &str, text: Option<String>) -> napi::Result<Message> {
    let task = TaskIx::from(task);
    let text = text.unwrap_or_default();
    Ok(match kind {
        "heartbeat" => Message::Heartbeat { task },
        "stdout" => Message::Line { task, stream: Stream::Stdout, text: text.into() },
        "done" => worked(task, attempt, Output::NOTHING),
        "json" => worked(task, attempt, Output::from(convert::read::<Value>(&text, "the result of a task")?)),
        _ => {
            let kind: FailureKind = serde_json::from_value(Value::from(kind))
                .map_err(|error| Error::new(ErrorKind::InvalidValue, "no kind of failure").caused_by(error))
                .raised()?;
            Message::Finished { task, attempt, outcome: Failure { kind, message: text }.into() }
        }
    })
}
