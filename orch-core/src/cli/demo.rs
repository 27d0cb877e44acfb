//! `orch demo`: what the engine does, shown by itself, without a file, a network or a cost.

use std::{sync::Arc, time::Duration};

use super::{args_money::Demo, exit::Exit, streams::Console};
use crate::{
    PriceTable,
    clock::{Clock, WallTime},
    cost::{
        budget::{Column, Labels, Limit, Limits, Milestone, Period, Stop, Verdict},
        quotes,
    },
    error::{Error, ErrorKind, Result},
    session::{Answer, Charge, Ledger, Priced},
    store::MemoryStore,
    units::{Usage, Usd},
};

/// The month that is replayed.
const MONTH: &str = "2026-02-01";
/// What there is to spend in it, and what is told when it is spent, in cents.
const BUDGET: Usd = Usd::from_cents(1500);
const MILESTONES: [i64; 3] = [500, 1000, 1500];
/// One execution: an analysis by one model, code by another. Tokens in and out.
const ANALYSIS: (&str, u64, u64) = ("claude-3-5-sonnet-20241022", 2_000, 1_500);
const CODING: (&str, u64, u64) = ("gpt-4o-mini", 2_500, 4_000);
/// From one execution to the next.
const PAUSE: Duration = Duration::from_secs(80 * 60);

/// What became of the month.
struct Month {
    executions: u64,
    spent: Usd,
    execution: Usd,
    /// Each with the execution that reached it.
    milestones: Vec<(Milestone, u64)>,
    stop: Stop,
    last: WallTime,
}

/// Runs `orch demo`.
pub(super) fn main(args: &Demo, console: &mut Console<'_>) -> Result<Exit> {
    let Demo::Budget { json } = args;
    let month = replay()?;
    let left = BUDGET - month.spent;
    if *json {
        // Milestones are whole dollars.
        let milestones: Vec<_> = month
            .milestones
            .iter()
            .map(|(milestone, execution)| serde_json::json!({"usd": milestone.usd.dollars(), "execution": execution}))
            .collect();
        console.json(&serde_json::json!({
            "version": 1, "month": month.stop.period, "budget_usd": BUDGET.to_decimal(), "spent_usd": month.spent.to_decimal(),
            "left_usd": left.to_decimal(), "executions": month.executions, "execution_usd": month.execution.to_decimal(),
            "milestones": milestones, "stopped": month.stop.to_string(),
        }));
    } else {
        console.result(&text(&month, left));
    }
    Ok(Exit::Done)
}

/// The ledger, limits and prices of real runs, over a store in memory and a clock that is moved by hand.
fn replay() -> Result<Month> {
    let (clock, hand) = Clock::manual();
    let first: WallTime = MONTH.parse()?;
    hand.wall_forward(Duration::from_millis(first.0.saturating_sub(clock.wall().0)));
    let milestones = MILESTONES.map(Usd::from_cents).to_vec();
    let limit = Limit { per: Period::Month, milestones, ..Limit::new("month", BUDGET) };
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let ledger = Ledger::new(store, Limits::new(vec![limit])?, clock.clone());
    let prices = PriceTable::bundled();
    let mut usage = Usage::default();
    for (model, input, output) in [ANALYSIS, CODING] {
        usage.add(&Usage::tokens(model, input, output));
    }
    let mut charges = Vec::new();
    for (used, quote) in quotes(&prices, &usage, first) {
        let quote =
            quote.ok_or_else(|| Error::new(ErrorKind::NotFound, "a model of the demonstration has no price"))?;
        let who = Labels::default().with(Column::Agent, "orchestrator").with(Column::Model, &used.model);
        let price = Some(Priced::from(&quote));
        charges.push(Charge { usage: Some(used.clone()), price, ..Charge::new(who, quote.total) });
    }
    let wanted: Vec<(Labels, Usd)> = charges.iter().map(|charge| (charge.who.clone(), charge.usd)).collect();
    let (mut executions, mut reached) = (0, Vec::new());
    let stop = loop {
        match ledger.reserve(&wanted)? {
            Answer::Granted(booked) => {
                executions += 1;
                let settled = ledger.settle(&booked.id, charges.clone())?;
                reached.extend(settled.milestones.into_iter().map(|milestone| (milestone, executions)));
            }
            Answer::Stopped(Verdict::Refused(stop)) => break stop,
            Answer::Stopped(other) => {
                return Err(Error::new(ErrorKind::Misuse, format!("the demonstration stopped at {other:?}")));
            }
        }
        hand.advance(PAUSE);
    };
    let spent = ledger.charges(None, None)?.iter().map(|charge| charge.usd).sum();
    let execution = charges.iter().map(|charge| charge.usd).sum();
    Ok(Month { executions, spent, execution, milestones: reached, stop, last: clock.wall() })
}

fn text(month: &Month, left: Usd) -> String {
    let Month { executions, spent, execution, milestones, stop, last } = month;
    let mut text = format!(
        "A month of ${} ({}), executions of ${}: {} ({} in, {} out), then {} ({} in, {} out)\n\n",
        BUDGET.to_decimal(),
        stop.period,
        execution.to_decimal(),
        ANALYSIS.0,
        ANALYSIS.1,
        ANALYSIS.2,
        CODING.0,
        CODING.1,
        CODING.2
    );
    for (milestone, execution) in milestones {
        let percent = milestone.usd.nanos() * 100 / BUDGET.nanos().max(1);
        let full = usize::try_from(percent / 5).unwrap_or_default();
        text += &format!(
            "  execution {execution:>3}  ${} milestone reached, ${} spent  [{}{}] {percent}%\n",
            milestone.usd.to_decimal(),
            milestone.spent.to_decimal(),
            "█".repeat(full),
            "░".repeat(20 - full.min(20))
        );
    }
    text += &format!("  execution {:>3}  refused at {last}: {stop}\n\n", executions + 1);
    text += &format!(
        "Budget exhausted. Executions: {executions}, spent: ${}, remaining: ${}\n",
        spent.to_decimal(),
        left.to_decimal()
    );
    let missed = MILESTONES.iter().map(|cents| Usd::from_cents(*cents)).filter(|milestone| milestone > spent);
    for milestone in missed {
        text += &format!(
            "The ${} milestone cannot be reached: ${} is left, and an execution costs ${}.\n",
            milestone.to_decimal(),
            left.to_decimal(),
            execution.to_decimal()
        );
    }
    text
}
