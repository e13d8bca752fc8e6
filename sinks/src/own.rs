//! The telemetry system's own numbers, as series: see [`Source::Own`](picoclaw_telemetry::metric::Source).

use picoclaw_telemetry::stats::{DropReason, SendErrorKind, Upkeep};
use picoclaw_telemetry::{Dimension, Metric, SeriesValue, SinkStats};

use crate::context::Context;

type Read<T> = fn(&SinkStats) -> T;

/// Calls `visit` with every series of every own metric, in the order of the catalogue. Every outcome, reason and kind
/// of a sink has its series from the start; how long its sends take, from the first one on. The sinks stand in the order
/// in which they appeared. A sink that is no longer configured keeps its counters and has no gauges: it is neither up nor
/// down. So it is with plugins.
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
    visit(Metric::SessionDiskWait, &[], Gauge(vitals.session_disk_wait().as_secs_f64()));
    for upkeep in Upkeep::ALL {
        let n = vitals.upkeep_failures(*upkeep);
        visit(Metric::SessionUpkeepFailuresTotal, &[upkeep.as_str()], Counter(n));
    }
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
    let gauges: [(Metric, Read<f64>); 3] = [
        (Metric::SinkBufferEvents, |sink| sink.buffered() as f64),
        (Metric::SinkUp, |sink| f64::from(u8::from(sink.up()))),
        (Metric::SinkLastSuccess, SinkStats::last_success),
    ];
    let running = || sinks.iter().filter(|sink| !sink.is_retired());
    let seq = context.bus.seq();
    running().for_each(|sink| visit(Metric::SinkLagEvents, &[&sink.name], Gauge(sink.backlog(seq) as f64)));
    for (metric, read) in gauges {
        running().for_each(|sink| visit(metric, &[&sink.name], Gauge(read(sink))));
    }
    for sink in &sinks {
        let flush = sink.flush();
        // A sink that is asked never sends.
        if flush.buckets.iter().any(|n| *n > 0) {
            let value = SeriesValue::Histogram(&flush.buckets, flush.sum);
            visit(Metric::SinkFlushSeconds, &[&sink.name], value);
        }
    }
    let plugins = context.plugins.all();
    for plugin in &plugins {
        if let Some(up) = plugin.up {
            visit(Metric::PluginUp, &[&plugin.name], Gauge(f64::from(u8::from(up))));
        }
    }
    for plugin in &plugins {
        visit(Metric::PluginRestartsTotal, &[&plugin.name], Counter(plugin.restarts));
    }
}

#[cfg(test)]
mod tests {
    use picoclaw_telemetry::metric::Source;
    use picoclaw_telemetry::{Bus, MetricKind};

    use super::*;
    use crate::testing;

    fn visited(context: &Context) -> Vec<(Metric, Vec<String>)> {
        let mut seen = Vec::new();
        visit(context, |metric, labels, value| {
            let info = metric.info();
            assert_eq!(labels.len(), info.labels.len(), "{}", info.name);
            let fits = match (info.kind, value) {
                (MetricKind::Counter, SeriesValue::Counter(_))
                | (MetricKind::Gauge, SeriesValue::Gauge(_)) => true,
                (MetricKind::Histogram(bounds), SeriesValue::Histogram(buckets, _)) => {
                    buckets.len() == bounds.len() + 1
                }
                _ => false,
            };
            assert!(fits, "{}: {value:?}", info.name);
            seen.push((metric, labels.iter().map(|label| (*label).to_owned()).collect()));
        });
        seen
    }

    #[test]
    fn every_own_metric_is_visited_in_the_order_of_the_catalogue() {
        let context = testing::context(&Bus::default());
        context.sinks.entry("a").observe_flush(std::time::Duration::ZERO);
        context.plugins.replace(&[std::sync::Arc::new(SinkStats::new("p"))]);
        let mut metrics: Vec<Metric> = visited(&context).into_iter().map(|(metric, _)| metric).collect();
        metrics.dedup();
        let own = Metric::ALL.iter().copied().filter(|metric| metric.info().source == Source::Own);
        assert_eq!(metrics, own.collect::<Vec<_>>());
    }

    #[test]
    fn a_retired_sink_keeps_its_counters_and_has_no_gauges() {
        let context = testing::context(&Bus::default());
        context.sinks.entry("a");
        context.sinks.entry("b");
        let of = |name: &str| -> Vec<(Metric, Vec<String>)> {
            visited(&context)
                .into_iter()
                .filter(|(_, labels)| labels.first().is_some_and(|l| l == name))
                .collect()
        };
        let before = of("a");
        context.sinks.retire("a");
        let after = of("a");
        let (kept, gone): (Vec<_>, Vec<_>) =
            before.clone().into_iter().partition(|(metric, _)| metric.info().kind != MetricKind::Gauge);
        assert_eq!((after, gone.len(), of("b").len()), (kept, 4, before.len()));
        context.sinks.entry("a");
        assert_eq!(of("a"), before);
    }

    #[test]
    fn a_new_sink_adds_series_behind_the_others_of_a_metric() {
        let context = testing::context(&Bus::default());
        context.sinks.entry("b");
        let before = visited(&context);
        context.sinks.entry("a");
        let after = visited(&context);
        for metric in Metric::ALL {
            let of = |seen: &[(Metric, Vec<String>)]| -> Vec<Vec<String>> {
                seen.iter().filter(|(m, _)| m == metric).map(|(_, labels)| labels.clone()).collect()
            };
            assert!(of(&after).starts_with(&of(&before)), "{metric:?}");
        }
        assert!(after.len() > before.len());
    }
}
