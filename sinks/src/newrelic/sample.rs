//! The cumulative numbers of one moment that rates are made of.

use std::time::Duration;

use picoclaw_telemetry::metric::RESPONSE_BOUNDS;
use picoclaw_telemetry::{Ledger, Metric, SeriesValue};

use crate::process::ProcessFacts;

/// Cumulative numbers, or the difference of two such.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) messages: u64,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) response_buckets: [u64; RESPONSE_BOUNDS.len() + 1],
    response_sum: Duration,
    /// The longest response time since the sample before; `None` when it is not known.
    pub(super) slowest: Option<Duration>,
    cpu_seconds: f64,
}

impl Sample {
    /// The numbers now.
    pub(super) fn take(ledger: &Ledger, facts: &ProcessFacts) -> Self {
        let mut response_buckets = [0; RESPONSE_BOUNDS.len() + 1];
        let mut response_sum = Duration::ZERO;
        if let Some(SeriesValue::Histogram(buckets, sum)) = ledger.get(Metric::ResponseTime, &[]) {
            response_buckets.copy_from_slice(buckets);
            response_sum = sum;
        }
        Self {
            messages: ledger.total(Metric::MessagesTotal),
            requests: ledger.total(Metric::ProviderRequestsTotal),
            errors: ledger.total(Metric::ProviderErrorsTotal),
            response_buckets,
            response_sum,
            slowest: None,
            cpu_seconds: facts.cpu_seconds.unwrap_or_default(),
        }
    }

    /// What came since an earlier sample. Exact ledgers only grow; should one not, nothing came.
    pub(super) fn since(&self, then: &Self) -> Self {
        let buckets = &self.response_buckets;
        Self {
            messages: self.messages.saturating_sub(then.messages),
            requests: self.requests.saturating_sub(then.requests),
            errors: self.errors.saturating_sub(then.errors),
            response_buckets: std::array::from_fn(|at| buckets[at].saturating_sub(then.response_buckets[at])),
            response_sum: self.response_sum.saturating_sub(then.response_sum),
            slowest: None,
            cpu_seconds: (self.cpu_seconds - then.cpu_seconds).max(0.0),
        }
    }

    /// The mean response time in milliseconds; 0 without a response.
    pub(super) fn average_response_ms(&self) -> f64 {
        let count: u64 = self.response_buckets.iter().sum();
        if count == 0 { 0.0 } else { 1000.0 * self.response_sum.as_secs_f64() / count as f64 }
    }

    /// CPU time as a share of one core over this time.
    pub(super) fn cpu_percent(&self, time: Duration) -> f64 {
        if time < Duration::from_secs(1) { 0.0 } else { 100.0 * self.cpu_seconds / time.as_secs_f64() }
    }
}

/// The sum of a counter over the series whose labels are wanted.
pub(super) fn sum(ledger: &Ledger, metric: Metric, wanted: impl Fn(&[&str]) -> bool) -> u64 {
    let numbers =
        ledger.series(metric).filter(|series| wanted(series.labels)).map(|series| match series.value {
            SeriesValue::Counter(n) => n,
            SeriesValue::Gauge(_) | SeriesValue::Histogram(..) => 0,
        });
    numbers.sum()
}

/// Tool calls that ended neither well nor by a cancelled turn.
pub(super) fn tool_errors(ledger: &Ledger) -> u64 {
    sum(ledger, Metric::ToolResultsTotal, |labels| !matches!(labels[1], "success" | "cancelled"))
}

/// Scheduled work that was not done: runs of jobs that failed, took too long or did not come in their time, and
/// heartbeats that failed or had something to say and nobody to tell. What the end of the gateway cut off is none.
pub(super) fn failed_jobs(ledger: &Ledger) -> u64 {
    let runs = sum(ledger, Metric::CronRunsTotal, |labels| matches!(labels[0], "error" | "timeout"));
    let heartbeats =
        sum(ledger, Metric::HeartbeatsTotal, |labels| matches!(labels[0], "failed" | "undelivered"));
    runs + heartbeats + ledger.total(Metric::CronMissedTotal)
}

/// The sum of a gauge, or of a counter that does not come in whole numbers, over all series that have a value.
pub(super) fn gauges(ledger: &Ledger, metric: Metric) -> f64 {
    // The sum of nothing at all would be -0.
    values(ledger, metric).filter(|value| value.is_finite()).fold(0.0, |sum, value| sum + value)
}

/// How many series of a gauge are 0. What a reload has taken out is not.
pub(super) fn at_zero(ledger: &Ledger, metric: Metric) -> u64 {
    values(ledger, metric).filter(|value| *value == 0.0).count() as u64
}

fn values(ledger: &Ledger, metric: Metric) -> impl Iterator<Item = f64> + '_ {
    ledger.series(metric).filter_map(|series| match series.value {
        SeriesValue::Gauge(value) => Some(value),
        SeriesValue::Counter(_) | SeriesValue::Histogram(..) => None,
    })
}
