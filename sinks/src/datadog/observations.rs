//! Single observations of the last moments, for distributions.
//!
//! The ledger only knows how many observations fell into each bucket, and that exactly. The values themselves are
//! remembered here as far as there is room; what is missing, after a gap, beyond the room or after a flush that was
//! refused, is made up from the buckets, so that the number of observations is always exact.

use picoclaw_telemetry::event::AttemptOutcome;
use picoclaw_telemetry::{Event, LabelValues, Metric};
use rustc_hash::FxHashMap;

/// Values that are remembered.
const ROOM: usize = 50_000;

#[derive(Debug, Default)]
pub(super) struct Observations {
    values: FxHashMap<(Metric, LabelValues), Vec<f64>>,
    count: usize,
}

impl Observations {
    /// Remembers what an event observed: the same observations that the ledger folds.
    pub(super) fn record(&mut self, event: &Event) {
        match event {
            Event::ReplySent { duration, .. } => {
                self.add(Metric::ResponseTime, "", duration.as_secs_f64());
            }
            Event::LlmResponse(response) => {
                let provider = response.provider.as_str();
                if response.outcome != AttemptOutcome::Cancelled {
                    let seconds = response.duration.as_secs_f64();
                    self.add(Metric::ProviderRequestDuration, provider, seconds);
                }
                if let Some(first) = response.first_token {
                    self.add(Metric::ProviderFirstToken, provider, first.as_secs_f64());
                }
            }
            Event::ToolEnd { tool, duration, .. } => {
                self.add(Metric::ToolDuration, tool.as_str(), duration.as_secs_f64());
            }
            Event::SessionWrite { duration, .. } => {
                self.add(Metric::SessionWriteDuration, "", duration.as_secs_f64());
            }
            _ => {}
        }
    }

    fn add(&mut self, metric: Metric, label: &'static str, seconds: f64) {
        if self.count < ROOM {
            self.count += 1;
            self.values.entry((metric, [label, "", ""])).or_default().push(seconds);
        }
    }

    /// What is remembered of a series, which is then forgotten.
    pub(super) fn take(&mut self, metric: Metric, labels: &[&'static str]) -> Vec<f64> {
        if self.count == 0 {
            return Vec::new();
        }
        let mut key: LabelValues = [""; 3];
        key[..labels.len()].copy_from_slice(labels);
        let values = self.values.get_mut(&(metric, key)).map(std::mem::take).unwrap_or_default();
        self.count -= values.len();
        values
    }
}

/// A value for an observation of which only the bucket is known: the bucket's upper bound, and beyond all bounds the
/// last one.
pub(super) fn made_up(bounds: &[f64], bucket: usize) -> f64 {
    bounds.get(bucket).or(bounds.last()).copied().unwrap_or_default()
}
