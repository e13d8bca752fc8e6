//! The encoder: both formats, from cached prefixes.
//!
//! What does not change from scrape to scrape, the name and the labels of a line, is made once per series; a scrape
//! copies it and writes the number behind it. Series of a ledger are never removed or reordered, so a position
//! identifies one.

use std::io::Write;

use picoclaw_telemetry::metric::{MetricInfo, Source};
use picoclaw_telemetry::{Ledger, Metric, MetricKind, SeriesValue};
use prometheus::proto::{MetricFamily, MetricType};

use super::accept::Format;
use crate::context::Context;
use crate::own;

/// Writes expositions of one format.
#[derive(Debug)]
pub(super) struct Encoder {
    format: Format,
    /// Per metric of the catalogue, per series, the beginnings of its lines.
    prefixes: Vec<Vec<Lines>>,
    /// How long the last exposition was: the next one is about as long.
    last_length: usize,
}

/// The beginnings of a series' lines: one, or for a histogram each bucket, sum and count.
type Lines = Box<[Box<[u8]>]>;

impl Encoder {
    pub(super) fn new(format: Format) -> Self {
        Self { format, prefixes: vec![Vec::new(); Metric::ALL.len()], last_length: 4096 }
    }

    /// The exposition: the ledger, the telemetry system's own numbers, and foreign collectors.
    pub(super) fn encode(&mut self, ledger: &Ledger, context: &Context, foreign: &[MetricFamily]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.last_length + self.last_length / 8);
        self.ledger(&mut out, ledger);
        let mut last = None;
        own::visit(context, |metric, labels, value| {
            let info = metric.info();
            if last.replace(metric) != Some(metric) {
                self.head(&mut out, info.name, info.help, info.kind.as_str());
            }
            write_values(&mut out, &lines(self.format, info, labels), value);
        });
        foreign.iter().for_each(|family| self.foreign(&mut out, family));
        if self.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        self.last_length = out.len();
        out
    }

    /// The ledger's families.
    pub(super) fn ledger(&mut self, out: &mut Vec<u8>, ledger: &Ledger) {
        for metric in Metric::ALL.iter().filter(|metric| metric.info().source == Source::Ledger) {
            let info = metric.info();
            self.head(out, info.name, info.help, info.kind.as_str());
            let known = &mut self.prefixes[*metric as usize];
            for (at, series) in ledger.series(*metric).enumerate() {
                if at == known.len() {
                    known.push(lines(self.format, info, series.labels));
                }
                write_values(out, &known[at], series.value);
            }
        }
    }

    /// A family of another collector. Types that we do not know are left out.
    fn foreign(&self, out: &mut Vec<u8>, family: &MetricFamily) {
        let name = family.name();
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            _ => return,
        };
        self.head(out, name, family.help(), kind);
        for metric in family.get_metric() {
            let labels: Vec<(&str, &str)> =
                metric.get_label().iter().map(|l| (l.name(), l.value())).collect();
            prefix(out, name, "", &labels, None);
            match family.get_field_type() {
                MetricType::COUNTER => number(out, metric.get_counter().get_value()),
                _ => number(out, metric.get_gauge().get_value()),
            }
            out.push(b'\n');
        }
    }

    fn head(&self, out: &mut Vec<u8>, name: &str, help: &str, kind: &str) {
        let name = match self.format {
            Format::OpenMetrics if kind == "counter" => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        out.extend_from_slice(b"# HELP ");
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        escape(out, help, self.format == Format::OpenMetrics);
        out.extend_from_slice(b"\n# TYPE ");
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        out.extend_from_slice(kind.as_bytes());
        out.push(b'\n');
    }
}

/// The beginnings of the lines of a series.
fn lines(format: Format, info: &MetricInfo, values: &[&str]) -> Lines {
    let labels: Vec<(&str, &str)> = info.labels.iter().copied().zip(values.iter().copied()).collect();
    let line = |suffix: &str, bound: Option<&str>| {
        let mut out = Vec::new();
        prefix(&mut out, info.name, suffix, &labels, bound);
        out.into_boxed_slice()
    };
    match info.kind {
        MetricKind::Counter | MetricKind::Gauge => Box::new([line("", None)]),
        MetricKind::Histogram(bounds) => {
            let bound = |bound: &f64| match format {
                Format::Text => bound.to_string(),
                // OpenMetrics wants canonical numbers: a float is recognisable as one.
                Format::OpenMetrics => format!("{bound:?}"),
            };
            let buckets = bounds.iter().map(|b| line("_bucket", Some(&bound(b))));
            let rest = [line("_bucket", Some("+Inf")), line("_sum", None), line("_count", None)];
            buckets.chain(rest).collect()
        }
    }
}

fn prefix(out: &mut Vec<u8>, name: &str, suffix: &str, labels: &[(&str, &str)], bound: Option<&str>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
    let mut open = b'{';
    for (label, value) in all {
        out.push(open);
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(out, value, true);
        out.push(b'"');
        open = b',';
    }
    if open == b',' {
        out.push(b'}');
    }
    out.push(b' ');
}

fn write_values(out: &mut Vec<u8>, lines: &[Box<[u8]>], value: SeriesValue<'_>) {
    match value {
        SeriesValue::Counter(n) => {
            out.extend_from_slice(&lines[0]);
            whole(out, n);
            out.push(b'\n');
        }
        SeriesValue::Gauge(x) => {
            out.extend_from_slice(&lines[0]);
            number(out, x);
            out.push(b'\n');
        }
        SeriesValue::Histogram(buckets, sum) => {
            let mut count = 0;
            for (line, n) in lines.iter().zip(buckets) {
                count += n;
                out.extend_from_slice(line);
                whole(out, count);
                out.push(b'\n');
            }
            out.extend_from_slice(&lines[buckets.len()]);
            number(out, sum.as_secs_f64());
            out.push(b'\n');
            out.extend_from_slice(&lines[buckets.len() + 1]);
            whole(out, count);
            out.push(b'\n');
        }
    }
}

fn whole(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

fn number(out: &mut Vec<u8>, x: f64) {
    // Below 2^53 a whole float is written like the integer.
    if x.fract() == 0.0 && x.abs() < 9_007_199_254_740_992.0 {
        out.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
    } else if x.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if x.is_infinite() {
        out.extend_from_slice(if x > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{x}");
    }
}

/// Label values escape backslash, newline and quote; help texts of the text format leave quotes alone.
fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
