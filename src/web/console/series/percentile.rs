//! Percentiles of the durations of one second, as far as buckets tell them.

use std::time::Duration;

use crate::platform::counting::Distribution;

/// In microseconds; not a number without durations. Within a bucket they count as even.
pub fn percentile(before: &Distribution, after: &Distribution, share: f64) -> f32 {
    let earlier = |index: usize| before.buckets.get(index).map_or(0, |(_, count)| *count);
    let new: Vec<(Option<Duration>, u64)> = after
        .buckets
        .iter()
        .enumerate()
        .map(|(index, (bound, count))| (*bound, count.saturating_sub(earlier(index))))
        .collect();
    let total: u64 = new.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return f32::NAN;
    }
    let wanted = share * total as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (bound, count) in new {
        // Beyond the last bound nothing is known but the bound.
        let Some(upper) = bound.map(|bound| bound.as_secs_f64() * 1e6) else { break };
        let count = count as f64;
        if below + count >= wanted && count > 0.0 {
            return (lower + (upper - lower) * (wanted - below) / count) as f32;
        }
        (below, lower) = (below + count, upper);
    }
    lower as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(counts: [u64; 4]) -> Distribution {
        let bounds = [Some(100), Some(200), Some(1000), None];
        let bound = |bound: Option<u64>| bound.map(Duration::from_micros);
        let buckets = bounds.into_iter().map(bound).zip(counts).collect();
        Distribution { buckets, sum: Duration::ZERO }
    }

    #[test]
    fn percentiles_are_of_the_difference() {
        let before = distribution([1000, 0, 0, 0]);
        let p = |after, share| percentile(&before, &distribution(after), share);
        assert!(p([1000, 0, 0, 0], 0.5).is_nan());
        assert_eq!(p([1010, 0, 0, 0], 0.5), 50.0);
        assert_eq!(p([1010, 10, 0, 0], 0.5), 100.0);
        assert_eq!(p([1000, 10, 10, 0], 0.75), 600.0);
        assert_eq!(p([1000, 0, 0, 5], 0.5), 1000.0, "beyond the last bound");
        assert_eq!(percentile(&Distribution::default(), &distribution([2, 0, 0, 0]), 0.5), 50.0);
    }
}
