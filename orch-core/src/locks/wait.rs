//! One that waits for a lock.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::{
    runtime::Handle,
    time::{Sleep, sleep},
};

use super::{
    seam::{Ear, ResourceLocks},
    table::{Refusal, Ticket, Word},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::ResourceId,
    sync::{Mutex, lock},
};

/// Where one that waits hears.
pub(super) struct Waiting {
    /// It waits to hold this alone, and may lose it meanwhile.
    upgrades: Option<ResourceId>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    answer: Option<Result<u64, Refusal>>,
    /// It may be sooner than was thought.
    look: bool,
    waker: Option<Waker>,
}

impl Waiting {
    /// The one in that place, made when first asked for.
    pub(super) fn once(place: &mut Option<Arc<Self>>, upgrades: Option<&ResourceId>) -> Arc<dyn Ear> {
        place.get_or_insert_with(|| Self::new(upgrades.cloned())).clone()
    }

    fn new(upgrades: Option<ResourceId>) -> Arc<Self> {
        Arc::new(Self { upgrades, heard: Mutex::new(Heard::default()) })
    }
}

impl Ear for Waiting {
    fn told(&self, _: u64, word: Word) {
        let mut heard = lock(&self.heard);
        match word {
            Word::Granted { fence } | Word::Upgraded { fence } => heard.answer = Some(Ok(fence)),
            Word::Refused(refusal) => heard.answer = Some(Err(refusal)),
            Word::Expired { resource, .. } if Some(&resource) == self.upgrades.as_ref() => {
                heard.answer.get_or_insert(Err(Refusal::Gone));
            }
            Word::Look => heard.look = true,
            Word::Expired { .. } | Word::Deadlock(_) => return,
        }
        let waker = heard.waker.take();
        drop(heard);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What ends when one that waits is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Withdraw {
    Request,
    Upgrade,
    /// It has its answer.
    Nothing,
}

/// One that waits for its answer. Dropped before, it takes its request back, or the grant that was on its way.
pub(super) struct Pending<'a> {
    locks: &'a dyn ResourceLocks,
    ticket: Ticket,
    waiting: Arc<Waiting>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// `sleep` is set for as long as is known.
    asleep: bool,
    withdraw: Withdraw,
}

impl<'a> Pending<'a> {
    pub(super) fn request(locks: &'a dyn ResourceLocks, ticket: Ticket, waiting: Option<Arc<Waiting>>) -> Self {
        Self::new(locks, ticket, waiting, Withdraw::Request)
    }

    pub(super) fn upgrade(locks: &'a dyn ResourceLocks, ticket: Ticket, waiting: Option<Arc<Waiting>>) -> Self {
        Self::new(locks, ticket, waiting, Withdraw::Upgrade)
    }

    fn new(locks: &'a dyn ResourceLocks, ticket: Ticket, waiting: Option<Arc<Waiting>>, withdraw: Withdraw) -> Self {
        let waiting = waiting.unwrap_or_else(|| Waiting::new(None));
        Self { locks, ticket, waiting, sleep: None, asleep: false, withdraw }
    }

    /// The fence, when it is granted.
    pub(super) async fn answer(mut self) -> Result<u64> {
        poll_fn(|task| self.poll(task)).await
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<u64>> {
        loop {
            let mut heard = lock(&self.waiting.heard);
            if let Some(answer) = heard.answer.take() {
                self.withdraw = Withdraw::Nothing;
                return Poll::Ready(answer.map_err(Error::from));
            }
            let look = std::mem::take(&mut heard.look);
            heard.waker = Some(task.waker().clone());
            drop(heard);
            if look || !self.asleep {
                // After the waker is in place: what becomes sooner from here on is told.
                self.asleep = true;
                self.sleep = match self.locks.wake_in(self.ticket) {
                    None => None,
                    Some(_) if Handle::try_current().is_err() => {
                        let message = "to wait with a limit of time needs a tokio runtime: wait inside one";
                        return Poll::Ready(Err(Error::new(ErrorKind::Misuse, message)));
                    }
                    Some(wait) => Some(Box::pin(sleep(wait))),
                };
            }
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            if sleep.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            self.asleep = false;
            self.locks.turn();
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        match self.withdraw {
            Withdraw::Request => drop(self.locks.release(self.ticket)),
            Withdraw::Upgrade => self.locks.stop_upgrade(self.ticket),
            Withdraw::Nothing => {}
        }
    }
}
