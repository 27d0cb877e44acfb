//! The colours of states, the same in every picture.

use crate::event::TaskState;

/// Every state, in the order of the legend.
pub(super) const STATES: [TaskState; 7] = [
    TaskState::Pending,
    TaskState::Running,
    TaskState::Succeeded,
    TaskState::Failed,
    TaskState::Skipped,
    TaskState::Cancelled,
    TaskState::Undone,
];

/// How a state looks: dark text on a light fill with a strong border, readable on light and dark pages.
pub(super) struct Look {
    pub(super) fill: &'static str,
    pub(super) border: &'static str,
}

pub(super) const TEXT: &str = "#111827";

pub(super) fn look(state: TaskState) -> Look {
    let (fill, border) = match state {
        TaskState::Pending => ("#f3f4f6", "#6b7280"),
        TaskState::Running => ("#dbeafe", "#2563eb"),
        TaskState::Succeeded => ("#dcfce7", "#16a34a"),
        TaskState::Failed => ("#fee2e2", "#dc2626"),
        TaskState::Skipped => ("#fef9c3", "#ca8a04"),
        TaskState::Cancelled => ("#ede9fe", "#7c3aed"),
        TaskState::Undone => ("#cffafe", "#0e7490"),
    };
    Look { fill, border }
}
