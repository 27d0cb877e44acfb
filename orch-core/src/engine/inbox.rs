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
        atomic::{AtomicBool, AtomicU32, Ordering},
        lock,
    },
};

/// No place: where the list of woken places ends.
pub(super) const NONE: u32 = u32::MAX;

/// Word for the driver. A look with nothing new costs two atomic loads.
///
/// Wake-ups need no lock. The places that were woken are a list: the inbox knows the last of them, the waker of each knows the
/// one before. The driver takes the whole list at once, so no place leaves it from the middle.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The place that was woken last.
    woken: AtomicU32,
    /// There is more than wake-ups.
    filled: AtomicBool,
    /// The driver sleeps, or is about to: whoever wakes a place wakes it too.
    asleep: AtomicBool,
    content: Mutex<Content>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { woken: NONE.into(), filled: false.into(), asleep: false.into(), content: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Content {
    mail: Mail,
    driver: Option<Waker>,
}

/// What came in.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Places whose body wants to be polled, the first that was woken first.
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
    /// Leaves word other than of a wake-up.
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

    /// Takes what is there, into an empty `mail` whose memory is reused. `before` says which place was woken before that one.
    #[inline]
    pub(super) fn take(&self, mail: &mut Mail, before: impl Fn(u32) -> u32) -> bool {
        let (woken, filled) = (self.woken.load(Ordering::Relaxed), self.filled.load(Ordering::Relaxed));
        if woken == NONE && !filled {
            return false;
        }
        if filled {
            let mut content = lock(&self.content);
            self.filled.store(false, Ordering::Relaxed);
            std::mem::swap(&mut content.mail, mail);
        }
        if woken != NONE {
            let mut place = self.woken.swap(NONE, Ordering::Acquire);
            while place != NONE {
                mail.woken.push(place);
                place = before(place);
            }
            mail.woken.reverse();
        }
        true
    }

    /// Whether there is something.
    #[inline]
    pub(super) fn is_filled(&self) -> bool {
        self.woken.load(Ordering::SeqCst) != NONE || self.filled.load(Ordering::Acquire)
    }

    /// Ready when there is something.
    pub(super) fn poll(&self, task: &mut Context<'_>) -> Poll<()> {
        if !self.is_filled() {
            lock(&self.content).driver = Some(task.waker().clone());
            // Either the look below finds who was woken meanwhile, or whoever woke it finds the driver asleep: so all threads
            // have to agree on one order of these accesses.
            self.asleep.store(true, Ordering::SeqCst);
            if !self.is_filled() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// The driver goes on, whatever woke it.
    pub(super) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// Wakes the body of one place.
#[derive(Debug)]
pub(super) struct PlaceWaker {
    place: u32,
    /// The place is in the inbox already.
    queued: AtomicBool,
    /// The place that was woken before this one. Of a place that is in the inbox.
    before: AtomicU32,
    inbox: Arc<Inbox>,
}

impl PlaceWaker {
    pub(super) fn new(place: u32, inbox: Arc<Inbox>) -> Self {
        Self { place, queued: false.into(), before: NONE.into(), inbox }
    }

    /// Which place was woken before this one.
    pub(super) fn before(&self) -> u32 {
        self.before.load(Ordering::Relaxed)
    }

    /// The wake-up has been heard; the next one counts again. To be called before the poll.
    pub(super) fn heard(&self) {
        // Not a plain store: it may take effect after the poll has read what it waits for. A wake-up in between would find
        // the place queued and leave no word, and the poll would not see what that wake-up was about.
        self.queued.swap(false, Ordering::AcqRel);
    }

    /// The body in this place wants to be polled.
    pub(super) fn wake_up(&self) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut last = self.inbox.woken.load(Ordering::Relaxed);
        loop {
            self.before.store(last, Ordering::Relaxed);
            // If the list was taken meanwhile and has the same last place again, then that place is really the one before.
            match self.inbox.woken.compare_exchange_weak(last, self.place, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => last = now,
            }
        }
        if self.inbox.asleep.load(Ordering::SeqCst) {
            self.inbox.put(|_| ());
        }
    }
}

impl Wake for PlaceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
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

    #[test]
    fn places_are_heard_in_the_order_in_which_they_were_woken() {
        let inbox = Arc::new(Inbox::default());
        let places = [0, 1, 2].map(|place| PlaceWaker::new(place, inbox.clone()));
        let mut mail = Mail::default();
        let mut heard = |woken: &[usize]| {
            woken.iter().for_each(|place| places[*place].wake_up());
            assert_eq!(inbox.is_filled(), !woken.is_empty());
            inbox.take(&mut mail, |place| places[place as usize].before());
            mail.woken.drain(..).inspect(|place| places[*place as usize].heard()).collect::<Vec<_>>()
        };
        assert_eq!(heard(&[2, 0, 2, 1, 0]), [2, 0, 1], "each once");
        assert_eq!(heard(&[1, 2]), [1, 2]);
        assert!(heard(&[]).is_empty());
    }

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
                        signal.wake_up();
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
                    if inbox.take(&mut mail, |_| signal.before()) {
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
