//! What a person should look at.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::monitor::{Overview, Row, State};
use crate::id::Printable;

/// How many paths of a conflict a text names.
const NAMED: usize = 3;

/// Why a person should look at a worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// Nobody used it for so long.
    Stale {
        /// For how long, in seconds, whole minutes.
        idle_seconds: u64,
    },
    /// What is in it cannot be merged into that branch without a person.
    ConflictsWithDefault {
        /// The branch that work is brought into.
        into: String,
    },
    /// What is in it cannot be merged with what is in another one.
    Conflicts {
        /// The other.
        with: String,
        /// The paths in conflict.
        paths: Vec<String>,
    },
    /// Its folder is gone.
    Prunable,
}

/// Something that a person should look at. `Display` says it in a line, with the next step where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// The worktree.
    pub worktree: String,
    /// Why.
    #[serde(flatten)]
    pub kind: AlertKind,
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Printable(&self.worktree);
        match &self.kind {
            AlertKind::Stale { idle_seconds } => {
                let idle = Idle(Duration::from_secs(*idle_seconds));
                write!(f, "{name} is stale: nobody used it for {idle}")
            }
            AlertKind::ConflictsWithDefault { into } => write!(f, "{name} conflicts with {}", Printable(into)),
            AlertKind::Conflicts { with, paths } => {
                let named: Vec<String> = paths.iter().take(NAMED).map(|path| Printable(path).to_string()).collect();
                write!(f, "{name} conflicts with {}: {}", Printable(with), named.join(", "))?;
                match paths.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            AlertKind::Prunable => write!(f, "the folder of {name} is gone; `orch worktree prune` forgets it"),
        }
    }
}

/// `12 days`, `1 day`, `5 h`, `20 min`.
struct Idle(Duration);

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        match (minutes / 1440, minutes / 60) {
            (0, 0) => write!(f, "{minutes} min"),
            (0, hours) => write!(f, "{hours} h"),
            (1, _) => write!(f, "1 day"),
            (days, _) => write!(f, "{days} days"),
        }
    }
}

impl Overview {
    /// What a person should look at: in the order of the worktrees, conflicts between two of them after that.
    pub fn alerts(&self) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for row in &self.rows {
            let of = |kind| Alert { worktree: row.known.name(), kind };
            if row.states.contains(&State::Prunable) {
                alerts.push(of(AlertKind::Prunable));
            }
            alerts.extend(self.stale(row));
            if row.main_state == "would_conflict" {
                let into = self.default_branch.as_ref().map_or_else(String::new, |branch| branch.as_str().to_owned());
                alerts.push(of(AlertKind::ConflictsWithDefault { into }));
            }
        }
        alerts.extend(self.conflicts.iter().map(|conflict| {
            let kind = AlertKind::Conflicts { with: conflict.other.clone(), paths: conflict.paths.clone() };
            Alert { worktree: conflict.one.clone(), kind }
        }));
        alerts
    }

    /// That nobody used it for long, where that is so. Of one whose folder is gone that is not said.
    pub fn stale(&self, row: &Row) -> Option<Alert> {
        let is = |state| row.states.contains(&state);
        (is(State::Stale) && !is(State::Prunable)).then(|| {
            // To the minute: else there were news each second.
            let idle_seconds = self.idle(row).as_secs() / 60 * 60;
            Alert { worktree: row.known.name(), kind: AlertKind::Stale { idle_seconds } }
        })
    }

    /// How long nobody has used it; nothing while somebody does.
    pub fn idle(&self, row: &Row) -> Duration {
        let since = row.used.filter(|_| row.holder.is_none());
        since.map_or(Duration::ZERO, |used| Duration::from_millis(self.at.0.saturating_sub(used.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_said_in_a_line() {
        let say = |kind| Alert { worktree: "pdf\u{1b}gen".to_owned(), kind }.to_string();
        let stale = |seconds| say(AlertKind::Stale { idle_seconds: seconds });
        assert_eq!(stale(12 * 86_400 + 5), "pdf\\u{1b}gen is stale: nobody used it for 12 days");
        for (seconds, end) in [(86_400, "1 day"), (86_399, "23 h"), (3_599, "59 min"), (59, "0 min")] {
            assert!(stale(seconds).ends_with(&format!("for {end}")), "{}", stale(seconds));
        }
        let conflict = |paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            say(AlertKind::Conflicts { with: "qa".to_owned(), paths })
        };
        assert!(conflict(&["a", "b", "c"]).ends_with("gen conflicts with qa: a, b, c"));
        assert!(conflict(&["a", "b", "c", "d", "e"]).ends_with("with qa: a, b, c and 2 more"));
        let json = serde_json::to_value(Alert { worktree: "x".into(), kind: AlertKind::Prunable }).unwrap();
        assert_eq!(json, serde_json::json!({"worktree": "x", "kind": "prunable"}));
    }
}
