//! Keys that know what they were made of. Pure.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use super::content::ContentHash;
use crate::{
    definition::{Task, TaskOptions},
    error::{Error, ErrorKind, Result},
    event::Part,
    id::Printable,
};

mod history;
#[cfg(test)]
mod tests;

pub use history::KeyHistory;

/// Begins what a key is the hash of. Another number: keys of before mean nothing any more.
const FORM: &[u8] = b"orch key 1";

/// What a file holds, as far as a key wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// The hash of its bytes.
    Content(ContentHash),
    /// The id of its blob in git, as git says it.
    Blob(BlobId),
    /// There is no such file.
    Absent,
}

/// The id of a blob in a git repository: 40 hexadecimal digits, or 64 where the repository uses SHA-256.
///
/// ```
/// use orch_core::cache::BlobId;
///
/// let empty: BlobId = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".parse()?;
/// assert_eq!(empty.to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
/// assert!("HEAD".parse::<BlobId>().is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobId(String);

impl std::str::FromStr for BlobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if digits && matches!(text.len(), 40 | 64) {
            return Ok(Self(text.to_owned()));
        }
        let message = format!("`{}` is no id of a blob: 40 or 64 hexadecimal digits in lower case", Printable(text));
        Err(Error::new(ErrorKind::InvalidValue, message))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a value depends on, part by part, each by its content: the same parts give the same [key](KeyParts::key), in every
/// process and in every order of adding them.
///
/// What is not named here is not part of the key: a task that reads files or asks a model names them. Adding a part again
/// replaces it.
///
/// ```
/// use orch_core::{ContentHash, Task, cache::{FileState, KeyParts}};
/// use serde_json::json;
///
/// let task = Task::new("review").agent("reviewer").with(|options| options.params = json!({"depth": 2}));
/// let parts = KeyParts::of_task(&task)
///     .file("src/lib.rs", &FileState::Content(ContentHash::of_bytes(b"pub fn f() {}")))
///     .input("codebase_analysis", ContentHash::of(&json!({"files": 129})))
///     .model("claude-sonnet-4-5-20250929")
///     .tool("ripgrep", "14.1.1");
/// let key = parts.key("review");
/// assert!(key.starts_with("review#"));
///
/// let edited = parts.clone().file("src/lib.rs", &FileState::Content(ContentHash::of_bytes(b"pub fn g() {}")));
/// assert_ne!(edited.key("review"), key);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyParts(BTreeMap<Part, ContentHash>);

impl KeyParts {
    /// No parts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The parts of a task's definition that decide what it makes: its agent, description, parameters, the names of the values
    /// that it reads and makes, with their defaults, the beginning of its prompt, and the models and tools that it names. Not
    /// its own name, when, how often and how long it may run, what it claims, how much it uses, how it is undone, and what
    /// becomes of its output. The files among its [sources](crate::TaskOptions::sources) have to be read:
    /// [`session::file_states`](crate::session::file_states) does, and [`file`](KeyParts::file) adds them.
    pub fn of_task(task: &Task) -> Self {
        // Whoever adds a field has to decide here whether it changes what the task makes.
        let TaskOptions {
            agent,
            description,
            inputs,
            outputs,
            params,
            capability: _,
            phase: _,
            group: _,
            claims: _,
            priority: _,
            timeout: _,
            idle_timeout: _,
            retry: _,
            conditions: _,
            allow_failure: _,
            critical: _,
            expects,
            expand: _,
            undo: _,
            rollback: _,
            breaker: _,
            prefix,
            sources,
        } = task.options();
        let mut parts = Self::new();
        if let Some(agent) = agent {
            parts = parts.definition("agent", &json!(agent));
        }
        if !description.is_empty() {
            parts = parts.definition("description", &json!(description));
        }
        if !inputs.is_empty() {
            // By its hash: a copy of a default that is nested deeply would need a deep stack.
            let default = |value: &Value| ContentHash::of(value).to_string();
            let inputs = inputs.iter().map(|it| json!([it.key, it.required, it.default.as_ref().map(default)]));
            let inputs: Vec<Value> = inputs.collect();
            parts = parts.definition("inputs", &inputs.into());
        }
        if !outputs.is_empty() {
            let outputs: Vec<Value> = outputs.iter().map(|it| json!(it.key)).collect();
            parts = parts.definition("outputs", &outputs.into());
        }
        if let Some(prefix) = prefix {
            parts = parts.definition("prefix", &json!(prefix.key)).model(prefix.model.as_str());
        }
        parts = expects.models().iter().fold(parts, |parts, usage| parts.model(usage.model.as_str()));
        if let Some(sources) = sources {
            parts = sources.models.iter().fold(parts, |parts, model| parts.model(model.as_str()));
            parts = sources.tools.iter().fold(parts, |parts, (name, version)| parts.tool(name.as_str(), version));
        }
        match params {
            Value::Null => parts,
            // Member by member, so that an explanation names the one that changed.
            Value::Object(members) => members
                .iter()
                .fold(parts.definition("params", &json!({})), |parts, (name, value)| parts.param(name, value)),
            other => parts.definition("params", other),
        }
    }

    fn definition(self, name: &'static str, value: &Value) -> Self {
        self.with(Part::Definition(name), ContentHash::of(value))
    }

    /// Any part.
    #[must_use]
    pub fn with(mut self, part: Part, content: ContentHash) -> Self {
        self.0.insert(part, content);
        self
    }

    /// A parameter.
    #[must_use]
    pub fn param(self, name: impl Into<String>, value: &Value) -> Self {
        self.with(Part::Param(name.into()), ContentHash::of(value))
    }

    /// A value that is read, by the hash of its content.
    #[must_use]
    pub fn input(self, name: impl Into<String>, content: ContentHash) -> Self {
        self.with(Part::Input(name.into()), content)
    }

    /// A file, by what it holds. Name it the same in every copy of a repository: relative, with `/`. The two ways to say what it
    /// holds give different keys, so keep to one.
    #[must_use]
    pub fn file(self, path: impl Into<String>, state: &FileState) -> Self {
        let content = match state {
            FileState::Content(content) => *content,
            FileState::Blob(id) => ContentHash::of(&json!({"blob": id.0})),
            FileState::Absent => ContentHash::of(&Value::Null),
        };
        self.with(Part::File(path.into()), content)
    }

    /// A model that is asked; its name says its version.
    #[must_use]
    pub fn model(self, name: impl Into<String>) -> Self {
        self.with(Part::Model(name.into()), ContentHash::of(&Value::Null))
    }

    /// A program or library of that version.
    #[must_use]
    pub fn tool(self, name: impl Into<String>, version: &str) -> Self {
        self.with(Part::Tool(name.into()), ContentHash::of(&json!(version)))
    }

    /// The parts in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Part, &ContentHash)> {
        self.0.iter()
    }

    /// How many parts there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash of all parts: [`ContentHash::of_bytes`] of `orch key 1` and, for each part in order, the name of its kind and
    /// its own name, each after its length as eight bytes, the lowest first, and the 32 bytes of its content's hash.
    pub fn hash(&self) -> ContentHash {
        let mut form = FORM.to_vec();
        for (part, content) in &self.0 {
            let (kind, name) = part.names();
            for text in [kind, name] {
                form.extend((text.len() as u64).to_le_bytes());
                form.extend(text.as_bytes());
            }
            form.extend(content.as_bytes());
        }
        ContentHash::of_bytes(&form)
    }

    /// A key for a cache: `name`, `#` and the [hash](KeyParts::hash) of the parts. All keys of one name have one prefix.
    pub fn key(&self, name: &str) -> String {
        format!("{name}#{}", self.hash())
    }
}
