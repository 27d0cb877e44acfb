//! `orch budget`: how the limits of `orch.toml` stand, what is reserved, and where it leads.

use std::{path::Path, sync::Arc};

use super::{
    args_money::{Budget, BudgetCommand},
    config::Config,
    exit::Exit,
    store,
    streams::Console,
};
use crate::{
    clock::Clock,
    cost::budget::{Column, Limits},
    error::Result,
    id::Printable,
    session::{AccountForm, Gate, InFlight, Ledger, Question},
    units::Usd,
};

/// Runs `orch budget`.
pub(super) fn main(args: &Budget, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let config = if args.no_config { Config::nothing()? } else { Config::load(args.config.as_deref(), here)? };
    let ledger = open(args.place.store.as_deref(), config.budget, here)?;
    if let Some(BudgetCommand::Assume { id }) = &args.command {
        ledger.assume(id)?;
        console.note(format_args!("the reservation `{}` counts as spent", Printable(id)));
        return Ok(Exit::Done);
    }
    if let Some(BudgetCommand::Answer { id, says, by }) = &args.command {
        let by = by.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "somebody".to_owned());
        ledger.answer(id, says.allowed(), &by)?;
        console.note(format_args!("the question `{}` is answered", Printable(id)));
        return Ok(Exit::Done);
    }
    if args.json {
        console.json(&ledger.form()?);
    } else {
        console.result(&text(&ledger.standings()?, &ledger.in_flight()?));
        console.result(&questions(&ledger.gates()?));
    }
    Ok(Exit::Done)
}

fn questions(gates: &[Gate]) -> String {
    let mut text = String::new();
    for Gate { question: Question { id, at, who, why, .. }, said, .. } in gates {
        let task = Printable(who.get(Column::Task).unwrap_or("?")).to_string();
        let said = match said {
            None => format!("answer with `orch budget answer {id} yes`, `all` or `no`"),
            Some(_) => "answered; its run has not heard it yet".to_owned(),
        };
        text += &format!("{id}  task `{task}` asks since {at}: {}\n  {said}\n", Printable(why));
    }
    text
}

/// The ledger in the store of that place, which is there.
pub(super) fn open(place: Option<&Path>, limits: Limits, here: &Path) -> Result<Ledger> {
    let store = store::open_present(place, here)?;
    Ok(Ledger::new(Arc::new(store), limits, Clock::system()))
}

fn text(rows: &[AccountForm], in_flight: &[InFlight]) -> String {
    let mut text = String::new();
    for row in rows {
        let of = row.of.as_object().map(|of| {
            let one = |(column, value): (&String, &serde_json::Value)| {
                format!(" {column} {}", Printable(value.as_str().unwrap_or("-")))
            };
            of.iter().map(one).collect::<String>()
        });
        text += &format!(
            "{}{}{}  ${} of ${} spent, ${} reserved, ${} left\n",
            Printable(&row.name),
            of.unwrap_or_default(),
            if row.period.is_empty() { String::new() } else { format!("  {}", row.period) },
            row.spent_usd,
            row.usd,
            row.reserved_usd,
            row.left_usd
        );
        if let Some(projected) = &row.projected_usd {
            let ends = row.ends.as_ref().map_or("and lasts".to_owned(), |ends| format!("and ends at {ends}"));
            text += &format!("  at this rate ${projected} by its end, {ends}\n");
        }
        if !row.reached.is_empty() {
            text += &format!("  milestones reached: ${}\n", row.reached.join(", $"));
        }
    }
    if rows.is_empty() {
        text += "no budgets; write `[[budget]]` and `usd = 15` into orch.toml\n";
    }
    for one in in_flight {
        let usd: Usd = one.parts.iter().map(|(_, usd)| *usd).sum();
        text += &format!("in flight since {}: ${} as {}\n", one.at, usd.to_decimal(), one.id);
    }
    text
}
