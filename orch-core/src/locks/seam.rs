//! The seam of locks: where the table of claims is.

use std::{fmt, sync::Arc, time::Duration};

use super::table::{Ask, Asked, Deadlock, ResourceStats, Ticket, Word};
use crate::{definition::Resource, error::Result};

/// Who is told what became of a request that did not get its answer at once, or of a lease.
///
/// Words about one request come in order, from any thread, and may come before the call that made the request returns. The
/// lock table may be asked again from within.
pub trait Ear: Send + Sync {
    /// Something happened to the request that was made under this key.
    fn told(&self, key: u64, word: Word);
}

/// What a grant stands on outside of the table: a lease in a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Backing {
    /// The name of the lease.
    pub lease: String,
    /// Its fence.
    pub fence: u64,
}

/// Grants claims on resources: [`MemoryLocks`](super::MemoryLocks) within one process; others may do so for many.
///
/// No call blocks for long. A request that is [granted](Asked::Granted) or [refused](Asked::Refused) has its answer at once; one
/// that [waits](Asked::Waits) hears of it by its [`Ear`]. The rules are those of [`table`](super::table). Most programs use
/// [`Locks`](super::Locks), which waits for them.
pub trait ResourceLocks: fmt::Debug + Send + Sync + 'static {
    /// Declares a resource: for everybody, or, where each run has its own, for that scope.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) where it is declared otherwise already, and for bad limits.
    fn declare(&self, scope: u32, resource: &Resource) -> Result<()>;

    /// Whether a resource was declared, and with how many units.
    fn declared(&self, scope: u32, resource: &str) -> Option<Option<u32>>;

    /// A number for the resources of one run, never 0 and never given twice.
    fn open(&self) -> u32;

    /// A run is over: what it declared for itself is forgotten. It has given back what it held.
    fn close(&self, scope: u32);

    /// Asks for claims. `ear` is called if the request waits, or holds a lease: it answers who is told, and under which key.
    fn ask(&self, ask: &Ask<'_>, ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64)) -> Asked;

    /// Lets an upgradable claim become exclusive. `None`: there is none.
    fn upgrade(
        &self,
        ticket: Ticket,
        resource: &str,
        wait: Option<Duration>,
        ear: &mut dyn FnMut() -> (Arc<dyn Ear>, u64),
    ) -> Option<Asked>;

    /// Gives up an upgrade that waits; the claim stays as it was.
    fn stop_upgrade(&self, ticket: Ticket);

    /// Gives back what was granted, or withdraws what waits; nothing more is told of it, but for what is on its way. `false`:
    /// it is over already.
    fn release(&self, ticket: Ticket) -> bool;

    /// Gives back and withdraws everything of the owner with that name; how many requests that were.
    fn release_all(&self, owner: &str) -> usize;

    /// Lets the leases of a grant begin anew. `false`: it is over, or waits.
    fn renew(&self, ticket: Ticket) -> bool;

    /// Whose request it is, while it is not over.
    fn owner(&self, ticket: Ticket) -> Option<Arc<str>>;

    /// The fence of a grant, while it holds anything.
    fn fence(&self, ticket: Ticket) -> Option<u64>;

    /// Does what is due by now; how long until there is more to do, if nothing else happens.
    fn turn(&self) -> Option<Duration>;

    /// How long until something may happen to a request that waits by time alone. When that becomes sooner, it is told to
    /// [look](Word::Look).
    fn wake_in(&self, ticket: Ticket) -> Option<Duration>;

    /// How a resource stands; `None`: it is not known (any more).
    fn stats(&self, scope: u32, resource: &str) -> Option<ResourceStats>;

    /// The deadlocks that there are now. None, where they are ended as they arise.
    fn deadlocks(&self) -> Vec<Deadlock>;

    /// Ends a deadlock by refusing its victim. `false`: it is over already.
    fn end(&self, deadlock: &Deadlock) -> bool;

    /// The leases that a grant stands on. As long as somebody has one of them, it is not given back; the results of what was done
    /// under it are kept only if nobody else has had it since. Default: none.
    fn backing(&self, ticket: Ticket) -> Vec<Arc<Backing>> {
        let _ = ticket;
        Vec::new()
    }
}
