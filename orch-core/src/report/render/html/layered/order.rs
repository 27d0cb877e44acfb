//! The order within each level.

use super::Spot;

/// How often the levels are swept, forth and back in turn. Crossings hardly fall after a dozen.
const SWEEPS: usize = 16;

/// The spots of each level, in the order that crossed least.
pub(super) fn order(spots: &[Spot], height: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); height];
    for (ix, spot) in spots.iter().enumerate() {
        if let Some(row) = rows.get_mut(spot.level) {
            row.push(ix);
        }
    }
    let mut best = rows.clone();
    let mut fewest = crossings(spots, &rows);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let forth = sweep % 2 == 0;
        let mut places = places(spots.len(), &rows);
        let mut levels: Vec<&mut Vec<usize>> = rows.iter_mut().collect();
        if !forth {
            levels.reverse();
        }
        for row in levels {
            sort_by_neighbours(spots, row, &places, forth);
            for (place, &ix) in row.iter().enumerate() {
                if let Some(slot) = places.get_mut(ix) {
                    *slot = place as f64;
                }
            }
        }
        let now = crossings(spots, &rows);
        if now < fewest {
            fewest = now;
            best.clone_from(&rows);
        }
    }
    best
}

/// Sorts a level by the mean place of its neighbours on the level before; those without one keep their place.
fn sort_by_neighbours(spots: &[Spot], row: &mut Vec<usize>, places: &[f64], forth: bool) {
    let mut keyed: Vec<(f64, usize)> = row
        .iter()
        .map(|&ix| {
            let neighbours = spots.get(ix).map_or(&[][..], |spot| if forth { &spot.before } else { &spot.after });
            let place = |ix: &usize| places.get(*ix).copied().unwrap_or_default();
            let sum: f64 = neighbours.iter().map(place).sum();
            (if neighbours.is_empty() { place(&ix) } else { sum / neighbours.len() as f64 }, ix)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    *row = keyed.into_iter().map(|(_, ix)| ix).collect();
}

fn places(count: usize, rows: &[Vec<usize>]) -> Vec<f64> {
    let mut places = vec![0.0; count];
    for row in rows {
        for (place, &ix) in row.iter().enumerate() {
            if let Some(slot) = places.get_mut(ix) {
                *slot = place as f64;
            }
        }
    }
    places
}

/// How many pairs of lines cross: the inversions between neighbouring levels, counted with a Fenwick tree.
pub(super) fn crossings(spots: &[Spot], rows: &[Vec<usize>]) -> u64 {
    let places = places(spots.len(), rows);
    let place = |ix: usize| places.get(ix).map_or(0, |&place| place as usize);
    let mut sum = 0;
    for pair in rows.windows(2) {
        let [from, to] = pair else { continue };
        let mut tree = vec![0u64; to.len() + 1];
        let mut inserted = 0;
        for &ix in from {
            let mut ends: Vec<usize> =
                spots.get(ix).map_or(&[][..], |spot| &spot.after).iter().map(|&to| place(to)).collect();
            ends.sort_unstable();
            for &end in &ends {
                sum += inserted - up_to(&tree, end + 1);
            }
            for &end in &ends {
                insert(&mut tree, end + 1);
            }
            inserted += ends.len() as u64;
        }
    }
    sum
}

fn up_to(tree: &[u64], mut at: usize) -> u64 {
    let mut sum = 0;
    while at > 0 {
        sum += tree.get(at).copied().unwrap_or(0);
        at &= at - 1;
    }
    sum
}

fn insert(tree: &mut [u64], mut at: usize) {
    while let Some(slot) = tree.get_mut(at) {
        *slot += 1;
        at += at & at.wrapping_neg();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn two_levels(left: usize, right: usize, edges: &[(usize, usize)]) -> Vec<Spot> {
        let mut spots = vec![Spot { level: 0, ..Spot::default() }; left];
        spots.extend(vec![Spot { level: 1, ..Spot::default() }; right]);
        for &(a, b) in edges {
            spots[a].after.push(left + b);
            spots[left + b].before.push(a);
        }
        spots
    }

    #[test]
    fn a_knot_that_can_be_untied_is() {
        let spots = two_levels(4, 4, &[(0, 3), (1, 2), (2, 1), (3, 0)]);
        let rows = order(&spots, 2);
        assert_eq!(crossings(&spots, &rows), 0, "{rows:?}");
    }

    proptest! {
        #[test]
        fn crossings_are_counted_as_by_hand(edges in prop::collection::btree_set((0usize..6, 0usize..6), 0..20)) {
            let edges: Vec<(usize, usize)> = edges.into_iter().collect();
            let spots = two_levels(6, 6, &edges);
            let by_hand = edges
                .iter()
                .flat_map(|a| edges.iter().map(move |b| (a, b)))
                .filter(|(a, b)| a.0 < b.0 && a.1 > b.1)
                .count();
            prop_assert_eq!(crossings(&spots, &[(0..6).collect(), (6..12).collect()]), by_hand as u64);
        }
    }
}
