//! What happens by time alone: waits that end, leases that end, rates that fill.

use std::{cmp::Reverse, time::Duration};

use super::{
    LockTable,
    entry::{NEVER, State},
    model::{Ticket, Told, Word},
};

/// Something that happens at a time. INVARIANT: of those at one time, what frees something comes before what gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    at: u64,
    kind: TimerKind,
    /// An entry or a row.
    what: u32,
    seq: u64,
    want: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKind {
    Lease,
    Refill,
    Wait,
}

/// Nanoseconds, saturating after 584 years.
pub(super) fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos()))
}

#[expect(clippy::indexing_slicing, reason = "an entry's wants name rows, and rows name entries, that exist")]
impl LockTable {
    /// It is `now`, or later if it was later before: ends leases and waits, and grants what has become free.
    pub fn turn(&mut self, now: Duration) {
        self.now = self.now.max(nanos(now));
        while let Some(&Reverse(timer)) = self.timers.peek()
            && timer.at <= self.now
        {
            self.timers.pop();
            if !self.is_live(timer) {
                self.dead_timers = self.dead_timers.saturating_sub(1);
                continue;
            }
            match timer.kind {
                TimerKind::Lease => self.expire(timer.what, timer.want as usize),
                TimerKind::Refill => {
                    self.rows[timer.what as usize].refill_at = NEVER;
                    self.freed.push(timer.what);
                }
                TimerKind::Wait => {
                    let refusal = self.late(timer.what);
                    self.refuse(timer.what, refusal);
                }
            }
            self.settle();
        }
    }

    /// When [`turn`](LockTable::turn) has something to do, if nothing else happens before.
    pub fn wake_at(&mut self) -> Option<Duration> {
        while let Some(&Reverse(timer)) = self.timers.peek() {
            if self.is_live(timer) {
                return Some(Duration::from_nanos(timer.at));
            }
            self.timers.pop();
            self.dead_timers = self.dead_timers.saturating_sub(1);
        }
        None
    }

    /// When something may happen by time alone to a request that waits: its wait ends or, if it is the next one, what it waits
    /// for becomes free. When that changes, it is told to [look](Word::Look). `None`: not by time alone.
    pub fn wake_for(&self, ticket: Ticket) -> Option<Duration> {
        let at = self.find(ticket)?;
        let entry = &self.entries[at as usize];
        let row = entry.wanted()?.row;
        let by_time = if self.head(row) == Some(at) { self.next_by_time(row) } else { NEVER };
        let next = entry.until.min(by_time);
        (next != NEVER).then(|| Duration::from_nanos(next))
    }

    /// The next one that waits for a resource.
    fn head(&self, row: u32) -> Option<u32> {
        let row = &self.rows[row as usize];
        row.upgrading.or_else(|| row.queue.places.first().map(|place| place.entry))
    }

    /// When a resource may become freer by time alone.
    fn next_by_time(&self, row: u32) -> u64 {
        let row = &self.rows[row as usize];
        row.next_lease.min(row.refill_at)
    }

    /// Tells the next one that waits for a resource that its turn may come by time alone, unless it knows.
    pub(super) fn look(&mut self, row: u32) {
        let at = self.next_by_time(row);
        if at == NEVER {
            return;
        }
        let Some(head) = self.head(row) else { return };
        let looked = (self.entries[head as usize].seq, at);
        if self.rows[row as usize].looked != looked {
            self.rows[row as usize].looked = looked;
            self.told.push(Told { ticket: self.ticket(head), word: Word::Look });
        }
    }

    pub(super) fn set_wait_timer(&mut self, at: u32) {
        let entry = &self.entries[at as usize];
        let (until, seq) = (entry.until, entry.seq);
        if until != NEVER {
            self.push_timer(Timer { at: until, kind: TimerKind::Wait, what: at, seq, want: 0 });
        }
    }

    /// Sets when the lease of one of its wants ends, counted from now.
    pub(super) fn begin_lease(&mut self, at: u32, nth: usize) {
        let now = self.now;
        let entry = &mut self.entries[at as usize];
        let seq = entry.seq;
        let want = &mut entry.wants[nth];
        want.expires = now.saturating_add(want.lease);
        if want.expires == NEVER {
            return;
        }
        let timer = Timer { at: want.expires, kind: TimerKind::Lease, what: at, seq, want: nth as u32 };
        self.push_timer(timer);
    }

    pub(super) fn set_refill_timer(&mut self, row: u32, at: u64) {
        if self.rows[row as usize].refill_at == at {
            return;
        }
        self.rows[row as usize].refill_at = at;
        if at != NEVER {
            self.push_timer(Timer { at, kind: TimerKind::Refill, what: row, seq: 0, want: 0 });
        }
        self.look(row);
    }

    fn push_timer(&mut self, timer: Timer) {
        self.timers.push(Reverse(timer));
    }

    fn expire(&mut self, at: u32, nth: usize) {
        let ticket = self.ticket(at);
        let entry = &self.entries[at as usize];
        if entry.state == State::Upgrading && entry.parked == nth {
            self.stop_upgrading(at);
        }
        let entry = &self.entries[at as usize];
        let (fence, row) = (entry.fence, entry.wants[nth].row);
        let row = &mut self.rows[row as usize];
        row.tally.expired += 1;
        let resource = row.name.clone();
        self.give_back(at, nth);
        self.told.push(Told { ticket, word: Word::Expired { resource, fence } });
        if self.entries[at as usize].wants.iter().all(|want| !want.held) {
            self.leave(at);
        }
    }

    /// Finds out anew when the next lease on a resource ends.
    pub(super) fn renew_next_lease(&mut self, row: u32) {
        let holders = &self.rows[row as usize].holders;
        let expires = |&(entry, want): &(u32, u32)| self.entries[entry as usize].wants[want as usize].expires;
        let next = holders.iter().map(expires).min().unwrap_or(NEVER);
        self.rows[row as usize].next_lease = next;
        self.look(row);
    }

    fn is_live(&self, timer: Timer) -> bool {
        match timer.kind {
            TimerKind::Refill => self.rows[timer.what as usize].refill_at == timer.at,
            TimerKind::Wait => {
                let entry = &self.entries[timer.what as usize];
                entry.seq == timer.seq && entry.waits() && entry.until == timer.at
            }
            TimerKind::Lease => {
                let entry = &self.entries[timer.what as usize];
                let want = entry.wants.get(timer.want as usize);
                entry.seq == timer.seq && want.is_some_and(|want| want.held && want.expires == timer.at)
            }
        }
    }

    /// A timer was set for something that is over. When most timers are such, they are thrown out: a wait that is granted at
    /// once must not be remembered for the half minute that it could have lasted.
    pub(super) fn forget_timer(&mut self) {
        self.dead_timers += 1;
        if self.dead_timers > 64 && self.dead_timers * 2 > self.timers.len() {
            self.dead_timers = 0;
            let mut timers = std::mem::take(&mut self.timers);
            timers.retain(|&Reverse(timer)| self.is_live(timer));
            self.timers = timers;
        }
    }
}
