//! What else happened, for those who look back: commits, say.

use crate::clock::WallTime;

/// Something that happened. A store keeps it once by its key, and does not look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// When.
    pub at: WallTime,
    /// For whom it is kept: `commit`, say.
    pub kind: String,
    /// What it is about, to find the latest of that: a worktree, say. May be empty.
    pub about: String,
    /// What it is known by among its kind: a second one with the same key is not kept.
    pub key: String,
    /// All else.
    pub body: String,
}

/// Which facts are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactQuery<'a> {
    /// Their kind.
    pub kind: &'a str,
    /// Only those about that. Default: all.
    pub about: Option<&'a str>,
    /// From that time on. Default: the beginning.
    pub from: WallTime,
    /// Before that time. Default: the end.
    pub to: WallTime,
    /// At most so many, the latest. Default: all.
    pub latest: usize,
}

impl<'a> FactQuery<'a> {
    /// All of that kind.
    pub fn of(kind: &'a str) -> Self {
        Self { kind, ..Self::default() }
    }
}

impl Default for FactQuery<'_> {
    /// All of the kind that has no name.
    fn default() -> Self {
        Self { kind: "", about: None, from: WallTime(0), to: WallTime(u64::MAX), latest: usize::MAX }
    }
}

/// The facts of the store in memory.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<Fact>);

impl Facts {
    pub(super) fn keep(&mut self, facts: &[Fact]) -> usize {
        let before = self.0.len();
        for fact in facts {
            if !self.0.iter().any(|known| known.kind == fact.kind && known.key == fact.key) {
                self.0.push(fact.clone());
            }
        }
        self.0.len() - before
    }

    pub(super) fn find(&self, query: &FactQuery<'_>) -> Vec<Fact> {
        let fits = |fact: &&Fact| {
            let about = query.about.is_none_or(|about| fact.about == about);
            fact.kind == query.kind && about && query.from <= fact.at && fact.at < query.to
        };
        let mut found: Vec<Fact> = self.0.iter().filter(fits).cloned().collect();
        found.sort_by_key(|fact| fact.at);
        found.split_off(found.len().saturating_sub(query.latest))
    }
}
