//! What a plan will probably cost.

use super::price::{Price, PriceSource, price};
use crate::{
    clock::{Clock, WallTime},
    plan::Plan,
    units::Usd,
};

/// What the tasks of a plan will cost: the sum of what each cost in past runs, where the plan
/// [knows them](crate::Plan::learned), else of what it [expects](crate::Task::expects) to use at today's prices. Each task
/// counts once; tasks that expect nothing count as nothing.
pub fn estimate(plan: &Plan, prices: &dyn PriceSource) -> Price {
    estimate_at(plan, prices, Clock::system().wall())
}

/// [`estimate`] at the prices of another time.
pub fn estimate_at(plan: &Plan, prices: &dyn PriceSource, at: WallTime) -> Price {
    forecast(plan, prices, at).median
}

/// What a plan will cost, and how sure that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The sum of the tasks' medians in past runs, else of their estimates.
    pub median: Price,
    /// The sum of what each cost at most in nine of ten past runs, else of their estimates. A run costs more than that less often
    /// than in one of ten, as tasks are not dear together every time.
    pub p90: Usd,
    /// How many tasks past runs know the cost of.
    pub learned: usize,
    /// How many others say what they expect to use.
    pub expected: usize,
}

/// [`estimate_at`], with the sum of the 90th percentiles and with how many tasks something is known of.
pub fn forecast(plan: &Plan, prices: &dyn PriceSource, at: WallTime) -> Forecast {
    let mut sum = Forecast::default();
    for (ix, task) in plan.graph().indices().zip(plan.graph().tasks()) {
        match plan.learned(ix).and_then(|learned| learned.cost) {
            Some(cost) => {
                sum.learned += 1;
                sum.median.add(Price { known: cost.median, unknown: Vec::new() });
                sum.p90 += cost.p90;
            }
            None => {
                let expects = &task.options().expects;
                let price = price(prices, expects, at);
                sum.expected += usize::from(!expects.is_empty());
                sum.p90 += price.known;
                sum.median.add(price);
            }
        }
    }
    sum
}
