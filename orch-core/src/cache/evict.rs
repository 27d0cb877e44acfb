//! The order in which entries go, corrected only when somebody has to go.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    sync::Arc,
};

use super::entry::{Rank, Slot};

/// Entries by place.
#[derive(Debug, Default)]
pub(super) struct Slots {
    places: Vec<Option<Arc<Slot>>>,
    free: Vec<usize>,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// The place that the next entry takes.
    pub(super) fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    /// Puts an entry where [`next`](Slots::next) said.
    pub(super) fn insert(&mut self, slot: Arc<Slot>) {
        match self.free.pop().and_then(|place| self.places.get_mut(place)) {
            Some(free) => *free = Some(slot),
            None => self.places.push(Some(slot)),
        }
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<Arc<Slot>> {
        let slot = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(slot)
    }

    pub(super) fn at(&self, place: usize) -> Option<&Arc<Slot>> {
        self.places.get(place)?.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.places.iter().flatten()
    }

    fn of(&self, rank: Rank) -> Option<&Arc<Slot>> {
        self.at(rank.place).filter(|slot| slot.seq == rank.seq)
    }
}

/// Ranks of entries, the lowest first.
///
/// INVARIANT: each entry is here with a rank that is not above its present one, because ranks only grow while nobody looks.
/// So the lowest rank here that is still right is the lowest of all, and hits need not come here.
#[derive(Debug, Default)]
pub(super) struct Order(BinaryHeap<Reverse<Rank>>);

impl Order {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, rank: Rank, slots: &Slots) {
        // Entries that went otherwise are still here. No more of them than of those that live, or so.
        if self.0.len() > 2 * slots.len() + 64 {
            self.0.retain(|Reverse(rank)| slots.of(*rank).is_some());
        }
        self.0.push(Reverse(rank));
    }

    /// Takes the entry that is the lowest by `rank`, if `wanted` says so.
    pub(super) fn pop(
        &mut self,
        slots: &Slots,
        rank: impl Fn(&Slot) -> Rank,
        wanted: impl Fn(Rank) -> bool,
    ) -> Option<Arc<Slot>> {
        while let Some(mut lowest) = self.0.peek_mut() {
            let Some(slot) = slots.of(lowest.0) else {
                PeekMut::pop(lowest);
                continue;
            };
            let present = rank(slot);
            if present > lowest.0 {
                lowest.0 = present;
            } else if wanted(present) {
                PeekMut::pop(lowest);
                return Some(slot.clone());
            } else {
                return None;
            }
        }
        None
    }
}
