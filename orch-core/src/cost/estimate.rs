//! What a plan will probably cost.

use super::price::{Price, PriceSource, price};
use crate::{
    clock::{Clock, WallTime},
    plan::Plan,
};

/// What the tasks of a plan will cost: the sum of what each cost in past runs, where the plan
/// [knows them](crate::Plan::learned), else of what it [expects](crate::Task::expects) to use at today's prices. Each task
/// counts once; tasks that expect nothing count as nothing.
pub fn estimate(plan: &Plan, prices: &dyn PriceSource) -> Price {
    estimate_at(plan, prices, Clock::system().wall())
}

/// [`estimate`] at the prices of another time.
pub fn estimate_at(plan: &Plan, prices: &dyn PriceSource, at: WallTime) -> Price {
    let mut sum = Price::default();
    for (ix, task) in plan.graph().indices().zip(plan.graph().tasks()) {
        match plan.learned(ix).and_then(|learned| learned.cost) {
            Some(cost) => sum.add(Price { known: cost.median, unknown: Vec::new() }),
            None => sum.add(price(prices, &task.options().expects, at)),
        }
    }
    sum
}
