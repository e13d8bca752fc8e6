//! What an event costs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use picoclaw_sinks::Context;
use picoclaw_sinks::config::SinkConfig;
use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::prometheus::collector::LedgerCollector;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::health::{HealthReport, HealthSource};
use picoclaw_telemetry::sink::EndpointRequest;
use picoclaw_telemetry::words::HealthStatus;
use picoclaw_telemetry::{Bus, Dimension, Event, Label, Next, SinkRegistry};
use prometheus::core::Collector;
use prometheus::{Encoder, TextEncoder};

use crate::say;

const EVENTS: u32 = 1_000_000;

/// Prints the cost of emitting, and of the exposition through the crate, in nanoseconds.
pub(crate) fn run() {
    for subscribers in [0, 1, 4] {
        say(&format!("emit, {subscribers} subscribers that drain: {:.0} ns", emit(subscribers)));
    }
    let (ours, theirs) = expositions();
    say(&format!(
        "scrape, process facts included: {ours:.0} ns per series; the prometheus crate, without them: {theirs:.0} ({:.2}x)",
        ours / theirs
    ));
}

fn emit(subscribers: usize) -> f64 {
    let bus = Bus::default();
    let channel = bus.vocabulary().declare(Dimension::Channel, "http");
    let readers: Vec<_> = (0..subscribers)
        .map(|_| {
            let mut subscription = bus.subscribe();
            std::thread::spawn(move || {
                let mut ledger = subscription.start().ledger.clone();
                loop {
                    match subscription.try_next() {
                        Some(Next::Record(record)) => ledger.apply(&record),
                        Some(Next::Gap { checkpoint, .. }) => ledger = checkpoint.ledger,
                        Some(Next::Closed) => return,
                        None => std::thread::sleep(Duration::from_millis(1)),
                    }
                }
            })
        })
        .collect();
    let session: picoclaw_telemetry::Detail = "session".into();
    let began = Instant::now();
    for _ in 0..EVENTS {
        bus.emit(event(channel, &session));
    }
    let took = began.elapsed();
    bus.close();
    readers.into_iter().for_each(|reader| drop(reader.join()));
    took.as_nanos() as f64 / f64::from(EVENTS)
}

fn event(channel: Label, session: &picoclaw_telemetry::Detail) -> Event {
    Event::ReplySent { channel, session: session.clone(), duration: Duration::from_millis(12) }
}

/// A ledger with a few hundred series.
fn used() -> Bus {
    let bus = Bus::default();
    for n in 0..20 {
        let provider = bus.vocabulary().declare(Dimension::Provider, &format!("provider-{n}"));
        let model = bus.vocabulary().declare(Dimension::Model, &format!("model-{n}"));
        let tool = bus.vocabulary().declare(Dimension::Tool, &format!("tool-{n}"));
        let declared =
            [Declaration::Provider(provider), Declaration::Model(provider, model), Declaration::Tool(tool)];
        bus.emit(Event::Declared(declared.into()));
    }
    bus
}

/// Nanoseconds per series of an encoder that writes into the buffer.
fn per_series(mut encode: impl FnMut(&mut Vec<u8>)) -> f64 {
    let rounds = 300;
    let mut out = Vec::new();
    encode(&mut out);
    let series =
        out.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#") && !line.is_empty()).count();
    let began = Instant::now();
    for _ in 0..rounds {
        out.clear();
        encode(&mut out);
    }
    began.elapsed().as_nanos() as f64 / (series * rounds) as f64
}

fn expositions() -> (f64, f64) {
    let bus = used();
    let ledger = bus.checkpoint().ledger;
    let collector = LedgerCollector::new(Arc::new(Mutex::new(ledger)));
    // Encoding into memory fails for empty families only, and the collector leaves those out.
    let theirs = per_series(|out| drop(TextEncoder::new().encode(&collector.collect(), out)));
    let context = Context {
        bus: bus.clone(),
        sinks: SinkRegistry::default(),
        health: Arc::new(Well),
        masker: Arc::new(Masker::new(&[])),
        started: SystemTime::now(),
    };
    let Ok(mut built) = picoclaw_sinks::build(&SinkConfig::new("prometheus"), 0, &context) else {
        return (0.0, 0.0);
    };
    built.sink.gap(0, &bus.checkpoint());
    let ours = per_series(|out| out.extend_from_slice(&built.sink.serve(&EndpointRequest::default()).body));
    (ours, theirs)
}

struct Well;

impl HealthSource for Well {
    fn report(&self) -> HealthReport {
        HealthReport { status: HealthStatus::Healthy, checks: Vec::new() }
    }
}
