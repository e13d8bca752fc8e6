//! One event as one line for people: `2024-01-15T10:30:00.123Z INFO agent Processing message session_id=abc123`.

use std::fmt::Write;
use std::time::SystemTime;

use picoclaw_telemetry::Record;
use picoclaw_telemetry::event::Value;
use picoclaw_telemetry::words::Level;

use super::clock::Clock;
use super::line;
use crate::mask::Masker;

/// The longest text of a line, before escapes.
const LONGEST: usize = 16 * 1024;

/// Appends an event's line, without its end.
pub(super) fn push(record: &Record, clock: &mut Clock, masker: &Masker, out: &mut Vec<u8>) {
    let event = &record.event;
    let start = out.len();
    begin(record.time, event.level(), event.component().as_str(), clock, out);
    push_plain(&masker.mask(&event.message()), out);
    event.attributes(|name, value| {
        if out.len() - start > LONGEST {
            return;
        }
        out.push(b' ');
        push_plain(name, out);
        out.push(b'=');
        match value {
            Value::Text(text) => push_value(&masker.mask(text), out),
            Value::Word(word) => out.extend_from_slice(word.as_bytes()),
            Value::Count(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
            Value::Millis(time) => line::push_millis(time, out),
        }
    });
}

/// Appends the line that says how many records are missing.
pub(super) fn push_gap(time: SystemTime, missing: u64, reason: &str, clock: &mut Clock, out: &mut Vec<u8>) {
    begin(time, Level::Warn, "bus", clock, out);
    let text = format!("{} reason={reason}", line::gap_message(missing));
    out.extend_from_slice(text.as_bytes());
}

fn begin(time: SystemTime, level: Level, component: &str, clock: &mut Clock, out: &mut Vec<u8>) {
    clock.push(time, out);
    let level = match level {
        Level::Debug => " DEBUG ",
        Level::Info => " INFO ",
        Level::Warn => " WARN ",
        Level::Error => " ERROR ",
    };
    out.extend_from_slice(level.as_bytes());
    out.extend_from_slice(component.as_bytes());
    out.push(b' ');
}

/// Control characters are shown, not obeyed: a text must not make lines of its own or steer a terminal.
fn push_plain(text: &str, out: &mut Vec<u8>) {
    if !text.chars().any(char::is_control) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    out.extend_from_slice(shown.as_bytes());
}

fn push_value(text: &str, out: &mut Vec<u8>) {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(plain) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    push_plain(&text.replace('\\', "\\\\").replace('"', "\\\""), out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw_telemetry::{Detail, Event};
    use std::time::{Duration, UNIX_EPOCH};

    fn text(event: Event) -> String {
        let record = Record { seq: 1, time: UNIX_EPOCH + Duration::from_millis(1_705_314_600_123), event };
        let mut out = Vec::new();
        push(&record, &mut Clock::default(), &Masker::new(&["hunter2".to_owned()]), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_reads_well() {
        let event = Event::GatewayReady {
            address: Detail::from("127.0.0.1:18790"),
            elapsed: Duration::from_millis(1234),
        };
        assert_eq!(
            text(event),
            "2024-01-15T10:30:00.123Z INFO main Gateway ready address=127.0.0.1:18790 duration_ms=1234"
        );
    }

    #[test]
    fn values_are_quoted_masked_and_harmless() {
        let event = Event::GatewayShutdown { cause: Detail::from("say \"hunter2\"\nand \u{1b}[2J") };
        let line = text(event);
        assert!(line.ends_with(r#"Gateway stopping cause="say \"***\"\nand \u001b[2J""#), "{line}");
    }
}
