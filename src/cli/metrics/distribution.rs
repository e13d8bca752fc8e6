//! What the buckets of a histogram say.

use picoclaw_telemetry::quantile;

use super::exposition::Histogram;

/// How many observations there were, and how large they were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distribution {
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Histogram {
    /// What came since an earlier look; everything, if the gateway was started anew in between.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let same_bounds =
            self.buckets.iter().map(|(bound, _)| bound).eq(earlier.buckets.iter().map(|(b, _)| b));
        if !same_bounds || self.count < earlier.count {
            return self.clone();
        }
        let buckets = self.buckets.iter().zip(&earlier.buckets);
        Self {
            buckets: buckets.map(|((bound, now), (_, then))| (*bound, now - then)).collect(),
            sum: self.sum - earlier.sum,
            count: self.count - earlier.count,
        }
    }

    /// In numbers, if there was any observation.
    pub(super) fn distribution(&self) -> Option<Distribution> {
        (self.count > 0.0).then(|| Distribution {
            count: self.count,
            sum: self.sum,
            mean: self.sum / self.count,
            p50: self.quantile(0.5),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
        })
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut below = 0.0;
        let buckets =
            self.buckets.iter().map(|(bound, up_to)| (*bound, up_to - std::mem::replace(&mut below, *up_to)));
        // Of observations that are none below 0, so many cannot be larger (Markov): a line that begins at 0 would
        // otherwise put the median of a thousand quick ones far beyond their mean.
        let most = self.sum.min(self.sum / self.count / (1.0 - q));
        quantile(q, self.count, buckets).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(f64, f64)], sum: f64) -> Histogram {
        let count = buckets.last().map_or(0.0, |(_, count)| *count);
        Histogram { buckets: buckets.to_vec(), sum, count }
    }

    #[test]
    fn quantiles_lie_on_lines_between_the_bounds() {
        let ten = histogram(&[(1.0, 5.0), (2.0, 10.0), (f64::INFINITY, 10.0)], 12.0);
        let found = ten.distribution().unwrap();
        assert_eq!((found.count, found.mean, found.p50), (10.0, 1.2, 1.0));
        assert!((found.p95 - 1.9).abs() < 1e-9 && (found.p99 - 1.98).abs() < 1e-9, "{found:?}");
        let beyond = histogram(&[(1.0, 0.0), (f64::INFINITY, 4.0)], 40.0);
        assert_eq!(beyond.distribution().unwrap().p50, 1.0);
        assert_eq!(histogram(&[(1.0, 0.0), (f64::INFINITY, 0.0)], 0.0).distribution(), None);
    }

    #[test]
    fn a_quantile_never_contradicts_the_mean() {
        let quick = histogram(&[(0.01, 4.0), (f64::INFINITY, 4.0)], 0.0008);
        let found = quick.distribution().unwrap();
        assert!((found.p50 - 0.0004).abs() < 1e-12, "half of them are at most twice the mean: {found:?}");
        assert_eq!((found.p95, found.p99), (0.0008, 0.0008), "none is larger than all together");
    }

    #[test]
    fn since_is_a_difference_unless_the_gateway_began_anew() {
        let then = histogram(&[(1.0, 1.0), (f64::INFINITY, 2.0)], 3.0);
        let now = histogram(&[(1.0, 4.0), (f64::INFINITY, 6.0)], 13.0);
        assert_eq!(now.since(&then), histogram(&[(1.0, 3.0), (f64::INFINITY, 4.0)], 10.0));
        assert_eq!(then.since(&now), then);
    }
}
