//! The `/health` document with numbers, for New Relic's nri-flex and everybody else who reads JSON.
//!
//! The document is flat and has the same keys on every call: New Relic's charts break on keys that come and go. They
//! are forty at most, and whoever wants more asks `/metrics`. It
//! has no `checks`: nri-flex would make attributes with the checks' names of it, which come and go with the
//! configuration; `/ready` has the checks. Rates and quantiles are those of the last minutes, from samples of the
//! bus's exact numbers (docs/adr/0024).

mod sample;

use std::time::Duration;

use bytes::Bytes;
use picoclaw_telemetry::metric::RESPONSE_BOUNDS;
use picoclaw_telemetry::sink::{Cadence, EndpointRequest, EndpointResponse, Sink, Verdict};
use picoclaw_telemetry::{Checkpoint, Event, Ledger, Metric, Record, quantile};
use serde::Deserialize;
use tokio::time::Instant;

use self::sample::Sample;
use crate::config::{OptionsError, SinkConfig, parse_options};
use crate::context::Context;
use crate::health_document::Document;
use crate::process;
use crate::registry::{BuildError, Built};
use crate::window::Window;

/// Rates of a gateway younger than this are per minute all the same: five messages in the first second are five in
/// this minute, not three hundred.
const SHORTEST_RATE: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Where the document is served.
    path: String,
    /// How far back rates and quantiles look.
    window_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: "/health".to_owned(), window_seconds: 300 }
    }
}

/// Builds the sink.
///
/// # Errors
///
/// When an option is wrong.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let options: Options = parse_options(config, index)?;
    if !(10..=86_400).contains(&options.window_seconds) {
        let message = "expected a number of seconds between 10 and 86400";
        return Err(OptionsError::new(index, "window_seconds", message).into());
    }
    let sink = NewRelic {
        path: options.path,
        ledger: Ledger::new(),
        window: Window::new(Duration::from_secs(options.window_seconds)),
        slowest: Some(Duration::ZERO),
        context: context.clone(),
    };
    Ok(Built { sink: Box::new(sink), transport: None })
}

struct NewRelic {
    path: String,
    /// The exact numbers when they were looked at last.
    ledger: Ledger,
    window: Window<Sample>,
    /// The longest response time since the last sample; `None` when events were missed since.
    slowest: Option<Duration>,
    context: Context,
}

impl Sink for NewRelic {
    fn start(&mut self, checkpoint: &Checkpoint) {
        self.window.push(Instant::now(), Sample::take(&checkpoint.ledger, &process::facts()));
    }

    fn record(&mut self, record: &Record) -> Verdict {
        if let Event::ReplySent { duration, .. } = &record.event {
            self.slowest = self.slowest.map(|slowest| slowest.max(*duration));
        }
        Verdict::Delivered
    }

    fn gap(&mut self, _: u64, _: &Checkpoint) {
        self.slowest = None;
    }

    fn cadence(&self) -> Cadence {
        Cadence::Every(self.window.cadence())
    }

    fn seal(&mut self, _: bool) -> Option<picoclaw_telemetry::sink::Batch> {
        self.refresh();
        let mut sample = Sample::take(&self.ledger, &process::facts());
        sample.slowest = self.slowest.replace(Duration::ZERO);
        self.window.push(Instant::now(), sample);
        None
    }

    fn endpoints(&self) -> Vec<String> {
        vec![self.path.clone()]
    }

    fn serve(&mut self, _: &EndpointRequest) -> EndpointResponse {
        self.refresh();
        let report = self.context.health.report();
        let mut document = Document::new(&report, self.context.started.elapsed(), std::process::id());
        self.numbers(&mut document);
        EndpointResponse::json(report.http_status(), Bytes::from(document.finish()))
    }
}

impl NewRelic {
    fn refresh(&mut self) {
        self.context.bus.inspect(|now| self.ledger.copy_from(now));
    }

    /// The longest response time since the window's beginning, unless events were missed.
    fn slowest_of_window(&self) -> Option<Duration> {
        let mut parts = self.window.since_begin().map(|sample| sample.slowest).chain([self.slowest]);
        parts.try_fold(Duration::ZERO, |slowest, part| Some(slowest.max(part?)))
    }

    fn numbers(&self, document: &mut Document) {
        let facts = process::facts();
        let now = Sample::take(&self.ledger, &facts);
        let (age, then) = match self.window.begin(Instant::now()) {
            Some((age, then)) => (age, then.clone()),
            None => (Duration::ZERO, now.clone()),
        };
        let recent = now.since(&then);
        let slowest = self.slowest_of_window();
        let minutes = age.max(SHORTEST_RATE).as_secs_f64() / 60.0;
        let ledger = &self.ledger;
        let total = |metric| ledger.total(metric);
        let turns = |status| ledger.counter(Metric::TurnsTotal, &["user", status]);
        let tokens =
            |direction| sample::sum(ledger, Metric::ProviderTokensTotal, |labels| labels[2] == direction);
        let outbound =
            |outcome| sample::sum(ledger, Metric::OutboundMessagesTotal, |labels| labels[1] == outcome);
        let sinks = self.context.sinks.all();

        document
            .count("messages_total", total(Metric::MessagesTotal))
            .number("messages_active", ledger.gauge(Metric::MessagesActive, &[]))
            .number("messages_per_minute", recent.messages as f64 / minutes)
            .count("messages_rejected_total", total(Metric::MessagesRejectedTotal))
            .number("queue_depth", ledger.gauge(Metric::QueueDepth, &[]))
            .number("session_count", ledger.gauge(Metric::SessionCount, &[]))
            .count("turns_completed_total", turns("completed"))
            .count("turns_failed_total", turns("failed") + turns("timeout"))
            .number("response_time_p95_ms", quantile_ms(0.95, &recent, slowest))
            .number("response_time_avg_ms", recent.average_response_ms())
            .count("provider_requests_total", total(Metric::ProviderRequestsTotal))
            .count("provider_errors_total", total(Metric::ProviderErrorsTotal))
            .number("provider_error_percent", percent(recent.errors, recent.requests))
            .count("provider_input_tokens_total", tokens("input"))
            .count("provider_output_tokens_total", tokens("output"))
            .count("tool_calls_total", total(Metric::ToolCallsTotal))
            .count("tool_errors_total", sample::tool_errors(ledger))
            .number("providers_cooling_down", sample::gauges(ledger, Metric::ProviderCooldownActive))
            .precise("cost_usd_total", sample::gauges(ledger, Metric::CostUsdTotal))
            .count("channels_down", sample::at_zero(ledger, Metric::ChannelUp))
            .count("outbound_failures_total", outbound("failure"))
            .count("mcp_servers_down", sample::at_zero(ledger, Metric::McpServerUp))
            .count(
                "plugins_down",
                self.context.plugins.all().iter().filter(|p| p.up == Some(false)).count() as u64,
            )
            .count("hooks_down", sample::at_zero(ledger, Metric::HookUp))
            .count("jobs_failed_total", sample::failed_jobs(ledger))
            .count("session_write_failures_total", ledger.counter(Metric::SessionWritesTotal, &["failure"]))
            .count("log_errors_total", ledger.counter(Metric::LogLinesTotal, &["error"]))
            .count("sinks_down", sinks.iter().filter(|sink| !sink.up() && !sink.is_retired()).count() as u64)
            .count("sink_events_dropped_total", sinks.iter().map(|sink| sink.dropped_total()).sum())
            .count("memory_rss_bytes", facts.resident_bytes.unwrap_or_default())
            .number("cpu_percent", recent.cpu_percent(age))
            .count("open_fds", facts.open_fds.unwrap_or_default());
    }
}

/// The estimate from the buckets, but not more than the slowest response took.
fn quantile_ms(q: f64, recent: &Sample, slowest: Option<Duration>) -> f64 {
    let counts = recent.response_buckets.iter().map(|n| *n as f64);
    let bounds = RESPONSE_BOUNDS.iter().copied().chain([f64::INFINITY]);
    let estimate = quantile(q, counts.clone().sum(), bounds.zip(counts));
    1000.0 * slowest.map_or(estimate, |slowest| estimate.min(slowest.as_secs_f64()))
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
