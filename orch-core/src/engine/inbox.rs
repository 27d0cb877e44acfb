//! Where wakers and workers leave word for the driver.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::event::Outcome;

/// Word for the driver. A look with nothing new costs one atomic load.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    filled: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    mail: Mail,
    driver: Option<Waker>,
}

/// What came in.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Places whose body wants to be polled.
    pub(super) woken: Vec<u32>,
    /// What workers finished.
    pub(super) done: Vec<Done>,
    /// Requests to stop the run.
    pub(super) cancel: Vec<String>,
}

/// A spawned body ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) place: u32,
    /// `None`: it was aborted.
    pub(super) outcome: Option<Outcome>,
    /// How long its polls took in all.
    pub(super) busy: Duration,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves word.
    pub(super) fn put(&self, write: impl FnOnce(&mut Mail)) {
        let mut content = self.lock();
        write(&mut content.mail);
        self.filled.store(true, Ordering::Release);
        let driver = content.driver.take();
        drop(content);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Takes what is there, into an empty `mail` whose memory is reused.
    #[inline]
    pub(super) fn take(&self, mail: &mut Mail) -> bool {
        if !self.filled.load(Ordering::Acquire) {
            return false;
        }
        let mut content = self.lock();
        self.filled.store(false, Ordering::Release);
        std::mem::swap(&mut content.mail, mail);
        true
    }

    /// Whether there is something.
    #[inline]
    pub(super) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Ready when there is something.
    pub(super) fn poll(&self, task: &mut Context<'_>) -> Poll<()> {
        if self.is_filled() {
            return Poll::Ready(());
        }
        let mut content = self.lock();
        // Something may have come in before the lock was ours.
        if self.filled.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        content.driver = Some(task.waker().clone());
        Poll::Pending
    }
}

/// Wakes the body of one place.
#[derive(Debug)]
pub(super) struct PlaceWaker {
    pub(super) place: u32,
    /// The place is in the inbox already.
    pub(super) queued: AtomicBool,
    pub(super) inbox: Arc<Inbox>,
}

impl Wake for PlaceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.inbox.put(|mail| mail.woken.push(self.place));
        }
    }
}
