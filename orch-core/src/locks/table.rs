//! Who holds what, and who is next: the rules of claims, without a clock and without threads.
//!
//! A [`LockTable`] is told who asks for what and when, and answers who gets it. It does no I/O, reads no clock and wakes
//! nobody: time is passed in (since any origin; what is earlier than before counts as the same), and what happens to those
//! that wait is read from [`told`](LockTable::told).
//!
//! # Rules
//!
//! - **All at once.** A request gets all its claims or waits for all of them and holds nothing meanwhile, so requests alone
//!   cannot deadlock. Claims are looked at in the order of their names.
//! - **Nobody waits in vain.** Whoever can have everything gets it at once, though others came before: they could not.
//! - **Who is next**: the higher priority of the claim on the resource, then the smaller rank, then who came first.
//! - **Nobody starves.** A request that was passed over [`MAX_PASSED`](LockTable::MAX_PASSED) times is *due*: what it wants is
//!   kept for it, and of several that are due the eldest goes first. Passed over means that somebody who came later got the
//!   resource while it was the eldest that waited for it, or that it had to wait again for another one. So on a resource with
//!   one place a request with `n` older ones before it waits for at most `(MAX_PASSED + 1) · (n + 1)` grants.
//! - **Upgrades** wait for the others that share to leave, and nobody new joins meanwhile. A resource has one upgradable
//!   holder at a time, so two upgrades cannot wait for each other.
//! - **Owners that ask one by one** may deadlock. Whoever already holds something is not held up by what is kept for others,
//!   since that alone could close a circle. When one that holds something begins to wait, a circle of owners that cannot go
//!   on is looked for; it is ended by refusing the youngest request of the lowest priority in it.
//! - **Fences** rise with each grant of the table, whatever the resource.
//! - **Leases** end by time, and the resource goes on; giving back what is over does no harm.
//!
//! ```
//! use std::time::Duration;
//! use orch_core::{Claim, Resource};
//! use orch_core::locks::table::{Ask, Asked, Asker, LockTable, Told, Word};
//!
//! let mut table = LockTable::default();
//! table.declare(0, &Resource::new("db").capacity(1))?;
//! let claims = [Claim::shared("db")];
//! let ask = |name: &'static str| Ask { asker: Asker::Named(name), scope: 0, claims: &claims, rank: 0, wait: None };
//!
//! let Asked::Granted(first) = table.ask(Duration::ZERO, &ask("alice")) else { panic!() };
//! let Asked::Waits(second) = table.ask(Duration::ZERO, &ask("bob")) else { panic!() };
//! assert_eq!(second.holder.as_deref(), Some("alice"));
//!
//! assert!(table.release(Duration::from_secs(1), first.ticket));
//! let told: Vec<Told> = table.told().collect();
//! assert_eq!(told, [Told { ticket: second.ticket, word: Word::Granted { fence: first.fence + 1 } }]);
//! # Ok::<(), orch_core::Error>(())
//! ```

mod bucket;
mod deadlock;
mod entry;
mod grant;
mod model;
mod names;
#[cfg(test)]
mod properties;
mod row;
#[cfg(test)]
mod tests;
mod time;

use std::{collections::BinaryHeap, sync::Arc, time::Duration};

use entry::{Entry, NEVER, State};
pub use model::{Ask, Asked, Asker, Deadlock, Grant, Link, Refusal, ResourceStats, Ticket, Told, Waits, Word};
use names::Names;
use row::{Place, Row};
use time::Timer;

/// Claims on resources: who holds, who waits. See the [module](self).
#[derive(Debug)]
pub struct LockTable {
    rows: Vec<Row>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    names: Names,
    timers: BinaryHeap<std::cmp::Reverse<Timer>>,
    told: Vec<Told>,
    /// Rows that may have become freer.
    freed: Vec<u32>,
    /// Owners that hold something and may have come to wait.
    suspects: Vec<u32>,
    seq: u64,
    fence: u64,
    now: u64,
    ends_deadlocks: bool,
    max_passed: u32,
    /// How many of `timers` were set for what is over, about.
    dead_timers: usize,
}

impl Default for LockTable {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            entries: Vec::new(),
            free: Vec::new(),
            names: Names::default(),
            timers: BinaryHeap::new(),
            told: Vec::new(),
            freed: Vec::new(),
            suspects: Vec::new(),
            seq: 0,
            fence: 0,
            now: 0,
            ends_deadlocks: true,
            max_passed: Self::MAX_PASSED,
            dead_timers: 0,
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "an entry's wants name rows, and rows name entries, that exist")]
impl LockTable {
    /// How often a request is passed over before what it wants is kept for it.
    pub const MAX_PASSED: u32 = 16;

    /// Whether deadlocks are ended when they arise. If not, [`deadlocks`](LockTable::deadlocks) finds them and
    /// [`end`](LockTable::end) ends them. Default: yes.
    pub fn end_deadlocks(&mut self, yes: bool) {
        self.ends_deadlocks = yes;
    }

    /// Asks for claims. Without an answer now, [`told`](LockTable::told) brings it.
    pub fn ask(&mut self, now: Duration, ask: &Ask<'_>) -> Asked {
        self.turn(now);
        let answer = match self.enter(ask) {
            Err(refusal) => Asked::Refused(refusal),
            Ok(entry) => match self.blocked(entry, None) {
                None => Asked::Granted(self.grant(entry)),
                Some(want) if self.entries[entry as usize].until <= self.now => {
                    self.entries[entry as usize].parked = want;
                    let refusal = self.late(entry);
                    let row = self.entries[entry as usize].wants[want].row;
                    self.rows[row as usize].tally.refused += 1;
                    self.leave(entry);
                    Asked::Refused(refusal)
                }
                Some(want) => {
                    self.park(entry, want);
                    Asked::Waits(self.waits(entry))
                }
            },
        };
        self.settle();
        self.answer(answer)
    }

    /// Grants at once what nobody else has, without knowing the time; else does nothing. Claims with a lease and resources with
    /// a rate limit are never granted so.
    pub fn try_ask(&mut self, ask: &Ask<'_>) -> Option<Grant> {
        if ask.claims.iter().any(|claim| claim.lease.is_some()) {
            return None;
        }
        let entry = self.enter(ask).ok()?;
        let timed = self.entries[entry as usize].wants.iter().any(|want| self.rows[want.row as usize].rates.is_some());
        if timed || self.blocked(entry, None).is_some() {
            self.leave(entry);
            return None;
        }
        let grant = self.grant(entry);
        self.settle();
        Some(grant)
    }

    /// Lets a granted upgradable claim become exclusive, as soon as the others that share the resource have left; the grant
    /// has a new fence then. Waits at most `wait`; `None`: as long as it takes.
    ///
    /// `None` if the request is over, waits, or holds no upgradable claim on that resource. What is exclusive already stays
    /// as it is.
    pub fn upgrade(&mut self, now: Duration, ticket: Ticket, resource: &str, wait: Option<Duration>) -> Option<Asked> {
        self.turn(now);
        let at = self.find(ticket)?;
        let want = self.upgradable(at, resource)?;
        let entry = &mut self.entries[at as usize];
        if entry.wants[want].mode == crate::definition::ClaimMode::Exclusive {
            return Some(Asked::Granted(Grant { ticket, fence: entry.fence }));
        }
        let row = entry.wants[want].row;
        if self.rows[row as usize].holders.len() == 1 {
            let grant = self.raise(at, want);
            self.settle();
            return Some(Asked::Granted(grant));
        }
        (entry.state, entry.parked, entry.since) = (State::Upgrading, want, self.now);
        entry.until = wait.map_or(NEVER, |wait| self.now.saturating_add(time::nanos(wait)));
        let answer = if entry.until <= self.now {
            let refusal = self.late(at);
            self.entries[at as usize].state = State::Granted;
            Asked::Refused(refusal)
        } else {
            self.rows[row as usize].upgrading = Some(at);
            self.rows[row as usize].tally.waiting += 1;
            // Whoever was the next one is not any more, and must be told when it is again.
            self.look(row);
            self.set_wait_timer(at);
            self.suspect(at);
            Asked::Waits(self.waits(at))
        };
        self.settle();
        Some(self.answer(answer))
    }

    /// Gives up an upgrade that waits; the claim stays as it was. `false`: none waits.
    pub fn stop_upgrade(&mut self, now: Duration, ticket: Ticket) -> bool {
        self.turn(now);
        let at = self.find(ticket).filter(|&at| self.entries[at as usize].state == State::Upgrading);
        if let Some(at) = at {
            self.stop_upgrading(at);
            self.settle();
        }
        at.is_some()
    }

    /// Gives back what was granted, or withdraws what waits. `false`: it is over already, which does no harm.
    pub fn release(&mut self, now: Duration, ticket: Ticket) -> bool {
        let Some(entry) = self.find(ticket) else { return false };
        self.turn(now);
        // Its lease, or its time to wait, may have ended just now.
        let there = self.find(ticket).is_some();
        if there {
            self.leave(entry);
            self.settle();
        }
        there
    }

    /// As [`release`](LockTable::release) without knowing the time, where nobody waits for any of it; else does nothing.
    pub fn try_release(&mut self, ticket: Ticket) -> Option<bool> {
        let Some(at) = self.find(ticket) else { return Some(false) };
        let waits = |want: &entry::Want| self.rows[want.row as usize].tally.waiting > 0;
        if self.entries[at as usize].wants.iter().any(waits) {
            return None;
        }
        self.leave(at);
        self.freed.clear();
        Some(true)
    }

    /// Gives back and withdraws everything of the owner with that name; how many requests that were.
    pub fn release_all(&mut self, now: Duration, owner: &str) -> usize {
        self.turn(now);
        let entries = self.names.entries_of(owner).to_vec();
        entries.iter().for_each(|&entry| self.leave(entry));
        self.settle();
        entries.len()
    }

    /// Lets the leases of a grant begin anew. `false`: it is over, or waits.
    pub fn renew(&mut self, now: Duration, ticket: Ticket) -> bool {
        self.turn(now);
        let Some(at) = self.find(ticket).filter(|&at| self.entries[at as usize].is_granted()) else { return false };
        for nth in 0..self.entries[at as usize].wants.len() {
            let want = self.entries[at as usize].wants[nth];
            if want.held && want.expires != NEVER {
                self.forget_timer();
                self.begin_lease(at, nth);
                self.renew_next_lease(want.row);
            }
        }
        true
    }

    /// Whose request it is, while it is not over.
    pub fn owner(&self, ticket: Ticket) -> Option<&Arc<str>> {
        self.entries[self.find(ticket)? as usize].name.as_ref()
    }

    /// The fence of a grant, while it holds anything.
    pub fn fence(&self, ticket: Ticket) -> Option<u64> {
        let entry = &self.entries[self.find(ticket)? as usize];
        entry.is_granted().then_some(entry.fence)
    }

    /// What happened to those that wait and to grants, since the last look, in order.
    pub fn told(&mut self) -> impl Iterator<Item = Told> + '_ {
        self.told.drain(..)
    }

    /// What became of the requests for a resource. What nobody declared is forgotten some time after its last use.
    pub fn stats(&self, scope: u32, resource: &str) -> Option<ResourceStats> {
        let row = &self.rows[self.names.find(&self.rows, scope, resource)? as usize];
        let tally = &row.tally;
        Some(ResourceStats {
            capacity: row.capacity,
            used: row.used + u64::from(row.exclusive),
            holders: row.holders.iter().filter_map(|&(entry, _)| self.entries[entry as usize].name.clone()).collect(),
            exclusive: row.exclusive,
            waiting: tally.waiting,
            granted: tally.granted,
            refused: tally.refused,
            expired: tally.expired,
            waited: Duration::from_nanos(tally.waited),
            longest_wait: Duration::from_nanos(tally.longest),
        })
    }

    fn find(&self, ticket: Ticket) -> Option<u32> {
        let entry = self.entries.get(ticket.at as usize)?;
        (entry.seq == ticket.seq && entry.state != State::Free).then_some(ticket.at)
    }

    fn ticket(&self, entry: u32) -> Ticket {
        Ticket { at: entry, seq: self.entries[entry as usize].seq }
    }

    /// What a request waits for, and who has it.
    fn waits(&self, at: u32) -> Waits {
        let entry = &self.entries[at as usize];
        let row = &self.rows[entry.wants[entry.parked].row as usize];
        let holder = row.holders.iter().find(|(holder, _)| *holder != at);
        let holder = holder.and_then(|&(holder, _)| self.entries[holder as usize].name.clone());
        Waits { ticket: self.ticket(at), resource: row.name.clone(), holder }
    }

    fn late(&self, at: u32) -> Refusal {
        let Waits { resource, holder, .. } = self.waits(at);
        let entry = &self.entries[at as usize];
        let holders = &self.rows[entry.wants[entry.parked].row as usize].holders;
        let others = holders.iter().filter(|(holder, _)| *holder != at).count().saturating_sub(1);
        Refusal::Late { resource, waited: Duration::from_nanos(self.now.saturating_sub(entry.since)), holder, others }
    }

    /// What settling found out about a request that was just answered: it may have ended a deadlock, or been granted since.
    fn answer(&mut self, answer: Asked) -> Asked {
        let Asked::Waits(waits) = &answer else { return answer };
        let ticket = waits.ticket;
        let news = self.told.iter().position(|told| {
            told.ticket == ticket
                && matches!(told.word, Word::Granted { .. } | Word::Upgraded { .. } | Word::Refused(_))
        });
        match news.map(|at| self.told.remove(at).word) {
            Some(Word::Granted { fence } | Word::Upgraded { fence }) => Asked::Granted(Grant { ticket, fence }),
            Some(Word::Refused(refusal)) => Asked::Refused(refusal),
            _ => answer,
        }
    }

    fn place(&self, at: u32) -> Place {
        let entry = &self.entries[at as usize];
        Place::new(entry.due, entry.wants[entry.parked].priority, entry.rank, entry.seq, at)
    }
}
