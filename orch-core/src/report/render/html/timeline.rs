//! The timeline: one lane a worker, one bar an attempt.

use std::time::Duration;

use serde::Serialize;

use super::{
    lanes,
    scene::{Attempt, Mark, Scene},
    text,
    ticks::ticks,
};
use crate::report::Short;

/// The most lanes; with more, the lowest are drawn, which are the busiest.
const MOST_LANES: usize = 64;
/// About how many bars a page has room for.
const MOST_BARS: usize = 6_000;
/// The most attempts to undo that are drawn.
const MOST_UNDONE: usize = 500;
/// The points of the curve of how many tasks ran at once.
const CURVE: usize = 240;

/// What the template draws. Places and widths in percent of the whole time.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    ticks: Vec<Tick>,
    lanes: Vec<Vec<Bar>>,
    lanes_left_out: usize,
    /// How tall a lane is: `tall` has room for names.
    size: &'static str,
    /// The outline of how many tasks ran at once, in a box of 1000 by 100.
    curve: Option<String>,
    peak: u32,
    /// The marks that occur, for the key.
    marks: Vec<&'static str>,
    is_joined: bool,
    has_critical: bool,
    /// The attempts to undo, on a lane of their own, and where that begins.
    undo: Vec<Bar>,
    undo_from: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Tick {
    x: f64,
    label: String,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    w: f64,
    mark: &'static str,
    critical: bool,
    /// The task; none for several in one bar.
    task: Option<usize>,
    /// Written on the bar, where it is wide enough to try.
    label: Option<String>,
    /// What a screen reader says.
    name: String,
}

/// An attempt, or several that are too thin to tell apart.
struct Joined {
    start: u64,
    end: u64,
    count: u64,
    mark: Mark,
    critical: bool,
    task: usize,
    number: u32,
}

pub(super) fn timeline(scene: &Scene<'_>, critical: &[bool]) -> Option<Timeline> {
    if scene.attempts.is_empty() {
        return None;
    }
    let total = scene.total.max(1);
    let mut attempts = scene.attempts.clone();
    attempts.sort_by_key(|attempt| attempt.span.start);
    let spans: Vec<lanes::Span> = attempts.iter().map(|attempt| attempt.span).collect();
    let (places, count) = lanes::assign(&spans);
    let shown = (count as usize).min(MOST_LANES);
    // The narrowest bar that is drawn alone.
    let slots = (MOST_BARS / shown.max(1)).clamp(120, 1_000) as u64;
    let thin = total / slots;
    let mut lanes: Vec<Vec<Joined>> = (0..shown).map(|_| Vec::new()).collect();
    for (attempt, &place) in attempts.iter().zip(&places) {
        let Some(lane) = lanes.get_mut(place as usize) else { continue };
        let is_critical = critical.get(attempt.task).copied().unwrap_or(false);
        let (start, end) = (attempt.span.start, attempt.span.end);
        match lane.last_mut() {
            Some(last) if end - last.start <= thin || (last.end - last.start < thin && start == last.start) => {
                last.end = last.end.max(end);
                last.count += 1;
                last.mark = last.mark.min(attempt.mark);
                last.critical |= is_critical;
            }
            _ => lane.push(Joined {
                start,
                end,
                count: 1,
                mark: attempt.mark,
                critical: is_critical,
                task: attempt.task,
                number: attempt.number,
            }),
        }
    }
    let undone: Vec<Attempt> = scene
        .undone
        .iter()
        .flat_map(|undone| &undone.steps)
        .flat_map(|step| &step.attempts)
        .take(MOST_UNDONE)
        .copied()
        .collect();
    let mut marks: Vec<Mark> = attempts.iter().chain(&undone).map(|attempt| attempt.mark).collect();
    marks.sort_unstable();
    marks.dedup();
    Some(Timeline {
        ticks: ticks(scene.total).into_iter().map(|at| Tick { x: percent(at, total), label: clock(at) }).collect(),
        is_joined: lanes.iter().flatten().any(|joined| joined.count > 1),
        has_critical: lanes.iter().flatten().any(|joined| joined.critical),
        lanes: lanes.iter().map(|lane| lane.iter().map(|joined| bar(scene, joined, total)).collect()).collect(),
        lanes_left_out: count as usize - shown,
        size: match shown {
            ..=14 => "tall",
            15..=28 => "low",
            _ => "thin",
        },
        curve: (count > 1).then(|| curve(&spans, total, count)),
        peak: count,
        marks: marks.into_iter().map(Mark::word).collect(),
        undo: undone.iter().map(|attempt| undo_bar(scene, attempt, total)).collect(),
        undo_from: scene.undone.as_ref().filter(|_| !undone.is_empty()).map(|undone| percent(undone.began, total)),
    })
}

fn bar(scene: &Scene<'_>, joined: &Joined, total: u64) -> Bar {
    let (x, w) = (percent(joined.start, total), percent(joined.end - joined.start, total));
    let from = Short(Duration::from_nanos(joined.start));
    let lasted = Short(Duration::from_nanos(joined.end - joined.start));
    let word = joined.mark.word();
    if joined.count > 1 {
        let name = format!("{}, from {from}, {lasted}, {word}", text::counted(joined.count, "attempt"));
        return Bar { x, w, mark: word, critical: joined.critical, task: None, label: None, name };
    }
    let nth = if joined.number > 1 { format!(", attempt {}", joined.number) } else { String::new() };
    Bar {
        x,
        w,
        mark: word,
        critical: joined.critical,
        task: Some(joined.task),
        label: (w > if scene.attempts.len() > 400 { 2.0 } else { 0.4 }).then(|| scene.label(joined.task, 40)),
        name: format!("{}{nth}, {word}, from {from}, {lasted}", scene.label(joined.task, 40)),
    }
}

fn undo_bar(scene: &Scene<'_>, attempt: &Attempt, total: u64) -> Bar {
    let Attempt { task, number, span, mark } = *attempt;
    let joined = Joined { start: span.start, end: span.end, count: 1, mark, critical: false, task, number };
    let bar = bar(scene, &joined, total);
    Bar { name: format!("undo of {}", bar.name), ..bar }
}

/// A round time without the part that says nothing: `12 min`, not `12 min 00 s`.
fn clock(at: u64) -> String {
    let full = Short(Duration::from_nanos(at)).to_string();
    let short = full.strip_suffix(" 00 s").or(full.strip_suffix(" 00 min")).unwrap_or(&full);
    short.replace(".0 ", " ")
}

/// The step curve of how many ran at once, as an SVG path.
fn curve(spans: &[lanes::Span], total: u64, peak: u32) -> String {
    let mut path = String::from("M0 100");
    for (nth, height) in lanes::density(spans, total, CURVE).into_iter().enumerate() {
        let (left, right) = (nth as f64 * 1_000.0 / CURVE as f64, (nth + 1) as f64 * 1_000.0 / CURVE as f64);
        let y = 100.0 - 100.0 * height / f64::from(peak.max(1));
        path += &format!("L{left:.1} {y:.1}L{right:.1} {y:.1}");
    }
    path + "L1000 100Z"
}

fn percent(at: u64, total: u64) -> f64 {
    (at as f64 / total as f64 * 100_000.0).round() / 1_000.0
}
