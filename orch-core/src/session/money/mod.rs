//! MONEY as data: what bindings and the command line give a ledger and show of it.
//!
//! It computes nothing of its own: limits are read, and what a [`Ledger`](super::Ledger) answers is given a form.

mod costs;
mod limits;
#[cfg(feature = "prices")]
mod prices;
mod standings;

pub use costs::{CostQuery, Costs, charges_csv};
pub use limits::{budget_of, limits_of};
#[cfg(feature = "prices")]
pub use prices::load_prices;
pub use standings::AccountForm;
