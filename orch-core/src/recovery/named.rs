//! Whether a failure is one of those that a policy names.

use crate::event::{Failure, FailureKind};

/// Whether the failure's message contains one of the names, or its kind is one. No name: every failure is.
///
/// Files that name errors write `RATE_LIMIT`, `rate-limit` and `Rate limit` for the same. To be silent too long is a timeout
/// as well. An empty name is no failure's.
pub(super) fn is_named(names: &[String], failure: &Failure) -> bool {
    if names.is_empty() {
        return true;
    }
    let message = fold(&failure.message);
    let kind = fold(failure.kind.name());
    names
        .iter()
        .map(|name| fold(name))
        .filter(|name| !name.trim().is_empty())
        .any(|name| message.contains(&name) || kind == name || (failure.kind == FailureKind::Idle && name == "timeout"))
}

fn fold(text: &str) -> String {
    text.to_lowercase().replace(['_', '-'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_messages_and_kinds() {
        let named = |name: &str, kind, message: &str| {
            is_named(&[name.to_owned()], &Failure { kind, message: message.to_owned() })
        };
        assert!(named("RATE_LIMIT", FailureKind::Error, "429: rate limit reached"));
        assert!(named("timeout", FailureKind::Timeout, "took longer than 5 s"));
        assert!(named("TIMEOUT", FailureKind::Idle, "was silent for 5 s"));
        assert!(named("circuit-open", FailureKind::CircuitOpen, "no"));
        assert!(named("CIRCUIT_OPEN", FailureKind::CircuitOpen, "no"));
        assert!(!named("timeout", FailureKind::Error, "syntax error"));
        assert!(!named("", FailureKind::Error, "anything"));
        assert!(!named("_", FailureKind::Error, "two words"), "a name of nothing but a separator is empty too");
        assert!(is_named(&[], &Failure::error("anything")));
    }
}
