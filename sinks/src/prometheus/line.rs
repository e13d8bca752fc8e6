//! The parts that lines of both formats are made of.

use std::io::Write;

use super::accept::Format;

/// The first lines of a family: what it means, and its type.
pub(super) fn head(out: &mut Vec<u8>, format: Format, name: &str, help: &str, kind: &str) {
    let name = match format {
        // OpenMetrics names a family of counters without the suffix that its samples have.
        Format::OpenMetrics if kind == "counter" => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    // The `prometheus` crate writes no line for an empty help either.
    if !help.is_empty() {
        out.extend_from_slice(b"# HELP ");
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        escape(out, help, format == Format::OpenMetrics);
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(kind.as_bytes());
    out.push(b'\n');
}

/// The beginning of a sample's line, up to its number: name, labels, and a label more such as `le`.
pub(super) fn prefix<'a>(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    more: Option<(&'a str, &'a str)>,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let mut open = b'{';
    for (label, value) in labels.chain(more) {
        out.push(open);
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(out, value, true);
        out.push(b'"');
        open = b',';
    }
    if open == b',' {
        out.push(b'}');
    }
    out.push(b' ');
}

/// A bound of a bucket, or a quantile, as a label's value.
pub(super) fn bound(format: Format, bound: f64) -> String {
    match format {
        _ if bound == f64::INFINITY => "+Inf".to_owned(),
        Format::Text => bound.to_string(),
        // OpenMetrics wants canonical numbers: a float is recognisable as one.
        Format::OpenMetrics => format!("{bound:?}"),
    }
}

/// A whole number and the end of the line.
pub(super) fn whole(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    out.push(b'\n');
}

/// A number and the end of the line.
pub(super) fn number(out: &mut Vec<u8>, x: f64) {
    // Below 2^53 a whole float is written like the integer.
    if x.fract() == 0.0 && x.abs() < 9_007_199_254_740_992.0 {
        out.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
    } else if x.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if x.is_infinite() {
        out.extend_from_slice(if x > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{x}");
    }
    out.push(b'\n');
}

/// Label values escape backslash, newline and quote; help texts of the text format leave quotes alone.
fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(x: f64) -> String {
        let mut out = Vec::new();
        number(&mut out, x);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_short_and_exact() {
        for (x, text) in [
            (0.0, "0\n"),
            (-3.0, "-3\n"),
            (0.1, "0.1\n"),
            (1e18, "1000000000000000000\n"),
            (f64::NAN, "NaN\n"),
            (f64::INFINITY, "+Inf\n"),
            (f64::NEG_INFINITY, "-Inf\n"),
        ] {
            assert_eq!(written(x), text);
        }
    }

    #[test]
    fn bounds_are_canonical_in_open_metrics() {
        for (x, text, open_metrics) in
            [(0.005, "0.005", "0.005"), (30.0, "30", "30.0"), (f64::INFINITY, "+Inf", "+Inf")]
        {
            assert_eq!(
                (bound(Format::Text, x).as_str(), bound(Format::OpenMetrics, x).as_str()),
                (text, open_metrics)
            );
        }
    }
}
