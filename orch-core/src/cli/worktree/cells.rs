//! What a table says of one worktree.

use std::time::Duration;

use crate::{
    cli::streams::Paint,
    ext::worktree::{Overview, Row, State},
    id::Printable,
    units::Usd,
};

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Tone {
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Strong => paint.strong(text),
            Self::Dim => paint.dim(text),
            Self::Good => paint.good(text),
            Self::Warn => paint.warn(text),
            Self::Bad => paint.bad(text),
        }
    }
}

/// One field of the table: pieces of text, each in its tone.
pub(super) type Cell = Vec<(Tone, String)>;

/// What each column says of a worktree; nothing where there is nothing to say.
pub(super) fn cells(overview: &Overview, row: &Row, spent: Option<Usd>, live: bool) -> [Cell; 9] {
    let one = |tone: Tone, text: String| vec![(tone, text)];
    let plain = |text: Option<String>| text.map_or_else(Vec::new, |text| vec![(Tone::Plain, text)]);
    let held = row.holder.is_some();
    let name = row.known.name();
    let branch = match row.known.git.branch.as_deref() {
        None => one(Tone::Dim, "(detached)".to_owned()),
        Some(branch) => one(if branch == name { Tone::Dim } else { Tone::Plain }, shown(branch)),
    };
    let (task, agent) = work(row);
    // What was done there last is shown too, but less.
    let tone = if held { Tone::Plain } else { Tone::Dim };
    let purpose = || row.known.record.as_ref().and_then(|record| record.purpose.clone());
    let size = |bytes: u64| format!("{} MiB", bytes.div_ceil(1024 * 1024));
    [
        one(if held { Tone::Strong } else { Tone::Plain }, shown(&name)),
        status(&row.states, live),
        branch,
        plain(apart(row)),
        one(if held { Tone::Good } else { tone_of_age(row) }, last_use(overview, row)),
        task.or_else(purpose).map_or_else(Vec::new, |task| one(tone, shown(&task))),
        agent.map_or_else(Vec::new, |agent| one(tone, shown(&agent))),
        plain(row.bytes.map(size)),
        plain(spent.map(money)),
    ]
}

/// The task and the agent of who has it, else of who had it last.
fn work(row: &Row) -> (Option<String>, Option<String>) {
    if let Some(holder) = row.holder.as_ref().filter(|holder| holder.task.is_some()) {
        return (holder.task.clone(), holder.agent.clone());
    }
    let record = row.known.record.as_ref();
    (record.and_then(|it| it.task.clone()), record.and_then(|it| it.agent.clone()))
}

/// What counts most is said first. On a screen a sign says whether somebody is there, and a word only where there is nothing else to say. How many
/// commits it is ahead or behind has its own column.
fn status(states: &[State], live: bool) -> Cell {
    let is = |state: State| states.contains(&state);
    let (sign, state, tone) = match () {
        () if is(State::Active) => ("●", State::Active, Tone::Good),
        () if is(State::Waiting) => ("◐", State::Waiting, Tone::Warn),
        () => ("○", State::Idle, Tone::Dim),
    };
    let flags = [
        (State::Conflicting, Tone::Bad),
        (State::Prunable, Tone::Bad),
        (State::Stale, Tone::Warn),
        (State::Dirty, Tone::Warn),
    ];
    let mut words = vec![(tone, if live { sign } else { state.name() }.to_owned())];
    words.extend(flags.into_iter().filter(|(flag, _)| is(*flag)).map(|(flag, tone)| (tone, flag.name().to_owned())));
    if live && words.len() == 1 {
        words.push((tone, state.name().to_owned()));
    }
    let blank = || (Tone::Plain, " ".to_owned());
    let mut cell = Vec::new();
    for word in words {
        if !cell.is_empty() {
            cell.push(blank());
        }
        cell.push(word);
    }
    cell
}

/// To the cent, so that the figures of a column stand below each other.
fn money(usd: Usd) -> String {
    let is_less = usd > Usd::ZERO && usd < Usd::from_cents(1);
    if is_less { "<$0.01".to_owned() } else { usd.to_fixed(2) }
}

fn tone_of_age(row: &Row) -> Tone {
    if row.states.contains(&State::Stale) { Tone::Warn } else { Tone::Plain }
}

/// `now`, `<1 min`, `12 min`, `3 h`, `2 days`: whoever looks every second sees no figure run.
fn last_use(overview: &Overview, row: &Row) -> String {
    if row.holder.is_some() {
        return "now".to_owned();
    }
    if row.used.is_none() {
        return String::new();
    }
    age(overview.idle(row))
}

fn age(since: Duration) -> String {
    match since.as_secs() {
        0..60 => "<1 min".to_owned(),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn apart(row: &Row) -> Option<String> {
    match row.apart {
        Some((0, 0)) | None => None,
        Some((ahead, 0)) => Some(format!("+{ahead}")),
        Some((0, behind)) => Some(format!("-{behind}")),
        Some((ahead, behind)) => Some(format!("+{ahead} -{behind}")),
    }
}

pub(super) fn shown(text: &str) -> String {
    Printable(text).to_string()
}
