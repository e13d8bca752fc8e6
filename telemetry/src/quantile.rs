//! Quantiles of observations that were counted in buckets.

/// Estimates a quantile of observations as PromQL's `histogram_quantile` does: on straight lines between the bounds of
/// the buckets, and the highest finite bound for what lies beyond it. 0 without observations.
///
/// Each bucket is its upper bound and how many observations it has, those of lower buckets not counted. What is beyond
/// the last bucket counts by `count` alone, which is how many observations there are in all.
pub fn quantile(q: f64, count: f64, buckets: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    if count <= 0.0 {
        return 0.0;
    }
    let rank = q * count;
    let (mut lower, mut below) = (0.0, 0.0);
    for (upper, n) in buckets.into_iter().take_while(|(upper, _)| upper.is_finite()) {
        if below + n >= rank && n > 0.0 {
            return lower + (upper - lower) * ((rank - below) / n);
        }
        (lower, below) = (upper, below + n);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_promql() {
        let of = |q: f64, counts: [f64; 4]| {
            let bounds = [1.0, 2.0, 4.0, f64::INFINITY];
            quantile(q, counts.iter().sum(), bounds.into_iter().zip(counts))
        };
        assert_eq!(of(0.95, [0.0; 4]), 0.0);
        assert_eq!(of(0.5, [10.0, 0.0, 0.0, 0.0]), 0.5);
        assert_eq!(of(0.5, [5.0, 10.0, 5.0, 0.0]), 1.5);
        assert_eq!(of(0.5, [5.0, 0.0, 5.0, 0.0]), 1.0);
        assert_eq!(of(0.95, [0.0, 0.0, 0.0, 3.0]), 4.0);
    }
}
