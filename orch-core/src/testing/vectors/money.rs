//! Money as data as vectors: how every door reads limits, charges and usage.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read};
use crate::{
    PriceTable, Rates, Result, Usd, WallTime,
    cost::{UsageQuery, budget::Limit},
    session::{Charge, ChargeForm, budget_of},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Input {
    /// Budgets, each by itself.
    Budgets(Vec<Value>),
    /// What was spent, at these rates.
    Charges { rates: BTreeMap<String, Rates>, forms: Vec<ChargeForm> },
    /// What somebody says of usage, and how it is to be read.
    Said(Vec<Said>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    text: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    batch: bool,
    #[serde(default)]
    dialect: Option<String>,
}

pub(super) fn run(input: Value) -> Result<Value> {
    let or_failed = |answer: Result<Value>| answer.unwrap_or_else(|error| failed(&error));
    Ok(match read(input)? {
        Input::Budgets(budgets) => budgets.iter().map(|budget| or_failed(limits(budget))).collect(),
        Input::Charges { rates, forms } => {
            let table = PriceTable::default();
            let prices = rates.into_iter().fold(table, |table, (model, rates)| table.with(model, rates));
            forms.iter().map(|form| or_failed(charges(form, &prices))).collect()
        }
        Input::Said(said) => said.into_iter().map(|said| or_failed(usage(said))).collect(),
    })
}

fn limits(budget: &Value) -> Result<Value> {
    let form = |limit: &Limit| {
        let milestones: Vec<String> = limit.milestones.iter().map(|usd| usd.to_decimal()).collect();
        json!({
            "name": limit.name, "usd": limit.usd.to_decimal(), "of": limit.of, "each": limit.each,
            "per": format!("{:?}", limit.per), "zone": limit.zone.to_string(), "at_limit": format!("{:?}", limit.at_limit),
            "milestones": milestones,
        })
    };
    Ok(budget_of(budget)?.iter().map(form).collect())
}

fn charges(form: &ChargeForm, prices: &PriceTable) -> Result<Value> {
    let charges = form.charges(prices, WallTime(0))?;
    let all: Usd = charges.iter().map(|charge| charge.usd).sum();
    let forms: Vec<Value> = charges.iter().map(Charge::form).collect();
    Ok(json!({"usd": all.to_decimal(), "charges": forms}))
}

fn usage(said: Said) -> Result<Value> {
    let Said { text, model, provider, batch, dialect } = said;
    let found = UsageQuery { model, provider, batch, dialect }.read(&text)?;
    Ok(json!({"dialect": found.dialect, "usage": found.usage, "messages": found.messages}))
}
