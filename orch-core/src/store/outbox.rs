//! Letters to the world that wait to be delivered: at least once, and once where the other side answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::WallTime;

/// Something that must be told to somebody outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// What it is about. A store takes a key once for each target, ever: so a milestone is told once, by whatever process.
    pub key: String,
    /// Who is told: the name of a target. Never its address, which is a secret.
    pub target: String,
    /// What is said. The store does not look into it.
    pub body: String,
}

/// A letter, and how its delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterRow {
    /// What it is about.
    pub key: String,
    /// Who is told.
    pub target: String,
    /// What is said; empty once it was sent or given up.
    #[serde(skip)]
    pub body: String,
    /// How it stands.
    pub state: LetterState,
    /// How often it was taken to be sent.
    pub tries: u32,
    /// When it was posted.
    pub posted: WallTime,
    /// Why it was not sent the last time, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How the delivery of a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterState {
    /// It waits for its time, or somebody has taken it just now.
    Waiting,
    /// The other side has it.
    Sent,
    /// Nobody tries again.
    Dropped,
}

impl LetterState {
    /// The name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
        }
    }
}

/// How an attempt to send a letter ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The other side has it.
    Sent,
    /// To be tried again, not before that long from now; at most [`LONGEST_WAIT`].
    Later(Duration, String),
    /// Not to be tried again: the other side will never take it.
    Dropped(String),
}

/// The longest time between two attempts to send a letter.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The outbox of the store in memory.
#[derive(Debug, Default)]
pub(super) struct Outbox(Vec<(LetterRow, WallTime)>);

impl Outbox {
    pub(super) fn post(&mut self, letters: &[Letter], now: WallTime) -> usize {
        let before = self.0.len();
        for Letter { key, target, body } in letters {
            if !self.0.iter().any(|(row, _)| row.key == *key && row.target == *target) {
                let (key, target, body) = (key.clone(), target.clone(), body.clone());
                let state = LetterState::Waiting;
                self.0.push((LetterRow { key, target, body, state, tries: 0, posted: now, why: None }, now));
            }
        }
        self.0.len() - before
    }

    pub(super) fn take(&mut self, targets: &[&str], limit: usize, lasts: Duration, now: WallTime) -> Vec<LetterRow> {
        let far = now.after(LONGEST_WAIT);
        let wanted = |row: &LetterRow| row.state == LetterState::Waiting && targets.contains(&row.target.as_str());
        let waiting = self.0.iter_mut().filter(|(row, _)| wanted(row));
        // A time that is farther than any wait: the time of day went back since.
        let mut due: Vec<_> = waiting.filter(|(_, due)| *due <= now || *due > far).collect();
        due.sort_by_key(|(_, due)| *due);
        let take = |(row, due): &mut (LetterRow, WallTime)| {
            row.tries += 1;
            *due = now.after(lasts.min(LONGEST_WAIT));
            row.clone()
        };
        due.into_iter().take(limit).map(take).collect()
    }

    pub(super) fn delivered(&mut self, letter: &LetterRow, how: &Delivery, now: WallTime) -> bool {
        let same = |row: &LetterRow| row.key == letter.key && row.target == letter.target && row.tries == letter.tries;
        let waits = |(row, _): &&mut (LetterRow, WallTime)| row.state == LetterState::Waiting && same(row);
        let Some((row, due)) = self.0.iter_mut().find(waits) else { return false };
        match how {
            Delivery::Sent => (row.state, row.why) = (LetterState::Sent, None),
            Delivery::Dropped(why) => (row.state, row.why) = (LetterState::Dropped, Some(why.clone())),
            Delivery::Later(wait, why) => {
                row.why = Some(why.clone());
                *due = now.after((*wait).min(LONGEST_WAIT));
                return true;
            }
        }
        row.body.clear();
        true
    }

    pub(super) fn letters(&self, limit: usize) -> Vec<LetterRow> {
        self.0.iter().rev().take(limit).map(|(row, _)| row.clone()).collect()
    }
}
