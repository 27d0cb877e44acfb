//! The graph: task by task where that can be seen, else level by level.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    layered::{self, Layout, Point},
    scene::{Mark, Scene},
    text,
};
use crate::id::TaskIx;

/// The most columns of a name in a box.
const MOST_COLUMNS: usize = 26;
/// The width of a box around its name, in CSS pixels.
const BOX: f64 = 42.0;
/// The most rows of the picture by levels.
const MOST_LEVELS: usize = 60;

/// What the template draws: exactly one of the two.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    picture: Option<Picture>,
    levels: Vec<Level>,
}

#[derive(Debug, Serialize)]
struct Picture {
    width: f64,
    height: f64,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

#[derive(Debug, Serialize)]
struct Node {
    task: usize,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    label: String,
    name: String,
    mark: &'static str,
    critical: bool,
    /// Its turn among those that were undone, from 1, and what became of it.
    undo: Option<(usize, &'static str)>,
}

#[derive(Debug, Serialize)]
struct Edge {
    from: usize,
    to: usize,
    path: String,
    critical: bool,
}

/// Neighbouring levels of a graph that is too large to draw.
#[derive(Debug, Serialize)]
struct Level {
    label: String,
    /// How many tasks, and how many of them did something else than succeed.
    count: String,
    /// The share of the widest row, in percent.
    width: f64,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    mark: &'static str,
    count: usize,
}

pub(super) fn drawing(scene: &Scene<'_>, critical: &[bool]) -> Drawing {
    match picture(scene, critical) {
        Some(picture) => Drawing { picture: Some(picture), levels: Vec::new() },
        None => Drawing { picture: None, levels: levels(scene) },
    }
}

fn picture(scene: &Scene<'_>, critical: &[bool]) -> Option<Picture> {
    let graph = scene.graph;
    if graph.len() > layered::MOST_TASKS {
        return None;
    }
    let edges: Vec<(usize, usize)> =
        graph.indices().flat_map(|to| graph.parents(to).map(move |from| (from.index(), to.index()))).collect();
    let labels: Vec<String> = (0..graph.len()).map(|task| scene.label(task, MOST_COLUMNS)).collect();
    let widths: Vec<f64> = labels.iter().map(|label| BOX + width(label)).collect();
    let Layout { width, height, node_height, nodes, widths, edges: ways } =
        layered::layout(&scene.levels, &widths, &edges)?;
    let is_critical = |task: usize| critical.get(task).copied().unwrap_or(false);
    let boxes = graph.indices().map(TaskIx::index).zip(labels).zip(nodes.iter().zip(widths));
    let node = |((task, label), (at, width)): ((usize, String), (&Point, f64))| {
        let mark = scene.marks.get(task).copied().unwrap_or(Mark::Pending).word();
        let id = graph.tasks().get(task).map_or("", |task| task.id().as_str());
        Node {
            task,
            x: round(at.x),
            y: round(at.y - node_height / 2.0),
            width: round(width),
            height: node_height,
            name: format!("{}, {mark}", text::line(id, 200)),
            label,
            mark,
            critical: is_critical(task),
            undo: scene.undone.as_ref().and_then(|undone| {
                let turn = undone.steps.iter().position(|step| step.task == task)?;
                Some((turn + 1, undone.steps.get(turn)?.mark.word()))
            }),
        }
    };
    // Only steps that follow each other on the path are its edges, not every edge between two of its tasks.
    let steps: Vec<(usize, usize)> =
        scene.path.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
    let edge = |(&(from, to), points): (&(usize, usize), &Vec<Point>)| Edge {
        from,
        to,
        path: curve(points),
        critical: steps.contains(&(from, to)),
    };
    let mut edges: Vec<Edge> = edges.iter().zip(&ways).map(edge).collect();
    // What is drawn last lies on top.
    edges.sort_by_key(|edge| edge.critical);
    Some(Picture { width: width.ceil(), height: height.ceil(), nodes: boxes.map(node).collect(), edges })
}

/// About how wide a name is, in CSS pixels: by the widest of the fonts that systems have.
fn width(label: &str) -> f64 {
    let letter = |char: char| match char {
        'i' | 'j' | 'l' | 't' | 'f' | 'I' | '.' | ',' | ':' | ';' | '!' | '|' | '\'' | ' ' | '(' | ')' => 5.0,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 12.0,
        'A'..='Z' | '…' | '_' | '<' | '>' | '=' | '+' => 9.0,
        _ => 7.8 * text::columns(char.encode_utf8(&mut [0; 4])) as f64,
    };
    label.chars().map(letter).sum()
}

/// A smooth line that leaves and meets every point level.
fn curve(points: &[Point]) -> String {
    let mut path = String::new();
    let mut last: Option<Point> = None;
    for point in points {
        match last {
            None => path += &format!("M{:.1} {:.1}", point.x, point.y),
            Some(last) if (last.y - point.y).abs() < 0.05 => path += &format!("H{:.1}", point.x),
            Some(last) => {
                let middle = f64::midpoint(last.x, point.x);
                path += &format!("C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}", last.y, point.y, point.x, point.y);
            }
        }
        last = Some(*point);
    }
    path
}

fn levels(scene: &Scene<'_>) -> Vec<Level> {
    let count = scene.levels.iter().max().map_or(0, |last| last + 1);
    let per_row = count.div_ceil(MOST_LEVELS).max(1);
    let mut rows: BTreeMap<usize, BTreeMap<Mark, usize>> = BTreeMap::new();
    for (level, &mark) in scene.levels.iter().zip(&scene.marks) {
        *rows.entry(level / per_row).or_default().entry(mark).or_default() += 1;
    }
    let sum = |parts: &BTreeMap<Mark, usize>| parts.values().sum::<usize>();
    let widest = rows.values().map(sum).max().unwrap_or(1);
    let level = |(row, parts): (&usize, &BTreeMap<Mark, usize>)| {
        let (first, last) = (row * per_row + 1, ((row + 1) * per_row).min(count));
        Level {
            label: if first == last { first.to_string() } else { format!("{first}–{last}") },
            count: describe(parts),
            width: round(100.0 * sum(parts) as f64 / widest as f64),
            parts: parts.iter().map(|(mark, &count)| Part { mark: mark.word(), count }).collect(),
        }
    };
    rows.iter().map(level).collect()
}

/// `400: 3 failed, 20 cancelled`.
fn describe(parts: &BTreeMap<Mark, usize>) -> String {
    let mut said = text::count(parts.values().sum::<usize>() as u64);
    let notable = parts.iter().filter(|(mark, _)| !matches!(mark, Mark::Succeeded | Mark::Planned));
    for (nth, (mark, &count)) in notable.enumerate() {
        said += if nth == 0 { ": " } else { ", " };
        said += &format!("{} {}", text::count(count as u64), mark.word());
    }
    said
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
