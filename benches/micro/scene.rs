//! What all workloads need: a context, names, events.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::{Built, Context};
use picoclaw_telemetry::health::{HealthReport, HealthSource};
use picoclaw_telemetry::words::HealthStatus;
use picoclaw_telemetry::{Bus, Detail, Dimension, Event, Label, PluginRegistry, Record, SinkRegistry};
use serde_json::{Value, json};

struct Well;

impl HealthSource for Well {
    fn report(&self) -> HealthReport {
        HealthReport { status: HealthStatus::Healthy, checks: Vec::new() }
    }
}

/// What the sinks of a gateway know.
pub(crate) fn context(bus: &Bus) -> Context {
    Context {
        bus: bus.clone(),
        sinks: SinkRegistry::default(),
        plugins: PluginRegistry::default(),
        health: Arc::new(Well),
        masker: Arc::new(Masker::new(&[])),
        started: Instant::now(),
    }
}

/// A sink as the configuration would make it.
pub(crate) fn sink(kind: &str, options: &Value, bus: &Bus) -> Built {
    let config = serde_json::from_value(json!({ "type": kind, "options": options }));
    let config = config.expect("the entry has the right shape");
    match picoclaw_sinks::build(&config, 0, &context(bus)) {
        Ok(built) => built,
        Err(error) => panic!("the bench's own options are right: {error}"),
    }
}

/// The channel of the messages.
pub(crate) fn channel(bus: &Bus) -> Label {
    bus.vocabulary().declare(Dimension::Channel, "http")
}

/// The most frequent event with a histogram: a reply has left.
pub(crate) fn reply(channel: Label, session: &Detail) -> Event {
    Event::ReplySent { channel, session: session.clone(), duration: Duration::from_micros(12_345) }
}

/// The same as a record.
pub(crate) fn record(seq: u64, event: Event) -> Record {
    Record { seq, time: SystemTime::now(), event }
}
