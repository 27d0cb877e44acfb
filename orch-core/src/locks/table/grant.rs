//! Who gets what: the rules of [`LockTable`].

use std::ops::Bound;

use super::{
    LockTable,
    entry::{NEVER, NOBODY, State},
    model::{Grant, Refusal, Told, Word},
};
use crate::definition::ClaimMode;

#[expect(clippy::indexing_slicing, reason = "an entry's wants name rows, and rows name entries, that exist")]
impl LockTable {
    /// The first of its wants that it cannot have now; `first` is looked at before the others.
    pub(super) fn blocked(&self, at: u32, first: Option<usize>) -> Option<usize> {
        let others = 0..self.entries[at as usize].wants.len();
        first.into_iter().chain(others).find(|&want| self.is_blocked(at, want))
    }

    #[inline]
    fn is_blocked(&self, at: u32, want: usize) -> bool {
        let want = &self.entries[at as usize].wants[want];
        let row = &self.rows[want.row as usize];
        if !row.has_room(want) || row.wait_for(want, self.now) > 0 {
            return true;
        }
        let kept = row.upgrading.is_some() || !row.due.is_empty();
        kept && !self.passes(at, want.row)
    }

    /// Whether a request may have what is kept for somebody: it is due itself and older, or its owner already holds something.
    fn passes(&self, at: u32, row: u32) -> bool {
        let (entry, row) = (&self.entries[at as usize], &self.rows[row as usize]);
        let first =
            row.due.first().is_none_or(|&due| due == at || (entry.due && entry.seq < self.entries[due as usize].seq));
        (first && row.upgrading.is_none()) || self.holds_something(entry.owner)
    }

    pub(super) fn holds_something(&self, owner: u32) -> bool {
        let owner = self.names.owners.get(owner as usize);
        owner.is_some_and(|owner| owner.entries.iter().any(|&entry| self.entries[entry as usize].is_granted()))
    }

    /// Takes all that it wants. INVARIANT: none of it is blocked.
    pub(super) fn grant(&mut self, at: u32) -> Grant {
        self.fence += 1;
        let now = self.now;
        let entry = &mut self.entries[at as usize];
        (entry.state, entry.fence) = (State::Granted, self.fence);
        let seq = entry.seq;
        for nth in 0..entry.wants.len() {
            self.begin_lease(at, nth);
            let want = &mut self.entries[at as usize].wants[nth];
            let row = &mut self.rows[want.row as usize];
            want.held = true;
            want.at = row.take(want, (at, nth as u32), now);
            if row.tally.waiting > 0 {
                let row = want.row;
                self.pass_over(row, seq);
                self.look(row);
            }
        }
        if self.entries[at as usize].owner != NOBODY {
            self.suspect_owner(self.entries[at as usize].owner);
        }
        Grant { ticket: self.ticket(at), fence: self.fence }
    }

    /// Somebody who came at `seq` got this resource: the eldest that waits for it was passed over, if it came earlier.
    fn pass_over(&mut self, row: u32, seq: u64) {
        loop {
            let Some(&std::cmp::Reverse((eldest, at))) = self.rows[row as usize].queue.eldest.peek() else { return };
            let entry = &self.entries[at as usize];
            let waits_here =
                entry.seq == eldest && entry.state == State::Waiting && entry.wants[entry.parked].row == row;
            if waits_here {
                if eldest < seq {
                    self.passed(at);
                }
                return;
            }
            self.rows[row as usize].queue.eldest.pop();
        }
    }

    /// A request was passed over. INVARIANT: it is parked.
    fn passed(&mut self, at: u32) {
        let entry = &mut self.entries[at as usize];
        entry.passed += 1;
        if entry.due || entry.passed < self.max_passed {
            return;
        }
        let before = self.place(at);
        self.entries[at as usize].due = true;
        let place = self.place(at);
        let entry = &self.entries[at as usize];
        let row = entry.wants[entry.parked].row;
        self.rows[row as usize].queue.promote(before, place);
        self.look(row);
        // Whoever looks through the queue now may have gone past its new place.
        self.freed.push(row);
        for nth in 0..self.entries[at as usize].wants.len() {
            let (row, seq) = (self.entries[at as usize].wants[nth].row, self.entries[at as usize].seq);
            let entries = &self.entries;
            let due = &mut self.rows[row as usize].due;
            let place = due.partition_point(|&other| entries[other as usize].seq < seq);
            due.insert(place, at);
        }
    }

    /// Lets a request wait for one of its wants, which it cannot have now.
    pub(super) fn park(&mut self, at: u32, want: usize) {
        let entry = &mut self.entries[at as usize];
        let first_time = entry.state != State::Waiting;
        (entry.state, entry.parked) = (State::Waiting, want);
        let (row, mode) = (entry.wants[want].row, entry.wants[want].mode);
        let place = self.place(at);
        self.rows[row as usize].queue.push(place, mode);
        if first_time {
            for want in &self.entries[at as usize].wants {
                self.rows[want.row as usize].tally.waiting += 1;
            }
            self.set_wait_timer(at);
            self.suspect(at);
        }
        if self.rows[row as usize].rates.is_some() {
            self.freed.push(row);
        }
        self.look(row);
    }

    fn unpark(&mut self, at: u32) {
        let place = self.place(at);
        let entry = &self.entries[at as usize];
        let want = entry.wants[entry.parked];
        let seq = entry.seq;
        let row = &mut self.rows[want.row as usize];
        row.queue.remove(place, want.mode);
        // It will look at another resource meanwhile: should it come back, what it was told is old.
        if row.looked.0 == seq {
            row.looked = (NEVER, NEVER);
        }
        self.look(want.row);
    }

    /// Nothing is kept for it any more, and it waits no longer.
    fn stop_waiting(&mut self, at: u32) {
        let due = std::mem::take(&mut self.entries[at as usize].due);
        if self.entries[at as usize].until != NEVER {
            self.forget_timer();
        }
        for nth in 0..self.entries[at as usize].wants.len() {
            let row = self.entries[at as usize].wants[nth].row;
            self.rows[row as usize].tally.waiting -= 1;
            if due {
                self.rows[row as usize].due.retain(|&other| other != at);
                self.freed.push(row);
            }
        }
    }

    /// Ends a request, whatever it is about.
    pub(super) fn leave(&mut self, at: u32) {
        match self.entries[at as usize].state {
            State::Free => return,
            State::New => {}
            State::Waiting => {
                self.unpark(at);
                self.stop_waiting(at);
            }
            State::Upgrading | State::Granted => {
                self.stop_upgrading(at);
                for nth in 0..self.entries[at as usize].wants.len() {
                    self.give_back(at, nth);
                }
            }
        }
        let entry = &mut self.entries[at as usize];
        entry.state = State::Free;
        entry.name = None;
        if entry.owner != NOBODY {
            let owner = std::mem::replace(&mut entry.owner, NOBODY);
            self.names.drop_entry(owner, at);
            self.suspect_owner(owner);
        }
        self.free.push(at);
    }

    /// Gives one resource back, if it is still held.
    pub(super) fn give_back(&mut self, at: u32, nth: usize) {
        let want = &mut self.entries[at as usize].wants[nth];
        if !std::mem::take(&mut want.held) {
            return;
        }
        let want = *want;
        let row = &mut self.rows[want.row as usize];
        if let Some((holder, wanted)) = row.give_back(&want) {
            self.entries[holder as usize].wants[wanted as usize].at = want.at;
        }
        if want.expires != NEVER {
            self.forget_timer();
        }
        if want.expires == self.rows[want.row as usize].next_lease && want.expires != NEVER {
            self.renew_next_lease(want.row);
        }
        if self.rows[want.row as usize].tally.waiting > 0 {
            self.freed.push(want.row);
        }
    }

    /// The place in its wants of an upgradable claim on that resource, or of one that was.
    pub(super) fn upgradable(&self, at: u32, resource: &str) -> Option<usize> {
        let entry = &self.entries[at as usize];
        let is_it = |want: &&super::entry::Want| self.rows[want.row as usize].name.as_str() == resource;
        let nth = entry.wants.iter().position(|want| is_it(&want))?;
        let good = entry.state == State::Granted && entry.wants[nth].held && entry.wants[nth].mode != ClaimMode::Shared;
        good.then_some(nth)
    }

    /// An upgradable claim becomes exclusive. INVARIANT: it is the only one on its resource.
    pub(super) fn raise(&mut self, at: u32, want: usize) -> Grant {
        self.fence += 1;
        let entry = &mut self.entries[at as usize];
        entry.fence = self.fence;
        let want = &mut entry.wants[want];
        let row = &mut self.rows[want.row as usize];
        row.used -= u64::from(want.units);
        (row.upgradable, row.exclusive) = (false, true);
        want.mode = ClaimMode::Exclusive;
        self.suspect_owner(self.entries[at as usize].owner);
        Grant { ticket: self.ticket(at), fence: self.fence }
    }

    pub(super) fn stop_upgrading(&mut self, at: u32) {
        let entry = &mut self.entries[at as usize];
        if entry.state != State::Upgrading {
            return;
        }
        entry.state = State::Granted;
        let (row, timed) = (entry.wants[entry.parked].row, entry.until != NEVER);
        if timed {
            self.forget_timer();
        }
        self.rows[row as usize].upgrading = None;
        self.rows[row as usize].tally.waiting -= 1;
        self.freed.push(row);
        self.look(row);
        self.suspect_owner(self.entries[at as usize].owner);
    }

    /// Refuses one that waits, and tells it.
    pub(super) fn refuse(&mut self, at: u32, refusal: Refusal) {
        let ticket = self.ticket(at);
        let entry = &self.entries[at as usize];
        let row = entry.wants[entry.parked].row;
        self.rows[row as usize].tally.refused += 1;
        if entry.state == State::Upgrading {
            self.stop_upgrading(at);
        } else {
            self.leave(at);
        }
        self.told.push(Told { ticket, word: Word::Refused(refusal) });
    }

    /// Gives what has become free to those that wait, until nobody more can have anything.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(row) = self.freed.pop() {
                self.scan(row);
            }
            let Some(at) = self.suspects.pop() else { return };
            self.end_deadlocks_of(at);
        }
    }

    /// Looks at those that wait for a resource, in their order.
    pub(super) fn scan(&mut self, at: u32) {
        self.finish_upgrade(at);
        let mut after = None;
        let mut refill = NEVER;
        while !self.rows[at as usize].is_full() {
            let places = &self.rows[at as usize].queue.places;
            let place = match after {
                None => places.first(),
                Some(after) => places.range((Bound::Excluded(after), Bound::Unbounded)).next(),
            };
            let Some(&place) = place else { break };
            let parked = self.entries[place.entry as usize].parked;
            match self.blocked(place.entry, Some(parked)) {
                None => {
                    self.unpark(place.entry);
                    self.stop_waiting(place.entry);
                    self.tell_grant(place.entry);
                }
                Some(want) if want == parked => {
                    let want = &self.entries[place.entry as usize].wants[want];
                    let row = &self.rows[at as usize];
                    if row.has_room(want) {
                        refill = refill.min(self.now.saturating_add(row.wait_for(want, self.now).max(1)));
                    }
                    after = Some(place);
                }
                // What it waited for is free now, but something else is not.
                Some(want) => {
                    self.unpark(place.entry);
                    self.park(place.entry, want);
                    self.passed(place.entry);
                }
            }
        }
        if self.rows[at as usize].rates.is_some() {
            self.set_refill_timer(at, refill);
        }
    }

    fn tell_grant(&mut self, at: u32) {
        let entry = &self.entries[at as usize];
        let waited = self.now.saturating_sub(entry.since);
        let tally = &mut self.rows[entry.wants[entry.parked].row as usize].tally;
        tally.waited = tally.waited.saturating_add(waited);
        tally.longest = tally.longest.max(waited);
        let Grant { ticket, fence } = self.grant(at);
        self.told.push(Told { ticket, word: Word::Granted { fence } });
    }

    fn finish_upgrade(&mut self, row: u32) {
        if let Some(at) = self.rows[row as usize].upgrading
            && self.rows[row as usize].holders.len() == 1
        {
            let want = self.entries[at as usize].parked;
            self.stop_upgrading(at);
            let Grant { ticket, fence } = self.raise(at, want);
            self.told.push(Told { ticket, word: Word::Upgraded { fence } });
        }
    }
}
