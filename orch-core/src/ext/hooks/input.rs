//! What a hook is told.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// What Claude Code tells a hook on its stdin: JSON, of which each event has more than the others. Unknown fields and events pass.
#[derive(Debug, Clone, PartialEq)]
pub struct HookInput(Value);

impl HookInput {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) if it is no JSON object, or does not name its event.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            let message =
                format!("stdin holds no input of a hook: {why}; Claude Code calls this, see `orch hooks --help`");
            Error::new(ErrorKind::InvalidFormat, message)
        };
        if text.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(format!("it is no JSON ({error})")))?;
        let input = Self(value);
        if !input.0.is_object() {
            return Err(wrong("it is no object".to_owned()));
        }
        if input.event().is_empty() {
            return Err(wrong("`hook_event_name` is missing".to_owned()));
        }
        Ok(input)
    }

    /// The event: `PreToolUse`, `Stop` and so on.
    pub fn event(&self) -> &str {
        self.text("hook_event_name").unwrap_or_default()
    }

    /// The session; empty if it is not told.
    pub fn session(&self) -> &str {
        self.text("session_id").unwrap_or_default()
    }

    /// Where the agent works.
    pub fn cwd(&self) -> Option<&Path> {
        self.text("cwd").map(Path::new)
    }

    /// The subagent that it is about; `None`: the session itself.
    pub(super) fn agent(&self) -> Option<&str> {
        self.text("agent_id")
    }

    /// A text that is there and not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn value(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    /// The transcripts that may have grown, each with its subagent.
    pub(super) fn transcripts(&self) -> Vec<(PathBuf, Option<String>)> {
        let mut found: Vec<(PathBuf, Option<String>)> = Vec::new();
        let mut add = |path: PathBuf, agent: Option<String>| {
            if !found.iter().any(|(other, _)| *other == path) {
                found.push((path, agent));
            }
        };
        let own_agent = || self.agent().map(str::to_owned);
        if let Some(main) = self.text("transcript_path").map(PathBuf::from) {
            let folder = main.with_extension("").join("subagents");
            add(main.clone(), None);
            // Subagents write files of their own: beside the session's, or in a folder of its name.
            if let Some(agent) = self
                .agent()
                .filter(|agent| agent.chars().all(|char| char.is_ascii_alphanumeric() || "-_".contains(char)))
            {
                add(main.with_file_name(format!("agent-{agent}.jsonl")), own_agent());
            }
            for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                if let Some(agent) = name.strip_prefix("agent-").and_then(|rest| rest.strip_suffix(".jsonl")) {
                    add(file.path(), Some(agent.to_owned()));
                }
            }
        }
        if let Some(path) = self.text("agent_transcript_path").map(PathBuf::from) {
            let agent = path.file_stem().map(|stem| stem.to_string_lossy().trim_start_matches("agent-").to_owned());
            add(path, own_agent().or(agent));
        }
        found
    }
}
