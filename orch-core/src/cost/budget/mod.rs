//! BUDGET: how much may be spent, by whom, in which time. Pure rules: reserve before, settle after.
//!
//! A [`Limit`] says how much its spenders may spend a [`Period`]: all together, only one agent (`of`), or each run, agent or model
//! for itself (`each`). What is to be spent is [reserved](reserve) first, at the most that it can cost, in all limits that it
//! counts for or in none; afterwards it is [settled](settle) with what it did cost. So, with estimates that are upper bounds, what
//! is spent never passes a limit, however many spend at once; with others it passes by no more than what the reservations in
//! flight were too low. A charge belongs to the period in which it was reserved.
//!
//! Nothing here keeps anything, reads a clock or waits: [`Accounts`] is where the numbers lie, and the caller sees to it that
//! nobody else changes them in between ([`Ledger`](crate::session::Ledger) does). What is spent is never forgotten: a new period
//! is a new account.
//!
//! A worked example: a month of fifteen dollars, executions of $0.031275.
//!
//! ```
//! use orch_core::{Usd, WallTime};
//! use orch_core::cost::budget::{Labels, Limit, Limits, MemoryAccounts, Period, Verdict, reserve, settle};
//!
//! let month = Limit {
//!     per: Period::Month, milestones: vec![Usd::from_cents(500), Usd::from_cents(1000)], ..Limit::new("month", Usd::from_cents(1500))
//! };
//! let limits = Limits::new(vec![month])?;
//! let (mut accounts, february) = (MemoryAccounts::default(), "2026-02-01".parse::<WallTime>()?);
//! let execution: Usd = "0.031275".parse()?;
//!
//! let (mut executions, mut fired) = (0, Vec::new());
//! while let Verdict::Granted(reserved) = reserve(&limits, &mut accounts, &Labels::default(), february, execution)? {
//!     let settled = settle(&limits, &mut accounts, &reserved, execution, february)?;
//!     executions += 1;
//!     fired.extend(settled.milestones.iter().map(|milestone| (milestone.usd.to_decimal(), executions)));
//! }
//! assert_eq!(executions, 479);
//! assert_eq!(fired, [("5".to_owned(), 160), ("10".to_owned(), 320)]);
//! # Ok::<(), orch_core::Error>(())
//! ```

mod account;
mod forecast;
mod limit;
mod news;
mod period;
mod rules;
#[cfg(test)]
mod tests;

pub use account::{Account, Accounts, MemoryAccounts};
pub use forecast::{Projection, project};
pub use limit::{AtLimit, Column, Labels, Limit, Limits};
pub use news::{Exhausted, Recap, exhaust};
pub use period::{Period, Span, Zone};
pub use rules::{
    Milestone, Reserved, Settled, Standing, Stop, Verdict, Wish, charge, nothing, reserve, reserve_wish, settle,
    settle_all, standing,
};
