//! Who may start, most critical first.

/// A set of ranks that gives its smallest quickly: a tree of 64-bit words, each bit of which says whether the word below
/// holds anything. Putting and taking cost one word a level; a million ranks have four levels.
///
/// One rank is kept beside the tree, so that a chain, in which one is put and taken in turn, never waits for what it has just
/// written.
#[derive(Debug, Clone)]
pub(super) struct ReadyQueue {
    levels: Vec<Vec<u64>>,
    /// How many are in the tree.
    len: usize,
    /// INVARIANT: smaller than all in the tree, or [`NONE`].
    front: u32,
}

/// A rank that no task has.
const NONE: u32 = u32::MAX;

impl Default for ReadyQueue {
    fn default() -> Self {
        Self { levels: Vec::new(), len: 0, front: NONE }
    }
}

#[expect(clippy::indexing_slicing, reason = "levels are sized for `ranks` at construction, and ranks are below it")]
impl ReadyQueue {
    /// An empty set for the ranks `0..ranks`.
    #[inline]
    pub(super) fn new(ranks: usize) -> Self {
        let mut levels = Vec::new();
        let mut words = ranks;
        loop {
            words = words.div_ceil(64).max(1);
            levels.push(vec![0u64; words]);
            if words == 1 {
                return Self { levels, len: 0, front: NONE };
            }
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0 && self.front == NONE
    }

    /// Adds a rank that is not yet in the set.
    #[inline]
    pub(super) fn push(&mut self, rank: u32) {
        if self.front == NONE {
            if self.len == 0 {
                self.front = rank;
            } else {
                self.insert(rank);
            }
        } else {
            let later = rank.max(self.front);
            self.front = rank.min(self.front);
            self.insert(later);
        }
    }

    #[inline]
    fn insert(&mut self, rank: u32) {
        self.len += 1;
        let mut at = rank as usize;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            let was_empty = *word == 0;
            *word |= 1 << (at % 64);
            if !was_empty {
                return;
            }
            at /= 64;
        }
    }

    /// Takes the smallest rank.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<u32> {
        if self.front != NONE {
            return Some(std::mem::replace(&mut self.front, NONE));
        }
        if self.len == 0 {
            return None;
        }
        let mut at = 0;
        for level in self.levels.iter().rev() {
            at = at * 64 + level[at].trailing_zeros() as usize;
        }
        self.remove(at as u32);
        Some(at as u32)
    }

    #[inline]
    fn remove(&mut self, rank: u32) {
        self.len -= 1;
        let mut at = rank as usize;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                return;
            }
            at /= 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gives_what_a_sorted_set_gives(
            ranks in 1usize..9000,
            steps in prop::collection::vec((any::<bool>(), any::<u32>()), 0..400),
        ) {
            let mut queue = ReadyQueue::new(ranks);
            let mut model = BTreeSet::new();
            for (push, rank) in steps {
                let rank = rank % ranks as u32;
                if push {
                    if model.insert(rank) {
                        queue.push(rank);
                    }
                } else {
                    prop_assert_eq!(queue.pop(), model.pop_first());
                }
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }
}
