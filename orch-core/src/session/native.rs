//! Native executors under any driver: their bodies run on the runtime of the session.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, PoisonError},
    task::Poll,
};

use super::{io, session::Session};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Failure, FailureKind, Outcome},
    executor::{Body, Executor, Note, RunShared, Slot, TaskContext},
    run::Attempt,
};

/// An attempt that a native executor works on. Dropped, it tells the attempt to stop.
pub struct Native(Arc<Slot>);

impl Native {
    /// Tells the attempt to stop: now, or as long after as its executor [grants](Executor::grace). The session hears of its end
    /// by itself.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").finish_non_exhaustive()
    }
}

impl Session {
    /// Begins an attempt that a native executor does, under drivers that run bodies of another language: on the runtime of the
    /// caller where there is one, else on one that all sessions of the process share. The end of the attempt wakes the driver,
    /// and the next [`step`](Session::step) hears it: nothing is to be said of it.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if there is no runtime and none can be started.
    pub fn spawn(&mut self, executor: &Arc<dyn Executor>, attempt: Attempt) -> Result<Native> {
        let runtime = io::runtime()
            .ok_or_else(|| Error::new(ErrorKind::Io, "the runtime for native executors could not be started"))?;
        let inputs = self.inputs(attempt);
        let slot = self.slot();
        let context = slot.enter(attempt.task, attempt.number, inputs);
        let told = Told { run: self.shared(), attempt, outcome: None };
        runtime.spawn(work(executor.clone(), context, told));
        Ok(Native(slot))
    }
}

/// Runs a body to its end, or drops it when it was told to stop and its grace is over.
async fn work(executor: Arc<dyn Executor>, context: TaskContext, mut told: Told) {
    let stopped = {
        let (context, executor) = (context.clone(), executor.clone());
        async move {
            context.cancelled().await;
            let grace = executor.grace();
            if !grace.is_zero() {
                tokio::time::sleep(grace).await;
            }
        }
    };
    let mut stopped = pin!(stopped);
    let mut begin = Some(context);
    let mut body: Option<Body> = None;
    let outcome = std::future::poll_fn(|task| {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Some(context) = begin.take() {
                body = Some(executor.run(context));
            }
            body.as_mut().map_or(Poll::Pending, |body| body.as_mut().poll(task))
        }));
        match polled {
            Ok(Poll::Ready(outcome)) => Poll::Ready(Some(outcome)),
            Err(panic) => Poll::Ready(Some(Outcome::panicked(panic.as_ref()))),
            Ok(Poll::Pending) => stopped.as_mut().poll(task).map(|()| None),
        }
    })
    .await;
    // The body goes before the session hears of its end; a panic in there is the body's own business.
    drop(catch_unwind(AssertUnwindSafe(|| drop(body))));
    told.outcome = outcome;
}

/// Tells the session how an attempt ended, whatever became of it.
struct Told {
    run: Arc<RunShared>,
    attempt: Attempt,
    outcome: Option<Outcome>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let cancelled = || Failure { kind: FailureKind::Cancelled, message: "stopped".into() }.into();
        let outcome = self.outcome.take().unwrap_or_else(cancelled);
        let note = Note::Finished { task: self.attempt.task, attempt: self.attempt.number, outcome };
        self.run.news.answers.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        self.run.news.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::sync::Notify;

    use super::*;
    use crate::{
        definition::{Graph, Task},
        event::{RunState, TaskState},
        plan::{Plan, PlanOptions},
        report::Report,
        session::SessionOptions,
    };

    /// Runs one task with that executor; `stop` says whether it is told to stop as soon as it runs.
    async fn run(executor: impl Executor, stop: bool) -> Report {
        let graph = Graph::builder("g").task(Task::new("a")).build().unwrap();
        let plan = Plan::new(&graph, &PlanOptions::default()).unwrap();
        let bell = Arc::new(Notify::new());
        let ring = bell.clone();
        let mut session = Session::new(&plan, SessionOptions::default(), Arc::new(move || ring.notify_one())).unwrap();
        let executor: Arc<dyn Executor> = Arc::new(executor);
        let first = session.step(Duration::ZERO, &mut Vec::new()).start[0];
        let native = session.spawn(&executor, first).unwrap();
        if stop {
            tokio::task::yield_now().await;
            native.stop();
        }
        while session.state() == RunState::Running {
            bell.notified().await;
            session.step(Duration::from_secs(1), &mut Vec::new());
        }
        session.into_report()
    }

    #[tokio::test]
    async fn what_an_executor_makes_is_heard() {
        let report = run(async |task: TaskContext| format!("{} done", task.id()), false).await;
        assert_eq!(report.find("a").unwrap().output().json().unwrap(), "a done");
    }

    #[tokio::test]
    async fn lines_are_heard_before_the_end() {
        let said = async |task: TaskContext| {
            task.say(crate::Stream::Stdout, "hello").await;
            "done"
        };
        assert_eq!(run(said, false).await.state(), RunState::Succeeded);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        async fn broken(_: TaskContext) -> &'static str {
            panic!("broken on purpose")
        }
        for report in [run(broken, false).await, run(Panics, false).await] {
            let failure = report.find("a").unwrap().failure().unwrap().clone();
            assert_eq!((failure.kind, &*failure.message), (FailureKind::Panic, "the task panicked: broken on purpose"));
        }
    }

    /// Panics before there is a body.
    struct Panics;

    impl Executor for Panics {
        fn run(&self, _: TaskContext) -> Body {
            panic!("broken on purpose")
        }
    }

    #[tokio::test]
    async fn a_body_without_grace_is_dropped() {
        let report = run(async |_: TaskContext| pending::<()>().await, true).await;
        assert_eq!(report.find("a").unwrap().state(), TaskState::Cancelled);
    }

    /// Ends by itself when it is told to stop, after a while.
    struct Careful;

    impl Executor for Careful {
        fn run(&self, context: TaskContext) -> Body {
            Box::pin(async move {
                context.cancelled().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                Outcome::done("cleaned up")
            })
        }

        fn grace(&self) -> Duration {
            Duration::from_secs(2)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_with_grace_ends_by_itself() {
        let report = run(Careful, true).await;
        assert_eq!(report.find("a").unwrap().output().json().unwrap(), "cleaned up");
    }
}
