//! One event as one line: `measurement,tags fields time`.

use std::io::Write;

use picoclaw_plugin::{Event, Value};

/// Names of bounded sets: they may be tags, which InfluxDB keeps an index of.
const TAGS: &[&str] =
    &["provider", "model", "channel", "tool", "origin", "status", "outcome", "reason", "from", "to"];

/// Appends the line of an event.
pub(crate) fn push(prefix: &str, event: &Event<'_>, out: &mut Vec<u8>) {
    escape(prefix, b", ", out);
    escape(event.kind(), b", ", out);
    tag("level", event.level().as_str(), out);
    for (key, value) in event.attributes() {
        if let Value::Text(text) = value
            && TAGS.contains(&key)
        {
            tag(key, text, out);
        }
    }
    let mut separator = b' ';
    for (key, value) in event.attributes() {
        if matches!(value, Value::Text(_)) && TAGS.contains(&key) {
            continue;
        }
        out.push(separator);
        separator = b',';
        escape(key, b",= ", out);
        out.push(b'=');
        match value {
            Value::Text(text) => quote(text, out),
            Value::Count(n) => put(out, format_args!("{n}i")),
            Value::Duration(time) => put(out, format_args!("{}", time.as_secs_f64() * 1000.0)),
        }
    }
    if separator == b' ' {
        out.extend_from_slice(b" count=1i");
    }
    put(out, format_args!(" {}\n", event.unix_nanos()));
}

/// InfluxDB has no empty tags.
fn tag(key: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        out.push(b',');
        escape(key, b",= ", out);
        out.push(b'=');
        escape(value, b",= ", out);
    }
}

fn escape(text: &str, special: &[u8], out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if byte == b'\n' {
            out.extend_from_slice(b"\\n");
            continue;
        }
        if special.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        tag("k", text, &mut out);
        quote(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escaped("a b,c=d"), r#",k=a\ b\,c\=d"a b,c=d""#);
        assert_eq!(escaped("\"\\\n"), r#",k="\\n"\"\\\n""#);
        assert_eq!(escaped(""), r#""""#);
    }
}
