//! A place in which bodies run one after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::AbortHandle;

use super::inbox::{Done, Inbox, PlaceWaker};
use crate::{
    clock::Clock,
    event::Outcome,
    executor::{Body, Slot},
    run::{Attempt, Message, push_with},
};

/// One place. It is reused: a short body allocates only itself.
pub(super) struct Place {
    pub(super) slot: Arc<Slot>,
    waker: Waker,
    signal: Arc<PlaceWaker>,
    pub(super) work: Work,
    pub(super) attempt: Attempt,
    /// When a body that was told to stop is dropped, since the start of the run.
    pub(super) drop_at: Option<Duration>,
}

/// What a place does.
pub(super) enum Work {
    Idle,
    Inline(Body),
    Spawned(AbortHandle),
}

impl Place {
    pub(super) fn new(slot: Arc<Slot>, place: u32, inbox: Arc<Inbox>, attempt: Attempt) -> Self {
        let signal = Arc::new(PlaceWaker::new(place, inbox));
        let waker = Waker::from(signal.clone());
        Self { slot, waker, signal, work: Work::Idle, attempt, drop_at: None }
    }

    /// Polls the body that waits here, if there is one. A panic is an outcome. A body that is over is dropped.
    pub(super) fn poll(&mut self) -> Poll<Outcome> {
        let Work::Inline(body) = &mut self.work else { return Poll::Pending };
        let task = &mut Context::from_waker(&self.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(task)))
            .unwrap_or_else(|panic| Poll::Ready(Outcome::panicked(panic.as_ref())));
        if polled.is_ready()
            && let Work::Inline(body) = std::mem::replace(&mut self.work, Work::Idle)
        {
            discard(body);
        }
        polled
    }

    /// Begins a body and polls it once: the body where it has to wait. Else `finished` has its outcome, written where it stays
    /// and not moved there: the processor would wait for each copy of what was just written by parts.
    #[inline]
    pub(super) fn first_poll(
        &self,
        attempt: Attempt,
        finished: &mut Vec<Message>,
        begin: impl FnOnce() -> Body,
    ) -> Option<Work> {
        let first = AssertUnwindSafe(|| {
            let mut body = begin();
            match body.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                Poll::Ready(outcome) => {
                    // It may panic as it goes, and then has panicked.
                    drop(body);
                    finish(finished, attempt, outcome);
                    None
                }
                Poll::Pending => Some(Work::Inline(body)),
            }
        });
        let begun = catch_unwind(first);
        begun.unwrap_or_else(|panic| {
            finish(finished, attempt, Outcome::panicked(panic.as_ref()));
            None
        })
    }

    /// The wake-up that brought us here has been heard; the next one counts again. To be called before the poll.
    pub(super) fn heard(&self) {
        self.signal.heard();
    }

    /// The place that was woken before this one.
    pub(super) fn before(&self) -> u32 {
        self.signal.before()
    }
}

/// Says how an attempt ended.
#[inline(always)]
pub(super) fn finish(finished: &mut Vec<Message>, attempt: Attempt, outcome: Outcome) {
    let Attempt { task, number: attempt, .. } = attempt;
    match outcome {
        Outcome { result: Ok(output), usage: None } if output.is_nothing() => {
            push_with(finished, || Message::Finished { task, attempt, outcome: Outcome::done(()) });
        }
        outcome => push_with(finished, || Message::Finished { task, attempt, outcome }),
    }
}

/// Drops a body. A panic in there is the body's own business and must not end the run.
pub(super) fn discard(body: Body) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(body))));
}

/// Runs a body on a worker and tells the inbox how it ended, also when it is aborted.
pub(super) async fn work(place: u32, body: Body, inbox: Arc<Inbox>, clock: Clock) {
    let mut end = End { place, inbox, outcome: None, busy: Duration::ZERO, body: Some(body) };
    std::future::poll_fn(|task| {
        let Some(body) = &mut end.body else { return Poll::Ready(()) };
        let began = clock.elapsed();
        let poll = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(task)))
            .unwrap_or_else(|panic| Poll::Ready(Outcome::panicked(panic.as_ref())));
        end.busy += clock.elapsed().saturating_sub(began);
        poll.map(|outcome| end.outcome = Some(outcome))
    })
    .await;
}

/// Tells the inbox when a spawned body is gone, whatever became of it.
struct End {
    place: u32,
    inbox: Arc<Inbox>,
    outcome: Option<Outcome>,
    busy: Duration,
    body: Option<Body>,
}

impl Drop for End {
    fn drop(&mut self) {
        // The body goes first: when the machine hears that an attempt is over, nothing of it is left.
        if let Some(body) = self.body.take() {
            discard(body);
        }
        let done = Done { place: self.place, outcome: self.outcome.take(), busy: self.busy };
        self.inbox.put(|mail| mail.done.push(done));
    }
}
