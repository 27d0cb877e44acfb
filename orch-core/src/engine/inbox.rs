//! Where wakers and workers leave word for the driver.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    event::Outcome,
    run::Message,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        lock,
    },
};

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
    /// What the caller asks of the run.
    pub(super) asked: Vec<Message>,
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
    /// Leaves word.
    pub(super) fn put(&self, write: impl FnOnce(&mut Mail)) {
        let mut content = lock(&self.content);
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
        let mut content = lock(&self.content);
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
        let mut content = lock(&self.content);
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
    place: u32,
    /// The place is in the inbox already.
    queued: AtomicBool,
    inbox: Arc<Inbox>,
}

impl PlaceWaker {
    pub(super) fn new(place: u32, inbox: Arc<Inbox>) -> Self {
        Self { place, queued: false.into(), inbox }
    }

    /// The wake-up has been heard; the next one counts again. To be called before the poll.
    pub(super) fn heard(&self) {
        // Not a plain store: it may take effect after the poll has read what it waits for. A wake-up in between would find
        // the place queued and leave no word, and the poll would not see what that wake-up was about.
        self.queued.swap(false, Ordering::AcqRel);
    }
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

#[cfg(test)]
mod tests {
    use std::{
        hint::spin_loop,
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    use super::*;

    /// The processor may let a store take effect after a later load; the model checker does not know that. Two wake-ups a few
    /// nanoseconds apart, and a body that reads what it waits for without a lock: with a plain store in `heard`, one in some
    /// ten thousand second wake-ups was lost.
    #[test]
    fn a_wake_up_while_another_is_heard_is_not_lost() {
        const ROUNDS: u64 = 20_000;
        let inbox = Arc::new(Inbox::default());
        let signal = Arc::new(PlaceWaker::new(0, inbox.clone()));
        let (stage, ended, next) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(1));
        let wait_for = |what: &AtomicU64, round: u64| {
            while what.load(Ordering::Acquire) < round {
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    wait_for(&next, round);
                    for half in 0..2 {
                        stage.store(2 * round + half, Ordering::Release);
                        signal.wake_by_ref();
                        // Not always the same distance.
                        (0..round * 7 % 61).for_each(|_| spin_loop());
                    }
                    ended.store(round, Ordering::Release);
                }
            });
            let (mut mail, mut seen, mut lost) = (Mail::default(), 0, 0);
            for round in 1..=ROUNDS {
                let mut last = false;
                while !last {
                    // Word that was left before the end is found after it.
                    last = ended.load(Ordering::Acquire) == round;
                    if inbox.take(&mut mail) {
                        for _ in mail.woken.drain(..) {
                            signal.heard();
                            seen = stage.load(Ordering::Acquire);
                        }
                    }
                }
                lost += u32::from(seen != 2 * round + 1);
                next.store(round + 1, Ordering::Release);
            }
            assert_eq!(lost, 0, "of {ROUNDS}");
        });
    }
}
