//! What is shown beside runs.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::board::Board;
use crate::{clock::Clock, error::Result};

/// How much longer than a look took the next one waits at least, so that looking never takes most of a processor.
const EASE: u32 = 4;

/// Something that is looked at again and again and shown on the page: by its name in an event of that name, as JSON.
///
/// It is looked at on a thread of its own while somebody reads, and told only when it changed. The page knows `worktrees`, `budgets`
/// and `costs`; of others it shows nothing. Where a look fails, the event is `{"error": ".."}`.
pub struct Pane {
    pub(super) name: &'static str,
    every: Duration,
    look: Box<dyn FnMut() -> Result<Value> + Send>,
}

impl Pane {
    /// A pane that is looked at every 2 seconds. `name` is a word of letters and `_`.
    pub fn new(name: &'static str, look: impl FnMut() -> Result<Value> + Send + 'static) -> Self {
        Self { name, every: Duration::from_secs(2), look: Box::new(look) }
    }

    /// How often it is looked at; less often where a look takes longer than a quarter of that.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Looks until the board is closed.
    pub(super) fn watch(mut self, board: &Arc<Board>) {
        let clock = Clock::system();
        while board.is_read() {
            let began = clock.elapsed();
            let seen = (self.look)().unwrap_or_else(|error| json!({"error": error.to_string()}));
            board.show(self.name, &seen);
            let took = clock.elapsed().saturating_sub(began);
            board.rest(self.every.max(took.saturating_mul(EASE)));
        }
    }
}

impl fmt::Debug for Pane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, every, .. } = self;
        f.debug_struct("Pane").field("name", name).field("every", every).finish_non_exhaustive()
    }
}
