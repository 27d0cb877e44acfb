//! `orch cost`: what was spent, by whatever one wants to know.

use serde::Serialize;

use super::super::{args_money::CostQuery, exit::Exit, streams::Console};
use crate::{
    cost::budget::{Column, Period, Zone},
    error::{Error, ErrorKind, Result},
    id::Printable,
    session::{Charge, Ledger, Spent, add_up},
    units::Usd,
};

/// What charges are added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Column(Column),
    Day,
    Month,
}

impl By {
    fn read(text: &str) -> Result<Self> {
        match text {
            "day" => Ok(Self::Day),
            "month" => Ok(Self::Month),
            _ => text.parse().map(Self::Column).map_err(|_| {
                let known = Column::ALL.map(Column::name).join(", ");
                let message = format!("there is no column `{}`; known here: {known}, day, month", Printable(text));
                Error::new(ErrorKind::InvalidValue, message)
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Column(column) => column.name(),
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    fn of(self, charge: &Charge, zone: &Zone) -> Option<String> {
        match self {
            Self::Column(column) => charge.who.get(column).map(str::to_owned),
            Self::Day => Some(Period::Day.span(zone, charge.at).name),
            Self::Month => Some(Period::Month.span(zone, charge.at).name),
        }
    }
}

/// One row, as `--json` has it.
#[derive(Serialize)]
struct Row {
    of: serde_json::Map<String, serde_json::Value>,
    usd: String,
    charges: u64,
    failed: u64,
    input: u64,
    output: u64,
}

/// Answers what was asked.
pub(in super::super) fn main(args: &CostQuery, ledger: &Ledger, console: &mut Console<'_>) -> Result<Exit> {
    let zone: Zone = args.zone.parse()?;
    let charges = ledger.charges(args.since, args.until)?;
    let charges: Vec<Charge> =
        charges.into_iter().filter(|charge| args.only.iter().all(|only| only.fits(charge))).collect();
    if args.charges {
        each(args, &charges, console);
        return Ok(Exit::Done);
    }
    let by = args.by.iter().map(|text| By::read(text)).collect::<Result<Vec<_>>>()?;
    let sums = add_up(&charges, |charge| by.iter().map(|by| by.of(charge, &zone)).collect());
    let total: Usd = sums.iter().map(|sum| sum.usd).sum();
    let names: Vec<&str> = by.iter().map(|by| by.name()).collect();
    if args.json {
        let rows: Vec<Row> = sums.iter().map(|sum| row(&names, sum)).collect();
        console.json(&serde_json::json!({"version": 1, "by": names, "usd": total.to_decimal(), "rows": rows}));
    } else if args.csv {
        let head = names.iter().map(|name| (*name).to_owned()).chain(HEAD.map(str::to_owned)).collect();
        console.result(&csv(std::iter::once(head).chain(sums.iter().map(cells))));
    } else {
        console.result(&table(&names, &sums, total));
    }
    Ok(Exit::Done)
}

const HEAD: [&str; 5] = ["usd", "charges", "failed", "input", "output"];

fn row(names: &[&str], sum: &Spent) -> Row {
    let of = names.iter().zip(&sum.of).map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let Spent { usd, charges, failed, input, output, .. } = *sum;
    Row { of, usd: usd.to_decimal(), charges, failed, input, output }
}

fn cells(sum: &Spent) -> Vec<String> {
    let Spent { of, usd, charges, failed, input, output } = sum;
    let numbers = [charges, failed, input, output].map(u64::to_string);
    of.iter().map(|value| value.clone().unwrap_or_default()).chain([usd.to_decimal()]).chain(numbers).collect()
}

/// RFC 4180.
fn csv(rows: impl Iterator<Item = Vec<String>>) -> String {
    let quoted = |cell: String| {
        if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    };
    rows.map(|row| row.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

fn table(names: &[&str], sums: &[Spent], total: Usd) -> String {
    if sums.is_empty() {
        return "nothing was spent\n".to_owned();
    }
    let shown = |value: &Option<String>| value.as_ref().map_or("-".to_owned(), |value| Printable(value).to_string());
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(nth, name)| {
            let longest = sums.iter().filter_map(|sum| sum.of.get(nth)).map(|value| shown(value).chars().count()).max();
            longest.unwrap_or(0).max(name.len())
        })
        .collect();
    let mut text = String::new();
    for (name, width) in names.iter().zip(&widths) {
        text += &format!("{name:<width$}  ");
    }
    text += &format!("{:>16}  {:>8}  {:>6}  {:>12}  {:>12}\n", "usd", "charges", "failed", "input", "output");
    for sum in sums {
        for (value, width) in sum.of.iter().zip(&widths) {
            text += &format!("{:<width$}  ", shown(value));
        }
        let Spent { usd, charges, failed, input, output, .. } = sum;
        text += &format!("{:>16}  {charges:>8}  {failed:>6}  {input:>12}  {output:>12}\n", usd.to_decimal());
    }
    text + &format!("total ${}\n", total.to_decimal())
}

/// Every charge by itself.
fn each(args: &CostQuery, charges: &[Charge], console: &mut Console<'_>) {
    if args.json {
        let list: Vec<serde_json::Value> = charges
            .iter()
            .map(|charge| {
                let price = charge.price.as_ref().map(|price| {
                    serde_json::json!({"model": price.model, "list": price.list, "at": price.at.to_string(), "fallback": price.fallback})
                });
                serde_json::json!({
                    "at": charge.at.to_string(), "usd": charge.usd.to_decimal(), "who": charge.who, "attempt": charge.attempt,
                    "failed": charge.failed, "assumed": charge.assumed, "usage": charge.usage, "price": price,
                })
            })
            .collect();
        return console.json(&serde_json::json!({"version": 1, "charges": list}));
    }
    let head = ["at", "usd"]
        .into_iter()
        .chain(Column::ALL.map(Column::name))
        .chain(["attempt", "failed", "assumed", "input", "output", "price", "list"]);
    let head: Vec<String> = head.map(str::to_owned).collect();
    let rows = charges.iter().map(|charge| {
        let who = Column::ALL.map(|column| charge.who.get(column).unwrap_or_default().to_owned());
        let usage = charge.usage.as_ref().map(|usage| (usage.input, usage.output)).unwrap_or_default();
        let price = charge.price.as_ref().map(|price| (price.model.clone(), price.list.clone())).unwrap_or_default();
        let mut row = vec![charge.at.to_string(), charge.usd.to_decimal()];
        row.extend(who);
        row.extend([charge.attempt.to_string(), charge.failed.to_string(), charge.assumed.to_string()]);
        row.extend([usage.0.to_string(), usage.1.to_string(), price.0, price.1]);
        row
    });
    console.result(&csv(std::iter::once(head).chain(rows)));
}
