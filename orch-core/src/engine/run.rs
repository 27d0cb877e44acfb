//! A run that goes on.

use std::{fmt, sync::Arc, vec};

use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use super::{
    driver::{Driver, Seams, joined},
    inbox::Inbox,
    options::RunOptions,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::Event,
    plan::Plan,
    report::Report,
    run::Message,
};

/// How many batches of events wait for the reader before the run waits for it.
const BATCHES: usize = 64;

/// A run that goes on in the background. Dropping it cancels the run.
///
/// Read its events, or ask for the [`report`](Run::report), which reads the rest: a run whose events nobody reads stands
/// still when some thousand of them wait.
pub struct Run(Result<Going, Option<Error>>);

struct Going {
    batches: mpsc::Receiver<Vec<Event>>,
    batch: vec::IntoIter<Event>,
    driver: JoinHandle<Result<Report>>,
    inbox: Arc<Inbox>,
}

impl Run {
    pub(super) fn start(seams: Arc<Seams>, plan: &Plan, options: RunOptions) -> Self {
        Self(Self::try_start(seams, plan, options).map_err(Some))
    }

    fn try_start(seams: Arc<Seams>, plan: &Plan, options: RunOptions) -> Result<Going> {
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Misuse, "a run needs a tokio runtime: use `blocking::run`, or start one")
                .caused_by(error)
        })?;
        let (reader, batches) = mpsc::channel(BATCHES);
        let driver = Driver::new(seams, plan, options, Some(reader))?;
        let inbox = driver.inbox();
        Ok(Going { batches, batch: Vec::new().into_iter(), driver: runtime.spawn(driver.drive()), inbox })
    }

    /// The next event; `None` after the last.
    pub async fn next_event(&mut self) -> Option<Event> {
        let going = self.0.as_mut().ok()?;
        loop {
            if let Some(event) = going.batch.next() {
                return Some(event);
            }
            going.batch = going.batches.recv().await?.into_iter();
        }
    }

    /// Asks the run to stop: running tasks are told, and when they have ended the run is undone, where its tasks say how, and
    /// ends. Asked a second time, it leaves what is not undone by then as it is; without anything to undo, more than once is
    /// as once.
    pub fn cancel(&self, reason: impl Into<String>) {
        self.ask(Message::Cancel { reason: reason.into() });
    }

    /// Makes a checkpoint: a moment to which one can go back, with [`back_to`](Run::back_to) or by a
    /// [`Rollback`](crate::Rollback) to its name. What was told to have ended before this call is before the checkpoint; more
    /// may be. Of several with the same name the latest counts. The run tells
    /// [`CheckpointMade`](crate::EventKind::CheckpointMade); [`Report::checkpoints`] lists them.
    pub fn checkpoint(&self, name: impl Into<Arc<str>>) {
        self.ask(Message::Checkpoint { name: name.into() });
    }

    /// Goes back to the latest checkpoint of that name: running tasks are told to stop, and when they have ended, what ended
    /// after the checkpoint is undone, the latest first, where tasks say how, whatever failures they are undone
    /// [on](crate::Undo::on) and also without [`RunOptions::undo`]. What ended before stays. Then the run ends as cancelled.
    ///
    /// Without such a checkpoint, or when the run ends already, it goes on as before and tells a
    /// [`Warning`](crate::EventKind::Warning). A [`cancel`](Run::cancel) after it leaves what is not undone by then as it is.
    pub fn back_to(&self, checkpoint: impl Into<String>) {
        self.ask(Message::BackTo { checkpoint: checkpoint.into() });
    }

    fn ask(&self, message: Message) {
        if let Ok(going) = &self.0 {
            going.inbox.put(|mail| mail.asked.push(message));
        }
    }

    /// Waits for the end and answers the report.
    ///
    /// # Errors
    ///
    /// Why the run could not be started, or not be kept in its store; [`Cancelled`](ErrorKind::Cancelled) if its runtime was shut down. A failed task is
    /// no error here: see [`Report::into_result`].
    pub async fn report(mut self) -> Result<Report> {
        let going = match &mut self.0 {
            Ok(going) => going,
            Err(error) => return Err(error.take().unwrap_or_else(|| Error::new(ErrorKind::Misuse, "the run is over"))),
        };
        while going.batches.recv().await.is_some() {}
        joined((&mut going.driver).await)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(going) = &self.0 {
            going.driver.abort();
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            Ok(going) if going.driver.is_finished() => "over",
            Ok(_) => "going on",
            Err(_) => "not started",
        };
        f.debug_tuple("Run").field(&state).finish()
    }
}
