//! Conditions: whether a task runs. Parsed by a real grammar, never evaluated as code.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// Whether a task runs: a [`Test`] and which answer of it lets the task run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What is asked.
    pub test: Test,
    /// The answer that lets the task run: `true` for "run if", `false` for "skip if".
    pub run_when: bool,
    /// What to tell the user when the task is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A question about the run or the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// A comparison of values of the run. Answered by the machine.
    Expression(Expression),
    /// Whether a file exists. Answered by the session.
    FileExists(String),
    /// Whether a program ends with exit code 0. Answered by the session, and only when approved.
    CommandSucceeds(Vec<String>),
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
}

/// Where an expression finds its values.
pub trait Scope {
    /// The value at that dotted path, for example `["context", "patternSelector", "selectedPattern"]`, if there is one.
    fn value(&self, path: &[String]) -> Option<&Value>;
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) with the column.
    pub fn parse(source: &str) -> Result<Self> {
        if source.trim().is_empty() {
            return Err(Error::new(ErrorKind::InvalidFormat, "the condition is empty"));
        }
        Ok(Self { source: source.to_owned() })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds. An undefined value makes a comparison false.
    pub fn evaluate(&self, scope: &dyn Scope) -> bool {
        scope.value(&[self.source.clone()]).is_some()
    }
}

impl TryFrom<String> for Expression {
    type Error = Error;

    fn try_from(source: String) -> Result<Self> {
        Self::parse(&source)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.source
    }
}
