//! What a plan will probably cost.

use super::price::{Price, PriceSource, price};
use crate::{
    clock::{Clock, WallTime},
    plan::Plan,
};

/// What the tasks of a plan will cost at today's prices: the sum of what they [expect](crate::Task::expects) to use, each
/// task once. Tasks that expect nothing count as nothing.
pub fn estimate(plan: &Plan, prices: &dyn PriceSource) -> Price {
    estimate_at(plan, prices, Clock::system().wall())
}

/// [`estimate`] at the prices of another time.
pub fn estimate_at(plan: &Plan, prices: &dyn PriceSource, at: WallTime) -> Price {
    let mut sum = Price::default();
    for task in plan.graph().tasks() {
        sum.add(price(prices, &task.options().expects, at));
    }
    sum
}
