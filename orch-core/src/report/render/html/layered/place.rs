//! How high each spot is drawn.

use super::Spot;

/// How often heights are pulled towards the neighbours, forth and back in turn.
const PULLS: usize = 12;

/// The middle of each spot, from 0 down, and the height of the whole.
pub(super) fn heights(spots: &[Spot], rows: &[Vec<usize>]) -> (Vec<f64>, f64) {
    let mut ys = vec![0.0; spots.len()];
    for row in rows {
        let mut down = 0.0;
        for &ix in row {
            let half = half(spots, ix);
            set(&mut ys, ix, down + half);
            down += 2.0 * half;
        }
    }
    for pull in 0..PULLS {
        // The last pulls look both ways, so that neither side is favoured.
        let (before, after) = if pull + 3 > PULLS { (true, true) } else { (pull % 2 == 0, pull % 2 == 1) };
        let mut sweep: Vec<&Vec<usize>> = rows.iter().collect();
        if pull % 2 == 1 {
            sweep.reverse();
        }
        for row in sweep {
            let wanted: Vec<(f64, f64)> = row.iter().map(|&ix| wanted(spots, &ys, ix, before, after)).collect();
            let halves: Vec<f64> = row.iter().map(|&ix| half(spots, ix)).collect();
            for (&ix, y) in row.iter().zip(nearest(&wanted, &halves)) {
                set(&mut ys, ix, y);
            }
        }
    }
    let height = close_gaps(spots, &mut ys);
    (ys, height)
}

/// Moves everything up as far as there is nothing on any level, and answers the height that is left.
fn close_gaps(spots: &[Spot], ys: &mut [f64]) -> f64 {
    let mut order: Vec<usize> = (0..ys.len()).collect();
    let top = |ys: &[f64], ix: usize| ys.get(ix).copied().unwrap_or_default() - half(spots, ix);
    order.sort_by(|&a, &b| top(ys, a).total_cmp(&top(ys, b)));
    let mut shift = None;
    let mut bottom = 0.0f64;
    for ix in order {
        let here = top(ys, ix);
        let shift = shift.get_or_insert(here);
        *shift = shift.max(here - bottom);
        let y = here - *shift + half(spots, ix);
        set(ys, ix, y);
        bottom = bottom.max(y + half(spots, ix));
    }
    bottom
}

fn half(spots: &[Spot], ix: usize) -> f64 {
    spots.get(ix).map_or(0.0, |spot| spot.half)
}

fn set(ys: &mut [f64], ix: usize, to: f64) {
    if let Some(y) = ys.get_mut(ix) {
        *y = to;
    }
}

/// Where a spot would like to be, and how much it insists: waypoints pull hard, so that long lines are straight.
fn wanted(spots: &[Spot], ys: &[f64], ix: usize, before: bool, after: bool) -> (f64, f64) {
    let here = ys.get(ix).copied().unwrap_or_default();
    let Some(spot) = spots.get(ix) else { return (here, 1.0) };
    let sides = [(before, &spot.before), (after, &spot.after)];
    let neighbours = sides.iter().filter(|(looks, _)| *looks).flat_map(|(_, side)| side.iter());
    let (sum, count) =
        neighbours.fold((0.0, 0), |(sum, count), &ix| (sum + ys.get(ix).copied().unwrap_or(here), count + 1));
    if count == 0 {
        return (here, 0.1);
    }
    (sum / f64::from(count), if spot.is_way { 8.0 } else { 1.0 })
}

/// The heights nearest to the wanted ones (by weighted squares) that keep the order and the distances: a regression
/// under an order, solved by pooling neighbours that want to pass each other.
fn nearest(wanted: &[(f64, f64)], halves: &[f64]) -> Vec<f64> {
    // With the distances taken off, "keeps its distance" is "does not fall", and a pool is at one height.
    let mut offset = 0.0;
    let offsets: Vec<f64> = halves
        .iter()
        .map(|half| {
            let here = offset + half;
            offset += 2.0 * half;
            here
        })
        .collect();
    // Each pool: weighted sum, weight, members.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&(want, weight), offset) in wanted.iter().zip(&offsets) {
        let mut pool = ((want - offset) * weight, weight, 1);
        while let Some(&(sum, weight, members)) = pools.last() {
            if sum / weight < pool.0 / pool.1 {
                break;
            }
            pool = (pool.0 + sum, pool.1 + weight, pool.2 + members);
            pools.pop();
        }
        pools.push(pool);
    }
    let levels = pools.iter().flat_map(|&(sum, weight, members)| std::iter::repeat_n(sum / weight, members));
    levels.zip(&offsets).map(|(level, offset)| level + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_bands_are_closed() {
        let spot = |level| Spot { level, half: 5.0, ..Spot::default() };
        let mut ys = [20.0, 23.0, 90.0];
        assert_eq!(close_gaps(&[spot(0), spot(1), spot(0)], &mut ys), 23.0);
        assert_eq!(ys, [5.0, 8.0, 18.0]);
    }

    #[test]
    fn who_wants_the_same_place_shares_it_evenly() {
        assert_eq!(nearest(&[(50.0, 1.0), (50.0, 1.0)], &[5.0, 5.0]), [45.0, 55.0]);
        assert_eq!(nearest(&[(0.0, 1.0), (100.0, 1.0)], &[5.0, 5.0]), [0.0, 100.0]);
        assert_eq!(nearest(&[(90.0, 1.0), (10.0, 3.0)], &[5.0, 5.0]), [22.5, 32.5]);
    }
}
