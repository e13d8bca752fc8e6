//! The encoder: both formats, from cached prefixes.
//!
//! What does not change from scrape to scrape, the name and the labels of a line, is made once per series; a scrape
//! copies it and writes the number behind it. A ledger's series are never removed or reordered, so a position identifies
//! one. Of the telemetry system's own some go when their sink goes: there the labels are compared as well.

use bytes::Bytes;
use picoclaw_telemetry::metric::{MetricInfo, Source};
use picoclaw_telemetry::{Ledger, Metric, MetricKind, SeriesValue};
use prometheus::proto::MetricFamily;

use super::accept::Format;
use super::{foreign, line};
use crate::context::Context;
use crate::own;

/// Writes expositions of one format.
#[derive(Debug)]
pub(super) struct Encoder {
    format: Format,
    /// Per metric of the catalogue, per series of the ledger, the beginnings of its lines.
    prefixes: Vec<Vec<Lines>>,
    /// The same of the telemetry system's own series, with their labels.
    own_prefixes: Vec<Vec<(Labels, Lines)>>,
    /// The last exposition. Its memory is used again once nobody sends it any more.
    last: Bytes,
}

/// The beginnings of a series' lines: one, or for a histogram each bucket, sum and count.
type Lines = Box<[Box<[u8]>]>;

/// The labels of a series.
type Labels = Box<[Box<str>]>;

impl Encoder {
    pub(super) fn new(format: Format) -> Self {
        let count = Metric::ALL.len();
        Self {
            format,
            prefixes: vec![Vec::new(); count],
            own_prefixes: vec![Vec::new(); count],
            last: Bytes::new(),
        }
    }

    /// The exposition: the ledger, the telemetry system's own numbers, and other collectors' families.
    pub(super) fn encode(&mut self, ledger: &Ledger, context: &Context, foreign: &[MetricFamily]) -> Bytes {
        let mut out = self.buffer();
        self.ledger(&mut out, ledger);
        self.own(&mut out, context);
        foreign.iter().for_each(|family| foreign::write(&mut out, self.format, family));
        if self.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        self.last = Bytes::from(out);
        self.last.clone()
    }

    fn buffer(&mut self) -> Vec<u8> {
        match std::mem::take(&mut self.last).try_into_mut() {
            Ok(mut last) => {
                last.clear();
                last.into()
            }
            // Somebody still sends it. The next one is about as long.
            Err(last) => Vec::with_capacity(last.len() + last.len() / 8),
        }
    }

    /// The ledger's families, those without a series included: a reader learns of every metric that there is.
    pub(super) fn ledger(&mut self, out: &mut Vec<u8>, ledger: &Ledger) {
        for metric in Metric::ALL.iter().filter(|metric| metric.info().source == Source::Ledger) {
            let info = metric.info();
            line::head(out, self.format, info.name, info.help, info.kind.as_str());
            for (at, series) in ledger.series(*metric).enumerate() {
                self.series(out, *metric, at, series.labels, series.value);
            }
        }
    }

    /// The telemetry system's own families, those without a series included.
    fn own(&mut self, out: &mut Vec<u8>, context: &Context) {
        let format = self.format;
        let head = |out: &mut Vec<u8>, info: &MetricInfo| {
            line::head(out, format, info.name, info.help, info.kind.as_str());
        };
        let mut to_come = Metric::ALL.iter().copied().filter(|metric| metric.info().source == Source::Own);
        let mut last = None;
        let mut at = 0;
        own::visit(context, |metric, labels, value| {
            let info = metric.info();
            if last.replace(metric) != Some(metric) {
                // The visit keeps the order of the catalogue: those before it have no series.
                for next in to_come.by_ref() {
                    head(out, next.info());
                    if next == metric {
                        break;
                    }
                }
                at = 0;
            }
            let known = &mut self.own_prefixes[metric as usize];
            let is_known =
                known.get(at).is_some_and(|(of, _)| of.iter().map(AsRef::as_ref).eq(labels.iter().copied()));
            if !is_known {
                known.truncate(at);
                let of = labels.iter().map(|label| (*label).into()).collect();
                known.push((of, lines(self.format, info, labels)));
            }
            write_values(out, &known[at].1, value);
            at += 1;
        });
        to_come.for_each(|metric| head(out, metric.info()));
    }

    /// The lines of the ledger's series that stands at this position of its family.
    fn series(
        &mut self,
        out: &mut Vec<u8>,
        metric: Metric,
        at: usize,
        labels: &[&str],
        value: SeriesValue<'_>,
    ) {
        let known = &mut self.prefixes[metric as usize];
        if at == known.len() {
            known.push(lines(self.format, metric.info(), labels));
        }
        write_values(out, &known[at], value);
    }
}

/// The beginnings of the lines of a series.
fn lines(format: Format, info: &MetricInfo, values: &[&str]) -> Lines {
    let beginning = |suffix: &str, bound: Option<&str>| {
        let labels = info.labels.iter().copied().zip(values.iter().copied());
        let mut out = Vec::new();
        line::prefix(&mut out, info.name, suffix, labels, bound.map(|bound| ("le", bound)));
        out.into_boxed_slice()
    };
    match info.kind {
        MetricKind::Counter | MetricKind::Gauge => Box::new([beginning("", None)]),
        MetricKind::Histogram(bounds) => {
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            let buckets = bounds.map(|bound| beginning("_bucket", Some(&line::bound(format, bound))));
            buckets.chain([beginning("_sum", None), beginning("_count", None)]).collect()
        }
    }
}

fn write_values(out: &mut Vec<u8>, lines: &[Box<[u8]>], value: SeriesValue<'_>) {
    match value {
        SeriesValue::Counter(n) => {
            out.extend_from_slice(&lines[0]);
            line::whole(out, n);
        }
        SeriesValue::Gauge(x) => {
            out.extend_from_slice(&lines[0]);
            line::number(out, x);
        }
        SeriesValue::Histogram(buckets, sum) => {
            let mut count = 0;
            for (line, n) in lines.iter().zip(buckets) {
                count += n;
                out.extend_from_slice(line);
                line::whole(out, count);
            }
            out.extend_from_slice(&lines[buckets.len()]);
            line::number(out, sum.as_secs_f64());
            out.extend_from_slice(&lines[buckets.len() + 1]);
            line::whole(out, count);
        }
    }
}
