//! What things cost as vectors: prices by own rates, usage that is read, scripts of budgets.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{failed, read};
use crate::{
    ModelUsage, PriceSource as _, PriceTable, Rates, Result, Usd, WallTime,
    cost::{
        Extractors,
        budget::{
            AtLimit, Column, Labels, Limit, Limits, MemoryAccounts, Period, Reserved, Settled, Stop, Verdict, Wish,
            reserve, reserve_wish, settle,
        },
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Input {
    Price(PriceInput),
    Usage(UsageInput),
    Budget(BudgetInput),
}

/// What a usage costs by these rates.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceInput {
    rates: BTreeMap<String, Rates>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    usage: Vec<ModelUsage>,
}

/// What a text says of usage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageInput {
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetInput {
    limits: Vec<LimitInput>,
    script: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitInput {
    name: String,
    usd: String,
    #[serde(default)]
    of: BTreeMap<Column, String>,
    #[serde(default)]
    each: Vec<Column>,
    /// `day` or `month`; else for ever.
    #[serde(default)]
    per: Option<String>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    milestones: Vec<String>,
    /// `wait` or `ask`; else it is refused.
    #[serde(default)]
    at_limit: Option<String>,
    /// The model that is used instead.
    #[serde(default)]
    downgrade: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Step {
    /// When, who, how much.
    Reserve(String, Labels, String),
    /// The same with what has to be left for others, by limits, and with the limits that may be passed.
    Wish(String, Labels, String, Vec<(String, String)>, BTreeSet<String>),
    /// When, which of those that were granted (from 0), what it cost.
    Settle(String, usize, String),
}

pub(super) fn run(input: Value) -> Result<Value> {
    Ok(match read(input)? {
        Input::Price(input) => prices(input),
        Input::Usage(UsageInput { messages, text }) => {
            let found = match text {
                Some(text) => Extractors::built_in().read(&text),
                None => Extractors::built_in().find(&messages),
            };
            found.map_or(Value::Null, |found| json!({"dialect": found.dialect, "usage": found.usage}))
        }
        Input::Budget(input) => budget(input).unwrap_or_else(|error| failed(&error)),
    })
}

fn prices(input: PriceInput) -> Value {
    let table = input.rates.into_iter().fold(PriceTable::default(), |table, (model, rates)| table.with(model, rates));
    let table = input.aliases.into_iter().fold(table, |table, (alias, model)| table.with_alias(alias, model));
    let quote = |usage: &ModelUsage| {
        let quote = table.quote(usage, WallTime(0))?;
        let [input, output] = [quote.input, quote.output].map(|part| part.map(Usd::to_decimal));
        Some(json!({
            "usd": quote.total.to_decimal(), "input_usd": input, "output_usd": output, "model": quote.model,
            "fallback": quote.is_fallback,
        }))
    };
    input.usage.iter().map(quote).collect()
}

fn budget(input: BudgetInput) -> Result<Value> {
    let limits = Limits::new(input.limits.into_iter().map(limit).collect::<Result<_>>()?)?;
    let (mut accounts, mut granted, mut answers) = (MemoryAccounts::default(), Vec::<Reserved>::new(), Vec::new());
    for step in input.script {
        answers.push(match step {
            Step::Reserve(at, who, usd) => {
                let verdict = reserve(&limits, &mut accounts, &who, at.parse()?, usd.parse()?)?;
                answer(verdict, &mut granted)
            }
            Step::Wish(at, who, usd, first, allowed) => {
                let first =
                    first.into_iter().map(|(limit, usd)| Ok((limit, usd.parse()?))).collect::<Result<Vec<_>>>()?;
                let wish = Wish { who: &who, at: at.parse()?, usd: usd.parse()?, first: &first, allowed: &allowed };
                answer(reserve_wish(&limits, &mut accounts, &wish)?, &mut granted)
            }
            Step::Settle(at, which, usd) => match granted.get(which) {
                Some(reserved) => told(&settle(&limits, &mut accounts, reserved, usd.parse()?, at.parse()?)?),
                None => Value::Null,
            },
        });
    }
    Ok(answers.into())
}

fn answer(verdict: Verdict, granted: &mut Vec<Reserved>) -> Value {
    match verdict {
        Verdict::Granted(reserved) => {
            granted.push(reserved);
            json!({"granted": granted.len() - 1})
        }
        Verdict::Later(stop) => said("later", &stop),
        Verdict::Refused(stop) => said("refused", &stop),
        Verdict::Ask(stop) => said("ask", &stop),
        Verdict::Wait { until, stop } => json!({"wait": stop.to_string(), "until": until.to_string()}),
        Verdict::Downgrade { model, stop } => json!({"downgrade": stop.to_string(), "model": model}),
    }
}

fn limit(input: LimitInput) -> Result<Limit> {
    let per = match input.per.as_deref() {
        Some("day") => Period::Day,
        Some("month") => Period::Month,
        _ => Period::Ever,
    };
    let at_limit = match (input.at_limit.as_deref(), input.downgrade) {
        (_, Some(model)) => AtLimit::Downgrade(model),
        (Some("wait"), None) => AtLimit::Wait,
        (Some("ask"), None) => AtLimit::Ask,
        _ => AtLimit::Refuse,
    };
    Ok(Limit {
        at_limit,
        of: input.of,
        each: input.each.into_iter().collect(),
        per,
        zone: input.zone.map(|zone| zone.parse()).transpose()?.unwrap_or_default(),
        milestones: input.milestones.iter().map(|usd| usd.parse()).collect::<Result<_>>()?,
        ..Limit::new(input.name, input.usd.parse()?)
    })
}

fn said(verdict: &str, stop: &Stop) -> Value {
    json!({verdict: stop.to_string()})
}

fn told(settled: &Settled) -> Value {
    let milestones: Vec<Value> = settled
        .milestones
        .iter()
        .map(|milestone| json!([milestone.limit, milestone.period, milestone.usd.to_decimal(), milestone.charges]))
        .collect();
    let over: Vec<Value> = settled.over.iter().map(|(limit, usd)| json!([limit, usd.to_decimal()])).collect();
    let mut told = json!({"milestones": milestones, "over": over});
    if let Some(fields) = told.as_object_mut() {
        let exhausted: Vec<Value> = settled
            .exhausted
            .iter()
            .map(|it| json!([it.limit, it.period, it.spent.to_decimal(), it.until.map(|until| until.to_string())]))
            .collect();
        let recaps: Vec<Value> = settled
            .recaps
            .iter()
            .map(|it| json!([it.limit, it.month, it.spent.to_decimal(), it.charges, it.milestones]))
            .collect();
        for (key, value) in [("exhausted", exhausted), ("recaps", recaps)] {
            if !value.is_empty() {
                fields.insert(key.to_owned(), value.into());
            }
        }
    }
    told
}
