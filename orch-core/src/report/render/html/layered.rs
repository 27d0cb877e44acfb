//! A drawing of a small graph in layers, from left to right.
//!
//! The way of Sugiyama, Tagawa and Toda (1981): a dependency that passes levels gets a waypoint on each of them; the order
//! within a level follows the barycentres of the neighbours, forth and back, and the order with the fewest crossings
//! stays; heights are then pulled towards the neighbours as far as the order and the distances allow. Two things of our
//! own make real graphs calmer: a task is drawn just before what needs it, not where it could run first, and long
//! dependencies from or to the same task go together until they must part.
//!
//! It knows numbers only: no tasks, no names, no colours.

mod order;
mod place;

use std::collections::{HashMap, HashSet};

/// The most tasks that are drawn one by one. More is no picture but a knot.
pub(super) const MOST_TASKS: usize = 300;
/// The most levels; above, a drawing is a line that nobody scrolls along.
const MOST_LEVELS: usize = 60;
/// The most tasks on one level.
const MOST_ON_LEVEL: usize = 40;
/// The most points of all dependencies together.
const MOST_POINTS: usize = 8_000;
/// From so many tasks on one level, the boxes are smaller.
const MANY_ON_LEVEL: usize = 16;

/// Distances in CSS pixels.
const NODE: (f64, f64) = (30.0, 12.0);
const SMALL_NODE: (f64, f64) = (24.0, 6.0);
const WAY_GAP: f64 = 10.0;
const LEVEL_GAP: f64 = 56.0;
const MARGIN: f64 = 8.0;

/// A point of the drawing, in CSS pixels from the top left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The height of every task's box.
    pub(super) node_height: f64,
    /// The left end of each task's box, in the middle of its height.
    pub(super) nodes: Vec<Point>,
    /// The width of each task's box.
    pub(super) widths: Vec<f64>,
    /// The points through which each dependency goes, from the right end of one box to the left end of the other.
    pub(super) edges: Vec<Vec<Point>>,
}

/// One place in a level: a task, or a waypoint of a dependency.
#[derive(Debug, Clone, Default)]
struct Spot {
    level: usize,
    /// Half its height and half of the distance to the next.
    half: f64,
    before: Vec<usize>,
    after: Vec<usize>,
    is_way: bool,
}

/// Lays out tasks, or answers nothing if there are too many to see.
///
/// `levels` and `widths` have one entry a task; each dependency goes from a lower to a higher level.
pub(super) fn layout(levels: &[usize], widths: &[f64], edges: &[(usize, usize)]) -> Option<Layout> {
    let height = levels.iter().max().map_or(0, |last| last + 1);
    if levels.len() > MOST_TASKS || height > MOST_LEVELS {
        return None;
    }
    let levels = late(levels, edges);
    let mut crowd = vec![0; height];
    levels.iter().filter_map(|&level| crowd.get_mut(level).map(|count| *count += 1)).count();
    let most = crowd.into_iter().max().unwrap_or(0);
    if most > MOST_ON_LEVEL {
        return None;
    }
    let (node_height, gap) = if most > MANY_ON_LEVEL { SMALL_NODE } else { NODE };
    let half = (node_height + gap) / 2.0;
    let mut spots: Vec<Spot> = levels.iter().map(|&level| Spot { level, half, ..Spot::default() }).collect();
    let chains = chains(&mut spots, edges)?;
    let rows = order::order(&spots, height);
    let (ys, total) = place::heights(&spots, &rows);
    let (lefts, level_widths, right) = columns(&levels, widths, height);
    let y = |spot: usize| ys.get(spot).copied().unwrap_or_default() + MARGIN;
    let nodes: Vec<Point> = levels
        .iter()
        .enumerate()
        .map(|(task, &level)| Point { x: lefts.get(level).copied().unwrap_or_default(), y: y(task) })
        .collect();
    // Boxes of one level are as wide as the widest, so that the arrows begin and end in line.
    let widths: Vec<f64> = levels.iter().map(|&level| level_widths.get(level).copied().unwrap_or_default()).collect();
    let edges = chains
        .iter()
        .map(|chain| {
            let mut points = Vec::with_capacity(2 * chain.len());
            for (nth, &spot) in chain.iter().enumerate() {
                let level = spots.get(spot).map_or(0, |spot| spot.level);
                let left = lefts.get(level).copied().unwrap_or_default();
                let right = left + level_widths.get(level).copied().unwrap_or_default();
                if nth > 0 {
                    points.push(Point { x: left, y: y(spot) });
                }
                if nth + 1 < chain.len() {
                    points.push(Point { x: right, y: y(spot) });
                }
            }
            points
        })
        .collect();
    Some(Layout { width: right + MARGIN, height: total + 2.0 * MARGIN, node_height, nodes, widths, edges })
}

/// Moves each task that has more after it than before it to just before the first of those.
fn late(levels: &[usize], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut late = levels.to_vec();
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by_key(|&task| std::cmp::Reverse(levels.get(task)));
    for task in order {
        let before = edges.iter().filter(|edge| edge.1 == task).count();
        let after = || edges.iter().filter(|edge| edge.0 == task).filter_map(|edge| late.get(edge.1));
        if let Some(first) = after().min().copied()
            && after().count() > before
            && let Some(level) = late.get_mut(task)
        {
            *level = first.saturating_sub(1).max(*level);
        }
    }
    late
}

/// The places that each dependency goes through, its ends included; adds the waypoints to `spots`.
fn chains(spots: &mut Vec<Spot>, edges: &[(usize, usize)]) -> Option<Vec<Vec<usize>>> {
    let levels = |spots: &[Spot], from: usize, to: usize| Some(spots.get(from)?.level + 1..spots.get(to)?.level);
    let mut long_from: HashMap<usize, usize> = HashMap::new();
    let mut long_to: HashMap<usize, usize> = HashMap::new();
    for &(from, to) in edges {
        let passed = usize::from(!levels(spots, from, to)?.is_empty());
        *long_from.entry(from).or_default() += passed;
        *long_to.entry(to).or_default() += passed;
    }
    let mut points = 0;
    let mut shared: HashMap<(usize, usize, bool), usize> = HashMap::new();
    let mut joined = HashSet::new();
    let mut chains = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let with_source = long_from.get(&from) >= long_to.get(&to);
        let levels = levels(spots, from, to)?;
        points += levels.len() + 2;
        if points > MOST_POINTS {
            return None;
        }
        let mut chain = vec![from];
        for level in levels {
            let key = (if with_source { from } else { to }, level, with_source);
            chain.push(*shared.entry(key).or_insert_with(|| {
                spots.push(Spot { level, half: WAY_GAP / 2.0, is_way: true, ..Spot::default() });
                spots.len() - 1
            }));
        }
        chain.push(to);
        for pair in chain.windows(2) {
            let &[a, b] = pair else { continue };
            if joined.insert((a, b)) {
                spots.get_mut(a)?.after.push(b);
                spots.get_mut(b)?.before.push(a);
            }
        }
        chains.push(chain);
    }
    Some(chains)
}

/// The left end and the width of each level, and the right end of the last.
fn columns(levels: &[usize], widths: &[f64], height: usize) -> (Vec<f64>, Vec<f64>, f64) {
    let mut widest = vec![0.0f64; height];
    for (&level, &width) in levels.iter().zip(widths) {
        if let Some(most) = widest.get_mut(level) {
            *most = most.max(width);
        }
    }
    let mut left = MARGIN;
    let lefts = widest
        .iter()
        .map(|width| {
            let here = left;
            left += width + LEVEL_GAP;
            here
        })
        .collect();
    (lefts, widest, (left - LEVEL_GAP).max(MARGIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lay(levels: &[usize], edges: &[(usize, usize)]) -> Layout {
        layout(levels, &vec![100.0; levels.len()], edges).unwrap()
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let drawn = lay(&[0, 1, 2], &[(0, 1), (1, 2)]);
        let ys: Vec<f64> = drawn.nodes.iter().map(|point| point.y).collect();
        assert_eq!(ys, [29.0, 29.0, 29.0]);
        assert_eq!(drawn.edges[1], [Point { x: 264.0, y: 29.0 }, Point { x: 320.0, y: 29.0 }]);
        assert_eq!(drawn.width, 428.0);
    }

    #[test]
    fn a_diamond_is_symmetric() {
        let drawn = lay(&[0, 1, 1, 2], &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        let ys: Vec<f64> = drawn.nodes.iter().map(|point| point.y).collect();
        assert_eq!((ys[0], ys[3]), ((ys[1] + ys[2]) / 2.0, ys[0]));
    }

    #[test]
    fn a_long_dependency_goes_round_the_task_between() {
        let drawn = lay(&[0, 1, 2], &[(0, 1), (1, 2), (0, 2)]);
        let way = &drawn.edges[2];
        assert_eq!(way.len(), 4);
        assert!((way[1].y - drawn.nodes[1].y).abs() >= (NODE.0 + NODE.1 + WAY_GAP) / 2.0 - 1e-9, "{way:?}");
    }

    #[test]
    fn too_much_is_not_drawn() {
        assert!(layout(&[0; MOST_TASKS + 1], &[100.0; MOST_TASKS + 1], &[]).is_none());
        assert!(layout(&[0; MOST_ON_LEVEL + 1], &[100.0; MOST_ON_LEVEL + 1], &[]).is_none());
        let levels: Vec<usize> = (0..=MOST_LEVELS).collect();
        assert!(layout(&levels, &vec![9.0; levels.len()], &[]).is_none());
        let dense: Vec<(usize, usize)> =
            (0..300).flat_map(|b| (0..b).map(move |a| (a, b))).filter(|(a, b)| a / 10 < b / 10).collect();
        let levels: Vec<usize> = (0..300).map(|task| task / 10).collect();
        assert!(layout(&levels, &[9.0; 300], &dense).is_none());
        assert!(layout(&[], &[], &[]).is_some());
    }

    #[test]
    fn a_task_is_drawn_just_before_what_needs_it() {
        assert_eq!(late(&[0, 1, 2, 0, 0], &[(0, 1), (1, 2), (3, 2)]), [0, 1, 2, 1, 0]);
    }

    #[test]
    fn long_dependencies_of_one_task_go_together() {
        let drawn = lay(&[0, 1, 2, 3, 3], &[(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)]);
        assert_eq!(drawn.edges[3][..4], drawn.edges[4][..4]);
        assert_ne!(drawn.edges[3][5], drawn.edges[4][5]);
    }

    proptest! {
        #[test]
        fn boxes_do_not_overlap_and_stay_inside(
            levels in prop::collection::vec(0usize..6, 1..40),
            picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..80),
        ) {
            let edges: Vec<(usize, usize)> = picks
                .iter()
                .map(|(a, b)| (a.index(levels.len()), b.index(levels.len())))
                .filter(|&(a, b)| levels[a] < levels[b])
                .collect();
            let drawn = lay(&levels, &edges);
            for (a, at) in drawn.nodes.iter().enumerate() {
                let node = drawn.node_height;
                prop_assert!(at.y >= node / 2.0 && at.y <= drawn.height - node / 2.0);
                prop_assert!(at.x >= 0.0 && at.x + drawn.widths[a] <= drawn.width);
                for other in drawn.nodes.iter().skip(a + 1) {
                    if at.x == other.x {
                        prop_assert!((at.y - other.y).abs() >= node + SMALL_NODE.1 - 1e-6);
                    }
                }
            }
            for (edge, points) in edges.iter().zip(&drawn.edges) {
                prop_assert!(points.is_sorted_by(|a, b| a.x <= b.x));
                let [from, to] = [drawn.nodes[edge.0], drawn.nodes[edge.1]];
                prop_assert_eq!(points.first(), Some(&Point { x: from.x + drawn.widths[edge.0], y: from.y }));
                prop_assert_eq!(points.last(), Some(&to));
            }
        }
    }
}
