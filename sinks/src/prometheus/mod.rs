//! The Prometheus exposition: the sink that is asked.
//!
//! The numbers are those of the bus, copied when somebody asks: what happened before a scrape is in it, and between two
//! scrapes nothing is done that nobody looks at (docs/adr/0024).
//!
//! * `accept`: which format a client wants.
//! * `encode`: our own encoder, which writes from cached prefixes and costs a fraction of the `prometheus` crate's.
//!   `line`: what lines are made of. `foreign`: the families of other collectors.
//! * [`collector`]: the same numbers for a `prometheus::Registry`, which is also how the process facts come in and how
//!   the encoder is checked.
//!
//! Every metric of the catalogue has its HELP and TYPE from the start, also while it has no series.

mod accept;
pub mod collector;
mod encode;
mod foreign;
mod line;

use picoclaw_telemetry::sink::{EndpointRequest, EndpointResponse, Sink, Verdict};
use picoclaw_telemetry::{Checkpoint, Ledger, Record};
use prometheus::Registry;
use serde::Deserialize;

use self::accept::Format;
use self::collector::ProcessCollector;
use self::encode::Encoder;
use crate::config::{SinkConfig, parse_options};
use crate::context::Context;
use crate::registry::{BuildError, Built};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Where the exposition is served.
    path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: "/metrics".to_owned() }
    }
}

/// Builds the sink.
///
/// # Errors
///
/// When an option is wrong.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let options: Options = parse_options(config, index)?;
    let foreign = Registry::new();
    foreign.register(Box::new(ProcessCollector::new())).expect("a new registry has nothing of this name");
    let sink = Prometheus {
        path: options.path,
        ledger: Ledger::new(),
        context: context.clone(),
        foreign,
        text: Encoder::new(Format::Text),
        open_metrics: None,
    };
    Ok(Built { sink: Box::new(sink), transport: None })
}

struct Prometheus {
    path: String,
    /// The exact numbers of the last scrape.
    ledger: Ledger,
    context: Context,
    foreign: Registry,
    text: Encoder,
    // Made when first asked for: most installations use one format only.
    open_metrics: Option<Encoder>,
}

impl Sink for Prometheus {
    fn record(&mut self, _: &Record) -> Verdict {
        Verdict::Delivered
    }

    fn gap(&mut self, _: u64, _: &Checkpoint) {}

    fn endpoints(&self) -> Vec<String> {
        vec![self.path.clone()]
    }

    fn serve(&mut self, request: &EndpointRequest) -> EndpointResponse {
        let format = accept::choose(request.accept.as_deref());
        let encoder = match format {
            Format::Text => &mut self.text,
            Format::OpenMetrics => self.open_metrics.get_or_insert_with(|| Encoder::new(format)),
        };
        self.context.bus.inspect(|now| self.ledger.copy_from(now));
        let body = encoder.encode(&self.ledger, &self.context, &self.foreign.gather());
        EndpointResponse { status: 200, content_type: format.content_type(), headers: Vec::new(), body }
    }
}

#[cfg(test)]
mod tests;
