//! How an attempt ended: with an output or a failure, and what it used.

use std::{any::Any, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::units::Usage;

/// What a task made. Cheap to clone.
///
/// Between tasks of one process any value may travel ([`Output::typed`]); what is stored, shown, or given to a program is
/// JSON.
///
/// ```
/// use orch_core::Output;
///
/// let output = Output::from(serde_json::json!({"files": 3}));
/// assert_eq!(output.json().unwrap()["files"], 3);
/// assert_eq!(Output::typed(vec![1u8, 2]).downcast::<Vec<u8>>().unwrap().len(), 2);
/// ```
#[derive(Clone, Default)]
pub struct Output(Option<Held>);

#[derive(Clone)]
enum Held {
    Json(Arc<Value>),
    /// In a box of its own, so that an output is two words, as every event of a finished task carries one.
    Typed(Arc<Box<dyn Any + Send + Sync>>),
}

impl Output {
    /// No output.
    pub const NOTHING: Self = Self(None);

    /// Any value, for tasks of the same process. It has no JSON form.
    pub fn typed<T: Any + Send + Sync>(value: T) -> Self {
        Self(Some(Held::Typed(Arc::new(Box::new(value)))))
    }

    /// Whether there is no output.
    #[inline]
    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// The value, where it is JSON.
    pub fn json(&self) -> Option<&Value> {
        match &self.0 {
            Some(Held::Json(value)) => Some(value),
            _ => None,
        }
    }

    /// The value as that type, where [`typed`](Output::typed) made it.
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<&T> {
        match &self.0 {
            Some(Held::Typed(value)) => value.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("nothing"),
            Some(Held::Json(value)) => write!(f, "{value}"),
            Some(Held::Typed(_)) => f.write_str("<typed>"),
        }
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(Held::Json(a)), Some(Held::Json(b))) => a == b,
            (Some(Held::Typed(a)), Some(Held::Typed(b))) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl From<Value> for Output {
    fn from(value: Value) -> Self {
        if value.is_null() { Self::NOTHING } else { Self(Some(Held::Json(Arc::new(value)))) }
    }
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self::from(Value::String(text))
    }
}

impl From<&str> for Output {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<()> for Output {
    fn from((): ()) -> Self {
        Self::NOTHING
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What happened, for a person.
    pub message: String,
}

impl Failure {
    /// A failure of the task's own.
    pub fn error(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Error, message: message.into() }
    }

    /// The work was done, but what it made or looked at is not as it should be.
    pub fn validation(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Validation, message: message.into() }
    }

    /// A failure that no retry will mend.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Fatal, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::Printable(&self.message).fmt(f)
    }
}

/// What sort of failure ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The task said so, or its program ended badly.
    Error,
    /// The task said so, and that trying again is no use.
    Fatal,
    /// The task said that something is not as it should be: a check that did not pass, an output of the wrong shape.
    Validation,
    /// The attempt took longer than its timeout.
    Timeout,
    /// The attempt was silent longer than its idle timeout.
    Idle,
    /// The task panicked.
    Panic,
    /// The attempt was cancelled.
    Cancelled,
    /// No attempt began, because the task's circuit breaker was open.
    CircuitOpen,
    /// No attempt began, because what the task claims was not free in time.
    LockTimeout,
    /// The attempt held a resource longer than its lease, and was stopped.
    LeaseExpired,
}

impl FailureKind {
    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Fatal => "fatal",
            Self::Validation => "validation",
            Self::Timeout => "timeout",
            Self::Idle => "idle",
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
            Self::CircuitOpen => "circuit_open",
            Self::LockTimeout => "lock_timeout",
            Self::LeaseExpired => "lease_expired",
        }
    }
}

/// How an attempt ended, and what it used.
///
/// Most tasks answer something simpler, that [`IntoOutcome`] makes an outcome of: nothing, text, JSON, a `Result`.
///
/// ```
/// use orch_core::{Outcome, Usage};
///
/// let outcome = Outcome::done("three findings").used(Usage::tokens("sonnet", 4_000, 800));
/// assert!(outcome.is_done());
/// assert!(!Outcome::failed("no network").is_done());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The output, or why there is none.
    pub result: Result<Output, Box<Failure>>,
    /// What was used of models, also by a failed attempt. Boxed: most tasks use none.
    pub usage: Option<Box<Usage>>,
}

impl Outcome {
    /// It worked.
    pub fn done(output: impl Into<Output>) -> Self {
        Self { result: Ok(output.into()), usage: None }
    }

    /// It failed; a retry may help.
    pub fn failed(message: impl Into<String>) -> Self {
        Failure::error(message).into()
    }

    /// The body panicked; with the panic's message where it is text.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = format!("the task panicked: {}", text.unwrap_or("no message"));
        Self::from(Failure { kind: FailureKind::Panic, message })
    }

    /// Adds what it used of models.
    #[must_use]
    pub fn used(mut self, usage: Usage) -> Self {
        self.usage.get_or_insert_default().add(&usage);
        self
    }

    /// Whether it worked.
    pub fn is_done(&self) -> bool {
        self.result.is_ok()
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self { result: Err(Box::new(failure)), usage: None }
    }
}

/// What a task's function may answer.
pub trait IntoOutcome {
    /// As an outcome.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl<T: Into<Output>> IntoOutcome for T {
    fn into_outcome(self) -> Outcome {
        Outcome::done(self)
    }
}

impl<T: IntoOutcome, E: fmt::Display> IntoOutcome for Result<T, E> {
    /// The error's text becomes the failure's message.
    fn into_outcome(self) -> Outcome {
        self.map_or_else(|error| Outcome::failed(error.to_string()), T::into_outcome)
    }
}
