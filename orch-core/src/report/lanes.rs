//! Which lane of a timeline each attempt is drawn in.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

/// From when until when, in nanoseconds since the start of the run; `end` is never before `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Gives each span the lowest lane that is free when it starts. Answers the lane of each span and how many lanes there
/// are: the most spans at one time.
///
/// The engine does not name its workers, since a place in the limit is all that a worker is; the lowest free place reads
/// like one.
pub(super) fn assign(spans: &[Span]) -> (Vec<u32>, u32) {
    let mut order: Vec<(Span, usize)> = spans.iter().copied().zip(0..).collect();
    // What took no time goes first: its lane is free again for what starts at the same moment.
    order.sort_by_key(|&(span, ix)| (span.start, span.end > span.start, ix));
    let mut lanes = vec![0; spans.len()];
    let mut count = 0;
    let mut free = BTreeSet::new();
    let mut busy: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    for (span, ix) in order {
        while let Some(&Reverse((end, lane))) = busy.peek() {
            if end > span.start {
                break;
            }
            busy.pop();
            free.insert(lane);
        }
        let lane = free.pop_first().unwrap_or_else(|| {
            count += 1;
            count - 1
        });
        busy.push(Reverse((span.end, lane)));
        if let Some(place) = lanes.get_mut(ix) {
            *place = lane;
        }
    }
    (lanes, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(list: &[(u64, u64)]) -> Vec<Span> {
        list.iter().map(|&(start, end)| Span { start, end }).collect()
    }

    #[test]
    fn the_lowest_free_lane_is_taken() {
        assert_eq!(assign(&spans(&[(0, 5), (0, 2), (2, 4), (3, 9), (5, 6)])), (vec![0, 1, 1, 2, 0], 3));
        assert_eq!(
            assign(&spans(&[(0, 5), (0, 0), (0, 0)])),
            (vec![0, 0, 0], 1),
            "what took no time is in nobody's way"
        );
        assert_eq!(assign(&[]), (vec![], 0));
    }

    proptest! {
        #[test]
        fn spans_of_a_lane_do_not_overlap(list in prop::collection::vec((0u64..50, 1u64..20), 0..60)) {
            let list: Vec<Span> = list.into_iter().map(|(start, long)| Span { start, end: start + long }).collect();
            let (lanes, count) = assign(&list);
            for (a, lane_a) in list.iter().zip(&lanes) {
                let overlaps = |(b, lane_b): &(&Span, &u32)| *lane_b == lane_a && a.start < b.end && b.start < a.end;
                prop_assert_eq!(list.iter().zip(&lanes).filter(overlaps).count(), 1);
            }
            let most = (0..80).map(|at| list.iter().filter(|span| span.start <= at && at < span.end).count()).max();
            prop_assert_eq!(count as usize, most.unwrap_or(0));
        }
    }
}
