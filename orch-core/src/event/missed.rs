//! Why a value that could have been known had to be made.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::id::Printable;

/// One thing that a value depends on. Its order is that of [`KeyParts::iter`](crate::cache::KeyParts::iter).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "part", content = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// What the task's definition says: `agent`, `description`, `inputs`, `outputs`, `params` or `prefix`.
    Definition(&'static str),
    /// A parameter of the task.
    Param(String),
    /// A value that the task reads.
    Input(String),
    /// A file.
    File(String),
    /// A model, with its version as its name says it.
    Model(String),
    /// A program or a library.
    Tool(String),
    /// What a task before this one made.
    Output(String),
    /// An input of the run.
    RunInput(String),
    /// Anything else.
    Other(String),
}

impl Part {
    /// The stable name of its kind, as in JSON, and its own name.
    pub(crate) fn names(&self) -> (&'static str, &str) {
        match self {
            Self::Definition(name) => ("definition", name),
            Self::Param(name) => ("param", name),
            Self::Input(name) => ("input", name),
            Self::File(name) => ("file", name),
            Self::Model(name) => ("model", name),
            Self::Tool(name) => ("tool", name),
            Self::Output(name) => ("output", name),
            Self::RunInput(name) => ("run_input", name),
            Self::Other(name) => ("other", name),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definition(name) => write!(f, "the task's {name}"),
            Self::Output(name) => write!(f, "the output of `{}`", Printable(name)),
            Self::RunInput(name) => write!(f, "the run's input `{}`", Printable(name)),
            Self::Other(name) => write!(f, "`{}`", Printable(name)),
            other => {
                let (kind, name) = other.names();
                write!(f, "{kind} `{}`", Printable(name))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The same with a name that is owned.
        #[derive(Deserialize)]
        #[serde(tag = "part", content = "name", rename_all = "snake_case")]
        enum Form {
            Definition(String),
            Param(String),
            Input(String),
            File(String),
            Model(String),
            Tool(String),
            Output(String),
            RunInput(String),
            Other(String),
        }
        const NAMES: [&str; 6] = ["agent", "description", "inputs", "outputs", "params", "prefix"];
        Ok(match Form::deserialize(deserializer)? {
            Form::Definition(name) => match NAMES.into_iter().find(|known| *known == name) {
                Some(known) => Self::Definition(known),
                None => Self::Other(name),
            },
            Form::Param(name) => Self::Param(name),
            Form::Input(name) => Self::Input(name),
            Form::File(name) => Self::File(name),
            Form::Model(name) => Self::Model(name),
            Form::Tool(name) => Self::Tool(name),
            Form::Output(name) => Self::Output(name),
            Form::RunInput(name) => Self::RunInput(name),
            Form::Other(name) => Self::Other(name),
        })
    }
}

/// How one part differs from that of the miss before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It has another content.
    Changed(Part),
    /// It was not there.
    Added(Part),
    /// It is not there any more.
    Removed(Part),
}

impl Change {
    /// Which part.
    pub fn part(&self) -> &Part {
        match self {
            Self::Changed(part) | Self::Added(part) | Self::Removed(part) => part,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(part) => write!(f, "{part} changed"),
            Self::Added(part) => write!(f, "{part} is new"),
            Self::Removed(part) => write!(f, "{part} is gone"),
        }
    }
}

/// Why a value had to be made. `Display` is for people.
///
/// ```
/// use orch_core::cache::{Change, Miss, Part};
///
/// let why = Miss::Changed(vec![Change::Changed(Part::File("src/lib.rs".into()))]);
/// assert_eq!(why.to_string(), "file `src/lib.rs` changed");
/// assert_eq!(serde_json::to_string(&Miss::First).unwrap(), r#""first""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Miss {
    /// Nothing is remembered of that name.
    First,
    /// Nothing changed: the value itself was gone, by its time, for want of space, or because it was dropped; or it was never
    /// kept.
    Gone,
    /// These parts, in their order.
    Changed(Vec<Change>),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// So many are named; a list of a thousand files helps nobody.
        const NAMED: usize = 5;
        match self {
            Self::First => f.write_str("nothing is known of it"),
            Self::Gone => f.write_str("nothing changed, but the value was gone"),
            Self::Changed(changes) => {
                for (nth, change) in changes.iter().take(NAMED).enumerate() {
                    write!(f, "{}{change}", if nth == 0 { "" } else { ", " })?;
                }
                match changes.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}
