//! What callers of other languages reserve and spend, as data.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::ledger::{Answer, Charge, Priced},
    limits::usd_of,
};
use crate::{
    clock::WallTime,
    cost::{
        PriceSource, Quote,
        budget::{Column, Labels, Settled, Stop, Verdict},
        quoted,
    },
    error::{Error, ErrorKind, Result},
    units::{ModelUsage, Usage},
};

/// Something that was spent: so much, or what that usage costs.
///
/// ```
/// use orch_core::{PriceTable, Rates, Usd, WallTime, session::ChargeForm};
/// use serde_json::json;
///
/// let prices = PriceTable::default().with("house-model", Rates::new(Usd::from_cents(300), Usd::from_cents(1500)));
/// let spent: ChargeForm = serde_json::from_value(json!({
///     "who": {"agent": "reviewer"}, "usage": [{"model": "house-model", "input": 4000, "output": 800}],
/// }))?;
/// assert_eq!(spent.charges(&prices, WallTime(0))?[0].usd.to_decimal(), "0.024");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChargeForm {
    /// Who.
    pub who: Labels,
    /// How much, in dollars: a number, or text. Without it: what the usage costs.
    pub usd: Option<Value>,
    /// What was used.
    pub usage: Usage,
    /// Which attempt of a task.
    pub attempt: u32,
    /// Whether it failed.
    pub failed: bool,
}

impl ChargeForm {
    /// One charge for each model that was used, at the prices of that time; or one of that amount.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for what has no price; [`InvalidValue`](ErrorKind::InvalidValue) for what is no amount, and
    /// where nothing says what was spent.
    pub fn charges(&self, prices: &dyn PriceSource, now: WallTime) -> Result<Vec<Charge>> {
        let Self { who, attempt, failed, .. } = self.clone();
        if let Some(usd) = &self.usd {
            // Who gives both knows better what it cost than any list.
            let usage = match self.usage.models() {
                [one] => Some(one.clone()),
                _ => None,
            };
            let who = match &usage {
                Some(usage) if who.get(Column::Model).is_none() => who.with(Column::Model, &usage.model),
                _ => who,
            };
            return Ok(vec![Charge { attempt, failed, usage, ..Charge::new(who, usd_of(usd)?) }]);
        }
        let charge = |(usage, quote): (ModelUsage, Quote)| {
            let price = Some(Priced::from(&quote));
            let who = who.clone().with(Column::Model, &usage.model);
            Charge { attempt, failed, usage: Some(usage), price, ..Charge::new(who, quote.total) }
        };
        if self.usage.is_empty() {
            let message = "nothing says what was spent: give `usd`, `usage`, or both";
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        Ok(quoted(prices, &self.usage, now)?.entries.into_iter().map(charge).collect())
    }
}

impl Answer {
    /// As JSON: `{"granted": true, "id", "usd"}`, or `{"granted": false, "why", "limit", "again"}`, where `again` is `never`, `settled`
    /// (when somebody else has settled), or the time of the next period; and `model` where another one is to be used, `ask` where
    /// somebody has to say whether it may be.
    pub fn form(&self) -> Value {
        let stopped = |stop: &Stop, again: String| json!({"granted": false, "why": stop.to_string(), "limit": stop.limit, "again": again});
        match self {
            Self::Granted(booked) => json!({"granted": true, "id": booked.id, "usd": booked.usd.to_decimal()}),
            Self::Stopped(Verdict::Later(stop)) => stopped(stop, "settled".to_owned()),
            Self::Stopped(Verdict::Wait { until, stop }) => stopped(stop, until.to_string()),
            Self::Stopped(Verdict::Refused(stop)) => stopped(stop, "never".to_owned()),
            Self::Stopped(Verdict::Downgrade { model, stop }) => {
                stopped_with(stopped(stop, "never".to_owned()), "model", model.as_str().into())
            }
            Self::Stopped(Verdict::Ask(stop)) => stopped_with(stopped(stop, "never".to_owned()), "ask", true.into()),
            // The ledger never answers so.
            Self::Stopped(Verdict::Granted(_)) => json!({"granted": false, "why": "", "limit": "", "again": "never"}),
        }
    }
}

fn stopped_with(mut form: Value, key: &str, value: Value) -> Value {
    if let Some(form) = form.as_object_mut() {
        form.insert(key.to_owned(), value);
    }
    form
}

impl Settled {
    /// As JSON: `{"milestones": [{"limit", "period", "usd", "spent_usd", "charges"}], "over": [{"limit", "usd"}]}`, money as decimal text.
    pub fn form(&self) -> Value {
        let milestones: Vec<Value> = self
            .milestones
            .iter()
            .map(|one| {
                json!({
                    "limit": one.limit, "period": one.period, "usd": one.usd.to_decimal(), "spent_usd": one.spent.to_decimal(),
                    "charges": one.charges,
                })
            })
            .collect();
        let over: Vec<Value> =
            self.over.iter().map(|(limit, usd)| json!({"limit": limit, "usd": usd.to_decimal()})).collect();
        json!({"milestones": milestones, "over": over})
    }
}
