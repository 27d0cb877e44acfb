//! What the tasks of a run claim, asked of the locks that runs share.

use std::{fmt, mem, sync::Arc, time::Duration};

use crate::{
    definition::Graph,
    error::Result,
    executor::{Hold, RunShared},
    id::TaskIx,
    locks::{
        Backing, Ear, Locks, ResourceLocks,
        table::{Ask, Asked, Asker, Ticket, Word},
    },
    run::{Machine, Message, lock_message, refused},
    sync::{Mutex, lock},
};

/// The claims of one run.
pub(super) struct RunClaims {
    locks: Arc<dyn ResourceLocks>,
    /// Whose per-run resources are meant.
    scope: u32,
    /// By the places of tasks: what they ask for, or hold. Empty until the first task asks.
    asked: Vec<Option<Asking>>,
    /// How often any task has asked.
    asks: u32,
    ears: Arc<Ears>,
    heard: Vec<(u64, Word)>,
    /// Since the start of the run: when something happens by time alone.
    due: Option<Duration>,
    /// `due` may be sooner than was thought.
    look: bool,
}

struct Asking {
    ticket: Ticket,
    /// Tells its words from those of an earlier request of the task.
    nth: u32,
    fence: u64,
    /// An attempt has it too: what is left when the run is dropped ends with the attempt. But as long as the run lives, an
    /// attempt that lets go of its context holds it all the same.
    handed: Option<Arc<Held>>,
}

/// What an attempt holds. The session gives it back when the attempt ends; what is left when the run is dropped ends with the
/// attempt, which may still be at work then.
struct Held {
    locks: Arc<dyn ResourceLocks>,
    ticket: Ticket,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ticket.fmt(f)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Of what was given back already it is `false`, and does no harm.
        self.locks.release(self.ticket);
    }
}

/// Where the locks leave word, from any thread.
struct Ears {
    run: Arc<RunShared>,
    words: Mutex<Vec<(u64, Word)>>,
}

impl Ear for Ears {
    fn told(&self, key: u64, word: Word) {
        lock(&self.words).push((key, word));
        self.run.news.ring();
    }
}

impl RunClaims {
    pub(super) fn new(locks: &Locks, run: &Arc<RunShared>) -> Self {
        let locks = locks.table().clone();
        let scope = locks.open();
        let ears = Arc::new(Ears { run: run.clone(), words: Mutex::default() });
        let (asked, heard) = Default::default();
        Self { locks, scope, asked, asks: 0, ears, heard, due: None, look: false }
    }

    /// Declares the resources of the graph.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) where one is in use that was declared otherwise.
    pub(super) fn declare(self, graph: &Graph) -> Result<Self> {
        graph.resources().values().try_for_each(|resource| self.locks.declare(self.scope, resource))?;
        Ok(self)
    }

    /// The leases on which what a task holds stands.
    pub(super) fn backing(&self, task: TaskIx, leases: &mut Vec<Arc<Backing>>) {
        if let Some(asking) = self.asked.get(task.index()).and_then(Option::as_ref) {
            leases.extend(self.locks.backing(asking.ticket));
        }
    }

    /// Gives back what an attempt held, or withdraws what a task asks for.
    pub(super) fn release(&mut self, task: TaskIx) {
        if let Some(asking) = self.asked.get_mut(task.index()).and_then(Option::take) {
            self.locks.release(asking.ticket);
        }
    }

    /// Asks for all that a task claims.
    pub(super) fn ask(&mut self, task: TaskIx, machine: &Machine) -> Message {
        let graph = machine.graph();
        let claims = &graph.task(task).options().claims;
        let name: Arc<str> = graph.id(task).as_str().into();
        self.asks = self.asks.wrapping_add(1);
        let nth = self.asks;
        let rank = machine.plan().rank(task);
        let ask = Ask { asker: Asker::Once(&name), scope: self.scope, claims, rank, wait: None };
        let key = (task.index() as u64) << 32 | u64::from(nth);
        let ears = &self.ears;
        let answer = self.locks.ask(&ask, &mut || (ears.clone() as Arc<dyn Ear>, key));
        let timed = claims.iter().any(|claim| claim.lease.is_some() || claim.wait.is_some());
        let (message, ticket, fence) = match answer {
            Asked::Granted(grant) => (Message::Granted { task }, grant.ticket, grant.fence),
            Asked::Waits(waits) => {
                let message = Message::Waits { task, resource: waits.resource, holder: waits.holder };
                (message, waits.ticket, 0)
            }
            Asked::Refused(refusal) => return refused(task, &refusal),
        };
        // Who waits without a limit is told to look when its turn may come by time alone.
        self.look |= timed;
        if self.asked.len() < graph.len() {
            self.asked.resize_with(graph.len(), || None);
        }
        if let Some(place) = self.asked.get_mut(task.index()) {
            *place = Some(Asking { ticket, nth, fence, handed: None });
        }
        message
    }

    /// What became of requests and leases since the last look. Does what is due by now, in the time of the locks.
    pub(super) fn hear(&mut self, now: Duration, messages: &mut Vec<Message>) {
        loop {
            if mem::take(&mut self.look) || self.due.is_some_and(|due| due <= now) {
                self.due = self.locks.turn().map(|wait| now.saturating_add(wait));
            }
            self.listen(messages);
            // Whoever was told to look would else sleep past its turn.
            if !self.look {
                return;
            }
        }
    }

    fn listen(&mut self, messages: &mut Vec<Message>) {
        mem::swap(&mut *lock(&self.ears.words), &mut self.heard);
        for (key, word) in self.heard.drain(..) {
            let (task, nth) = (TaskIx::from((key >> 32) as u32), key as u32);
            let Some(place) = self.asked.get_mut(task.index()) else { continue };
            // Words about what was given back since are about nothing.
            let Some(asking) = place.as_mut().filter(|asking| asking.nth == nth) else { continue };
            match &word {
                Word::Granted { fence } => asking.fence = *fence,
                Word::Refused(_) => *place = None,
                Word::Look => self.look = true,
                _ => {}
            }
            messages.extend(lock_message(task, word));
        }
    }

    /// When something happens by time alone, if nothing else happens before.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.due
    }

    /// What an attempt of the task that begins holds; it is given back when the last of its contexts is dropped, if the run did
    /// not live to do so.
    pub(super) fn hand(&mut self, task: TaskIx) -> Option<Hold> {
        let asking = self.asked.get_mut(task.index())?.as_mut()?;
        let held = Arc::new(Held { locks: self.locks.clone(), ticket: asking.ticket });
        asking.handed = Some(held.clone());
        Some(Hold { fence: asking.fence, lock: Box::new(held) })
    }
}

impl Drop for RunClaims {
    fn drop(&mut self) {
        for asking in self.asked.drain(..).flatten() {
            if asking.handed.is_none() {
                self.locks.release(asking.ticket);
            }
        }
        self.locks.close(self.scope);
    }
}

impl fmt::Debug for RunClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunClaims").field("scope", &self.scope).field("asks", &self.asks).finish_non_exhaustive()
    }
}
