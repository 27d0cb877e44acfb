//! What an attempt has spent while it goes on.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    super::ledger::{Booked, Ledger},
    RunBudget,
};
use crate::{
    cost::{
        PriceSource,
        budget::{Column, Labels, Verdict},
        quotes,
    },
    executor::{Grant, Meter},
    id::TaskIx,
    run::Machine,
    units::{Usage, Usd},
};

/// Reserves more as an attempt spends more than was reserved for it.
pub(super) struct BudgetMeter {
    pub(super) ledger: Ledger,
    pub(super) prices: Option<Arc<dyn PriceSource>>,
    pub(super) booked: String,
    pub(super) who: Labels,
    pub(super) allowed: BTreeSet<String>,
}

impl Meter for BudgetMeter {
    fn used(&self, usage: &Usage) -> Result<(), String> {
        let Some(prices) = &self.prices else { return Ok(()) };
        let (mut total, mut who) = (Usd::ZERO, self.who.clone());
        for (used, quote) in quotes(&**prices, usage, self.ledger.now()) {
            // What has no price closes the budget when the attempt ends; until then it is not known what it costs.
            total += quote.map(|quote| quote.total).unwrap_or_default();
            who = self.who.clone().with(Column::Model, &used.model);
        }
        match self.ledger.raise(&self.booked, &who, total, &self.allowed) {
            Ok(None) => Ok(()),
            Ok(Some(
                Verdict::Refused(stop)
                | Verdict::Later(stop)
                | Verdict::Ask(stop)
                | Verdict::Wait { stop, .. }
                | Verdict::Downgrade { stop, .. },
            )) => {
                // The run goes on without having said it, if the store does not hear it now.
                drop(self.ledger.exhausted(&who, &stop, self.ledger.now()));
                Err(format!("it has used ${}, and {stop}", total.to_decimal()))
            }
            Ok(Some(Verdict::Granted(_))) => Ok(()),
            // A ledger that cannot be asked does not say that there is more.
            Err(error) => Err(format!("the ledger could not reserve more for it: {error}")),
        }
    }
}

impl RunBudget {
    /// What the attempt is told of its money.
    pub(super) fn grant(&self, task: TaskIx, booked: &Booked, machine: &Machine) -> Grant {
        let terms = self.terms.get(&task);
        let allowed = terms.map(|terms| terms.allowed.clone()).unwrap_or_default();
        let allowed: BTreeSet<String> = allowed.union(&self.allowed).cloned().collect();
        // Who said yes to so much did not say it to more.
        let more = if booked.usd > Usd::ZERO { self.allowed.clone() } else { allowed.clone() };
        let meter = BudgetMeter {
            ledger: self.clerk.ledger.clone(),
            prices: self.prices.clone(),
            booked: booked.id.clone(),
            who: self.who(task, machine),
            allowed: more,
        };
        Grant {
            model: terms.and_then(|terms| terms.models.last()).cloned(),
            most: booked.most.filter(|_| allowed.is_empty()),
            meter: Some(Arc::new(meter)),
        }
    }
}
