//! `orch cost`: what was spent, by whatever one wants to know.

use super::super::{args_money::CostQuery, exit::Exit, streams::Console};
use crate::{
    error::Result,
    id::Printable,
    session::{Charge, Costs, Ledger, Spent, charges_csv},
};

/// Answers what was asked.
pub(in super::super) fn main(args: &CostQuery, ledger: &Ledger, console: &mut Console<'_>) -> Result<Exit> {
    let query = args.asked()?;
    if args.charges {
        let charges = ledger.asked(&query)?;
        if args.json {
            let list: Vec<_> = charges.iter().map(Charge::form).collect();
            console.json(&serde_json::json!({"version": 1, "charges": list}));
        } else {
            console.result(&charges_csv(&charges));
        }
        return Ok(Exit::Done);
    }
    let costs = ledger.costs(&query)?;
    if args.json {
        console.json(&costs.form());
    } else if args.csv {
        console.result(&costs.csv());
    } else {
        console.result(&table(&costs));
    }
    Ok(Exit::Done)
}

fn table(Costs { by: names, usd: total, rows: sums }: &Costs) -> String {
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
