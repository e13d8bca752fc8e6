//! Collectors for the `prometheus` crate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use picoclaw_telemetry::metric::{MetricInfo, Source};
use picoclaw_telemetry::{Ledger, Metric, MetricKind, SeriesValue};
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use crate::process;

/// A ledger as a collector, for a program that embeds the telemetry and has a `prometheus::Registry` of its own.
#[derive(Debug)]
pub struct LedgerCollector {
    ledger: Arc<Mutex<Ledger>>,
    descriptions: Vec<Desc>,
}

impl LedgerCollector {
    /// Collects whatever the ledger holds at the moment of collecting. Families without a series are left out,
    /// since the crate's encoder refuses them.
    pub fn new(ledger: Arc<Mutex<Ledger>>) -> Self {
        Self { ledger, descriptions: descriptions(Source::Ledger) }
    }
}

impl Collector for LedgerCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let of_ledger = Metric::ALL.iter().filter(|metric| metric.info().source == Source::Ledger);
        of_ledger
            .filter(|metric| ledger.series(**metric).len() > 0)
            .map(|metric| {
                let info = metric.info();
                let series = ledger.series(*metric).map(|s| of_series(info, s.labels, s.value)).collect();
                family(info, series)
            })
            .collect()
    }
}

/// The facts of `/proc` as a collector, with fractions of CPU seconds.
#[derive(Debug)]
pub struct ProcessCollector {
    descriptions: Vec<Desc>,
}

impl Default for ProcessCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessCollector {
    /// Collects the facts of the moment.
    pub fn new() -> Self {
        Self { descriptions: descriptions(Source::Process) }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut families = Vec::new();
        process::facts().visit(|metric, value| {
            let info = metric.info();
            families.push(family(info, vec![of_series(info, &[], value)]));
        });
        families
    }
}

fn descriptions(source: Source) -> Vec<Desc> {
    let of_source = Metric::ALL.iter().map(|metric| metric.info()).filter(|info| info.source == source);
    of_source
        .filter_map(|info| {
            let labels = info.labels.iter().map(|label| (*label).to_owned()).collect();
            // The catalogue's names are checked by a test; a wrong one would only be missing here.
            Desc::new(info.name.to_owned(), info.help.to_owned(), labels, HashMap::new()).ok()
        })
        .collect()
}

fn family(info: &MetricInfo, series: Vec<proto::Metric>) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(info.name.to_owned());
    family.set_help(info.help.to_owned());
    family.set_field_type(match info.kind {
        MetricKind::Counter => proto::MetricType::COUNTER,
        MetricKind::Gauge => proto::MetricType::GAUGE,
        MetricKind::Histogram(_) => proto::MetricType::HISTOGRAM,
    });
    family.set_metric(series);
    family
}

fn of_series(info: &MetricInfo, labels: &[&str], value: SeriesValue<'_>) -> proto::Metric {
    let pairs = info.labels.iter().zip(labels).map(|(name, value)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    let mut metric = proto::Metric::default();
    metric.set_label(pairs.collect());
    match (info.kind, value) {
        (MetricKind::Histogram(bounds), SeriesValue::Histogram(buckets, sum)) => {
            metric.set_histogram(histogram(bounds, buckets, sum.as_secs_f64()));
        }
        (_, SeriesValue::Counter(n)) => metric.set_counter(counter(n as f64)),
        (MetricKind::Counter, SeriesValue::Gauge(x)) => metric.set_counter(counter(x)),
        (_, SeriesValue::Gauge(x)) => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(x);
            metric.set_gauge(gauge);
        }
        (_, SeriesValue::Histogram(..)) => {}
    }
    metric
}

fn counter(x: f64) -> proto::Counter {
    let mut counter = proto::Counter::default();
    counter.set_value(x);
    counter
}

fn histogram(bounds: &[f64], buckets: &[u64], sum: f64) -> proto::Histogram {
    let mut count = 0;
    let cumulative = bounds.iter().zip(buckets).map(|(bound, n)| {
        count += n;
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(cumulative.collect());
    histogram.set_sample_count(buckets.iter().sum());
    histogram.set_sample_sum(sum);
    histogram
}
