//! `orch budget`: how the limits of `orch.toml` stand, what is reserved, and where it leads.

use std::{path::Path, sync::Arc};

use serde::Serialize;

use super::{
    args_money::{Budget, BudgetCommand},
    config::Config,
    exit::Exit,
    store,
    streams::Console,
};
use crate::{
    clock::{Clock, WallTime},
    cost::budget::{Limits, Standing, project},
    error::Result,
    id::Printable,
    session::{InFlight, Ledger},
    units::Usd,
};

/// One account, as `--json` has it.
#[derive(Serialize)]
struct Row {
    name: String,
    of: serde_json::Value,
    period: String,
    start: Option<String>,
    end: Option<String>,
    usd: String,
    spent_usd: String,
    reserved_usd: String,
    left_usd: String,
    charges: u64,
    reached: Vec<String>,
    projected_usd: Option<String>,
    ends: Option<String>,
}

impl Row {
    fn new((of, standing): &(serde_json::Value, Standing), now: WallTime) -> Self {
        let Standing { limit, span, usd, spent, reserved, charges, reached } = standing;
        let projection = project(span, *usd, *spent, now);
        let time = |time: Option<WallTime>| time.map(|time| time.to_string());
        Self {
            name: limit.clone(),
            of: of.clone(),
            period: span.name.clone(),
            start: time(span.start),
            end: time(span.end),
            usd: usd.to_decimal(),
            spent_usd: spent.to_decimal(),
            reserved_usd: reserved.to_decimal(),
            left_usd: (*usd - *spent - *reserved).to_decimal(),
            charges: *charges,
            reached: reached.iter().map(|usd| usd.to_decimal()).collect(),
            projected_usd: projection.map(|projection| projection.usd.to_decimal()),
            ends: time(projection.and_then(|projection| projection.ends)),
        }
    }
}

/// Runs `orch budget`.
pub(super) fn main(args: &Budget, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let config = if args.no_config { Config::nothing() } else { Config::load(args.config.as_deref(), here)? };
    let ledger = open(args.place.store.as_deref(), config.budget, here)?;
    if let Some(BudgetCommand::Assume { id }) = &args.command {
        ledger.assume(id)?;
        console.note(format_args!("the reservation `{}` counts as spent", Printable(id)));
        return Ok(Exit::Done);
    }
    let (now, in_flight) = (ledger.now(), ledger.in_flight()?);
    let rows: Vec<Row> = ledger.accounts()?.iter().map(|account| Row::new(account, now)).collect();
    if args.json {
        let in_flight: Vec<_> = in_flight.iter().map(flight).collect();
        console
            .json(&serde_json::json!({"version": 1, "at": now.to_string(), "budgets": rows, "in_flight": in_flight}));
    } else {
        console.result(&text(&rows, &in_flight));
    }
    Ok(Exit::Done)
}

/// The ledger in the store of that place, which is there.
pub(super) fn open(place: Option<&Path>, limits: Limits, here: &Path) -> Result<Ledger> {
    let store = store::open_present(place, here)?;
    Ok(Ledger::new(Arc::new(store), limits, Clock::system()))
}

fn flight(one: &InFlight) -> serde_json::Value {
    let parts: Vec<_> =
        one.parts.iter().map(|(who, usd)| serde_json::json!({"who": who, "usd": usd.to_decimal()})).collect();
    serde_json::json!({"id": one.id, "since": one.at.to_string(), "parts": parts})
}

fn text(rows: &[Row], in_flight: &[InFlight]) -> String {
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
