//! Accounts: what was spent of one limit by one spender in one period.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::period::Period;
use crate::{clock::WallTime, error::Result, units::Usd};

/// Into how many parts a rolling window is counted.
const PARTS: u64 = 1024;

/// What was spent. In JSON money is whole nano-dollars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// What was spent; of a rolling window all that was ever spent.
    pub spent: Usd,
    /// What is reserved.
    pub reserved: Usd,
    /// How many charges there were.
    pub charges: u64,
    /// The milestones that were reached, of a rolling window those that it is still above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<Usd>,
    /// When it was said that nothing is left of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<WallTime>,
    /// Of a rolling window: what was spent, and in which part (by the time at which that ends).
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub recent: VecDeque<(WallTime, Usd)>,
}

impl Account {
    /// What counts as spent at that time.
    pub fn spent_at(&self, period: Period, at: WallTime) -> Usd {
        match period {
            Period::Rolling(length) => {
                self.recent.iter().filter(|(end, _)| end.after(length) > at).map(|(_, usd)| *usd).sum()
            }
            _ => self.spent,
        }
    }

    /// Adds a charge of that time; answers what counted as spent before it and after it.
    pub(super) fn charge(&mut self, period: Period, at: WallTime, usd: Usd) -> (Usd, Usd) {
        let before = self.spent_at(period, at);
        self.spent += usd;
        self.charges += 1;
        if let Period::Rolling(length) = period {
            self.recent.retain(|(end, _)| end.after(length) > at);
            let part = (u64::try_from(length.as_millis()).unwrap_or(u64::MAX) / PARTS).max(1);
            let end = WallTime((at.0 / part).saturating_add(1).saturating_mul(part));
            match self.recent.iter_mut().find(|(other, _)| *other == end) {
                Some((_, sum)) => *sum += usd,
                None => self.recent.push_back((end, usd)),
            }
        }
        (before, self.spent_at(period, at))
    }

    /// When so much of a rolling window will be over that no more than `most` is left; `None`: never, or it is no window.
    pub(super) fn down_to(&self, period: Period, most: Usd) -> Option<WallTime> {
        let Period::Rolling(length) = period else { return None };
        let mut parts: Vec<(WallTime, Usd)> = self.recent.iter().copied().collect();
        parts.sort_unstable();
        let mut left: Usd = parts.iter().map(|(_, usd)| *usd).sum();
        for (end, usd) in parts {
            left = left - usd;
            if left <= most {
                return Some(end.after(length));
            }
        }
        None
    }
}

/// Where accounts lie. Whoever calls [`reserve`](super::reserve) or [`settle`](super::settle) sees to it that nobody else changes
/// them meanwhile.
pub trait Accounts {
    /// The account of that key.
    ///
    /// # Errors
    ///
    /// Those of the place where they lie.
    fn load(&mut self, key: &str) -> Result<Option<Account>>;

    /// Keeps the account of that key.
    ///
    /// # Errors
    ///
    /// Those of the place where they lie.
    fn save(&mut self, key: &str, account: Account) -> Result<()>;
}

/// Accounts in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryAccounts(pub(super) BTreeMap<String, Account>);

impl Accounts for MemoryAccounts {
    fn load(&mut self, key: &str) -> Result<Option<Account>> {
        Ok(self.0.get(key).cloned())
    }

    fn save(&mut self, key: &str, account: Account) -> Result<()> {
        self.0.insert(key.to_owned(), account);
        Ok(())
    }
}
