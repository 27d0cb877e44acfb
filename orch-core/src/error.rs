//! One error type for the whole engine, and the problems of a definition.
//!
//! [`Error`] is for what the engine or its caller could not do. A task that fails is not an [`Error`]: it is data, in the
//! [`Report`](crate::Report). A definition is judged as a whole, so one [`Error`] may carry many [`Problem`]s.
//!
//! ```
//! use orch_core::{Error, ErrorKind};
//!
//! let error = Error::new(ErrorKind::InvalidValue, "`max_parallel` must be at least 1").with("option", "max_parallel");
//! assert_eq!(error.kind().code(), "INVALID_VALUE");
//! assert_eq!(error.to_string(), "`max_parallel` must be at least 1 (option: max_parallel)");
//! ```

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// What the engine answers: a value, or one [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong. The text of [`code`](ErrorKind::code) is stable; bindings and scripts match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A definition has one or more [`Problem`]s that stop it from running.
    InvalidDefinition,
    /// The text is not well-formed (JSON, Markdown, TOML, WfFormat).
    InvalidFormat,
    /// A value is outside its range.
    InvalidValue,
    /// Something was named that does not exist: a task, a file, an agent.
    NotFound,
    /// A size or depth limit of the engine was passed.
    TooLarge,
    /// A task of the run failed. Only [`Report::into_result`](crate::Report::into_result) answers this.
    RunFailed,
    /// The run was cancelled before it was done.
    Cancelled,
    /// Reading or writing failed.
    Io,
    /// A resource was not free in time.
    LockTimeout,
    /// A request for a resource was refused to end a deadlock.
    Deadlock,
    /// Somebody gave back what another holds.
    NotOwner,
    /// Somebody else owns what was to be written: a run that another process has taken over.
    Conflict,
    /// A file is damaged: what it says is not what was written.
    Corrupt,
    /// The engine was used in a way that it does not allow, for example without a runtime.
    Misuse,
}

impl ErrorKind {
    /// The stable name of this kind, in capitals, for example `NOT_FOUND`.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidDefinition => "INVALID_DEFINITION",
            Self::InvalidFormat => "INVALID_FORMAT",
            Self::InvalidValue => "INVALID_VALUE",
            Self::NotFound => "NOT_FOUND",
            Self::TooLarge => "TOO_LARGE",
            Self::RunFailed => "RUN_FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Io => "IO",
            Self::LockTimeout => "LOCK_TIMEOUT",
            Self::Deadlock => "DEADLOCK",
            Self::NotOwner => "NOT_OWNER",
            Self::Conflict => "CONFLICT",
            Self::Corrupt => "CORRUPT",
            Self::Misuse => "MISUSE",
        }
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Io | Self::LockTimeout | Self::Deadlock)
    }
}

/// Why the engine could not do what it was asked.
///
/// Its `Display` is one line in lower case without a full stop, with what the user gave in backticks; the problems of a
/// definition follow, one a line.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    problems: Vec<Problem>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error. `message` is lower case, has no full stop, and puts what the user gave in backticks.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), context: Vec::new(), problems: Vec::new(), source: None }))
    }

    /// The error of a definition whose `problems` stop it.
    pub fn invalid_definition(message: impl Into<Cow<'static, str>>, problems: Vec<Problem>) -> Self {
        let mut error = Self::new(ErrorKind::InvalidDefinition, message);
        error.0.problems = problems;
        error
    }

    /// Adds one fact about the place: `with("file", "review-all.json")`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What sort of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context and problems.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Every problem of the definition, in the order of the definition. Empty for the other kinds.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (nth, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if nth == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        for problem in &self.0.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The definition runs, but probably not as its author thinks.
    Warning,
    /// The definition does not run.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that is wrong with a definition: what, where, and how to mend it.
///
/// ```
/// use orch_core::{Problem, Severity};
///
/// let problem = Problem::error("MISSING_REFERENCE", "depends on `analyser`, which is no task; did you mean `analyzer`?")
///     .at("phases[0].agents[1].dependencies[0]");
/// assert_eq!(problem.severity, Severity::Error);
/// assert_eq!(
///     problem.to_string(),
///     "error[MISSING_REFERENCE] phases[0].agents[1].dependencies[0]: depends on `analyser`, which is no task; \
///      did you mean `analyzer`?"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The stable code, for example `CIRCULAR_DEPENDENCY`.
    pub code: Cow<'static, str>,
    /// Whether it stops the definition.
    pub severity: Severity,
    /// The field, for example `phases[0].agents[1].id`; for a graph built in code the task, `tasks.draft`.
    pub path: String,
    /// The line in the file, from 1, where there is a file.
    #[serde(default)]
    pub line: Option<u32>,
    /// What is wrong and what to do, lower case, no full stop.
    pub message: String,
}

impl Problem {
    /// A problem that stops the definition.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// A problem that does not.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), severity, path: String::new(), line: None, message: message.into() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.severity, self.code)?;
        if !self.path.is_empty() {
            write!(f, " {}", crate::id::Printable(&self.path))?;
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", crate::id::Printable(&self.message))
    }
}
