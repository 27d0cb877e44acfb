//! What is told of budgets once: that nothing is left, and what a month brought.

use serde::Serialize;

use super::{
    account::{Account, Accounts},
    limit::{Labels, Limit, Limits, of_period},
    period::{Period, Span},
    rules::Stop,
};
use crate::{clock::WallTime, error::Result, units::Usd};

/// A limit of which nothing is left, or not enough for who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exhausted {
    /// The limit's name.
    pub limit: String,
    /// Its account.
    pub account: String,
    /// The name of its period; may be empty.
    pub period: String,
    /// How much there is.
    pub usd: Usd,
    /// What of it is spent.
    pub spent: Usd,
    /// When the next period begins; `None`: never, or there is no telling.
    pub until: Option<WallTime>,
}

/// What a month brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recap {
    /// The limit's name.
    pub limit: String,
    /// The account of that month.
    pub account: String,
    /// The month, as `YYYY-MM`.
    pub month: String,
    /// How much there was.
    pub usd: Usd,
    /// What of it was spent.
    pub spent: Usd,
    /// In how many charges.
    pub charges: u64,
    /// How many milestones were reached.
    pub milestones: usize,
}

/// Somebody did not get what is left of that limit: that nothing is left is said once a period. `None`: it was said.
///
/// # Errors
///
/// Those of `accounts`.
pub fn exhaust(
    limits: &Limits,
    accounts: &mut dyn Accounts,
    who: &Labels,
    at: WallTime,
    stop: &Stop,
) -> Result<Option<Exhausted>> {
    // What is more than the whole limit says nothing about how it stands.
    if stop.wanted > stop.usd {
        return Ok(None);
    }
    for (limit, span, key) in limits.accounts(who, at).filter(|(limit, ..)| limit.name == stop.limit) {
        let mut account = accounts.load(&key)?.unwrap_or_default();
        if is_news(limit, &mut account, at) {
            let told = exhausted(limit, &key, &span, account.spent_at(limit.per, at));
            accounts.save(&key, account)?;
            return Ok(Some(told));
        }
    }
    Ok(None)
}

/// Whether nobody has heard in this period that nothing is left; from now on somebody has.
pub(super) fn is_news(limit: &Limit, account: &mut Account, now: WallTime) -> bool {
    let is_known = match (account.exhausted, limit.per) {
        (Some(at), Period::Rolling(length)) => at.after(length) > now,
        (said, _) => said.is_some(),
    };
    if !is_known {
        account.exhausted = Some(now);
    }
    !is_known
}

pub(super) fn exhausted(limit: &Limit, key: &str, span: &Span, spent: Usd) -> Exhausted {
    let (name, account) = (limit.name.clone(), key.to_owned());
    Exhausted { limit: name, account, period: span.name.clone(), usd: limit.usd, spent, until: span.end }
}

/// How many months back somebody may have spent something.
const MONTHS: usize = 24;

/// What the latest month before this one brought in which something was spent.
pub(super) fn recap(limit: &Limit, accounts: &mut dyn Accounts, key: &str, at: WallTime) -> Result<Option<Recap>> {
    let mut begins = limit.per.span(&limit.zone, at).start;
    for _ in 0..MONTHS {
        let Some(before) = begins.and_then(|begins| begins.0.checked_sub(1)) else { break };
        let span = limit.per.span(&limit.zone, WallTime(before));
        let Some(earlier) = of_period(key, &span) else { break };
        if let Some(account) = accounts.load(&earlier)?.filter(|account| account.charges > 0) {
            let Account { spent, charges, reached, .. } = account;
            let (name, milestones) = (limit.name.clone(), reached.len());
            let (usd, month) = (limit.usd, span.name);
            return Ok(Some(Recap { limit: name, account: earlier, month, usd, spent, charges, milestones }));
        }
        begins = span.start;
    }
    Ok(None)
}
