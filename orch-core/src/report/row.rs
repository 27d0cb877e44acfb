//! The times of one task, as a report keeps them.

use crate::event::TaskState;

/// What every task has. Times in nanoseconds since the start of the run. Half a cache line: a run writes one for each task,
/// and where its memory is new to the process, that costs more than all else that is done for a task that does nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// When the first attempt could have started.
    pub(super) ready: u64,
    /// When the latest attempt started.
    pub(super) since: u64,
    /// When the task ended.
    pub(super) until: u64,
    /// Its place among the details.
    pub(super) details: u32,
    pub(super) state: TaskState,
    /// An attempt has started.
    pub(super) ran: bool,
}

const _: () = assert!(size_of::<Row>() <= 32);

/// Of a task that has none.
pub(super) const NO_DETAILS: u32 = u32::MAX;

impl Row {
    pub(super) const NEW: Self =
        Self { ready: 0, since: 0, until: 0, details: NO_DETAILS, state: TaskState::Pending, ran: false };

    /// What it says of the attempts where there is no more than one.
    pub(super) fn tries(&self) -> Tries {
        if !self.ran {
            return Tries { attempts: 0, started: 0, queued: 0, busy: 0 };
        }
        let busy = if self.state.is_final() { self.until.saturating_sub(self.since) } else { 0 };
        Tries { attempts: 1, started: self.since, queued: self.since.saturating_sub(self.ready), busy }
    }
}

/// The attempts of a task. Kept only for one that was tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tries {
    /// How many started.
    pub(super) attempts: u32,
    /// When the first started.
    pub(super) started: u64,
    /// Waits for a place, over all of them.
    pub(super) queued: u64,
    /// How long those ran that are over.
    pub(super) busy: u64,
}
