//! What a table knows of one request.

use std::sync::Arc;

use crate::definition::ClaimMode;

/// No owner that could ask for more.
pub(super) const NOBODY: u32 = u32::MAX;
/// A time that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// One request, from when it is made until what it was granted is given back. Reused, so that a grant allocates nothing.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    /// The owner's name.
    pub(super) name: Option<Arc<str>>,
    /// The owner's place, or [`NOBODY`].
    pub(super) owner: u32,
    /// The order of arrival. Never used twice, so that an old ticket is known to be old.
    pub(super) seq: u64,
    pub(super) rank: u32,
    /// How often it was passed over.
    pub(super) passed: u32,
    /// It was passed over too often: nobody else gets what it wants.
    pub(super) due: bool,
    /// Which of `wants` it waits for: there it stands in the queue.
    pub(super) parked: usize,
    pub(super) since: u64,
    /// When it waits no longer.
    pub(super) until: u64,
    pub(super) fence: u64,
    /// Each resource once.
    pub(super) wants: Vec<Want>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// It neither holds nor waits yet.
    New,
    Waiting,
    Granted,
    /// Granted, and `parked` waits to become exclusive.
    Upgrading,
}

/// One resource of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) row: u32,
    pub(super) mode: ClaimMode,
    pub(super) units: u32,
    pub(super) priority: i32,
    pub(super) tokens: u64,
    /// How long it may be held; [`NEVER`]: no limit.
    pub(super) lease: u64,
    /// When the lease ends.
    pub(super) expires: u64,
    pub(super) held: bool,
    /// Its place among the holders of the resource.
    pub(super) at: u32,
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            state: State::Free,
            name: None,
            owner: NOBODY,
            seq: 0,
            rank: 0,
            passed: 0,
            due: false,
            parked: 0,
            since: 0,
            until: NEVER,
            fence: 0,
            wants: Vec::new(),
        }
    }

    pub(super) fn is_granted(&self) -> bool {
        matches!(self.state, State::Granted | State::Upgrading)
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Waiting | State::Upgrading)
    }

    /// What it waits for.
    pub(super) fn wanted(&self) -> Option<&Want> {
        self.wants.get(self.parked).filter(|_| self.waits())
    }
}
