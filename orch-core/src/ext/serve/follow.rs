//! Writes runs on the board: which there are, and what the followed ones say.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    board::{Board, Log},
    options::ServeOptions,
    show,
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    event::RunState,
    id::RunId,
    report::Progress,
    session::{Follow, FollowNews, RunForm},
    store::Store,
};

/// How long one wait for news of a run lasts; then it is looked whether anybody still follows it, and how it stands.
const WAIT: Duration = Duration::from_secs(1);

/// How long to wait after a store that could not be read.
const PAUSE: Duration = Duration::from_secs(2);

/// Answers the store, once there is one.
type Find<'a> = &'a dyn Fn() -> Result<Option<Arc<dyn Store>>>;

/// Lists the latest runs until the board is closed.
pub(super) fn list(options: &ServeOptions, find: Find<'_>, board: &Board) {
    while board.is_read() {
        let listed = find().and_then(|store| match store {
            None => Ok(json!({"store": false, "runs": []})),
            Some(store) => {
                let rows = store.runs(None, options.runs)?;
                let forms = rows.iter().map(|row| RunForm::of(&*store, row)).collect::<Result<Vec<_>>>()?;
                Ok(json!({"store": true, "runs": forms}))
            }
        });
        board.show("runs", &listed.unwrap_or_else(|error| json!({"error": error.to_string()})));
        board.rest(options.every);
    }
}

/// Follows a run until nobody reads it; also one of a store that is not there yet, or cannot be read just now.
pub(super) fn follow(run: RunId, find: Find<'_>, options: &ServeOptions, board: &Board) {
    let clock = Clock::system();
    let mut followed = None;
    loop {
        match step(run, find, &mut followed, options, &clock) {
            Ok(news) => {
                if !board.log(run, |log| news.write(log)) {
                    return;
                }
            }
            Err(error) => {
                let head = json!({"run": {"run": run}, "error": error.to_string()}).to_string();
                if !board.log(run, |log| log.head.write(&head)) {
                    return;
                }
                // What was read stays; a store that is back goes on there.
                board.rest(PAUSE);
            }
        }
    }
}

struct Followed {
    store: Arc<dyn Store>,
    follow: Follow,
    progress: Progress,
}

/// What is written on the board.
struct News {
    fence: u64,
    /// The part, if it begins.
    part: Option<Arc<str>>,
    events: Vec<Arc<str>>,
    head: String,
}

impl News {
    fn write(self, log: &mut Log) -> bool {
        let Self { fence, part, events, head } = self;
        let mut changed = !events.is_empty();
        if let Some(part) = part {
            changed = true;
            (log.fence, log.part) = (fence, part);
            log.events.clear();
        }
        log.events.extend(events);
        log.head.write(&head) || changed
    }
}

fn step(
    run: RunId,
    find: Find<'_>,
    followed: &mut Option<Followed>,
    options: &ServeOptions,
    clock: &Clock,
) -> Result<News> {
    let one = match followed {
        Some(one) => one,
        None => {
            let store = find()?.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no store yet"))?;
            let follow = Follow::new(store.clone(), run)?;
            let progress = Progress::new(follow.report().plan());
            followed.insert(Followed { store, follow, progress })
        }
    };
    let FollowNews { begins, events } = one.follow.next(WAIT)?;
    if begins {
        one.progress = Progress::new(one.follow.report().plan());
    }
    events.iter().for_each(|event| one.progress.on(event));
    let (row, prices) = (one.follow.row().clone(), &*options.prices);
    if !events.is_empty() {
        one.follow.report_mut().price_with(|usage| crate::cost::price(prices, usage, row.created).complete());
    }
    let graph = one.follow.report().graph();
    let events = events.iter().map(|event| show::event(event, graph, prices, row.created, options.output)).collect();
    let part = begins.then(|| Arc::from(show::part(&one.follow).to_string()));
    // The store knows when its owner wrote last; by that, how long the run has gone on by now.
    let since = Duration::from_millis(clock.wall().0.saturating_sub(row.updated.0));
    let last = one.follow.report().makespan();
    // What was read is not lost because its owner cannot be asked for.
    let form = RunForm::of(&*one.store, &row).unwrap_or_else(|_| RunForm::from(&row));
    let goes_on = row.state == RunState::Running && !form.interrupted;
    let now = if goes_on { last + since } else { last };
    let rest = goes_on.then(|| one.progress.rest(now));
    let head: Value = show::head(&form, one.follow.report(), began(&row, last), rest);
    Ok(News { fence: row.fence, part, events, head: head.to_string() })
}

/// When the part began, in milliseconds since 1970: its last event came when its owner wrote last.
fn began(row: &crate::store::RunRow, last: Duration) -> u64 {
    row.updated.0.saturating_sub(u64::try_from(last.as_millis()).unwrap_or(u64::MAX))
}
