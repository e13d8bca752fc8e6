//! The exact fold of events into numbers.
//!
//! Every subscriber folds the same events in the same order, so two ledgers at the same sequence number are
//! equal, row by row. A ledger that missed events is replaced by a [`Checkpoint`](crate::Checkpoint); events
//! that the replacement already contains are then recognised by their number and ignored.

use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustc_hash::FxHasher;

use crate::bus::Record;
use crate::labels::{LabelSet, LabelValues};
use crate::metric::{Metric, MetricInfo, MetricKind};

/// Where the series of a metric are, by the key of their labels.
#[derive(Clone, Debug, Default)]
struct Index {
    /// Of the keys of one label or none, which most are: the place by the key itself, [`NOWHERE`] if there is none.
    near: Vec<u32>,
    /// Of all others.
    far: std::collections::HashMap<u32, u32, BuildHasherDefault<FxHasher>>,
}

const NOWHERE: u32 = u32::MAX;

impl Index {
    fn get(&self, key: u32) -> Option<u32> {
        let place = if key < 256 { self.near.get(key as usize) } else { self.far.get(&key) };
        place.copied().filter(|place| *place != NOWHERE)
    }

    fn insert(&mut self, key: u32, place: u32) {
        if key >= 256 {
            self.far.insert(key, place);
            return;
        }
        let at = key as usize;
        if self.near.len() <= at {
            self.near.resize(at + 1, NOWHERE);
        }
        self.near[at] = place;
    }
}

/// All counters, gauges and histograms at one moment of the event stream.
#[derive(Clone, Debug)]
pub struct Ledger {
    seq: u64,
    families: Box<[Family]>,
}

/// All series of one metric.
#[derive(Clone, Debug)]
struct Family {
    // Shared until a series is added: a checkpoint copies numbers only.
    index: Arc<Index>,
    labels: Arc<Vec<LabelValues>>,
    // `width` numbers a series: one, or for a histogram each bucket, the one beyond the last bound, and the sum in ns.
    width: usize,
    numbers: Vec<u64>,
}

/// One series, as a sink reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// The values of the metric's labels.
    pub labels: &'a [&'static str],
    /// The number.
    pub value: SeriesValue<'a>,
}

/// The number of a [`Series`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeriesValue<'a> {
    /// A counter.
    Counter(u64),
    /// A gauge, or a counter of something that does not come in whole numbers.
    Gauge(f64),
    /// Observations per bucket (not cumulative), the last one beyond all bounds, and their sum.
    Histogram(&'a [u64], Duration),
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal numbers at the same moment. The metrics' series are compared in their order.
impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
            && self
                .families
                .iter()
                .zip(&other.families)
                .all(|(a, b)| a.labels == b.labels && a.numbers == b.numbers)
    }
}

impl Ledger {
    /// An empty ledger, before the first event. Series without open labels already exist at 0.
    pub fn new() -> Self {
        let families = Metric::ALL.iter().map(|metric| Family::new(metric.info())).collect();
        let mut ledger = Self { seq: 0, families };
        crate::fold::predeclare(&mut ledger);
        ledger
    }

    /// The number of the last event folded.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Folds a record, unless it is already contained.
    pub fn apply(&mut self, record: &Record) {
        if record.seq > self.seq {
            self.seq = record.seq;
            crate::fold::fold(self, record.time, &record.event);
        }
    }

    /// Becomes equal to `other` within the memory that it has: for whoever does so again and again.
    pub fn copy_from(&mut self, other: &Self) {
        self.seq = other.seq;
        for (own, other) in self.families.iter_mut().zip(&other.families) {
            if !Arc::ptr_eq(&own.labels, &other.labels) {
                own.labels = Arc::clone(&other.labels);
                own.index = Arc::clone(&other.index);
            }
            own.numbers.clone_from(&other.numbers);
        }
    }

    /// The series of a metric, in the order in which they appeared. Series are never removed or reordered, so a
    /// position identifies a series for the life of the process.
    pub fn series(&self, metric: Metric) -> impl ExactSizeIterator<Item = Series<'_>> {
        let info = metric.info();
        let family = &self.families[metric as usize];
        family.labels.iter().zip(family.numbers.chunks_exact(family.width)).map(move |(labels, numbers)| {
            Series { labels: &labels[..info.labels.len()], value: value(metric, numbers) }
        })
    }

    /// The series with these label values.
    pub fn get(&self, metric: Metric, labels: &[&str]) -> Option<SeriesValue<'_>> {
        self.series(metric).find(|series| series.labels == labels).map(|series| series.value)
    }

    /// A counter's number, 0 when the series does not exist.
    pub fn counter(&self, metric: Metric, labels: &[&str]) -> u64 {
        match self.get(metric, labels) {
            Some(SeriesValue::Counter(n)) => n,
            _ => 0,
        }
    }

    /// The sum of a counter over all series.
    pub fn total(&self, metric: Metric) -> u64 {
        self.series(metric).map(|s| if let SeriesValue::Counter(n) = s.value { n } else { 0 }).sum()
    }

    /// A gauge's number, 0 when the series does not exist.
    pub fn gauge(&self, metric: Metric, labels: &[&str]) -> f64 {
        match self.get(metric, labels) {
            Some(SeriesValue::Gauge(x)) => x,
            _ => 0.0,
        }
    }

    pub(crate) fn declare(&mut self, metric: Metric, labels: impl LabelSet) {
        self.families[metric as usize].place(labels);
    }

    pub(crate) fn add(&mut self, metric: Metric, labels: impl LabelSet, n: u64) {
        *self.families[metric as usize].number(labels) += n;
    }

    pub(crate) fn set(&mut self, metric: Metric, labels: impl LabelSet, x: f64) {
        *self.families[metric as usize].number(labels) = x.to_bits();
    }

    pub(crate) fn shift(&mut self, metric: Metric, labels: impl LabelSet, by: f64) {
        let number = self.families[metric as usize].number(labels);
        *number = (f64::from_bits(*number) + by).to_bits();
    }

    pub(crate) fn set_time(&mut self, metric: Metric, labels: impl LabelSet, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.set(metric, labels, since.as_secs_f64());
    }

    pub(crate) fn observe(&mut self, metric: Metric, labels: impl LabelSet, time: Duration) {
        let MetricKind::Histogram(bounds) = metric.info().kind else {
            return;
        };
        let seconds = time.as_secs_f64();
        let bucket = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
        let row = self.families[metric as usize].row(labels);
        row[bucket] += 1;
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let sum = &mut row[bounds.len() + 1];
        *sum = sum.saturating_add(nanos);
    }
}

fn value(metric: Metric, numbers: &[u64]) -> SeriesValue<'_> {
    match metric.info().kind {
        // Money is summed in whole pico-dollars and shown in dollars.
        MetricKind::Counter if metric == Metric::CostUsdTotal => SeriesValue::Gauge(numbers[0] as f64 / 1e12),
        MetricKind::Counter => SeriesValue::Counter(numbers[0]),
        MetricKind::Gauge => SeriesValue::Gauge(f64::from_bits(numbers[0])),
        MetricKind::Histogram(bounds) => {
            SeriesValue::Histogram(&numbers[..=bounds.len()], Duration::from_nanos(numbers[bounds.len() + 1]))
        }
    }
}

impl Family {
    fn new(info: &MetricInfo) -> Self {
        let width = match info.kind {
            MetricKind::Histogram(bounds) => bounds.len() + 2,
            MetricKind::Counter | MetricKind::Gauge => 1,
        };
        Self { index: Arc::default(), labels: Arc::default(), width, numbers: Vec::new() }
    }

    /// The numbers of a series, which begins to exist. A gauge of 0 has the same bits as a count of 0.
    fn row(&mut self, labels: impl LabelSet) -> &mut [u64] {
        let at = self.place(labels);
        &mut self.numbers[at * self.width..][..self.width]
    }

    /// The number of a series that has one.
    fn number(&mut self, labels: impl LabelSet) -> &mut u64 {
        debug_assert_eq!(self.width, 1, "a histogram has more than one number");
        let at = self.place(labels);
        &mut self.numbers[at]
    }

    fn place(&mut self, labels: impl LabelSet) -> usize {
        let at = match self.index.get(labels.key()) {
            Some(at) => at,
            None => self.begin(labels.key(), labels.values()),
        };
        at as usize
    }

    #[cold]
    fn begin(&mut self, key: u32, values: LabelValues) -> u32 {
        let at = u32::try_from(self.labels.len()).expect("series are bounded");
        Arc::make_mut(&mut self.index).insert(key, at);
        Arc::make_mut(&mut self.labels).push(values);
        self.numbers.resize(self.numbers.len() + self.width, 0);
        at
    }
}
