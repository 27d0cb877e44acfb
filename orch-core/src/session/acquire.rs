//! Locks for callers without a runtime of their own.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::AbortHandle;

use super::io;
use crate::{
    definition::Claim,
    error::{Error, ErrorKind, Result},
    locks::{LockGuard, Locks, Owner},
    sync::{Mutex, lock},
};

type Answer = Pin<Box<dyn Future<Output = Result<LockGuard>> + Send>>;

/// A request for locks that waits. Dropped, it is withdrawn: when that returns, nobody waits any more.
pub struct Acquiring {
    answer: Arc<Mutex<Option<Answer>>>,
    waiting: AbortHandle,
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        // The task that waits would let go of the request a moment later.
        let answer = mem::take(&mut *lock(&self.answer));
        drop(answer);
        self.waiting.abort();
    }
}

impl fmt::Debug for Acquiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquiring").finish_non_exhaustive()
    }
}

/// Asks for all of `claims` at once, as [`Locks::acquire_all`], for callers that have no runtime to wait on: those of another
/// language. What is free is given to `told` at once, and `None` answered; else `told` is called from another thread.
///
/// ```
/// use std::sync::mpsc;
/// use orch_core::{Claim, locks::{Acquire, Locks}, session};
///
/// let locks = Locks::default();
/// let (tell, told) = mpsc::channel();
/// let answer = |tell: mpsc::Sender<_>| move |answer| tell.send(answer).unwrap();
/// assert!(session::acquire(&locks, vec![Claim::exclusive("site")], "ann", None, answer(tell.clone()))?.is_none());
/// let first = told.recv().unwrap()?;
///
/// let waits = session::acquire(&locks, vec![Claim::exclusive("site")], "bob", None, answer(tell))?;
/// assert!(waits.is_some() && told.try_recv().is_err());
/// drop(first);
/// assert!(told.recv().unwrap().is_ok());
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`Io`](ErrorKind::Io) if there is no runtime and none can be started. All else is told to `told`.
pub fn acquire(
    locks: &Locks,
    claims: Vec<Claim>,
    owner: impl Into<Owner>,
    wait: Option<Duration>,
    told: impl FnOnce(Result<LockGuard>) + Send + 'static,
) -> Result<Option<Acquiring>> {
    let runtime =
        io::own().ok_or_else(|| Error::new(ErrorKind::Io, "the runtime that waits for locks could not be started"))?;
    // Limits of time are timers of that runtime.
    let _inside = runtime.enter();
    let (locks, owner) = (locks.clone(), owner.into());
    let mut answer: Answer = Box::pin(async move { locks.acquire_all(&claims, owner, wait).await });
    if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        told(answer);
        return Ok(None);
    }
    let answer = Arc::new(Mutex::new(Some(answer)));
    let shared = answer.clone();
    let waiting = runtime.spawn(async move {
        let answered = poll_fn(|task| {
            let mut answer = lock(&shared);
            match answer.as_mut().map(|answer| answer.as_mut().poll(task)) {
                None => Poll::Ready(None),
                Some(Poll::Pending) => Poll::Pending,
                Some(Poll::Ready(granted)) => {
                    *answer = None;
                    Poll::Ready(Some(granted))
                }
            }
        });
        if let Some(answer) = answered.await {
            told(answer);
        }
    });
    Ok(Some(Acquiring { answer, waiting: waiting.abort_handle() }))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::error::ErrorKind;

    fn site() -> Vec<Claim> {
        vec![Claim::exclusive("site")]
    }

    #[test]
    fn whoever_is_dropped_waits_no_longer() {
        let locks = Locks::default();
        let (tell, told) = mpsc::channel();
        let first = tell.clone();
        assert!(acquire(&locks, site(), "ann", None, move |it| first.send(it).unwrap()).unwrap().is_none());
        let held = told.recv().unwrap().unwrap();
        let waits = acquire(&locks, site(), "bob", None, move |it| tell.send(it).unwrap()).unwrap();
        assert_eq!(locks.stats("site").unwrap().waiting, 1);
        drop(waits);
        assert_eq!(locks.stats("site").unwrap().waiting, 0);
        drop(held);
        assert!(told.recv().is_err(), "nobody was told anything");
    }

    #[test]
    fn a_wait_has_its_limit() {
        let locks = Locks::default();
        let (tell, told) = mpsc::channel();
        let first = tell.clone();
        let held = acquire(&locks, site(), "ann", None, move |it| first.send(it).unwrap());
        let _waits = acquire(&locks, site(), "bob", Some(Duration::from_millis(1)), move |it| tell.send(it).unwrap());
        let guard = told.recv().unwrap();
        assert_eq!(told.recv().unwrap().unwrap_err().kind(), ErrorKind::LockTimeout);
        drop((guard, held));
    }
}
