//! Locks as callers use them: ask, and wait for the answer.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    guard::LockGuard,
    memory::MemoryLocks,
    seam::ResourceLocks,
    table::{Ask, Asked, Asker, Deadlock, Grant, Refusal, ResourceStats, Ticket},
    wait::{Pending, Waiting},
};
use crate::{
    definition::{Claim, ClaimMode, Resource},
    error::{Error, ErrorKind, Result},
    id::{Printable, ResourceId},
};

/// Who holds or asks for locks: somebody with a name, or an attempt of a task.
///
/// Whoever uses the same name is the same owner: it is told apart from others where a lock is given back, and where owners
/// wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub(crate) OwnedBy);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnedBy {
    Name(Arc<str>),
    /// Whoever made that request.
    Holder(Ticket),
}

impl From<&str> for Owner {
    fn from(name: &str) -> Self {
        Self(OwnedBy::Name(name.into()))
    }
}

impl From<String> for Owner {
    fn from(name: String) -> Self {
        Self(OwnedBy::Name(name.into()))
    }
}

impl From<&Owner> for Owner {
    fn from(owner: &Owner) -> Self {
        owner.clone()
    }
}

impl Owner {
    /// Whoever has the lock of that id, for example a task by its [`TaskContext::lock`](crate::TaskContext::lock).
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) if that is not the id of a lock.
    pub fn holder(lock: &str) -> Result<Self> {
        lock.parse().map(|ticket| Self(OwnedBy::Holder(ticket)))
    }

    fn asker(&self) -> Asker<'_> {
        match &self.0 {
            OwnedBy::Name(name) => Asker::Named(name),
            OwnedBy::Holder(ticket) => Asker::Holder(*ticket),
        }
    }
}

/// How a resource is asked for. `Acquire::default()`: one place of it, priority 0, a wait of 30 s at most, no lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquire {
    /// Beside whom. Default, `None`: one unit of a resource with a declared capacity, and the whole of any other, declared or
    /// not, so that a lock by a name that is used nowhere else has one holder.
    pub mode: Option<ClaimMode>,
    /// How many units, at least 1. Default: 1.
    pub units: u32,
    /// Higher goes first. Default: 0.
    pub priority: i32,
    /// How long to wait at most, up to [`Claim::LONGEST`]; `None`: as long as it takes. Default: 30 s.
    pub wait: Option<Duration>,
    /// How long it may be held, up to [`Claim::LONGEST`]; `None`: until it is given back. Default: `None`.
    pub lease: Option<Duration>,
    /// How many tokens of an API it will probably use. Default: 0.
    pub tokens: u64,
}

impl Acquire {
    /// How long a caller waits for a resource when it does not say.
    pub const WAIT: Duration = Duration::from_secs(30);
}

impl Default for Acquire {
    fn default() -> Self {
        Self { mode: None, units: 1, priority: 0, wait: Some(Self::WAIT), lease: None, tokens: 0 }
    }
}

/// Locks on resources, for callers. Cheap to clone; clones are the same locks.
///
/// [`Engine::locks`](crate::Engine::locks) are those that the tasks of its runs claim by.
///
/// ```
/// use orch_core::locks::{Acquire, Locks};
/// use orch_core::{ErrorKind, Resource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> orch_core::Result<()> {
/// let locks = Locks::default();
/// locks.register(&Resource::new("database").capacity(2))?;
///
/// let first = locks.acquire("database", "alice", Acquire::default()).await?;
/// let second = locks.acquire("database", "bob", Acquire::default()).await?;
/// assert!(second.fence() > first.fence());
/// assert!(locks.try_acquire("database", "carol", Acquire::default())?.is_none(), "both places are taken");
///
/// drop(first); // or `first.release()`
/// assert!(locks.try_acquire("database", "carol", Acquire::default())?.is_some());
///
/// // A lock that is kept by its id is given back by its owner only.
/// let id = second.keep();
/// assert_eq!(locks.release(id, "carol").unwrap_err().kind(), ErrorKind::NotOwner);
/// assert!(locks.release(id, "bob")?);
/// assert!(!locks.release(id, "bob")?, "twice does no harm");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Locks(Arc<dyn ResourceLocks>);

impl Default for Locks {
    fn default() -> Self {
        Self::new(MemoryLocks::default())
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Locks").field(&self.0).finish()
    }
}

impl Locks {
    /// The locks of that table.
    pub fn new(locks: impl ResourceLocks) -> Self {
        Self(Arc::new(locks))
    }

    /// The table.
    pub fn table(&self) -> &Arc<dyn ResourceLocks> {
        &self.0
    }

    /// Declares a resource for everybody, with its limits. To declare it again in the same way changes nothing. What nobody
    /// declares has no limits, and is known while it is in use.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for limits of 0 and bad names, and where it is declared in another way
    /// already.
    pub fn register(&self, resource: &Resource) -> Result<()> {
        self.0.declare(0, resource)
    }

    /// Waits for a resource. Dropping the future withdraws the request; dropping the guard gives the resource back.
    ///
    /// A wait with a limit, or for something that becomes free by time alone, needs a tokio runtime with time.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) when it waited long enough, [`Deadlock`](ErrorKind::Deadlock) when it was chosen
    /// to end a deadlock, [`InvalidValue`](ErrorKind::InvalidValue) for more than there is and times out of range,
    /// [`Misuse`](ErrorKind::Misuse) without a runtime, or when the attempt that asks is over.
    pub async fn acquire(
        &self,
        resource: impl Into<ResourceId>,
        owner: impl Into<Owner>,
        options: Acquire,
    ) -> Result<LockGuard> {
        let wait = options.wait;
        let claim = self.claim(resource, options)?;
        self.wait(std::slice::from_ref(&claim), &owner.into(), wait).await
    }

    /// Waits for several claims, which are granted all at once; at most `wait`, or as the claims say. Else as
    /// [`acquire`](Locks::acquire).
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Locks::acquire).
    pub async fn acquire_all(
        &self,
        claims: &[Claim],
        owner: impl Into<Owner>,
        wait: Option<Duration>,
    ) -> Result<LockGuard> {
        claims.iter().try_for_each(check)?;
        self.wait(claims, &owner.into(), wait).await
    }

    /// Takes a resource if it is free. `None`: it is not.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for more than there is and times out of range.
    pub fn try_acquire(
        &self,
        resource: impl Into<ResourceId>,
        owner: impl Into<Owner>,
        options: Acquire,
    ) -> Result<Option<LockGuard>> {
        let claim = self.claim(resource, Acquire { wait: Some(Duration::ZERO), ..options })?;
        let owner = owner.into();
        let claims = std::slice::from_ref(&claim);
        let ask = Ask { asker: owner.asker(), scope: 0, claims, rank: 0, wait: Some(Duration::ZERO) };
        match self.0.ask(&ask, &mut || (Waiting::once(&mut None, None), 0)) {
            Asked::Granted(grant) => Ok(Some(self.guard(grant))),
            Asked::Refused(Refusal::Late { .. }) => Ok(None),
            Asked::Refused(refusal) => Err(refusal.into()),
            // A table that cannot say at once has not granted it.
            Asked::Waits(waits) => {
                self.0.release(waits.ticket);
                Ok(None)
            }
        }
    }

    /// Gives a lock back by its id. `false`: it is over already, which does no harm.
    ///
    /// # Errors
    ///
    /// [`NotOwner`](ErrorKind::NotOwner) if another holds it.
    pub fn release(&self, lock: Ticket, owner: &str) -> Result<bool> {
        match self.0.owner(lock) {
            None => Ok(false),
            Some(holder) if *holder == *owner => Ok(self.0.release(lock)),
            Some(holder) => {
                let message = format!("`{}` holds the lock, not `{}`", Printable(&holder), Printable(owner));
                Err(Error::new(ErrorKind::NotOwner, message).with("lock", lock.to_string()))
            }
        }
    }

    /// Gives back everything of an owner, and withdraws what it waits for; how many requests that were.
    pub fn release_all(&self, owner: &str) -> usize {
        self.0.release_all(owner)
    }

    /// How a resource stands; `None`: it was neither declared nor used. What nobody declared is forgotten some time after its
    /// last use.
    pub fn stats(&self, resource: &str) -> Option<ResourceStats> {
        self.0.stats(0, resource)
    }

    /// The deadlocks that there are now. None, where the table ends them as they arise, as it does unless told otherwise.
    pub fn detect_deadlock(&self) -> Vec<Deadlock> {
        self.0.deadlocks()
    }

    /// Ends a deadlock by refusing its victim. `false`: it is over already.
    pub fn resolve_deadlock(&self, deadlock: &Deadlock) -> bool {
        self.0.end(deadlock)
    }

    /// What [`acquire`](Locks::acquire) asks the [table](Locks::table) for: for those who wait in another way than by a future.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for bad names and times out of range.
    pub fn claim(&self, resource: impl Into<ResourceId>, options: Acquire) -> Result<Claim> {
        let resource = resource.into();
        let Acquire { mode, units, priority, wait, lease, tokens } = options;
        let mode = mode.unwrap_or_else(|| match self.0.declared(0, resource.as_str()) {
            Some(Some(_)) => ClaimMode::Shared,
            _ => ClaimMode::Exclusive,
        });
        let claim = Claim { resource, mode, units, priority, wait, lease, tokens };
        check(&claim).map(|()| claim)
    }

    async fn wait(&self, claims: &[Claim], owner: &Owner, wait: Option<Duration>) -> Result<LockGuard> {
        let ask = Ask { asker: owner.asker(), scope: 0, claims, rank: 0, wait };
        let mut waiting = None;
        match self.0.ask(&ask, &mut || (Waiting::once(&mut waiting, None), 0)) {
            Asked::Granted(grant) => Ok(self.guard(grant)),
            Asked::Refused(refusal) => Err(refusal.into()),
            Asked::Waits(waits) => {
                let ticket = waits.ticket;
                let fence = Pending::request(&*self.0, ticket, waiting).answer().await?;
                Ok(self.guard(Grant { ticket, fence }))
            }
        }
    }

    fn guard(&self, grant: Grant) -> LockGuard {
        LockGuard::new(self.0.clone(), grant)
    }
}

fn check(claim: &Claim) -> Result<()> {
    match claim.problems(None, || "claim".to_owned()).into_iter().next() {
        None => Ok(()),
        Some(problem) => Err(Error::new(ErrorKind::InvalidValue, format!("{}: {}", problem.path, problem.message))),
    }
}
