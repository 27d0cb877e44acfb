//! Worktrees as a person sees them.

use std::time::Duration;

use console::measure_text_width;
use serde_json::Value;

use crate::{
    cli::{store::ago, streams::Paint},
    ext::worktree::{GateReport, Overview, Row, State},
    id::Printable,
};

/// A table: worktree, status, branch, last use, task. What does not fit is cut at its end.
pub(super) fn overview(overview: &Overview, paint: Paint, room: usize) -> String {
    let heads = ["WORKTREE", "STATUS", "BRANCH", "COMMITS", "LAST USE", "TASK"];
    let mut rows: Vec<[String; 6]> = vec![heads.map(str::to_owned)];
    for row in &overview.rows {
        rows.push([
            text(&row.known.name()),
            row.states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" "),
            row.known.git.branch.as_deref().map_or_else(|| "(detached)".to_owned(), text),
            apart(row),
            row.used.map(|used| ago(Duration::from_millis(overview.at.0.saturating_sub(used.0)))).unwrap_or_default(),
            task(row),
        ]);
    }
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for (nth, cells) in rows.iter().enumerate() {
        let mut line = String::new();
        let mut used = 0;
        for (column, cell) in cells.iter().enumerate() {
            let wide = widths.get(column).copied().unwrap_or(0);
            if wide == 0 || used >= room {
                continue;
            }
            let cut = cut(cell, room.saturating_sub(used));
            let pad = " ".repeat(wide.saturating_sub(measure_text_width(&cut)));
            let states = overview.rows.get(nth.wrapping_sub(1)).map(|row| &row.states[..]).unwrap_or_default();
            let painted = match (nth, column) {
                (0, _) => paint.dim(&cut),
                (_, 0) => paint.strong(&cut),
                (_, 1) => status(&cut, states, paint),
                _ => cut,
            };
            line += &format!("{painted}{pad}  ");
            used += wide + 2;
        }
        out += line.trim_end();
        out.push('\n');
    }
    for row in overview.rows.iter().filter(|row| row.main_state == "would_conflict") {
        let into = overview.default_branch.as_ref().map_or("", |branch| branch.as_str());
        out += &format!("{} {} conflicts with {into}\n", paint.warn("!"), text(&row.known.name()));
    }
    for conflict in &overview.conflicts {
        let paths = conflict.paths.iter().take(3).map(|path| text(path)).collect::<Vec<_>>().join(", ");
        let more =
            if conflict.paths.len() > 3 { format!(" and {} more", conflict.paths.len() - 3) } else { String::new() };
        out += &format!(
            "{} {} conflicts with {}: {paths}{more}\n",
            paint.warn("!"),
            text(&conflict.one),
            text(&conflict.other)
        );
    }
    out
}

fn status(text: &str, states: &[State], paint: Paint) -> String {
    if states.iter().any(|state| matches!(state, State::Conflicting | State::Prunable)) {
        paint.bad(text)
    } else if states.iter().any(|state| matches!(state, State::Dirty | State::Stale)) {
        paint.warn(text)
    } else if states.contains(&State::Active) {
        paint.good(text)
    } else {
        text.to_owned()
    }
}

fn text(text: &str) -> String {
    Printable(text).to_string()
}

fn apart(row: &Row) -> String {
    match row.apart {
        Some((0, 0)) | None => String::new(),
        Some((ahead, 0)) => format!("+{ahead}"),
        Some((0, behind)) => format!("-{behind}"),
        Some((ahead, behind)) => format!("+{ahead} -{behind}"),
    }
}

fn task(row: &Row) -> String {
    let record = row.known.record.as_ref();
    let task = row.holder.as_ref().and_then(|it| it.task.clone()).or_else(|| record.and_then(|it| it.task.clone()));
    let agent = row.holder.as_ref().and_then(|it| it.agent.clone()).or_else(|| record.and_then(|it| it.agent.clone()));
    let purpose = record.and_then(|it| it.purpose.clone());
    let size = row.bytes.map(|bytes| format!("{} MiB", bytes.div_ceil(1024 * 1024)));
    let who = match (task, agent) {
        (Some(task), Some(agent)) => Some(format!("{} ({})", text(&task), text(&agent))),
        (Some(task), None) => Some(text(&task)),
        (None, _) => purpose.map(|purpose| text(&purpose)),
    };
    [who, size].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn cut(text: &str, room: usize) -> String {
    if measure_text_width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for char in text.chars() {
        if measure_text_width(&out) + 2 > room {
            break;
        }
        out.push(char);
    }
    out.push('…');
    out
}

/// The health report.
pub(super) fn health(health: &Value, paint: Paint) -> String {
    let mut out = format!("{} worktrees\n", health.get("total_worktrees").unwrap_or(&Value::Null));
    for row in health.get("worktrees").and_then(Value::as_array).into_iter().flatten() {
        let get = |key: &str| {
            row.get(key)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .unwrap_or_default()
        };
        let health = get("health");
        let painted = if health == "good" { paint.good("good") } else { paint.warn("needs attention") };
        out += &format!("{}  {painted}\n", text(&get("path")));
        out += &format!(
            "  {}, {}, behind {}, {} uncommitted, last commit {}\n",
            text(&get("branch")),
            get("status"),
            get("behind_main"),
            get("uncommitted_changes"),
            text(&get("last_commit")),
        );
    }
    out
}

/// What came in and what did not.
pub(super) fn gate(report: &GateReport, dry: bool, paint: Paint) -> String {
    let would = if dry { "would come" } else { "came" };
    let mut out = String::new();
    for came in &report.merged {
        out += &format!(
            "{} {} {would} into {} as {}\n",
            paint.good("✓"),
            text(&came.name),
            text(&report.into),
            came.as_commit.short()
        );
    }
    for stayed in &report.refused {
        out += &format!("{} {} stays out: {}\n", paint.bad("✗"), text(&stayed.name), stayed.why);
        for path in stayed.paths.iter().take(20) {
            out += &format!("    {}\n", text(path));
        }
    }
    out += &format!(
        "{} of {} in {}\n",
        report.merged.len(),
        report.merged.len() + report.refused.len(),
        text(&report.into)
    );
    out
}
