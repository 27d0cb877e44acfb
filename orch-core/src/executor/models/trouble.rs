//! Why a call did not work, and what may be done about it.

use std::{fmt, time::Duration};

use crate::units::Usage;

/// Why a call of a model did not work.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallTrouble {
    /// It has too much to do, or this key has asked too often: after that time it may be asked again.
    Busy(Option<Duration>),
    /// No answer in time, or a connection that broke after the question was sent: it may be billed all the same.
    Late(String),
    /// It cannot be reached.
    Unreachable(String),
    /// Something broke there.
    Broken(u16),
    /// There is no such model, or not for this key.
    Unknown(String),
    /// The key is missing or not accepted.
    Key(String),
    /// The question is not one that it takes: another model may not take it either.
    Bad(String),
    /// What it answered is no answer.
    Garbage(String),
    /// The model would not; it is paid for.
    Refused {
        /// What it used.
        usage: Box<Usage>,
    },
    /// Somebody wants it to stop.
    Stopped,
    /// Its budget is spent.
    Budget(String),
}

impl CallTrouble {
    /// Whether the same endpoint may be asked again.
    pub fn may_repeat(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unreachable(_) | Self::Broken(_))
    }

    /// Whether another model may be asked instead. Not what the question is to blame for, and not what somebody wants to end.
    pub fn may_fall_back(&self) -> bool {
        !matches!(self, Self::Bad(_) | Self::Stopped | Self::Budget(_) | Self::Refused { .. })
    }

    /// Whether nothing that is tried again would help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Budget(_) | Self::Bad(_) | Self::Key(_) | Self::Unknown(_) | Self::Refused { .. })
    }

    /// By the status of an answer and the message in it.
    pub(super) fn of(status: u16, retry_after: Option<Duration>, message: &str) -> Self {
        match status {
            // 529: overloaded, in Anthropic's words.
            429 | 503 | 529 => Self::Busy(retry_after),
            408 => Self::Late(format!("it answered {status}")),
            401 | 403 => Self::Key(format!("it answered {status}{message}")),
            404 => Self::Unknown(format!("it answered {status}{message}")),
            500..=599 => Self::Broken(status),
            300..=399 => Self::Unreachable(format!("it answered {status}, a redirect, and none is followed")),
            _ => Self::Bad(format!("it answered {status}{message}")),
        }
    }
}

impl fmt::Display for CallTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(Some(wait)) => write!(f, "it is busy and asks to wait {} s", wait.as_secs_f64()),
            Self::Busy(None) => f.write_str("it is busy"),
            Self::Late(why)
            | Self::Unreachable(why)
            | Self::Unknown(why)
            | Self::Key(why)
            | Self::Bad(why)
            | Self::Garbage(why)
            | Self::Budget(why) => f.write_str(why),
            Self::Broken(status) => write!(f, "it answered {status}"),
            Self::Refused { .. } => f.write_str("the model refused"),
            Self::Stopped => f.write_str("it was told to stop"),
        }
    }
}
