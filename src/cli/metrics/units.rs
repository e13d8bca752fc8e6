//! Numbers for people: the end of a metric's name says what it counts.

use std::time::{Duration, SystemTime};

use picoclaw_sinks::health_document::{go_duration, rfc3339};

/// The value of a metric of this name.
pub(super) fn value(name: &str, value: f64, now: SystemTime) -> String {
    if name.ends_with("_timestamp_seconds") || name.ends_with("_start_time_seconds") {
        timestamp(value, now)
    } else if name.ends_with("_seconds") || name.ends_with("_seconds_total") {
        seconds(value)
    } else if name.ends_with("_bytes") {
        bytes(value)
    } else if name.ends_with("_usd_total") {
        dollars(value)
    } else {
        number(value)
    }
}

fn timestamp(value: f64, now: SystemTime) -> String {
    let Ok(since_epoch) = Duration::try_from_secs_f64(value) else { return number(value) };
    if since_epoch.is_zero() {
        return "never".to_owned();
    }
    let at = SystemTime::UNIX_EPOCH + since_epoch;
    match now.duration_since(at) {
        Ok(age) => format!("{} ({} ago)", rfc3339(at), go_duration(age)),
        Err(_) => rfc3339(at),
    }
}

fn seconds(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || !size.is_finite() => format!("{} s", number(value)),
        size if size < 0.001 => format!("{:.0} µs", value * 1e6),
        size if size < 1.0 => format!("{} ms", number(value * 1000.0)),
        size if size < 60.0 => format!("{value:.2} s"),
        _ => Duration::try_from_secs_f64(value).map_or_else(|_| number(value), go_duration),
    }
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut size = value;
    let mut unit = 0;
    while size.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", number(size), UNITS[unit])
}

/// An answer may cost a small part of a cent.
fn dollars(value: f64) -> String {
    if value > 0.0 && value < 0.01 { format!("${value:.6}") } else { format!("${value:.2}") }
}

/// With at most two decimals, and fewer when it is large.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_the_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_100);
        for (name, raw, text) in [
            ("a_total", 12_345_678.0, "12345678"),
            ("a_ratio", 0.125, "0.12"),
            ("a_seconds", 0.0, "0 s"),
            ("a_seconds", 0.000_25, "250 µs"),
            ("a_seconds", 0.0125, "12.5 ms"),
            ("a_seconds", 9.5, "9.50 s"),
            ("a_seconds_total", 75.0, "1m15s"),
            ("a_bytes", 10_485_760.0, "10 MiB"),
            ("a_usd_total", 0.0, "$0.00"),
            ("a_usd_total", 0.000_123, "$0.000123"),
            ("a_usd_total", 1234.5, "$1234.50"),
            ("a_timestamp_seconds", 0.0, "never"),
            ("a_timestamp_seconds", 1_000_000.0, "1970-01-12T13:46:40Z (1m40s ago)"),
        ] {
            assert_eq!(value(name, raw, now), text, "{name} {raw}");
        }
        assert_eq!(value("a", f64::NAN, now), "NaN");
    }
}
