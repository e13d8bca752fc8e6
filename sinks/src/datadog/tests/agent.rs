//! A model of the Agent.

use std::collections::HashMap;

use picoclaw_telemetry::metric::Source;
use picoclaw_telemetry::{Bus, Metric, SeriesValue};

/// What an Agent knows: sums of counters, last gauges, numbers of observations.
#[derive(Debug, Default)]
pub(super) struct Agent {
    pub(super) counts: HashMap<String, f64>,
    /// By name and tags.
    pub(super) series: HashMap<String, f64>,
    pub(super) gauges: HashMap<String, f64>,
    pub(super) observations: HashMap<String, Vec<f64>>,
    pub(super) largest: usize,
}

impl Agent {
    pub(super) fn hear(&mut self, datagram: &[u8]) {
        self.largest = self.largest.max(datagram.len());
        for line in std::str::from_utf8(datagram).unwrap().split('\n').filter(|line| !line.is_empty()) {
            let mut parts = line.split('|');
            let (name, values) = parts.next().unwrap().split_once(':').unwrap();
            let kind = parts.next().unwrap();
            let tags = parts.next().unwrap_or("");
            for value in values.split(':').map(|value| value.parse::<f64>().unwrap()) {
                match kind {
                    "c" => {
                        *self.counts.entry(name.to_owned()).or_default() += value;
                        *self.series.entry(format!("{name}{tags}")).or_default() += value;
                    }
                    "g" => drop(self.gauges.insert(name.to_owned(), value)),
                    "d" => self.observations.entry(name.to_owned()).or_default().push(value),
                    other => panic!("type {other}"),
                }
            }
        }
    }

    pub(super) fn count(&self, name: &str) -> f64 {
        self.counts.get(name).copied().unwrap_or(0.0)
    }

    pub(super) fn heard(&self, name: &str) -> usize {
        self.observations.get(name).map_or(0, Vec::len)
    }
}

/// Compares each counter and each number of observations with the ledger.
pub(super) fn assert_told(agent: &Agent, bus: &Bus) {
    bus.inspect(|ledger| {
        let ledger_metrics = Metric::ALL.iter().filter(|metric| metric.info().source == Source::Ledger);
        for metric in ledger_metrics {
            let info = metric.info();
            let mut observations = 0;
            for series in ledger.series(*metric) {
                let tags: Vec<String> =
                    info.labels.iter().zip(series.labels).map(|(k, v)| format!("{k}:{v}")).collect();
                let tags = if tags.is_empty() { String::new() } else { format!("#{}", tags.join(",")) };
                let key = format!("picoclaw.{}{tags}", info.statsd);
                match series.value {
                    SeriesValue::Counter(n) => {
                        assert_eq!(agent.series.get(&key).copied().unwrap_or(0.0), n as f64, "{key}");
                        if info.labels.len() <= 1 {
                            assert!(agent.series.contains_key(&key), "{key} is announced");
                        }
                    }
                    SeriesValue::Histogram(buckets, _) => observations += buckets.iter().sum::<u64>(),
                    SeriesValue::Gauge(_) => {}
                }
            }
            let name = format!("picoclaw.{}", info.statsd);
            assert_eq!(agent.heard(&name) as u64, observations, "{name}");
        }
    });
}
