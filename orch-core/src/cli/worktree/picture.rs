//! The picture of all worktrees at one moment, for a screen of that size.

use std::time::Duration;

use console::measure_text_width;

use super::{
    cells::shown,
    table::{Table, Widths, cut_text},
};
use crate::{
    cli::streams::Paint,
    ext::worktree::{Overview, State},
    units::Usd,
};

/// What there is to show.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// What the repository is called.
    pub(super) title: &'a str,
    pub(super) overview: &'a Overview,
    /// What each worktree has cost, in the order of the overview.
    pub(super) spent: &'a [Option<Usd>],
    /// Why the latest look did not work: then this is an older one.
    pub(super) problem: Option<&'a str>,
    pub(super) interval: Duration,
}

/// What stays from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The first worktree that is shown.
    pub(super) top: usize,
    /// How many were shown.
    pub(super) page: usize,
    size: (usize, usize),
    widths: Widths,
}

/// Draws it: as many lines as the screen has, none wider. The last line is where it says which keys there are.
pub(super) fn draw(show: &Shown<'_>, place: &mut Place, size: (usize, usize), paint: Paint) -> Vec<String> {
    let (width, height) = size;
    if place.size != size {
        // Columns that were wide on a wide screen need not be on a narrow one.
        (place.size, place.widths) = (size, Widths::default());
    }
    let table = Table::of(show.overview, show.spent, true);
    let fit = table.fit(Some(width), &mut place.widths);
    let airy = height >= 12;
    // Title, head of the table, keys; on a screen that has them to spare, empty lines between.
    let frame = 3 + if airy { 2 } else { 0 };
    let alerts = alerts(show.overview, height.saturating_sub(frame), width, paint);
    let page = height.saturating_sub(frame + alerts.len()).max(1);
    place.page = page;
    place.top = place.top.min(table.len().saturating_sub(page));
    let mut lines = vec![title(show, width, paint)];
    lines.extend(airy.then(String::new));
    lines.push(Table::head(&fit, paint));
    lines.extend(table.lines(&fit, paint).skip(place.top).take(page));
    let below = height.saturating_sub(lines.len() + alerts.len() + 1);
    // What a person should look at stands where the table ends; the keys stand at the bottom.
    let gap = usize::from(airy && below > 0);
    lines.extend(std::iter::repeat_n(String::new(), gap));
    lines.extend(alerts);
    lines.extend(std::iter::repeat_n(String::new(), below.saturating_sub(gap)));
    let range = (table.len() > page).then(|| {
        let last = (place.top + page).min(table.len());
        format!("{}-{last} of {}", place.top + 1, table.len())
    });
    lines.push(foot(show, range, width, paint));
    if lines.len() > height {
        // Rather the worktrees than what is around them.
        let keep = lines.iter().skip(lines.len() - height).cloned().collect();
        lines = keep;
    }
    lines
}

/// A text at the left, one at the right where there is room for both, each given with and without its colours.
fn ends(left: (&str, String), right: (&str, String), width: usize) -> String {
    let taken = measure_text_width(left.0) + measure_text_width(right.0);
    if right.0.is_empty() || taken + 2 > width {
        return left.1;
    }
    format!("{}{}{}", left.1, " ".repeat(width - taken), right.1)
}

fn title(show: &Shown<'_>, width: usize, paint: Paint) -> String {
    let count = |state: State| show.overview.rows.iter().filter(|row| row.states.contains(&state)).count();
    let all = show.overview.rows.len();
    let name = cut_text(&shown(show.title), (width / 2).max(8).min(width));
    let total: Usd = show.spent.iter().flatten().copied().sum();
    let spent = if show.spent.iter().any(Option::is_some) { format!("{total} spent") } else { String::new() };
    let plural = if all == 1 { "" } else { "s" };
    let mut plain = name.clone();
    let mut painted = paint.strong(&name);
    let many = format!("{all} worktree{plural}");
    let parts = [
        (many.clone(), many),
        part("●", count(State::Active), "active", |sign| paint.good(sign)),
        part("◐", count(State::Waiting), "waiting", |sign| paint.warn(sign)),
        part("○", count(State::Idle), "idle", |sign| paint.dim(sign)),
    ];
    for (text, colours) in parts.into_iter().filter(|(text, _)| !text.is_empty()) {
        if measure_text_width(&plain) + 3 + measure_text_width(&text) > width {
            break;
        }
        plain += &format!("   {text}");
        painted += &format!("   {colours}");
    }
    ends((&plain, painted), (&spent, spent.clone()), width)
}

/// `● 2 active`, without and with its colour; nothing of nothing.
fn part(sign: &str, many: usize, what: &str, colour: impl Fn(&str) -> String) -> (String, String) {
    if many == 0 {
        return Default::default();
    }
    (format!("{sign} {many} {what}"), format!("{} {many} {what}", colour(sign)))
}

/// What a person should look at, in at most a third of the room.
fn alerts(overview: &Overview, room: usize, width: usize, paint: Paint) -> Vec<String> {
    let alerts = overview.alerts();
    let most = room / 3;
    let shown = if alerts.len() > most { most.saturating_sub(1) } else { alerts.len() };
    let text = |text: &str| match width.checked_sub(2) {
        Some(room @ 1..) => format!("{} {}", paint.warn("!"), cut_text(text, room)),
        _ => cut_text("!", width),
    };
    let mut lines: Vec<String> = alerts.iter().take(shown).map(|alert| text(&alert.to_string())).collect();
    let more = alerts.len() - shown;
    if more > 0 && most > 0 {
        let plural = if more == 1 { "" } else { "s" };
        let all = if shown == 0 { "" } else { " more" };
        lines.push(text(&format!("{more}{all} alert{plural}; `orch worktree list` shows them")));
    }
    lines
}

fn foot(show: &Shown<'_>, range: Option<String>, width: usize, paint: Paint) -> String {
    let at = show.overview.at.to_string();
    let time = at.get(11..19).unwrap_or_default();
    if let Some(problem) = show.problem {
        let text = cut_text(&format!("as of {time}: {}", shown(problem)), width);
        return paint.bad(text);
    }
    let scroll = if range.is_some() { "   ↑↓ scroll" } else { "" };
    let left = cut_text(&format!("q quit   r look now{scroll}"), width);
    let every = format!("every {} s   {time} UTC", Seconds(show.interval));
    let right = range.map_or_else(|| every.clone(), |range| format!("{range}   {every}"));
    ends((&left, paint.dim(&left)), (&right, paint.dim(&right)), width)
}

/// `2`, `0.5`.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis();
        match millis % 1000 {
            0 => write!(f, "{}", millis / 1000),
            part => write!(f, "{}.{}", millis / 1000, format!("{part:03}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests;
