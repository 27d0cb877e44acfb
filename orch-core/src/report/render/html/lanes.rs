//! How busy the lanes of the timeline are.

pub(super) use crate::report::lanes::{Span, assign};

/// How many spans are running in each of `buckets` equal parts of `total` nanoseconds, on average.
pub(super) fn density(spans: &[Span], total: u64, buckets: usize) -> Vec<f64> {
    let mut sums = vec![0.0; buckets];
    if total == 0 || buckets == 0 {
        return sums;
    }
    let width = total as f64 / buckets as f64;
    for span in spans {
        let (start, end) = (span.start as f64 / width, span.end.min(total) as f64 / width);
        let first = start as usize;
        for (bucket, sum) in sums.iter_mut().enumerate().skip(first) {
            let (from, to) = (bucket as f64, bucket as f64 + 1.0);
            if from >= end {
                break;
            }
            *sum += end.min(to) - start.max(from);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(list: &[(u64, u64)]) -> Vec<Span> {
        list.iter().map(|&(start, end)| Span { start, end }).collect()
    }

    #[test]
    fn density_is_the_mean_of_what_runs() {
        assert_eq!(density(&spans(&[(0, 10), (5, 10), (0, 1)]), 10, 2), [1.2, 2.0]);
        assert_eq!(density(&spans(&[(0, 10)]), 0, 2), [0.0, 0.0]);
    }
}
