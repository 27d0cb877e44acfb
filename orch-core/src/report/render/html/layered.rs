//! A drawing of a small graph in layers, from left to right.
//!
//! The way of Sugiyama, Tagawa and Toda (1981): a dependency that passes levels gets a waypoint on each of them; the order
//! within a level follows the barycentres of the neighbours, forth and back, and the order with the fewest crossings
//! stays; heights are then pulled towards the neighbours as far as the order and the distances allow.
//!
//! It knows numbers only: no tasks, no names, no colours.

mod order;
mod place;

/// The most tasks that are drawn one by one. More is no picture but a knot.
pub(super) const MOST_TASKS: usize = 300;
/// The most levels; above, a drawing is a line that nobody scrolls along.
const MOST_LEVELS: usize = 60;
/// The most waypoints.
const MOST_POINTS: usize = 6_000;

/// Distances in CSS pixels.
const NODE_HEIGHT: f64 = 30.0;
const NODE_GAP: f64 = 12.0;
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
    /// The left end of each task's box, in the middle of its height.
    pub(super) nodes: Vec<Point>,
    /// The width of each task's box.
    pub(super) widths: Vec<f64>,
    /// The points through which each dependency goes, from the right end of one box to the left end of the other.
    pub(super) edges: Vec<Vec<Point>>,
}

impl Layout {
    /// The height of every task's box.
    pub(super) const NODE_HEIGHT: f64 = NODE_HEIGHT;
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

/// Lays out tasks on their levels, or answers nothing if there are too many to see.
///
/// `levels` and `widths` have one entry a task; each dependency goes from a lower to a higher level.
pub(super) fn layout(levels: &[usize], widths: &[f64], edges: &[(usize, usize)]) -> Option<Layout> {
    let height = levels.iter().max().map_or(0, |last| last + 1);
    if levels.len() > MOST_TASKS || height > MOST_LEVELS {
        return None;
    }
    let level_of = |task: usize| levels.get(task).copied().unwrap_or(0);
    let half = (NODE_HEIGHT + NODE_GAP) / 2.0;
    let mut spots: Vec<Spot> = levels.iter().map(|&level| Spot { level, half, ..Spot::default() }).collect();
    let mut chains = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let mut chain = vec![from];
        for level in level_of(from) + 1..level_of(to) {
            chain.push(spots.len());
            spots.push(Spot { level, half: WAY_GAP / 2.0, is_way: true, ..Spot::default() });
            if spots.len() > MOST_POINTS {
                return None;
            }
        }
        chain.push(to);
        for pair in chain.windows(2) {
            let &[a, b] = pair else { continue };
            spots.get_mut(a)?.after.push(b);
            spots.get_mut(b)?.before.push(a);
        }
        chains.push(chain);
    }
    let rows = order::order(&spots, height);
    let (ys, total) = place::heights(&spots, &rows);
    let (lefts, level_widths, right) = columns(levels, widths, height);
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
    Some(Layout { width: right + MARGIN, height: total + 2.0 * MARGIN, nodes, widths, edges })
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
        assert!((way[1].y - drawn.nodes[1].y).abs() >= (NODE_HEIGHT + NODE_GAP + WAY_GAP) / 2.0 - 1e-9, "{way:?}");
    }

    #[test]
    fn too_much_is_not_drawn() {
        assert!(layout(&[0; MOST_TASKS + 1], &[100.0; MOST_TASKS + 1], &[]).is_none());
        let levels: Vec<usize> = (0..=MOST_LEVELS).collect();
        assert!(layout(&levels, &vec![9.0; levels.len()], &[]).is_none());
        assert!(layout(&[], &[], &[]).is_some());
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
                prop_assert!(at.y >= NODE_HEIGHT / 2.0 && at.y <= drawn.height - NODE_HEIGHT / 2.0);
                prop_assert!(at.x >= 0.0 && at.x + drawn.widths[a] <= drawn.width);
                for (b, other) in drawn.nodes.iter().enumerate().skip(a + 1) {
                    if levels[a] == levels[b] {
                        prop_assert!((at.y - other.y).abs() >= NODE_HEIGHT + NODE_GAP - 1e-6);
                    }
                }
            }
            for (edge, points) in edges.iter().zip(&drawn.edges) {
                prop_assert_eq!(points.len(), 2 * (levels[edge.1] - levels[edge.0]));
                prop_assert!(points.is_sorted_by(|a, b| a.x <= b.x));
            }
        }
    }
}
