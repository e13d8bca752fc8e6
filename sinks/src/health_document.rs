//! The `/health` document: one flat JSON object.
//!
//! Its readers are curl, cron, load balancers, Datadog's `http_check`, nri-flex and Uptime Kuma, and they set its
//! form: no space after a colon, the same keys on every call, numbers and strings only. nri-flex writes an absent
//! value as the text `<nil>`, a boolean as text, and turns an array into samples of its own.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use picoclaw_telemetry::health::HealthReport;

/// A length of time as Go writes it: `2h30m15s`.
pub fn go_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m{s}s"),
        _ => format!("{h}h{m}m{s}s"),
    }
}

/// A point in time as RFC 3339 in UTC, to the second.
pub fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "1970-01-01T00:00:00Z".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// The document without a sink that elaborates it.
pub fn basic(report: &HealthReport, uptime: Duration, pid: u32) -> Vec<u8> {
    Document::new(report, uptime, pid).finish()
}

/// A document in the making. It begins with what every `/health` says.
#[derive(Debug)]
pub struct Document(String);

impl Document {
    /// The basic keys, `status` first.
    pub fn new(report: &HealthReport, uptime: Duration, pid: u32) -> Self {
        let mut document = Self(String::with_capacity(1024));
        document.0.push('{');
        document
            .text("status", report.status.as_str())
            .text("issues", &report.issues())
            .count("issues_count", report.issues_count() as u64)
            .text("time", &rfc3339(SystemTime::now()))
            .text("uptime", &go_duration(uptime))
            .count("uptime_seconds", uptime.as_secs())
            .count("pid", u64::from(pid))
            .text("version", env!("CARGO_PKG_VERSION"));
        document
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                c if c.is_control() => self.0.push(' '),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
        self
    }

    /// Adds a whole number.
    pub fn count(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key);
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// Adds a number with at most three decimals; 0 for what is no number.
    pub fn number(&mut self, key: &str, value: f64) -> &mut Self {
        self.rounded(key, value, 1e3)
    }

    /// Adds a number with at most six decimals: an answer may cost less than a thousandth of a dollar.
    pub fn precise(&mut self, key: &str, value: f64) -> &mut Self {
        self.rounded(key, value, 1e6)
    }

    fn rounded(&mut self, key: &str, value: f64, parts: f64) -> &mut Self {
        self.key(key);
        let value = if value.is_finite() { (value * parts).round() / parts } else { 0.0 };
        let _ = write!(self.0, "{value}");
        self
    }

    /// The finished document.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push('}');
        self.0.into_bytes()
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{key}\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw_telemetry::health::Check;
    use picoclaw_telemetry::words::HealthStatus;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m0s"), (3599, "59m59s"), (9015, "2h30m15s")] {
            assert_eq!(go_duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_document_is_flat_json_without_spaces_after_colons() {
        let check = Check {
            name: "x".into(),
            ok: false,
            issue: Some("provider_\"a\"_failing".into()),
            message: "m".into(),
        };
        let report = HealthReport { status: HealthStatus::Degraded, checks: vec![check] };
        let body = String::from_utf8(basic(&report, Duration::from_secs(5), 7)).unwrap();
        assert!(body.starts_with(r#"{"status":"degraded","issues":"#), "{body}");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(value.as_object().unwrap().values().all(|v| v.is_string() || v.is_number()));
        assert_eq!(value["issues_count"], 1);
    }
}
