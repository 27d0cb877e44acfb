//! WHAT it costs: prices of models, and what a plan will probably cost.
//!
//! A [`PriceSource`] knows the price of one model's usage; [`PriceTable`] is the one that comes with the engine: rates that
//! the user gives, before the published ones (feature `prices`). Money is whole nano-dollars, computed from the whole
//! usage and rounded once, never a token at a time.
//!
//! Nothing here stops a run when it becomes too dear, fetches newer prices, or guesses the price of a model that it does
//! not know: such a model is named in [`Price::unknown`].
//!
//! ```
//! use orch_core::{Graph, Plan, PlanOptions, PriceTable, Rates, Task, Usage, Usd, cost};
//!
//! let graph = Graph::builder("release-notes")
//!     .task(Task::new("collect").expects(Usage::tokens("local", 9_000, 500)))
//!     .task(Task::new("draft").after("collect").expects(Usage::tokens("house-model", 4_000, 800)))
//!     .build()?;
//! let plan = Plan::new(&graph, &PlanOptions::default())?;
//! let prices = PriceTable::default().with("house-model", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
//! let price = cost::estimate(&plan, &prices);
//! assert_eq!(price.known, Usd::from_nanos(24_000_000));
//! assert_eq!(price.to_string(), "$0.0240 and an unknown part (no price for `local`)");
//! # Ok::<(), orch_core::Error>(())
//! ```

mod asked;
pub mod budget;
mod estimate;
pub(crate) mod extract;
#[cfg(test)]
mod golden;
mod prefix;
mod price;
mod rates;
mod table;

pub use asked::{Quoted, UsageQuery, quoted};
pub use estimate::{Forecast, estimate, estimate_at, forecast};
pub use extract::{Cached, Extracted, Extractor, Extractors, Kinds, Paths};
pub use prefix::{PrefixPrices, Warming};
pub use price::{Price, PriceSource, Quote, price, quotes};
pub use rates::Rates;
#[cfg(feature = "prices")]
pub use table::ListChanges;
pub use table::PriceTable;
