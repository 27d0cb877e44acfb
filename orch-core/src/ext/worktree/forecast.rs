//! Which results would get in each other's way, and in which order they are best brought together.

use serde::Serialize;

use super::{
    monitor::side_by_side,
    place::{Known, Worktrees},
};
use crate::{
    error::Result,
    git::{Git, Oid, Status},
};

/// Two results that cannot both be merged without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// One of them.
    pub one: String,
    /// The other.
    pub other: String,
    /// The paths in conflict.
    pub paths: Vec<String>,
}

/// All pairs of these that conflict, in the order in which they are given. One call of git, whatever their number; nothing is changed.
///
/// # Errors
///
/// Those of [`Git::merges`].
pub fn conflicts(git: &Git, results: &[(String, Oid)]) -> Result<Vec<Conflict>> {
    let mut pairs = Vec::new();
    for (nth, (one, first)) in results.iter().enumerate() {
        let later = results.iter().skip(nth + 1).filter(|(_, second)| first != second);
        pairs.extend(later.map(|(other, second)| (one, other, first, second)));
    }
    let commits: Vec<(&Oid, &Oid)> = pairs.iter().map(|(_, _, first, second)| (*first, *second)).collect();
    let merged = git.merges(&commits)?;
    let found = pairs.iter().zip(merged).filter(|(_, merged)| !merged.conflicts.is_empty());
    let conflict = |((one, other, ..), merged): (&(&String, &String, &Oid, &Oid), crate::git::Merged)| Conflict {
        one: (*one).clone(),
        other: (*other).clone(),
        paths: merged.conflicts,
    };
    Ok(found.map(conflict).collect())
}

/// In which order to merge: whatever another one builds on before that one, and else who conflicts with the fewest that are left first; of equals
/// the first given. `before` says whether the first builds on the second, by place.
///
/// ```
/// use orch_core::ext::worktree::{Conflict, merge_order};
///
/// let names = ["docs", "api", "api-tests", "ui"].map(str::to_owned);
/// let conflict = |one: &str, other: &str| Conflict { one: one.into(), other: other.into(), paths: vec!["x".into()] };
/// let conflicts = [conflict("docs", "api"), conflict("docs", "ui")];
/// let builds_on = |one: usize, other: usize| (one, other) == (2, 1);
/// assert_eq!(merge_order(&names, &conflicts, builds_on), [1, 2, 0, 3]);
/// ```
pub fn merge_order(names: &[String], conflicts: &[Conflict], builds_on: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut left: Vec<usize> = (0..names.len()).collect();
    let mut order = Vec::new();
    let clash = |one: usize, other: usize| {
        let (one, other) = (names.get(one), names.get(other));
        conflicts.iter().any(|conflict| {
            let pair = (Some(&conflict.one), Some(&conflict.other));
            pair == (one, other) || pair == (other, one)
        })
    };
    while !left.is_empty() {
        let is_ready = |&&one: &&usize| !left.iter().any(|&other| other != one && builds_on(one, other));
        let degree = |&&one: &&usize| left.iter().filter(|&&other| clash(one, other)).count();
        // Results that build on each other in a circle cannot be; if somebody says so, the first of them goes.
        let next = left.iter().filter(is_ready).min_by_key(degree).or_else(|| left.first()).copied();
        let Some(next) = next else { break };
        left.retain(|&other| other != next);
        order.push(next);
    }
    order
}

impl Worktrees {
    /// What each of these worktrees would bring: its commit, or, where something is not committed, one of all that is there, which is
    /// the same each time while that is.
    ///
    /// # Errors
    ///
    /// Those of [`Git::glimpse`]. Worktrees without a folder or a commit are left out.
    pub fn results(&self, known: &[Known]) -> Result<Vec<(String, Oid)>> {
        let looked: Vec<(Known, Option<Status>)> =
            side_by_side(known, |known| (known.clone(), self.git.at(&known.git.path).status().ok()));
        self.results_of(&looked)
    }

    /// The same where their files were looked at already.
    pub(super) fn results_of(&self, looked: &[(Known, Option<Status>)]) -> Result<Vec<(String, Oid)>> {
        let brings = |(known, status): &(Known, Option<Status>)| {
            let (Some(head), Some(own), Some(status)) = (&known.git.head, known.own.as_deref(), status) else {
                return Ok(None);
            };
            // Half of a merge has no tree yet.
            let result = if status.is_clean() || status.conflicted > 0 {
                head.clone()
            } else {
                self.git.at(&known.git.path).glimpse(&own.join("orch.forecast"), "what is in a worktree\n")?
            };
            Ok(Some((known.name(), result)))
        };
        side_by_side(looked, brings).into_iter().filter_map(Result::transpose).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_order_has_all_once_and_ancestors_first(
            edges in prop::collection::vec((0..8usize, 0..8usize), 0..12),
            pairs in prop::collection::vec((0..8usize, 0..8usize), 0..12),
        ) {
            let names: Vec<String> = (0..8).map(|nth| nth.to_string()).collect();
            let conflicts: Vec<Conflict> = pairs
                .iter()
                .map(|(one, other)| Conflict { one: one.to_string(), other: other.to_string(), paths: vec![] })
                .collect();
            let builds_on = |one: usize, other: usize| other < one && edges.contains(&(one, other));
            let order = merge_order(&names, &conflicts, builds_on);
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..8).collect::<Vec<_>>());
            let place = |wanted: usize| order.iter().position(|&one| one == wanted);
            for (one, other) in edges {
                if other < one {
                    prop_assert!(place(other) < place(one));
                }
            }
        }
    }
}
