//! What is still to be kept in the background.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::io;
use crate::{
    cache::{Admission, Answer},
    error::{Error, Result},
};

/// Counts what is not kept yet.
#[derive(Debug)]
pub(super) struct Pending {
    count: watch::Sender<usize>,
    /// Why something was not kept.
    trouble: Mutex<Option<Error>>,
}

impl Default for Pending {
    fn default() -> Self {
        Self { count: watch::Sender::new(0), trouble: Mutex::default() }
    }
}

/// Counts down, also when the answer panics.
struct One(Arc<Pending>);

impl Drop for One {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Pending {
    /// Sees to it that the answer comes.
    pub(super) fn add(self: &Arc<Self>, answer: Answer<Result<Admission>>) {
        match answer {
            Answer::Ready(answer) => self.note(answer),
            Answer::Later(answer) => {
                let Some(runtime) = io::own() else { return };
                self.count.send_modify(|count| *count += 1);
                let one = One(self.clone());
                runtime.spawn(async move {
                    let answer = answer.await;
                    one.0.note(answer);
                });
            }
        }
    }

    fn note(&self, answer: Result<Admission>) {
        if let Err(error) = answer {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    /// Waits until all is kept.
    pub(super) async fn settle(&self) -> Result<()> {
        // The sender is in `self`, so that it cannot be gone.
        drop(self.count.subscribe().wait_for(|&count| count == 0).await);
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}
