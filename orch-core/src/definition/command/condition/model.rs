//! What a condition is, and where it finds its values.

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    evaluate,
    parse::{self, Node},
};
use crate::error::{Error, Result};

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

/// A parsed expression. In JSON it is its text. Cheap to clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: Arc<str>,
    root: Arc<Node>,
}

/// Where an expression finds its values.
///
/// [`value`](Scope::value) is asked once for every path, with all its names: the scope decides how far names go by its own
/// tables and where members of a JSON value begin; [`member`](super::member) does the latter. `.length`, `.includes` and
/// `.some` are no names, and the variable of a `.some` is never asked for.
///
/// A [`Value`] is a scope: its members are the first names.
pub trait Scope {
    /// The value at that dotted path, for example `["context", "patternSelector", "selectedPattern"]`, if there is one.
    fn value(&self, path: &[String]) -> Option<&Value>;
}

impl Scope for Value {
    fn value(&self, path: &[String]) -> Option<&Value> {
        evaluate::member(self, path)
    }
}

impl Expression {
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 10_000;

    /// The deepest nesting of parentheses, calls and `!`.
    pub const MAX_DEPTH: usize = 100;

    /// How many steps an evaluation may take. A step is a value, an operator or an element looked at; what needs more, such
    /// as `.some` in `.some` over large arrays, is false.
    pub const MAX_STEPS: u32 = 1_000_000;

    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](crate::ErrorKind::InvalidFormat) with the column, from 1;
    /// [`TooLarge`](crate::ErrorKind::TooLarge) above [`MAX_BYTES`](Self::MAX_BYTES) or [`MAX_DEPTH`](Self::MAX_DEPTH).
    pub fn parse(source: &str) -> Result<Self> {
        let root = parse::parse(source)?;
        Ok(Self { source: source.into(), root: Arc::new(root) })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds. An undefined value makes a comparison false.
    pub fn evaluate(&self, scope: &dyn Scope) -> bool {
        evaluate::holds(&self.root, scope)
    }

    /// The paths that it reads, each once, in the order of the text; without `.length`, calls and variables of `.some`.
    pub fn references(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        self.root.references(&mut Vec::new(), &mut paths);
        let mut seen = HashSet::with_capacity(paths.len());
        paths.retain(|path| seen.insert(path.clone()));
        paths
    }
}

/// Equal if the texts are.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
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
        expression.source.as_ref().to_owned()
    }
}

/// The name by which conditions call a task: `pattern-selector` is `context.patternSelector`.
///
/// Every character that no name of the language may hold is dropped and the next one becomes a capital.
///
/// ```
/// use orch_core::definition::command::camel_case;
///
/// assert_eq!(camel_case("pattern-selector"), "patternSelector");
/// assert_eq!(camel_case("step_1"), "step_1");
/// ```
pub fn camel_case(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    let mut capital = false;
    for char in id.chars() {
        if !parse::may_continue(char) {
            capital = !name.is_empty();
        } else if std::mem::take(&mut capital) {
            name.extend(char.to_uppercase());
        } else {
            name.push(char);
        }
    }
    name
}
