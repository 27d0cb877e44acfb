//! `orch metrics alert`: tells of targets that the month misses, once a month each.

use std::sync::Arc;

use serde_json::json;

use super::Counted;
use crate::{
    Clock,
    cli::{exit::Exit, notify, streams::Console},
    error::{Error, ErrorKind, Result},
    ext::{
        metrics::{Missed, Targets},
        notify::{HttpCourier, Notice},
    },
    id::Printable,
    store::MemoryStore,
};

const AMBER: u32 = 0xFFAA00;

pub(super) fn main(
    as_json: bool,
    dry: bool,
    targets: Targets,
    counted: &Counted,
    console: &mut Console<'_>,
) -> Result<Exit> {
    if targets.rate.is_none() && targets.savings.is_none() && targets.saved_usd.is_none() {
        let message =
            "there are no targets; write `[metrics]` and `targets = { rate = 30 }` into orch.toml, or --rate 30";
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let missed = targets.missed(&counted.aggregate);
    let told = if dry || missed.is_empty() { None } else { Some(tell(&missed, counted)?) };
    let unjudged = targets.unjudged(&counted.aggregate);
    if as_json {
        console.json(&json!({"version": 1, "missed": missed, "told": told, "unjudged": unjudged}));
    } else if let Some(why) = unjudged {
        console.result(&format!("no target was judged: {why}\n"));
    } else {
        for one in &missed {
            console.result(&format!("{}\n", Printable(&one.text)));
        }
        if missed.is_empty() {
            console.result("no target is missed\n");
        }
    }
    Ok(if missed.is_empty() { Exit::Done } else { Exit::Failed })
}

/// By the outbox: a target is told once a month, in whatever process, as long as there is a store.
fn tell(missed: &[Missed], counted: &Counted) -> Result<usize> {
    let clock = Clock::system();
    let store = counted.store.clone().unwrap_or_else(|| Arc::new(MemoryStore::new(clock.clone())));
    let outbox = notify::outbox(store)?;
    let mut new = 0;
    for one in missed {
        let notice = Notice::new("📉 Orchestration below its target", AMBER, clock.wall())
            .described(one.text.clone())
            .with("Target", one.wanted.to_string())
            .with("Is", format!("{:.2}", one.is));
        new += outbox.post(&one.key(), &notice)?;
    }
    outbox.deliver(&HttpCourier::new())?;
    Ok(new)
}
