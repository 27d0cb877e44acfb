//! The executor's seam.

use std::{pin::Pin, time::Duration};

use super::context::TaskContext;
use crate::event::{IntoOutcome, Outcome};

/// The work of one attempt.
pub type Body = Pin<Box<dyn Future<Output = Outcome> + Send>>;

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
        let body = self(context);
        Box::pin(async move { body.await.into_outcome() })
    }
}
