//! What is to be read by now, and who reads.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;

use crate::id::RunId;

/// What is shown, for any number of readers.
#[derive(Debug)]
pub(super) struct Board {
    content: Mutex<Content>,
    /// Wakes those who look.
    looks: Condvar,
    /// Wakes those who read.
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Content {
    /// The latest of each, by name.
    pub(super) panes: BTreeMap<&'static str, Sheet>,
    /// The runs that somebody follows.
    pub(super) logs: HashMap<RunId, Log>,
    readers: usize,
    closed: bool,
}

/// Something of which only the latest counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    /// Counts its changes; 0: there is nothing yet.
    pub(super) version: u64,
    pub(super) text: Arc<str>,
}

impl Sheet {
    /// Whether it changed.
    pub(super) fn write(&mut self, text: &str) -> bool {
        let changed = self.version == 0 || *self.text != *text;
        if changed {
            self.version += 1;
            self.text = text.into();
        }
        changed
    }
}

/// A run, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Which part; 0: none was read yet.
    pub(super) fence: u64,
    /// With what the part begins: its graph.
    pub(super) part: Arc<str>,
    /// Its events; the number of each is its place.
    pub(super) events: Vec<Arc<str>>,
    /// How it stands.
    pub(super) head: Sheet,
    followers: usize,
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { content: Mutex::default(), looks: Condvar::new(), news: watch::Sender::new(0) })
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the latest of that name.
    pub(super) fn show(&self, name: &'static str, value: &Value) {
        let text = value.to_string();
        if self.content().panes.entry(name).or_default().write(&text) {
            self.tell();
        }
    }

    /// Changes the log of a run, if somebody still follows it; whether somebody does.
    pub(super) fn log(&self, run: RunId, write: impl FnOnce(&mut Log) -> bool) -> bool {
        let mut content = self.content();
        let closed = content.closed;
        let changed = match content.logs.get_mut(&run) {
            Some(log) if log.followers > 0 && !closed => write(log),
            _ => {
                content.logs.remove(&run);
                return false;
            }
        };
        drop(content);
        if changed {
            self.tell();
        }
        true
    }

    fn tell(&self) {
        self.news.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Hears of changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Waits until somebody reads; `false`: the board is closed.
    pub(super) fn is_read(&self) -> bool {
        let nobody = |content: &mut Content| content.readers == 0 && !content.closed;
        !self.looks.wait_while(self.content(), nobody).unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Waits that long, or until the board is closed.
    pub(super) fn rest(&self, long: Duration) {
        let open = |content: &mut Content| !content.closed;
        drop(self.looks.wait_timeout_while(self.content(), long, open).unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends all who look. Readers are ended by who waits for them.
    pub(super) fn close(&self) {
        self.content().closed = true;
        self.looks.notify_all();
    }

    /// A reader, as long as it lives, and whether it is the first who follows that run.
    pub(super) fn enter(self: &Arc<Self>, run: Option<RunId>) -> (Presence, bool) {
        let mut content = self.content();
        content.readers += 1;
        let is_first = run.is_some_and(|run| {
            let known = content.logs.contains_key(&run);
            content.logs.entry(run).or_default().followers += 1;
            !known
        });
        drop(content);
        self.looks.notify_all();
        (Presence { board: self.clone(), run }, is_first)
    }
}

/// Somebody reads.
#[derive(Debug)]
pub(super) struct Presence {
    board: Arc<Board>,
    run: Option<RunId>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut content = self.board.content();
        content.readers -= 1;
        // The log goes when who writes it sees that nobody follows it.
        if let Some(log) = self.run.and_then(|run| content.logs.get_mut(&run)) {
            log.followers -= 1;
        }
    }
}
