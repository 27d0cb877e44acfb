//! Locks within one process.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    seam::{Ear, ResourceLocks},
    table::{Ask, Asked, Deadlock, LockTable, ResourceStats, Ticket, Told, Word},
};
use crate::{
    clock::Clock,
    definition::Resource,
    error::Result,
    sync::{Mutex, lock},
};

/// Grants claims to the threads of one process: the [table](super::table) behind one lock, and a clock.
///
/// An uncontended grant that has no lease does not read the clock.
#[derive(Debug, Default)]
pub struct MemoryLocks {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    table: LockTable,
    /// By the places of tickets.
    listeners: Vec<Option<Listener>>,
    /// What is to be told. INVARIANT: in order, and told by one thread at a time, without the lock.
    outbox: VecDeque<(Listener, Word)>,
    telling: bool,
    /// Empty but for its memory.
    told: Vec<Told>,
    scopes: u32,
}

#[derive(Clone)]
struct Listener {
    ticket: Ticket,
    ear: Arc<dyn Ear>,
    key: u64,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({}, {})", self.ticket, self.key)
    }
}

/// Ends the telling, also when an ear panics.
struct Telling<'a>(&'a Mutex<State>);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        lock(self.0).telling = false;
    }
}

impl MemoryLocks {
    /// Locks that go by that clock, and end deadlocks as they arise.
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Only reports deadlocks: [`deadlocks`](ResourceLocks::deadlocks) finds them, [`end`](ResourceLocks::end) ends one.
    #[must_use]
    pub fn report_deadlocks(self) -> Self {
        lock(&self.state).table.end_deadlocks(false);
        self
    }

    /// Does something with the table at the present time, and tells what came of it.
    fn with<T>(&self, work: impl FnOnce(&mut State, Duration) -> T) -> T {
        let mut state = lock(&self.state);
        // Read under the lock, so that the table's time never goes back.
        let now = self.clock.elapsed();
        let answer = work(&mut state, now);
        let tells = state.collect();
        drop(state);
        if tells {
            self.tell();
        }
        answer
    }

    fn read<T>(&self, read: impl FnOnce(&LockTable) -> T) -> T {
        read(&lock(&self.state).table)
    }

    fn tell(&self) {
        let telling = Telling(&self.state);
        loop {
            let mut state = lock(&self.state);
            let Some((listener, word)) = state.outbox.pop_front() else {
                // Under the same lock as the look: what comes in after it finds that nobody tells.
                state.telling = false;
                drop(state);
                std::mem::forget(telling);
                return;
            };
            drop(state);
            listener.ear.told(listener.key, word);
        }
    }
}

impl State {
    /// Addresses what the table tells; whether it is for this thread to tell it.
    fn collect(&mut self) -> bool {
        let Self { table, listeners, outbox, told, telling, .. } = self;
        told.extend(table.told());
        if told.is_empty() {
            return false;
        }
        for Told { ticket, word } in &*told {
            let listener = listeners.get(ticket.place()).and_then(Option::as_ref).filter(|it| it.ticket == *ticket);
            if let Some(listener) = listener {
                outbox.push_back((listener.clone(), word.clone()));
            }
        }
        let begins = !outbox.is_empty() && !std::mem::replace(telling, true);
        let mut told = std::mem::take(told);
        for Told { ticket, .. } in told.drain(..) {
            // Only now: several words may be about one request.
            if self.table.owner(ticket).is_none() {
                self.forget(ticket);
            }
        }
        self.told = told;
        begins
    }

    fn listen(&mut self, ticket: Ticket, (ear, key): (Arc<dyn Ear>, u64)) {
        let place = ticket.place();
        if self.listeners.len() <= place {
            self.listeners.resize_with(place + 1, || None);
        }
        if let Some(listener) = self.listeners.get_mut(place) {
            *listener = Some(Listener { ticket, ear, key });
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        if let Some(listener) = self.listeners.get_mut(ticket.place()) {
            listener.take_if(|listener| listener.ticket == ticket);
        }
    }
}

impl ResourceLocks for MemoryLocks {
    fn declare(&self, scope: u32, resource: &Resource) -> Result<()> {
        self.with(|state, now| {
            state.table.turn(now);
            state.table.declare(scope, resource)
        })
    }

    fn declared(&self, scope: u32, resource: &str) -> Option<Option<u32>> {
        self.read(|table| table.declared(scope, resource))
    }

    fn open(&self) -> u32 {
        let mut state = lock(&self.state);
        state.scopes += 1;
        state.scopes
    }

    fn close(&self, scope: u32) {
        lock(&self.state).table.close(scope);
    }

    fn ask(&self, ask: &Ask<'_>, ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64)) -> Asked {
        let mut state = lock(&self.state);
        if let Some(grant) = state.table.try_ask(ask) {
            // Granted at once, but it may have closed a circle elsewhere.
            let tells = state.collect();
            drop(state);
            if tells {
                self.tell();
            }
            return Asked::Granted(grant);
        }
        drop(state);
        self.with(|state, now| {
            let asked = state.table.ask(now, ask);
            match &asked {
                Asked::Waits(waits) => state.listen(waits.ticket, ear()),
                Asked::Granted(grant) if ask.claims.iter().any(|claim| claim.lease.is_some()) => {
                    state.listen(grant.ticket, ear());
                }
                _ => {}
            }
            asked
        })
    }

    fn upgrade(
        &self,
        ticket: Ticket,
        resource: &str,
        wait: Option<Duration>,
        ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64),
    ) -> Option<Asked> {
        self.with(|state, now| {
            let asked = state.table.upgrade(now, ticket, resource, wait);
            if let Some(Asked::Waits(waits)) = &asked {
                state.listen(waits.ticket, ear());
            }
            asked
        })
    }

    fn stop_upgrade(&self, ticket: Ticket) {
        self.with(|state, now| state.table.stop_upgrade(now, ticket));
    }

    fn release(&self, ticket: Ticket) -> bool {
        let mut state = lock(&self.state);
        state.forget(ticket);
        if let Some(there) = state.table.try_release(ticket) {
            return there;
        }
        drop(state);
        self.with(|state, now| state.table.release(now, ticket))
    }

    fn release_all(&self, owner: &str) -> usize {
        self.with(|state, now| state.table.release_all(now, owner))
    }

    fn renew(&self, ticket: Ticket) -> bool {
        self.with(|state, now| state.table.renew(now, ticket))
    }

    fn owner(&self, ticket: Ticket) -> Option<Arc<str>> {
        self.read(|table| table.owner(ticket).cloned())
    }

    fn fence(&self, ticket: Ticket) -> Option<u64> {
        self.with(|state, now| {
            state.table.turn(now);
            state.table.fence(ticket)
        })
    }

    fn turn(&self) -> Option<Duration> {
        self.with(|state, now| {
            state.table.turn(now);
            state.table.wake_at().map(|at| at.saturating_sub(now))
        })
    }

    fn wake_in(&self, ticket: Ticket) -> Option<Duration> {
        self.with(|state, now| state.table.wake_for(ticket).map(|at| at.saturating_sub(now)))
    }

    fn stats(&self, scope: u32, resource: &str) -> Option<ResourceStats> {
        self.read(|table| table.stats(scope, resource))
    }

    fn deadlocks(&self) -> Vec<Deadlock> {
        self.read(LockTable::deadlocks)
    }

    fn end(&self, deadlock: &Deadlock) -> bool {
        self.with(|state, now| {
            state.table.turn(now);
            state.table.end(deadlock)
        })
    }
}
