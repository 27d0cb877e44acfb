//! `[[budget]]` of `orch.toml`: limits.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::duration;
use crate::{
    cost::budget::{AtLimit, Column, Limit, Limits, Period},
    error::{Error, ErrorKind, Result},
    id::Printable,
    units::Usd,
};

const KEYS: &str = "name, usd, per, zone, each, at_limit, milestones, run, phase, task, agent, model, worktree, branch";

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

/// Reads all of them.
pub(super) fn parse(value: &Value) -> Result<Limits> {
    let wrong =
        || invalid("`budget` must hold tables: `[[budget]]` and, for example, `usd = 15` and `per = \"month\"`");
    let list = value.as_array().ok_or_else(wrong)?;
    let limits = list.iter().map(|value| limit(value.as_table().ok_or_else(wrong)?)).collect::<Result<_>>()?;
    Limits::new(limits)
}

fn limit(table: &Table) -> Result<Limit> {
    let mut limit = Limit::new("", Usd::ZERO);
    let (mut has_amount, mut of) = (false, BTreeMap::new());
    for (key, value) in table {
        let text = || value.as_str().ok_or_else(|| invalid(format!("`budget.{}` must be text", Printable(key))));
        match key.as_str() {
            "name" => text()?.clone_into(&mut limit.name),
            "usd" => (limit.usd, has_amount) = (money(value)?, true),
            "per" => limit.per = period(text()?)?,
            "zone" => limit.zone = text()?.parse()?,
            "at_limit" => limit.at_limit = at_limit(value)?,
            "milestones" => {
                let list = value.as_array().ok_or_else(|| invalid("`budget.milestones` must be a list of dollars"))?;
                limit.milestones = list.iter().map(money).collect::<Result<_>>()?;
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
fn name(limit: &Limit, table: &Table) -> String {
    let of = limit.of.iter().map(|(column, value)| format!("{column} {value}"));
    let each = limit.each.iter().map(|column| format!("each {column}"));
    let per = table.get("per").and_then(Value::as_str).map(str::to_owned);
    let parts: Vec<String> = of.chain(each).chain(per).collect();
    if parts.is_empty() { "all".to_owned() } else { parts.join(", ") }
}

/// Dollars: a number, or text for those who want it exact.
fn money(value: &Value) -> Result<Usd> {
    match value {
        Value::Integer(dollars) => dollars.to_string().parse(),
        // The shortest text that reads as that float is what was written.
        Value::Float(dollars) => dollars.to_string().parse(),
        Value::String(text) => text.parse(),
        _ => Err(invalid("dollars must be a number, for example 2.50")),
    }
}

/// `ever`, `day`, `month`, or how long a rolling window is.
fn period(text: &str) -> Result<Period> {
    Ok(match text {
        "ever" => Period::Ever,
        "day" => Period::Day,
        "month" => Period::Month,
        _ => Period::Rolling(duration::parse(text).map_err(|_| {
            invalid(format!("`{}` is no period; write ever, day, month, or a duration like 24h", Printable(text)))
        })?),
    })
}

fn at_limit(value: &Value) -> Result<AtLimit> {
    match value {
        Value::String(text) if text == "refuse" => Ok(AtLimit::Refuse),
        Value::String(text) if text == "wait" => Ok(AtLimit::Wait),
        _ => Err(invalid("`budget.at_limit` is what happens at the limit: refuse or wait")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Limits> {
        parse(text.parse::<Table>().unwrap().get("budget").unwrap())
    }

    #[test]
    fn limits_are_read() {
        let limits = read(
            "[[budget]]\nusd = 15\nper = 'month'\nzone = 'Europe/Berlin'\nmilestones = [5, 10.5, '15']\n\
             [[budget]]\nname = 'careful'\nusd = '0.5'\nagent = 'reviewer'\neach = ['run', 'task']\nper = '24h'\nat_limit = 'wait'\n\
             [[budget]]\nusd = 0.1\neach = 'run'\n",
        )
        .unwrap();
        let [month, careful, run] = &limits.iter().cloned().collect::<Vec<_>>()[..] else { panic!("three") };
        assert_eq!((month.name.as_str(), month.usd, month.per), ("month", Usd::from_cents(1500), Period::Month));
        assert_eq!((month.milestones[1], month.zone.to_string()), (Usd::from_cents(1050), "Europe/Berlin".to_owned()));
        assert_eq!((careful.of.len(), careful.each.len(), &careful.at_limit), (1, 2, &AtLimit::Wait));
        assert_eq!(careful.per, Period::Rolling(std::time::Duration::from_secs(86_400)));
        assert_eq!((run.name.as_str(), run.usd), ("each run", Usd::from_cents(10)));
    }

    #[test]
    fn wrong_limits_are_refused() {
        for text in [
            "budget = 3",
            "budget = [3]",
            "[[budget]]\nper = 'day'",
            "[[budget]]\nusd = -1",
            "[[budget]]\nusd = 'five'",
            "[[budget]]\nusd = true",
            "[[budget]]\nusd = nan",
            "[[budget]]\nusd = 1\nper = 'week'",
            "[[budget]]\nusd = 1\nzone = 'Nowhere'",
            "[[budget]]\nusd = 1\nagents = 'x'",
            "[[budget]]\nusd = 1\neach = 'agents'",
            "[[budget]]\nusd = 1\nat_limit = 'maybe'",
            "[[budget]]\nusd = 1\n[[budget]]\nusd = 2",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
