//! MONEY as data: what bindings and the command line give a ledger and show of it.
//!
//! It computes nothing of its own: limits are read, and what a [`Ledger`](super::Ledger) answers is given a form.

mod charges;
mod costs;
mod limits;
mod place;
#[cfg(feature = "prices")]
mod prices;
mod standings;

pub use charges::ChargeForm;
pub use costs::{CostQuery, Costs, charges_csv};
pub use limits::{budget_of, limits_of, usd_of};
pub use place::labels_of;
#[cfg(feature = "prices")]
pub use prices::load_prices;
pub use standings::AccountForm;
