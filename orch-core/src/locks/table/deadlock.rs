//! Owners that wait for each other.
//!
//! What an owner waits for, others hold: that is a graph of owners, and without a circle in it nobody is stuck. With units a
//! circle alone proves nothing, since another holder may leave; so the owners that can still go on are taken away one after
//! the other, as if each would give back what it holds, and those that are left are stuck (R. C. Holt, "Some deadlock
//! properties of computer systems", ACM Computing Surveys 4(3), 1972).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    LockTable,
    entry::{NOBODY, State},
    model::{Deadlock, Link, Refusal, Told, Word},
};
use crate::definition::ClaimMode;

#[expect(clippy::indexing_slicing, reason = "an entry's wants name rows, and rows name entries, that exist")]
impl LockTable {
    /// The deadlocks that there are now, each with the request whose refusal would end it. None, where they are
    /// [ended](LockTable::end_deadlocks) as they arise.
    pub fn deadlocks(&self) -> Vec<Deadlock> {
        let mut stuck = self.stuck();
        let mut found = Vec::new();
        while let Some(&owner) = stuck.first() {
            let Some(deadlock) = self.circle(owner, &stuck) else { break };
            let members: BTreeSet<u32> = deadlock.cycle.iter().map(|link| self.owner_at(link.ticket)).collect();
            found.push(deadlock);
            // Those that wait for the circle from outside are no deadlock of their own.
            stuck.retain(|owner| !members.contains(owner) && *owner != NOBODY);
            stuck = self.stuck_among(stuck);
        }
        found
    }

    /// Ends a deadlock that [`deadlocks`](LockTable::deadlocks) found, by refusing its victim. `false`: it is over already.
    pub fn end(&mut self, deadlock: &Deadlock) -> bool {
        let victim = deadlock.victim().and_then(|link| self.find(link.ticket));
        let Some(at) = victim.filter(|&at| self.entries[at as usize].waits()) else { return false };
        self.refuse_victim(at, Arc::new(deadlock.clone()));
        self.settle();
        true
    }

    /// One that holds something has come to wait.
    pub(super) fn suspect(&mut self, at: u32) {
        let owner = self.entries[at as usize].owner;
        if owner != NOBODY && self.holds_something(owner) {
            self.suspects.push(owner);
        }
    }

    /// An owner has come to hold something, or waits for less than before. Where it still waits, what is kept for others may not
    /// hold it up any more, and it may be what closes a circle.
    pub(super) fn suspect_owner(&mut self, owner: u32) {
        let rows: Vec<u32> =
            self.waiting_of(owner).filter_map(|at| Some(self.entries[at as usize].wanted()?.row)).collect();
        if !rows.is_empty() {
            self.freed.extend(rows);
            self.suspects.push(owner);
        }
    }

    /// Ends the deadlocks that this owner is part of.
    pub(super) fn end_deadlocks_of(&mut self, owner: u32) {
        while self.ends_deadlocks && self.is_in_circle(owner) {
            let stuck = self.stuck();
            let Some(deadlock) = stuck.contains(&owner).then(|| self.circle(owner, &stuck)).flatten() else { return };
            let deadlock = Arc::new(deadlock);
            let Some(victim) = deadlock.victim().map(|link| link.ticket) else { return };
            for link in deadlock.cycle.iter().filter(|link| link.ticket != victim) {
                self.told.push(Told { ticket: link.ticket, word: Word::Deadlock(deadlock.clone()) });
            }
            self.refuse_victim(victim.at, deadlock);
            while let Some(row) = self.freed.pop() {
                self.scan(row);
            }
        }
    }

    fn refuse_victim(&mut self, at: u32, deadlock: Arc<Deadlock>) {
        self.refuse(at, Refusal::Deadlock(deadlock));
    }

    fn waiting_of(&self, owner: u32) -> impl Iterator<Item = u32> + '_ {
        let entries = self.names.owners.get(owner as usize).map_or(&[][..], |owner| &owner.entries);
        entries.iter().copied().filter(|&entry| self.entries[entry as usize].waits())
    }

    fn owner_at(&self, ticket: super::Ticket) -> u32 {
        self.find(ticket).map_or(NOBODY, |at| self.entries[at as usize].owner)
    }

    /// The resources that a request waits for and does not get because of their holders.
    fn blocking(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let entry = &self.entries[at as usize];
        let upgrading = entry.state == State::Upgrading;
        let wants = entry.wants.iter().enumerate().filter(move |(nth, want)| {
            if upgrading { *nth == entry.parked } else { !self.rows[want.row as usize].has_room(want) }
        });
        wants.map(|(_, want)| want.row)
    }

    /// The owners that hold what a request waits for.
    fn waits_for(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let upgrading = self.entries[at as usize].state == State::Upgrading;
        let holders = self.blocking(at).flat_map(|row| self.rows[row as usize].holders.iter());
        holders
            .filter(move |(entry, _)| !(upgrading && *entry == at))
            .map(|&(entry, _)| self.entries[entry as usize].owner)
    }

    /// Whether an owner waits, by way of others, for itself.
    fn is_in_circle(&self, owner: u32) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![owner];
        while let Some(next) = open.pop() {
            for holder in self.waiting_of(next).flat_map(|at| self.waits_for(at)) {
                if holder == owner {
                    return true;
                }
                if holder != NOBODY && seen.insert(holder) {
                    open.push(holder);
                }
            }
        }
        false
    }

    /// The owners that can never go on, unless somebody gives up.
    fn stuck(&self) -> BTreeSet<u32> {
        let owners = 0..self.names.owners.len() as u32;
        self.stuck_among(owners.filter(|&owner| self.waiting_of(owner).next().is_some()).collect())
    }

    /// Of those owners, the ones that could not go on even if all others gave back what they hold.
    fn stuck_among(&self, mut waiting: BTreeSet<u32>) -> BTreeSet<u32> {
        loop {
            let can_go_on = |&owner: &u32| self.waiting_of(owner).any(|at| self.could_have(at, &waiting));
            let free: Vec<u32> = waiting.iter().copied().filter(can_go_on).collect();
            if free.is_empty() {
                return waiting;
            }
            waiting.retain(|owner| !free.contains(owner));
        }
    }

    /// Whether a request could have what it wants if only those owners held anything.
    fn could_have(&self, at: u32, owners: &BTreeSet<u32>) -> bool {
        let entry = &self.entries[at as usize];
        let upgrading = entry.state == State::Upgrading;
        self.blocking(at).all(|row| {
            let Some(want) = entry.wants.iter().find(|want| want.row == row) else { return true };
            let row = &self.rows[row as usize];
            let held = row.holders.iter().filter(|&&(holder, _)| {
                owners.contains(&self.entries[holder as usize].owner) && !(upgrading && holder == at)
            });
            let held: Vec<_> = held.map(|&(entry, nth)| self.entries[entry as usize].wants[nth as usize]).collect();
            if upgrading || want.mode == ClaimMode::Exclusive {
                return held.is_empty();
            }
            let used: u64 = held.iter().map(|want| u64::from(want.units)).sum();
            let excluded = held.iter().any(|held| match held.mode {
                ClaimMode::Exclusive => true,
                ClaimMode::Upgradable => want.mode == ClaimMode::Upgradable,
                ClaimMode::Shared => false,
            });
            !excluded && row.capacity.is_none_or(|capacity| used + u64::from(want.units) <= u64::from(capacity))
        })
    }

    /// A circle among stuck owners, found from that one on.
    fn circle(&self, owner: u32, stuck: &BTreeSet<u32>) -> Option<Deadlock> {
        let (mut path, mut places): (Vec<Link>, BTreeMap<u32, usize>) = (Vec::new(), BTreeMap::new());
        let mut at = owner;
        while !places.contains_key(&at) {
            let (entry, row, next) = self.waiting_of(at).find_map(|entry| {
                let upgrading = self.entries[entry as usize].state == State::Upgrading;
                self.blocking(entry).find_map(|row| {
                    let holders = self.rows[row as usize].holders.iter();
                    let others = holders.filter(|(holder, _)| !(upgrading && *holder == entry));
                    let owners = others.map(|&(holder, _)| self.entries[holder as usize].owner);
                    // Who waits for itself is a circle of its own, and nobody else should give way for it.
                    let next = owners.filter(|owner| stuck.contains(owner)).min_by_key(|&owner| owner != at)?;
                    Some((entry, row, next))
                })
            })?;
            places.insert(at, path.len());
            let (name, resource) = (self.entries[entry as usize].name.clone()?, self.rows[row as usize].name.clone());
            path.push(Link { owner: name, resource, ticket: self.ticket(entry) });
            at = next;
        }
        let cycle = path.split_off(places.get(&at).copied().unwrap_or_default());
        // The lowest priority; of several the youngest.
        let rank = |link: &Link| {
            let entry = &self.entries[link.ticket.at as usize];
            (entry.wanted().map_or(0, |want| want.priority), std::cmp::Reverse(entry.seq))
        };
        let victim = (0..cycle.len()).min_by_key(|&nth| rank(&cycle[nth])).unwrap_or_default();
        Some(Deadlock { cycle, victim })
    }
}
