//! What a resumed run did before.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::units::{Cost, Usage, Usd};

/// What the earlier parts of a resumed run took: all that was done in them, also what is done again now.
///
/// ```
/// use std::time::Duration;
/// use orch_core::{Event, EventKind, Graph, Output, Plan, PlanOptions, Report, Task};
///
/// let plan = Plan::new(&Graph::builder("notes").task(Task::new("draft")).build()?, &PlanOptions::default())?;
/// let mut first = Report::new(&plan);
/// let failed = EventKind::Warning { task: None, message: "the power went out".into() };
/// first.on(&Event { seq: 0, at: Duration::from_secs(9), kind: failed });
///
/// let mut second = Report::new(&plan);
/// second.set_earlier(first.so_far());
/// assert_eq!((second.earlier().unwrap().parts, second.earlier().unwrap().cost.time), (1, Duration::from_secs(9)));
/// assert_eq!(second.so_far().parts, 2);
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Earlier {
    /// How many parts there were: each process that had the run began one.
    pub parts: u32,
    /// How long they took, from the first event of each to its last; what they used; and, where the report has prices, what
    /// that cost.
    pub cost: Cost,
}

impl Report {
    /// What earlier parts of the run took; `None`: it was not resumed. All else in the report is of this part.
    pub fn earlier(&self) -> Option<&Earlier> {
        self.earlier.as_deref()
    }

    /// Says what earlier parts took.
    pub fn set_earlier(&mut self, earlier: Earlier) {
        self.earlier = Some(Box::new(earlier));
    }

    /// What this part and those before it took: for the next one.
    pub fn so_far(&self) -> Earlier {
        let mut so_far = self.earlier().cloned().unwrap_or_default();
        so_far.parts = so_far.parts.saturating_add(1);
        so_far.cost.add(&Cost { time: self.makespan(), usage: self.usage().clone(), money: None });
        // Prices are those of who shows it.
        so_far.cost.money = None;
        so_far
    }

    pub(super) fn price_earlier(&mut self, price: impl FnMut(&Usage) -> Option<Usd>) {
        if let Some(earlier) = &mut self.earlier {
            earlier.cost.money = Some(&earlier.cost.usage).filter(|usage| !usage.is_empty()).and_then(price);
        }
    }
}
