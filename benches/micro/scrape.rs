//! The exposition against that of the `prometheus` crate.

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use picoclaw_sinks::prometheus::collector::LedgerCollector;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::label::LIMIT_PER_DIMENSION;
use picoclaw_telemetry::sink::{EndpointRequest, Sink};
use picoclaw_telemetry::{Bus, Dimension, Event};
use prometheus::core::Collector;
use prometheus::{Encoder, TextEncoder};
use serde_json::json;

use crate::report::Report;
use crate::{Workload, compare, scene, timed};

/// Scrapes in a row.
const SCRAPES: usize = 20;

/// Samples of an exposition, about.
pub(crate) const SIZES: [usize; 2] = [1_000, 10_000];

/// Both encoders with the same ledger.
pub(crate) struct Scrape {
    sink: Box<dyn Sink>,
    collector: LedgerCollector,
    ours: usize,
    theirs: usize,
    out: Vec<u8>,
}

impl Scrape {
    /// A ledger that fills about so many lines: names become known until there are enough.
    pub(crate) fn new(lines: usize) -> Self {
        let bus = Bus::default();
        for n in 0..LIMIT_PER_DIMENSION {
            declare(&bus, n);
            let subject = Self::of(&bus);
            if subject.ours >= lines {
                return subject;
            }
        }
        Self::of(&bus)
    }

    fn of(bus: &Bus) -> Self {
        let checkpoint = bus.checkpoint();
        let collector = LedgerCollector::new(Arc::new(Mutex::new(checkpoint.ledger.clone())));
        let mut sink = scene::sink("prometheus", &json!({}), bus).sink;
        sink.start(&checkpoint);
        let ours = samples(&sink.serve(&EndpointRequest::default()).body);
        let mut subject = Self { sink, collector, ours, theirs: 0, out: Vec::new() };
        subject.theirs();
        subject.theirs = samples(&subject.out);
        subject
    }

    /// Our sink's answer, the facts of the process and the sinks' own numbers included.
    pub(crate) fn ours(&mut self) -> usize {
        black_box(self.sink.serve(&EndpointRequest::default()));
        self.ours
    }

    /// The crate's encoder.
    pub(crate) fn theirs(&mut self) -> usize {
        self.out.clear();
        let encoded = TextEncoder::new().encode(&self.collector.collect(), &mut self.out);
        encoded.expect("the collector leaves empty families out");
        self.theirs
    }
}

/// A provider with four models, and a tool.
fn declare(bus: &Bus, n: usize) {
    let name = |dimension, name: String| bus.vocabulary().declare(dimension, &name);
    let provider = name(Dimension::Provider, format!("provider-{n}"));
    let mut declared =
        vec![Declaration::Provider(provider), Declaration::Tool(name(Dimension::Tool, format!("tool-{n}")))];
    declared.extend((0..4).map(|m| {
        let model = name(Dimension::Model, format!("model-{}", (n + m) % LIMIT_PER_DIMENSION));
        Declaration::Model(provider, model)
    }));
    bus.emit(Event::Declared(declared.into()));
}

/// Samples of an exposition.
fn samples(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#').count()
}

pub(crate) fn report(report: &mut Report) {
    for size in SIZES {
        let (mut a, mut b) = (Scrape::new(size), Scrape::new(size));
        let samples = a.ours();
        let mut workloads: [Workload<'_>; 2] = [
            timed(|| (0..SCRAPES).map(|_| a.ours()).sum()),
            timed(|| (0..SCRAPES).map(|_| b.theirs()).sum()),
        ];
        let [ours, theirs] = compare(&mut workloads)[..] else { return };
        let title = format!("A scrape of {samples} series, {SCRAPES} in a row:");
        let rows = [
            ("picoclaw, process facts included", vec![ours, ours / theirs]),
            ("prometheus crate, without them", vec![theirs, 1.0]),
        ];
        report.table(&title, &["", "ns per series", "against the crate"], &rows);
        report.at_most(
            &format!("scrape of {samples} series, against the crate"),
            ours / theirs,
            0.2,
            25.0 / theirs,
        );
    }
}
