//! The rules of the audit: each looks at one workflow and says what it found.

mod cache;
mod concurrency;
mod crons;
mod dispatch;
mod ignore;
mod jobs;
mod table;
#[cfg(test)]
mod tests;
mod triggers;

pub use self::table::{Fixing, Level, Rule};
pub(super) use self::{
    cache::check as caches, concurrency::check as concurrency, crons::check as crons, dispatch::check as dispatches,
    jobs::check as jobs, triggers::check as triggers,
};
pub(super) use self::{
    cache::setups,
    concurrency::{Cancels, cancels, safe_to_cancel},
    crons::quiet_minute,
    ignore::Ignored,
    jobs::{lacks_timeout, timeout_of},
};
