//! Who is told of runs, by addresses in the environment; and `orch notify`.

use std::sync::Arc;

use serde_json::json;

use super::{
    args::{Notify, NotifyCommand},
    exit::Exit,
    store,
    streams::Console,
};
use crate::{
    Clock,
    cost::budget::Limits,
    error::Result,
    ext::notify::{Delivered, HttpCourier, Notice, Outbox, RunNotices, Target},
    id::Printable,
    session::Ledger,
    store::{LetterState, Store},
};

pub(super) fn outbox(store: Arc<dyn Store>) -> Result<Outbox> {
    let targets = Target::of_variables(|name| std::env::var(name).ok())?;
    Ok(Outbox::new(store, targets, Clock::system()))
}

/// Whether there is somebody to tell; before anything is made for it.
pub(super) fn check() -> Result<()> {
    Target::of_variables(|name| std::env::var(name).ok()).map(drop)
}

/// Tells of a run, and of its budget, from here on.
pub(super) fn of_run(store: Arc<dyn Store>, ledger: Option<Ledger>) -> Result<RunNotices> {
    Ok(RunNotices::of_run(Arc::new(outbox(store)?), Arc::new(HttpCourier::new()), ledger, std::env::vars_os()))
}

/// Says what came of it, where that is not what was wanted.
pub(super) fn complain(done: Result<Delivered>, console: &mut Console<'_>) {
    match done {
        Ok(Delivered { why: Some(why), later, dropped, .. }) => console.note(format_args!(
            "not everybody was told ({later} waiting, {dropped} given up): {}; `orch notify list` shows them",
            Printable(&why)
        )),
        Ok(_) => {}
        Err(error) => console.note(format_args!("nobody was told: {error}")),
    }
}

/// Runs `orch notify`.
pub(super) fn main(args: &Notify, here: &std::path::Path, console: &mut Console<'_>) -> Result<Exit> {
    let place = args.place.store.as_deref();
    match &args.command {
        NotifyCommand::List { json, limit } => {
            let letters = store::open_present(place, here)?.letters(*limit)?;
            if *json {
                console.json(&json!({"version": 1, "letters": letters}));
                return Ok(Exit::Done);
            }
            for letter in &letters {
                let why = letter.why.as_deref().map(|why| format!("  {}", Printable(why))).unwrap_or_default();
                let (key, target) = (Printable(&letter.key).to_string(), Printable(&letter.target).to_string());
                let (posted, state) = (letter.posted, letter.state.name());
                console.result(&format!("{posted}  {state:<7}  {target:<8} {key}{why}\n"));
            }
            if letters.is_empty() {
                console.note("nothing was told yet");
            }
            let dropped = letters.iter().any(|letter| letter.state == LetterState::Dropped);
            Ok(if dropped { Exit::Failed } else { Exit::Done })
        }
        NotifyCommand::Send { json } => {
            let store: Arc<dyn Store> = Arc::new(store::open_present(place, here)?);
            let outbox = outbox(store.clone())?;
            // What happened to budgets in runs that told nobody.
            outbox.post_news(&Ledger::new(store, Limits::default(), Clock::system()))?;
            told(&outbox.deliver(&HttpCourier::new())?, *json, console)
        }
        NotifyCommand::Test { json } => {
            // Not by the store: a test is not to be repeated tomorrow.
            let (clock, memory) = (Clock::system(), Arc::new(crate::store::MemoryStore::default()));
            let outbox = outbox(memory)?;
            let notice = Notice::new("orch can reach you", 0x00FF00, clock.wall()).described(
                "This is what `orch notify test` sends. Runs tell you more with `orch run FILE --store --notify`.",
            );
            outbox.post("test", &notice)?;
            told(&outbox.deliver(&HttpCourier::new())?, *json, console)
        }
    }
}

fn told(done: &Delivered, json: bool, console: &mut Console<'_>) -> Result<Exit> {
    let Delivered { sent, later, dropped, .. } = done;
    if json {
        console.json(&json!({"version": 1, "done": done}));
    } else {
        console.result(&format!("{sent} sent, {later} to be tried again, {dropped} given up\n"));
    }
    if let Some(why) = &done.why {
        console.note(Printable(why));
    }
    Ok(if later + dropped == 0 { Exit::Done } else { Exit::Failed })
}
