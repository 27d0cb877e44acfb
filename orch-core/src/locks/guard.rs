//! A lock that is held.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    acquire::{OwnedBy, Owner},
    seam::ResourceLocks,
    table::{Asked, Grant, Ticket},
    wait::{Pending, Waiting},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{Printable, ResourceId},
};

/// Holds what was granted; gives it back when dropped.
#[must_use = "a lock is given back when its guard is dropped"]
pub struct LockGuard {
    locks: Arc<dyn ResourceLocks>,
    ticket: Ticket,
    fence: u64,
    open: bool,
}

impl LockGuard {
    pub(super) fn new(locks: Arc<dyn ResourceLocks>, Grant { ticket, fence }: Grant) -> Self {
        Self { locks, ticket, fence, open: true }
    }

    /// The id of the lock.
    pub fn id(&self) -> Ticket {
        self.ticket
    }

    /// The owner of the lock, to ask for more in its name.
    pub fn owner(&self) -> Owner {
        Owner(OwnedBy::Holder(self.ticket))
    }

    /// The fencing token: greater than that of every earlier grant. Send it along with what is written to the resource, so
    /// that the resource can refuse what is smaller than the greatest it has seen.
    pub fn fence(&self) -> u64 {
        // An upgrade that nobody waited for any more may have brought a new one.
        self.locks.fence(self.ticket).unwrap_or(self.fence)
    }

    /// Whether anything is still held; not, when all its leases are over.
    pub fn is_held(&self) -> bool {
        self.locks.fence(self.ticket).is_some()
    }

    /// Lets the lease begin anew. `false`: it is over.
    pub fn renew(&self) -> bool {
        self.locks.renew(self.ticket)
    }

    /// Lets an upgradable claim become exclusive; waits at most `wait` for the others to leave. Afterwards the guard has a new
    /// fence. Dropping the future, and an error, leave the claim as it was.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout), [`Deadlock`](ErrorKind::Deadlock), and [`Misuse`](ErrorKind::Misuse) if the guard
    /// holds no upgradable claim on the resource.
    pub async fn upgrade(&mut self, resource: &str, wait: Option<Duration>) -> Result<()> {
        let mut waiting = None;
        let wanted = ResourceId::from(resource);
        let mut ear = || (Waiting::once(&mut waiting, Some(&wanted)), 0);
        self.fence = match self.locks.upgrade(self.ticket, resource, wait, &mut ear) {
            Some(Asked::Granted(grant)) => grant.fence,
            Some(Asked::Refused(refusal)) => return Err(refusal.into()),
            Some(Asked::Waits(_)) => Pending::upgrade(&*self.locks, self.ticket, waiting).answer().await?,
            None => {
                let message = format!("nothing upgradable is held of `{}`", Printable(resource));
                return Err(Error::new(ErrorKind::Misuse, message));
            }
        };
        Ok(())
    }

    /// Gives it back; `false`: all its leases were over.
    pub fn release(mut self) -> bool {
        self.open = false;
        self.locks.release(self.ticket)
    }

    /// Keeps it without the guard, until [`Locks::release`](super::Locks::release) gives it back by its id.
    pub fn keep(mut self) -> Ticket {
        self.open = false;
        self.ticket
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if self.open {
            self.locks.release(self.ticket);
        }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockGuard({}, fence {})", self.ticket, self.fence)
    }
}
