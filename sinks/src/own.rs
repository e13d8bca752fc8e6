//! The telemetry system's own numbers, as series: see [`Source::Own`](picoclaw_telemetry::metric::Source).

use picoclaw_telemetry::stats::{DropReason, SendErrorKind};
use picoclaw_telemetry::{Dimension, Metric, SeriesValue, SinkStats};

use crate::context::Context;

type Read<T> = fn(&SinkStats) -> T;

/// Calls `visit` with every series of every own metric, in the order of the catalogue.
pub fn visit(context: &Context, mut visit: impl FnMut(Metric, &[&str], SeriesValue<'_>)) {
    use SeriesValue::{Counter, Gauge};
    let sinks = context.sinks.all();
    let vitals = context.bus.vitals();
    visit(Metric::TelemetryEventsTotal, &[], Counter(context.bus.seq()));
    for dimension in Dimension::ALL {
        let n = context.bus.vocabulary().overflows(*dimension);
        visit(Metric::LabelOverflowsTotal, &[dimension.as_str()], Counter(n));
    }
    visit(Metric::EventLoopLag, &[], Gauge(vitals.event_loop_lag().as_secs_f64()));
    visit(Metric::HttpConnections, &[], Gauge(vitals.http_connections() as f64));
    for sink in &sinks {
        for (outcome, n) in [
            ("delivered", sink.delivered()),
            ("filtered", sink.filtered()),
            ("dropped", sink.dropped_total()),
            ("lagged", sink.lagged()),
        ] {
            visit(Metric::SinkEventsTotal, &[&sink.name, outcome], Counter(n));
        }
    }
    for sink in &sinks {
        for reason in DropReason::ALL {
            visit(
                Metric::SinkEventsDroppedTotal,
                &[&sink.name, reason.as_str()],
                Counter(sink.dropped(*reason)),
            );
        }
    }
    for sink in &sinks {
        for kind in SendErrorKind::ALL {
            let n = sink.send_errors(*kind);
            visit(Metric::SinkSendErrorsTotal, &[&sink.name, kind.as_str()], Counter(n));
        }
    }
    let counters: [(Metric, Read<u64>); 3] = [
        (Metric::SinkRetriesTotal, SinkStats::retries),
        (Metric::SinkGapsTotal, SinkStats::gaps),
        (Metric::SinkRestartsTotal, SinkStats::restarts),
    ];
    for (metric, read) in counters {
        sinks.iter().for_each(|sink| visit(metric, &[&sink.name], Counter(read(sink))));
    }
    let gauges: [(Metric, Read<f64>); 4] = [
        (Metric::SinkLagEvents, |sink| sink.backlog() as f64),
        (Metric::SinkBufferEvents, |sink| sink.buffered() as f64),
        (Metric::SinkUp, |sink| f64::from(u8::from(sink.up()))),
        (Metric::SinkLastSuccess, SinkStats::last_success),
    ];
    for (metric, read) in gauges {
        sinks.iter().for_each(|sink| visit(metric, &[&sink.name], Gauge(read(sink))));
    }
    for sink in &sinks {
        let flush = sink.flush();
        let value = SeriesValue::Histogram(&flush.buckets, flush.sum);
        visit(Metric::SinkFlushSeconds, &[&sink.name], value);
    }
}
