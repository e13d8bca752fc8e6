//! Datadog, through the DogStatsD protocol of its Agent.
//!
//! Each flush sends the difference between the ledger now and the ledger as it last went out. A flush that fails
//! moves nothing, so an absent or restarted Agent is told everything later, once. Types are `c`, `g` and `d` only:
//! Datadog's serverless server drops the others.
//!
//! * `delta`, `teller`: what has to be told. `told`: what was, which a reload or a panic must not forget.
//!   `observations`: single values for distributions.
//! * `encode`: lines and datagrams. `tags`: names and tags that Datadog takes.
//! * `options`, `environment`, `container`: the options, and what Datadog's own clients find out by themselves.
//! * `transport`, `socket`: sends, and finds out what did not arrive. `client`: rare happenings as Datadog events,
//!   through the `dogstatsd` crate.

mod client;
mod container;
mod delta;
mod encode;
mod environment;
mod observations;
mod options;
mod socket;
mod tags;
mod teller;
mod told;
mod transport;

use std::time::Duration;

use bytes::Bytes;
use picoclaw_telemetry::event::Value;
use picoclaw_telemetry::sink::{Batch, Cadence, Sink, Verdict};
use picoclaw_telemetry::{Checkpoint, Event, Kind, Ledger, Metric, Record};

use self::delta::{Deltas, Progress};
use self::encode::Packer;
use self::options::{Options, Settings};
use self::transport::AgentTransport;
use crate::config::{SinkConfig, parse_options};
use crate::context::Context;
use crate::registry::{BuildError, Built};

/// Datadog events that wait for the next flush.
const MOST_EVENTS: usize = 100;

/// Builds the sink.
///
/// # Errors
///
/// When an option is wrong.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let options: Options = parse_options(config, index)?;
    let settings = options.settings(index, &|name| std::env::var(name).ok())?;
    let mut packer = Packer::new(&settings);
    let hello = hello(&mut packer);
    let progress = Progress::default();
    let sink = Datadog {
        interval: settings.interval,
        events: settings.events,
        waiting_events: Vec::new(),
        packer,
        deltas: Deltas::new(context.clone(), config.name(), Progress::clone(&progress)),
        last_sealed: false,
    };
    let Settings { destination, prefix, mut tags, .. } = settings;
    // By its source an event is found in Datadog's event stream.
    tags.extend(prefix.strip_suffix('.').map(|source| format!("source:{source}")));
    let transport = AgentTransport::new(destination, tags, hello, progress);
    Ok(Built { sink: Box::new(sink), transport: Some(Box::new(transport)) })
}

/// What is running: a gauge that is always 1.
fn hello(packer: &mut Packer) -> Bytes {
    let info = Metric::BuildInfo.info();
    if let Some(series) = Ledger::new().series(Metric::BuildInfo).next() {
        let ending = packer.ending("g", info, series.labels);
        packer.number(info.statsd, 1.0, &ending);
    }
    packer.finish().pop().unwrap_or_default()
}

struct Datadog {
    interval: Duration,
    events: bool,
    waiting_events: Vec<(String, String)>,
    packer: Packer,
    deltas: Deltas,
    last_sealed: bool,
}

impl Sink for Datadog {
    fn start(&mut self, checkpoint: &Checkpoint) {
        self.deltas.start(&checkpoint.ledger, &mut self.packer);
    }

    fn record(&mut self, record: &Record) -> Verdict {
        self.deltas.record(record);
        if self.events && is_notable(&record.event) && self.waiting_events.len() < MOST_EVENTS {
            self.waiting_events.push(as_event(&record.event));
        }
        Verdict::Delivered
    }

    fn gap(&mut self, _: u64, checkpoint: &Checkpoint) {
        self.deltas.heal(&checkpoint.ledger);
    }

    fn cadence(&self) -> Cadence {
        Cadence::Every(self.interval)
    }

    fn seal(&mut self, last: bool) -> Option<Batch> {
        // The last flush is one, unless more observations wait than one flush takes.
        if last && self.last_sealed && !self.deltas.owes_observations() {
            return None;
        }
        if !self.deltas.seal(&mut self.packer) {
            return None;
        }
        self.last_sealed = last;
        for (title, text) in self.waiting_events.drain(..) {
            self.packer.event(&title, &text);
        }
        Some(Batch::new(self.packer.finish(), 0))
    }

    fn acknowledged(&mut self) {
        self.deltas.acknowledged();
    }

    fn refused(&mut self, _: Batch) -> u64 {
        self.deltas.refused();
        0
    }

    /// A batch of differences that got lost would make the totals wrong for ever.
    fn gives_up(&self) -> bool {
        false
    }
}

/// Happenings that an operator wants to see in Datadog's event stream.
fn is_notable(event: &Event) -> bool {
    matches!(
        event.kind(),
        Kind::GatewayStart | Kind::GatewayShutdown | Kind::HealthChanged | Kind::ReloadFailed
    )
}

fn as_event(event: &Event) -> (String, String) {
    let mut text = String::new();
    event.attributes(|name, value| {
        if let Value::Text(value) | Value::Word(value) = value {
            text.push_str(&format!("{name}: {value}\n"));
        }
    });
    (format!("PicoClaw: {}", event.message()), text)
}

#[cfg(test)]
mod tests;
