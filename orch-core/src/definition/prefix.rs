//! Prompts that begin alike.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The beginning of a prompt that tasks share. A provider that has read it once reads it again for less, for a while; so it
/// may pay to let [one task go first](crate::RunOptions::warm).
///
/// ```
/// use orch_core::{Task, definition::Prefix};
///
/// let prefix = Prefix::new("codebase", "claude-sonnet-4-5", 120_000);
/// let reviewers = ["security", "style", "tests"].map(|id| Task::new(id).prefix(prefix.clone()));
/// assert_eq!(reviewers[0].options().prefix.as_ref().unwrap().tokens, 120_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// Names the text: tasks with the same key and the same model begin their prompts alike.
    pub key: String,
    /// The model that is asked.
    pub model: String,
    /// How long it is, in tokens. Where tasks disagree, the fewest count.
    pub tokens: u64,
    /// How long the provider keeps it after it was last read. Default: five minutes.
    #[serde(default, skip_serializing_if = "super::task::is_default")]
    pub kept: PrefixKept,
}

/// How long a provider keeps the beginning of a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PrefixKept {
    /// Five minutes.
    #[default]
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour, for a higher price of writing.
    #[serde(rename = "1h")]
    Hour,
}

impl PrefixKept {
    /// As a duration.
    pub fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(300),
            Self::Hour => Duration::from_secs(3600),
        }
    }
}

impl Prefix {
    /// One that the provider keeps for five minutes.
    pub fn new(key: impl Into<String>, model: impl Into<String>, tokens: u64) -> Self {
        Self { key: key.into(), model: model.into(), tokens, kept: PrefixKept::default() }
    }

    /// What tasks that share it have in common: the model and the key.
    pub fn id(&self) -> (String, String) {
        (self.model.clone(), self.key.clone())
    }
}
