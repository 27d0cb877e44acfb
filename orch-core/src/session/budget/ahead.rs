//! What those will want who have not begun: it is kept for them from those who are less critical.

use std::collections::HashMap;

use super::RunBudget;
use crate::{cost::budget::Labels, id::TaskIx, run::Machine, units::Usd};

/// Sums of what tasks expect to cost, by the account that counts it and by rank.
///
/// A sum over all who are before a rank, and a change of one task, take logarithmic time: a Fenwick tree over the ranks of those
/// who want anything of that account.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// What each task wants, by account, and whether it counts: it has not begun.
    tasks: Vec<(Vec<(String, Usd)>, bool)>,
    lines: HashMap<String, Line>,
    /// The rank of each task.
    ranks: Vec<u32>,
}

#[derive(Debug, Default)]
struct Line {
    /// The ranks of those who want something, rising.
    ranks: Vec<u32>,
    /// Position `n` holds the sum of the `n & -n` entries that end there, counted from 1.
    tree: Vec<i64>,
}

impl Line {
    fn add(&mut self, rank: u32, nanos: i64) {
        let mut at = self.ranks.partition_point(|other| *other <= rank);
        while let Some(sum) = at.checked_sub(1).and_then(|place| self.tree.get_mut(place)) {
            *sum = sum.saturating_add(nanos);
            at += at & at.wrapping_neg();
        }
    }

    /// What those want whose rank is below that.
    fn before(&self, rank: u32) -> i64 {
        let mut at = self.ranks.partition_point(|other| *other < rank);
        let mut sum = 0i64;
        while let Some(part) = at.checked_sub(1).and_then(|place| self.tree.get(place)) {
            sum = sum.saturating_add(*part);
            at &= at - 1;
        }
        sum
    }
}

impl Ahead {
    /// How many tasks it knows.
    pub(super) fn known(&self) -> usize {
        self.tasks.len()
    }

    /// The next task wants that of those accounts. Counts after [`rank`](Ahead::rank).
    pub(super) fn add(&mut self, wants: Vec<(String, Usd)>) {
        self.tasks.push((wants, true));
    }

    /// Builds the sums anew: ranks change when a graph grows.
    pub(super) fn rank(&mut self, rank: impl Fn(TaskIx) -> u32) {
        self.lines.clear();
        self.ranks = (0..).zip(&self.tasks).map(|(nth, _)| rank(TaskIx::from(nth))).collect();
        for ((wants, _), rank) in self.tasks.iter().zip(&self.ranks) {
            for (account, _) in wants {
                self.lines.entry(account.clone()).or_default().ranks.push(*rank);
            }
        }
        for line in self.lines.values_mut() {
            line.ranks.sort_unstable();
            line.ranks.dedup();
            line.tree = vec![0; line.ranks.len()];
        }
        for ((wants, counts), rank) in self.tasks.iter().zip(&self.ranks) {
            for (account, usd) in wants.iter().filter(|_| *counts) {
                if let Some(line) = self.lines.get_mut(account) {
                    line.add(*rank, usd.nanos());
                }
            }
        }
    }

    /// Whether a task counts from now on.
    pub(super) fn set(&mut self, task: TaskIx, counts: bool) {
        let Some(((wants, was), rank)) = self.tasks.get_mut(task.index()).zip(self.ranks.get(task.index())) else {
            return;
        };
        if std::mem::replace(was, counts) == counts {
            return;
        }
        for (account, usd) in wants.iter() {
            if let Some(line) = self.lines.get_mut(account) {
                line.add(*rank, if counts { usd.nanos() } else { -usd.nanos() });
            }
        }
    }

    /// What those want of that account who are before that rank and count.
    pub(super) fn before(&self, rank: u32, account: &str) -> Usd {
        Usd::from_nanos(self.lines.get(account).map_or(0, |line| line.before(rank)))
    }
}

impl RunBudget {
    /// Learns what the tasks of the graph will want, and again when it has grown.
    pub(super) fn look_ahead(&mut self, machine: &Machine) {
        let graph = machine.graph();
        let (from, to) = (self.ahead.known(), graph.len());
        if from == to {
            return;
        }
        let limits = self.clerk.ledger.limits().clone();
        let mut ahead = std::mem::take(&mut self.ahead);
        for ix in (from..to).filter_map(|nth| u32::try_from(nth).ok()).map(TaskIx::from) {
            // What has no price is refused when it asks; what nobody knows the price of takes nothing from others.
            let parts = if limits.is_empty() { Vec::new() } else { self.parts(ix, machine).unwrap_or_default() };
            let parts = parts.into_iter().filter(|(_, usd)| *usd > Usd::ZERO);
            let wants = parts.flat_map(|(who, usd)| {
                let counting = limits.iter().filter(|limit| limit.counts(&who));
                counting.map(|limit| (limit.key_of(&who), usd)).collect::<Vec<_>>()
            });
            ahead.add(wants.collect());
        }
        ahead.rank(|ix| machine.plan().rank(ix));
        self.ahead = ahead;
    }

    /// What has to be left in each of those limits for tasks that are more critical and have not begun.
    pub(super) fn first(&self, task: TaskIx, who: &Labels, machine: &Machine) -> Vec<(String, Usd)> {
        let rank = machine.plan().rank(task);
        let limits = self.clerk.ledger.limits().iter().filter(|limit| limit.counts(who));
        let before = limits.map(|limit| (limit.name.clone(), self.ahead.before(rank, &limit.key_of(who))));
        before.filter(|(_, usd)| *usd > Usd::ZERO).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against adding it all up each time.
        #[test]
        fn sums_are_those_of_all_who_are_before_and_count(
            wants in prop::collection::vec((0..3u8, 0..100i64), 1..40),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
            turn in 0..40usize,
        ) {
            let n = wants.len();
            // Some order that is not that of the tasks.
            let rank = |ix: TaskIx| u32::try_from((ix.index() * 7 + turn) % n).unwrap() * 40 + u32::try_from(ix.index()).unwrap();
            let (mut ahead, mut counts) = (Ahead::default(), vec![true; n]);
            for (account, usd) in &wants {
                ahead.add(vec![(account.to_string(), Usd::from_nanos(*usd))]);
            }
            ahead.rank(rank);
            for (which, now) in changes {
                let task = which.index(n);
                counts[task] = now;
                ahead.set(TaskIx::from(task as u32), now);
                for (asking, account) in (0..n).flat_map(|asking| (0..3u8).map(move |account| (asking, account))) {
                    let mine = rank(TaskIx::from(asking as u32));
                    let is_before = |other: &usize| counts[*other] && wants[*other].0 == account && rank(TaskIx::from(*other as u32)) < mine;
                    let want: i64 = (0..n).filter(is_before).map(|other| wants[other].1).sum();
                    prop_assert_eq!(ahead.before(mine, &account.to_string()), Usd::from_nanos(want));
                }
            }
        }
    }
}
