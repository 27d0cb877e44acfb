//! Where spending leads if it goes on as it did.

use super::period::Span;
use crate::{clock::WallTime, units::Usd};

/// What a period will have cost at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// What will be spent, if every hour costs what the hours of the period cost so far on average.
    pub usd: Usd,
    /// When the limit would be reached, if that is within the period.
    pub ends: Option<WallTime>,
}

/// Where a period leads that has this much spent of a limit: `spent × length / elapsed`. `None` for what has no end, and at its very
/// beginning.
///
/// ```
/// use orch_core::{Usd, cost::budget::{Period, Zone, project}};
///
/// let span = Period::Month.span(&Zone::default(), "2026-02-08".parse()?);
/// let projection = project(&span, Usd::from_cents(1500), Usd::from_cents(500), "2026-02-08".parse()?).unwrap();
/// // A quarter of the month is over.
/// assert_eq!(projection.usd, Usd::from_cents(2000));
/// assert_eq!(projection.ends.unwrap().to_string(), "2026-02-22T00:00:00.000Z");
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn project(span: &Span, limit: Usd, spent: Usd, now: WallTime) -> Option<Projection> {
    let (start, end) = (span.start?, span.end?);
    let length = i128::from(end.0.checked_sub(start.0)?);
    let elapsed = i128::from(now.0.checked_sub(start.0)?).min(length);
    if elapsed == 0 {
        return None;
    }
    let spent = i128::from(spent.nanos());
    let nanos = i64::try_from(spent * length / elapsed).unwrap_or(i64::MAX);
    let limit = i128::from(limit.nanos());
    let after = (spent > 0).then(|| limit * elapsed / spent).filter(|after| *after <= length);
    let ends = after.and_then(|after| u64::try_from(after).ok()).map(|after| WallTime(start.0.saturating_add(after)));
    Some(Projection { usd: Usd::from_nanos(nanos), ends })
}
