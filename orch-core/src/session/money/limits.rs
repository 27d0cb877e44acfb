//! Limits as data: `[[budget]]` of `orch.toml`, and what other languages give.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    cost::budget::{AtLimit, Column, Limit, Limits, Period},
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::{Usd, parse_duration},
};

const KEYS: &str = "name, usd, per, zone, each, at_limit, milestones, run, phase, task, agent, model, worktree, branch";

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

/// What a run may spend, as data: an amount of dollars for each run, one limit, or a list of [limits](limits_of).
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue), which names the key.
///
/// ```
/// use orch_core::session::budget_of;
/// use serde_json::json;
///
/// let run = budget_of(&json!(2.5))?;
/// let month = budget_of(&json!({"usd": "15", "per": "month", "milestones": [5, 10, 15]}))?;
/// assert_eq!(run.iter().chain(&month).map(|limit| limit.name.as_str()).collect::<Vec<_>>(), ["budget", "month"]);
/// assert!(budget_of(&json!([{"usd": 1, "agents": "x"}])).is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
pub fn budget_of(value: &Value) -> Result<Limits> {
    match value {
        Value::Number(_) | Value::String(_) => {
            Limits::new(vec![Limit::new("budget", usd_of(value)?).each(Column::Run)])
        }
        Value::Object(table) => Limits::new(vec![limit(table)?]),
        _ => limits_of(value),
    }
}

/// A list of limits, as data: each an object of `usd` and any of `name`, `per` (`ever`, `day`, `month`, or how long a rolling window
/// is), `zone`, `each` (columns), `at_limit` (`refuse`, `wait`), `milestones` (dollars), and of columns with the value that counts.
/// Dollars are numbers, or text for those who want them exact.
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue), which names the key.
pub fn limits_of(value: &Value) -> Result<Limits> {
    let wrong =
        || invalid("`budget` must hold tables: `[[budget]]` and, for example, `usd = 15` and `per = \"month\"`");
    let list = value.as_array().ok_or_else(wrong)?;
    let limits = list.iter().map(|value| limit(value.as_object().ok_or_else(wrong)?)).collect::<Result<_>>()?;
    Limits::new(limits)
}

fn limit(table: &Map<String, Value>) -> Result<Limit> {
    let mut limit = Limit::new("", Usd::ZERO);
    let (mut has_amount, mut of) = (false, BTreeMap::new());
    for (key, value) in table {
        let text = || value.as_str().ok_or_else(|| invalid(format!("`budget.{}` must be text", Printable(key))));
        match key.as_str() {
            "name" => text()?.clone_into(&mut limit.name),
            "usd" => (limit.usd, has_amount) = (usd_of(value)?, true),
            "per" => limit.per = period(text()?)?,
            "zone" => limit.zone = text()?.parse()?,
            "at_limit" => limit.at_limit = at_limit(value)?,
            "milestones" => {
                let list = value.as_array().ok_or_else(|| invalid("`budget.milestones` must be a list of dollars"))?;
                limit.milestones = list.iter().map(usd_of).collect::<Result<_>>()?;
            }
            "each" => {
                let one = [value.clone()];
                let list = value.as_array().map_or(&one[..], Vec::as_slice);
                for column in list {
                    let column =
                        column.as_str().ok_or_else(|| invalid("`budget.each` must be a column or a list of them"))?;
                    limit.each.insert(column.parse()?);
                }
            }
            column => {
                let column: Column = column.parse().map_err(|_| {
                    invalid(format!("there is no setting `budget.{}`; known here: {KEYS}", Printable(column)))
                })?;
                of.insert(column, text()?.to_owned());
            }
        }
    }
    if !has_amount {
        return Err(invalid("a `[[budget]]` needs `usd`, the dollars that may be spent"));
    }
    limit.of = of;
    if limit.name.is_empty() {
        limit.name = name(&limit, table);
    }
    Ok(limit)
}

/// What it is for, where it has no name.
fn name(limit: &Limit, table: &Map<String, Value>) -> String {
    let of = limit.of.iter().map(|(column, value)| format!("{column} {value}"));
    let each = limit.each.iter().map(|column| format!("each {column}"));
    let per = table.get("per").and_then(Value::as_str).map(str::to_owned);
    let parts: Vec<String> = of.chain(each).chain(per).collect();
    if parts.is_empty() { "all".to_owned() } else { parts.join(", ") }
}

/// Dollars as data: a number, or text for those who want it exact.
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for anything else, and for more digits than nano-dollars have.
pub fn usd_of(value: &Value) -> Result<Usd> {
    let wrong = || invalid("dollars must be a number, for example 2.50");
    match value {
        Value::String(text) => text.parse(),
        Value::Number(number) if number.is_f64() => {
            let dollars = number.as_f64().ok_or_else(wrong)?;
            let usd = Usd::from_dollars(dollars);
            // The shortest text that reads as that float is what was written; what was computed carries the noise of floats.
            let is_noise = (usd.dollars() - dollars).abs() <= 4.0 * f64::EPSILON * dollars.abs();
            if is_noise { Ok(usd) } else { dollars.to_string().parse() }
        }
        Value::Number(number) => number.to_string().parse(),
        _ => Err(wrong()),
    }
}

/// `ever`, `day`, `month`, or how long a rolling window is.
fn period(text: &str) -> Result<Period> {
    Ok(match text {
        "ever" => Period::Ever,
        "day" => Period::Day,
        "month" => Period::Month,
        _ => Period::Rolling(parse_duration(text).map_err(|_| {
            invalid(format!("`{}` is no period; write ever, day, month, or a duration like 24h", Printable(text)))
        })?),
    })
}

fn at_limit(value: &Value) -> Result<AtLimit> {
    match value {
        Value::String(text) if text == "refuse" => Ok(AtLimit::Refuse),
        Value::String(text) if text == "wait" => Ok(AtLimit::Wait),
        Value::String(text) if text == "ask" => Ok(AtLimit::Ask),
        Value::Object(table) if table.len() == 1 => match table.get("downgrade").and_then(Value::as_str) {
            Some(model) if !model.is_empty() => Ok(AtLimit::Downgrade(model.to_owned())),
            _ => Err(invalid("`budget.at_limit.downgrade` is the model that is used instead")),
        },
        _ => Err(invalid(
            "`budget.at_limit` is what happens at the limit: refuse, wait, ask, or { downgrade = \"MODEL\" }",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_read() {
        let limits = limits_of(&json!([
            {"usd": 15, "per": "month", "zone": "+05:30", "milestones": [5, 10.5, "15"]},
            {"name": "careful", "usd": "0.5", "agent": "reviewer", "each": ["run", "task"], "per": "24h", "at_limit": "wait"},
            {"usd": 0.1, "each": "run"},
            {"name": "cheap", "usd": 1, "at_limit": {"downgrade": "small"}},
            {"name": "gate", "usd": 1, "at_limit": "ask"},
        ]))
        .unwrap();
        let [month, careful, run, cheap, gate] = &limits.iter().cloned().collect::<Vec<_>>()[..] else {
            panic!("five")
        };
        assert_eq!((&cheap.at_limit, &gate.at_limit), (&AtLimit::Downgrade("small".into()), &AtLimit::Ask));
        assert_eq!((month.name.as_str(), month.usd, month.per), ("month", Usd::from_cents(1500), Period::Month));
        assert_eq!((month.milestones[1], month.zone.to_string()), (Usd::from_cents(1050), "+05:30".to_owned()));
        assert_eq!((careful.of.len(), careful.each.len(), &careful.at_limit), (1, 2, &AtLimit::Wait));
        assert_eq!(careful.per, Period::Rolling(std::time::Duration::from_secs(86_400)));
        assert_eq!((run.name.as_str(), run.usd), ("each run", Usd::from_cents(10)));
    }

    #[test]
    fn an_amount_is_for_each_run() {
        for (amount, nanos) in [
            (json!(2), 2_000_000_000),
            (json!("0.031275"), 31_275_000),
            (json!(1e-7), 100),
            // Three times a tenth, as floats have it.
            (json!(0.1 + 0.2), 300_000_000),
        ] {
            let limits = budget_of(&amount).unwrap();
            let limit = limits.find("budget").unwrap();
            assert_eq!((limit.usd.nanos(), limit.each.contains(&Column::Run)), (nanos, true), "{amount}");
        }
        assert_eq!(budget_of(&json!({"usd": 1, "branch": "main"})).unwrap().iter().next().unwrap().name, "branch main");
        for wrong in [json!(-1), json!(null), json!(true), json!("five"), json!(1e-10), json!([3]), json!(1e300)] {
            assert!(budget_of(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_limits_are_refused() {
        for wrong in [
            json!(3),
            json!([3]),
            json!([{"per": "day"}]),
            json!([{"usd": -1}]),
            json!([{"usd": "five"}]),
            json!([{"usd": true}]),
            json!([{"usd": null}]),
            json!([{"usd": 1, "per": "week"}]),
            json!([{"usd": 1, "zone": "Nowhere"}]),
            json!([{"usd": 1, "agents": "x"}]),
            json!([{"usd": 1, "each": "agents"}]),
            json!([{"usd": 1, "at_limit": "maybe"}]),
            json!([{"usd": 1}, {"usd": 2}]),
        ] {
            assert!(limits_of(&wrong).is_err(), "{wrong}");
        }
    }
}
