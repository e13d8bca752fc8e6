//! Families of other collectors: whatever implements the `prometheus` crate's `Collector`, such as the process facts.

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::accept::Format;
use super::line;

/// Writes a family. One of a type that the crate has no numbers for is left out.
pub(super) fn write(out: &mut Vec<u8>, format: Format, family: &MetricFamily) {
    let (name, help) = (family.name(), family.help());
    match family.get_field_type() {
        MetricType::COUNTER => {
            line::head(out, format, name, help, "counter");
            // The suffix is a duty in OpenMetrics only.
            let suffix =
                if format == Format::OpenMetrics && !name.ends_with("_total") { "_total" } else { "" };
            for metric in family.get_metric() {
                sample(out, metric, name, suffix, None);
                line::number(out, metric.get_counter().get_value());
            }
        }
        MetricType::GAUGE => {
            line::head(out, format, name, help, "gauge");
            for metric in family.get_metric() {
                sample(out, metric, name, "", None);
                line::number(out, metric.get_gauge().get_value());
            }
        }
        MetricType::HISTOGRAM => {
            line::head(out, format, name, help, "histogram");
            family.get_metric().iter().for_each(|metric| histogram(out, format, name, metric));
        }
        MetricType::SUMMARY => {
            line::head(out, format, name, help, "summary");
            family.get_metric().iter().for_each(|metric| summary(out, format, name, metric));
        }
        MetricType::UNTYPED => {}
    }
}

fn histogram(out: &mut Vec<u8>, format: Format, name: &str, metric: &Metric) {
    let histogram = metric.get_histogram();
    // The crate leaves the last bound out; others may not.
    let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound() != f64::INFINITY);
    let buckets = finite.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (bound, count) in buckets.chain([(f64::INFINITY, histogram.get_sample_count())]) {
        sample(out, metric, name, "_bucket", Some(("le", &line::bound(format, bound))));
        line::whole(out, count);
    }
    sample(out, metric, name, "_sum", None);
    line::number(out, histogram.get_sample_sum());
    sample(out, metric, name, "_count", None);
    line::whole(out, histogram.get_sample_count());
}

fn summary(out: &mut Vec<u8>, format: Format, name: &str, metric: &Metric) {
    let summary = metric.get_summary();
    for quantile in summary.get_quantile() {
        let value = line::bound(format, quantile.quantile());
        sample(out, metric, name, "", Some(("quantile", &value)));
        line::number(out, quantile.value());
    }
    sample(out, metric, name, "_sum", None);
    line::number(out, summary.sample_sum());
    sample(out, metric, name, "_count", None);
    line::whole(out, summary.sample_count());
}

fn sample(out: &mut Vec<u8>, metric: &Metric, name: &str, suffix: &str, more: Option<(&str, &str)>) {
    let labels = metric.get_label().iter().map(|label| (label.name(), label.value()));
    line::prefix(out, name, suffix, labels, more);
}

#[cfg(test)]
mod tests {
    use prometheus::{
        CounterVec, Gauge, Histogram, HistogramOpts, Opts, Registry, TextEncoder, core::Collector,
    };

    use super::*;

    fn registry() -> Registry {
        let counters = CounterVec::new(Opts::new("jobs", "Jobs \"done\"."), &["queue"]).unwrap();
        counters.with_label_values(&["a\"b\\c\nd"]).inc_by(1.5);
        let gauge = Gauge::new("depth", "Depth.").unwrap();
        gauge.set(-2.25);
        let histogram =
            Histogram::with_opts(HistogramOpts::new("took", "Time.").buckets(vec![0.5, 1.0, 30.0])).unwrap();
        [0.25, 0.75, 45.0].iter().for_each(|x| histogram.observe(*x));
        let registry = Registry::new();
        let collectors: [Box<dyn Collector>; 3] = [Box::new(counters), Box::new(gauge), Box::new(histogram)];
        collectors.into_iter().for_each(|collector| registry.register(collector).unwrap());
        registry
    }

    fn written(format: Format, families: &[MetricFamily]) -> String {
        let mut out = Vec::new();
        families.iter().for_each(|family| write(&mut out, format, family));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_text_is_that_of_the_crate() {
        let mut families = registry().gather();
        let mut quantile = prometheus::proto::Quantile::default();
        quantile.set_quantile(0.5);
        quantile.set_value(7.5);
        let mut summary = prometheus::proto::Summary::default();
        summary.set_quantile(vec![quantile]);
        summary.set_sample_count(4);
        summary.set_sample_sum(30.0);
        let mut metric = Metric::default();
        metric.set_summary(summary);
        let mut family = MetricFamily::default();
        family.set_name("sizes".to_owned());
        family.set_field_type(MetricType::SUMMARY);
        family.set_metric(vec![metric]);
        families.push(family);

        let theirs = TextEncoder::new().encode_to_string(&families).unwrap();
        assert_eq!(written(Format::Text, &families), theirs);
    }

    #[test]
    fn open_metrics_has_suffixes_and_canonical_bounds() {
        let text = written(Format::OpenMetrics, &registry().gather());
        for line in [
            "# TYPE jobs counter",
            "# HELP jobs Jobs \\\"done\\\".",
            "jobs_total{queue=\"a\\\"b\\\\c\\nd\"} 1.5",
            "depth -2.25",
            "took_bucket{le=\"30.0\"} 2",
            "took_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
