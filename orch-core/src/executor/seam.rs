//! The executor's seam.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::context::TaskContext;
use crate::event::{IntoOutcome, Outcome};

/// The work of one attempt. It is a future of the [`Outcome`].
pub type Body = Pin<Box<dyn OutcomeFuture + Send>>;

/// A future whose output an outcome can be made of. Every future of something that is [`IntoOutcome`] is one: `Box::pin` of it
/// is a [`Body`], with no future around it that would have to be moved and polled as well.
pub trait OutcomeFuture {
    /// As [`Future::poll`].
    fn poll_outcome(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Outcome>;
}

impl<F: Future<Output: IntoOutcome>> OutcomeFuture for F {
    #[inline]
    fn poll_outcome(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Outcome> {
        self.poll(task).map(IntoOutcome::into_outcome)
    }
}

impl Future for dyn OutcomeFuture + Send {
    type Output = Outcome;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Outcome> {
        self.poll_outcome(task)
    }
}

/// Does the work of tasks.
///
/// A body that is cancelled or late is dropped at its next `.await`, unless [`grace`](Executor::grace) says that it ends
/// by itself. A panic inside a body becomes a failed attempt with the panic's message.
pub trait Executor: Send + Sync + 'static {
    /// Begins one attempt.
    fn run(&self, context: TaskContext) -> Body;

    /// How long a body may go on after [`TaskContext::cancelled`] before it is dropped. Default: not at all.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }
}

impl<F, R, A> Executor for F
where
    F: Fn(TaskContext) -> R + Send + Sync + 'static,
    R: Future<Output = A> + Send + 'static,
    A: IntoOutcome,
{
    fn run(&self, context: TaskContext) -> Body {
        Box::pin(self(context))
    }
}
