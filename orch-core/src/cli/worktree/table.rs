//! Worktrees as a table that fits where it is shown.

use console::measure_text_width;

use super::cells::{Cell, Tone, cells, shown};
use crate::{cli::streams::Paint, ext::worktree::Overview, units::Usd};

/// Between two columns.
const GAP: usize = 2;

/// What is said of a worktree, in the order in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Worktree,
    Status,
    Branch,
    Commits,
    LastUse,
    Task,
    Agent,
    Size,
    Spend,
}

use Column as C;

impl Column {
    const ALL: [Self; 9] =
        [C::Worktree, C::Status, C::Branch, C::Commits, C::LastUse, C::Task, C::Agent, C::Size, C::Spend];

    /// What goes where there is no room, first to last. What is not named stays.
    const GOES: [Self; 7] = [C::Commits, C::Agent, C::Task, C::Branch, C::Size, C::Spend, C::LastUse];

    /// What is there even if it says nothing of any worktree, where columns must not come and go.
    fn is_fixed(self) -> bool {
        !matches!(self, C::Commits | C::Size)
    }

    fn head(self) -> &'static str {
        match self {
            C::Worktree => "WORKTREE",
            C::Status => "STATUS",
            C::Branch => "BRANCH",
            C::Commits => "COMMITS",
            C::LastUse => "LAST USE",
            C::Task => "TASK",
            C::Agent => "AGENT",
            C::Size => "SIZE",
            C::Spend => "SPEND",
        }
    }

    /// What it can be cut to, in columns of the terminal; figures are not cut.
    fn least(self) -> usize {
        match self {
            C::Worktree => 12,
            C::Status => 14,
            C::Branch | C::Task => 10,
            C::Agent => 6,
            C::Commits | C::LastUse | C::Size | C::Spend => usize::MAX,
        }
    }

    fn is_figure(self) -> bool {
        matches!(self, C::Size | C::Spend)
    }
}

/// Worktrees as a table. What it looks like on a screen is decided when it is asked for its lines.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<[Cell; 9]>,
    /// For a screen: signs for states, and columns that stay.
    live: bool,
}

/// How wide columns were, so that they do not shrink again while one looks.
#[derive(Debug, Default)]
pub(super) struct Widths([usize; 9]);

/// Which columns there are, and how wide.
#[derive(Debug)]
pub(super) struct Fit(Vec<(Column, usize)>);

impl Table {
    /// The worktrees of an overview; `spent` is what each has cost, in the same order.
    pub(super) fn of(overview: &Overview, spent: &[Option<Usd>], live: bool) -> Self {
        let spent = spent.iter().copied().chain(std::iter::repeat(None));
        let rows = overview.rows.iter().zip(spent).map(|(row, spent)| cells(overview, row, spent, live)).collect();
        Self { rows, live }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Chooses columns for that room; `None`: there is room for all.
    pub(super) fn fit(&self, room: Option<usize>, widths: &mut Widths) -> Fit {
        let (mut chosen, mut blank) = (Vec::new(), Vec::new());
        for ((nth, column), known) in Column::ALL.into_iter().enumerate().zip(&mut widths.0) {
            let cells = self.rows.iter().filter_map(|row| row.get(nth));
            let widest = cells.map(width).max().unwrap_or(0);
            let head = measure_text_width(column.head());
            if widest > 0 || *known > 0 || self.live && column.is_fixed() {
                *known = widest.max(head).max(*known);
                chosen.push((column, *known));
            }
            blank.extend((widest == 0).then_some(column));
        }
        if let Some(room) = room {
            narrow(&mut chosen, &blank, room);
        }
        Fit(chosen)
    }

    /// The names of the columns.
    pub(super) fn head(fit: &Fit, paint: Paint) -> String {
        let cell = |column: Column| vec![(Tone::Dim, column.head().to_owned())];
        line(fit.0.iter().map(|(column, width)| (*column, *width, cell(*column))), paint)
    }

    /// The line of a worktree that is there no more.
    pub(super) fn gone(name: &str, fit: &Fit, paint: Paint) -> String {
        let cell = |column: Column| match column {
            C::Worktree => vec![(Tone::Plain, shown(name))],
            C::Status => vec![(Tone::Dim, "removed".to_owned())],
            _ => Vec::new(),
        };
        line(fit.0.iter().map(|(column, width)| (*column, *width, cell(*column))), paint)
    }

    /// A line each.
    pub(super) fn lines<'a>(&'a self, fit: &'a Fit, paint: Paint) -> impl Iterator<Item = String> + 'a {
        self.rows.iter().map(move |row| {
            let cell = |column: Column| row.get(column as usize).cloned().unwrap_or_default();
            line(fit.0.iter().map(|(column, width)| (*column, *width, cell(*column))), paint)
        })
    }
}

/// All of an overview, once: the table, and what a person should look at. Nothing is cut where there is no `room` to keep within.
pub(super) fn overview(
    overview: &Overview,
    spent: &[Option<Usd>],
    live: bool,
    paint: Paint,
    room: Option<usize>,
) -> String {
    let table = Table::of(overview, spent, live);
    let fit = table.fit(room, &mut Widths::default());
    let mut out = Table::head(&fit, paint) + "\n";
    table.lines(&fit, paint).for_each(|line| out += &(line + "\n"));
    for alert in overview.alerts() {
        out += &format!("{} {alert}\n", paint.warn("!"));
    }
    out
}

/// Makes columns fit: first those go in which there is nothing, then those that matter least; then the widest are cut.
fn narrow(columns: &mut Vec<(Column, usize)>, blank: &[Column], room: usize) {
    let gaps = |columns: &[(Column, usize)]| GAP * columns.len().saturating_sub(1);
    let sum = |columns: &[(Column, usize)]| columns.iter().map(|(_, width)| width).sum::<usize>() + gaps(columns);
    let least = |columns: &[(Column, usize)]| {
        columns.iter().map(|(column, width)| column.least().min(*width)).sum::<usize>() + gaps(columns)
    };
    let is_blank = |column: &Column| blank.contains(column) && *column != C::Worktree;
    let mut nothing = C::GOES.into_iter().filter(is_blank);
    while sum(columns) > room
        && let Some(column) = nothing.next()
    {
        columns.retain(|(there, _)| *there != column);
    }
    let mut goes = C::GOES.into_iter().chain([C::Status]);
    while least(columns) > room
        && let Some(column) = goes.next()
    {
        columns.retain(|(there, _)| *there != column);
    }
    let mut over = sum(columns).saturating_sub(room);
    while over > 0 {
        let widest =
            columns.iter_mut().filter(|(column, width)| *width > column.least()).max_by_key(|(_, width)| *width);
        let Some((_, width)) = widest else { break };
        *width -= 1;
        over -= 1;
    }
    if let [(_, width)] = columns.as_mut_slice() {
        *width = (*width).min(room);
    }
}

fn line(cells: impl Iterator<Item = (Column, usize, Cell)>, paint: Paint) -> String {
    let mut out = String::new();
    // What is before the next text, which is not there at the end of a line.
    let mut blank = 0;
    for (column, room, cell) in cells {
        let cell = cut(cell, room);
        let pad = room.saturating_sub(width(&cell));
        let (before, after) = if column.is_figure() { (pad, 0) } else { (0, pad) };
        blank += before;
        for (tone, text) in cell.iter().filter(|(_, text)| !text.is_empty()) {
            out += &" ".repeat(std::mem::take(&mut blank));
            out += &tone.paint(paint, text);
        }
        blank += after + GAP;
    }
    out
}

fn width(cell: &Cell) -> usize {
    cell.iter().map(|(_, text)| measure_text_width(text)).sum()
}

/// Cuts a field, with an ellipsis where something is missing.
fn cut(cell: Cell, room: usize) -> Cell {
    if width(&cell) <= room {
        return cell;
    }
    let mut left = room.saturating_sub(1);
    let mut out = Vec::new();
    for (tone, text) in cell {
        let wide = measure_text_width(&text);
        if wide <= left {
            left -= wide;
            out.push((tone, text));
            continue;
        }
        let mut part = begin(&text, left).trim_end().to_owned();
        part.push_str(if room > 0 { "…" } else { "" });
        out.push((tone, part));
        break;
    }
    out
}

/// Cuts a text, with an ellipsis where something is missing.
pub(super) fn cut_text(text: &str, room: usize) -> String {
    cut(vec![(Tone::Plain, text.to_owned())], room).into_iter().map(|(_, text)| text).collect()
}

/// As much of a text as fits.
fn begin(text: &str, room: usize) -> &str {
    let mut end = 0;
    for (at, char) in text.char_indices() {
        let next = at + char.len_utf8();
        // All of it is measured: what a character takes may depend on the next one.
        if text.get(..next).is_none_or(|part| measure_text_width(part) > room) {
            break;
        }
        end = next;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
