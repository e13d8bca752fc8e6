//! Which format a client wants.

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The Prometheus text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type`. Prometheus 3 refuses a scrape whose type it does not know.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The format for an `Accept` header. Text, unless OpenMetrics is named and wanted at least as much.
pub(super) fn choose(accept: Option<&str>) -> Format {
    let mut open_metrics = Wanted::default();
    let mut text = Wanted::default();
    for range in accept.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut quality = 1.0_f32;
        let mut version = None;
        for part in parts {
            match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("q" | "Q", value)) => quality = value.parse().unwrap_or(0.0),
                Some(("version", value)) => version = Some(value.trim_matches('"')),
                _ => {}
            }
        }
        match (kind.as_str(), version) {
            ("application/openmetrics-text", Some("1.0.0")) => open_metrics.by(4, quality),
            ("application/openmetrics-text", None) => open_metrics.by(3, quality),
            ("text/plain", Some("0.0.4")) => text.by(4, quality),
            ("text/plain", None) => text.by(3, quality),
            ("text/*", None) => text.by(2, quality),
            ("*/*", None) => text.by(1, quality),
            _ => {}
        }
    }
    let (open_metrics, text) = (open_metrics.quality, text.quality);
    if open_metrics > 0.0 && open_metrics >= text { Format::OpenMetrics } else { Format::Text }
}

/// How much a format is wanted: what the most specific range says (RFC 9110, section 12.5.1).
#[derive(Default)]
struct Wanted {
    specificity: u8,
    quality: f32,
}

impl Wanted {
    fn by(&mut self, specificity: u8, quality: f32) {
        if specificity > self.specificity {
            *self = Self { specificity, quality };
        } else if specificity == self.specificity {
            self.quality = self.quality.max(quality);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_clients_get_what_they_want() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                            q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/\
                            openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;\
                            q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let text_first = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5";
        for (accept, format) in [
            (None, Format::Text),
            (Some(""), Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/html"), Format::Text),
            (Some("garbage;;q=,"), Format::Text),
            (Some(prometheus_2), Format::OpenMetrics),
            (Some(prometheus_3), Format::OpenMetrics),
            (Some(text_first), Format::Text),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=0, text/plain"), Format::Text),
            (Some("text/plain;q=0.2, application/openmetrics-text;q=0.5, */*;q=0.9"), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=0.5, */*;q=0.9"), Format::Text),
            (Some("application/vnd.google.protobuf;encoding=delimited"), Format::Text),
        ] {
            assert_eq!(choose(accept), format, "{accept:?}");
        }
    }
}
