//! One event as one line of flat JSON.
//!
//! `time`, `level`, `component`, `message`, then `session_id` and `duration_ms` where the event has them, its other
//! attributes in their order, `kind`; the writer, which knows the file, adds `seq` and closes the line. All values are
//! strings or numbers: several log shippers cannot read anything else.

use std::time::{Duration, SystemTime};

use picoclaw_telemetry::event::{LogLine, Value};
use picoclaw_telemetry::{Event, Record, json_text};

use super::clock::Clock;
use crate::mask::{Masker, Masking};

/// The longest line, the writer's part not included. Log shippers tear longer ones apart.
pub(super) const LONGEST: usize = 60 * 1024;

/// What is kept free for the fields at the end.
const RESERVE: usize = 256;

/// Appends an event's line, without its number and end.
pub(super) fn push(record: &Record, clock: &mut Clock, masker: &Masker, out: &mut Vec<u8>) {
    let event = &record.event;
    let mut line = Line::begin(record.time, clock, masker, out);
    line.word("level", event.level().as_str());
    line.word("component", event.component().as_str());
    match event.sentence() {
        Some(sentence) => line.sentence("message", sentence),
        None => line.field("message", Value::Text(&event.message())),
    }
    match event {
        Event::Log(log) => log_fields(&mut line, log),
        // The one event whose duration does not come first by itself.
        Event::GatewayReady { .. } => {
            for first in [true, false] {
                event.attributes(|name, value| {
                    if comes_first(name) == first {
                        line.field(name, value);
                    }
                });
            }
        }
        _ => event.attributes(|name, value| line.field(name, value)),
    }
    line.end(event.kind().as_str());
}

/// Appends the line that says how many records are missing.
pub(super) fn push_gap(
    time: SystemTime,
    missing: u64,
    reason: &str,
    clock: &mut Clock,
    masker: &Masker,
    out: &mut Vec<u8>,
) {
    let mut line = Line::begin(time, clock, masker, out);
    line.word("level", "warn");
    line.word("component", "bus");
    line.field("message", Value::Text(&gap_message(missing)));
    line.field("missing", Value::Count(missing));
    line.word("reason", reason);
    line.end("log.gap");
}

pub(super) fn gap_message(missing: u64) -> String {
    match missing {
        1 => "1 record is missing from this log".to_owned(),
        n => format!("{n} records are missing from this log"),
    }
}

/// The fields of a diagnostic, whose names are anybody's choice.
fn log_fields(line: &mut Line<'_>, log: &LogLine) {
    for first in [true, false] {
        for (at, (name, value)) in log.fields.iter().enumerate() {
            if comes_first(name) != first {
                continue;
            }
            let twin = log.fields[..at].iter().any(|(other, _)| other == name);
            match value.as_str().parse::<f64>() {
                Ok(millis) if *name == "duration_ms" && !twin && millis.is_finite() && millis >= 0.0 => {
                    let time = Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX);
                    line.field(name, Value::Millis(time));
                }
                _ if twin || is_fixed(name) || *name == "duration_ms" => {
                    line.field(&escaped(&format!("x_{name}")), Value::Text(value.as_str()));
                }
                _ => line.field(&escaped(name), Value::Text(value.as_str())),
            }
        }
    }
}

fn comes_first(name: &str) -> bool {
    matches!(name, "session_id" | "duration_ms")
}

/// Names that an attribute cannot have.
fn is_fixed(name: &str) -> bool {
    matches!(name, "time" | "level" | "component" | "message" | "kind" | "seq" | "truncated")
}

/// A name that others chose, as it may stand in a line.
fn escaped(name: &str) -> String {
    let mut escaped = Vec::with_capacity(name.len());
    json_text::push(name, &mut escaped);
    String::from_utf8(escaped).unwrap_or_default()
}

/// A line in the making. Names of fields are written as they are.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    masking: Masking,
    start: usize,
    truncated: bool,
}

impl<'a> Line<'a> {
    fn begin(time: SystemTime, clock: &mut Clock, masker: &Masker, out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(b"{\"time\":\"");
        clock.push(time, out);
        out.push(b'"');
        Self { out, masking: masker.masking(), start, truncated: false }
    }

    /// A field whose value holds no secret and needs no escape.
    fn word(&mut self, name: &str, word: &str) {
        self.name(name);
        self.quoted(word);
    }

    /// A field whose value holds no secret.
    fn sentence(&mut self, name: &str, sentence: &str) {
        self.name(name);
        self.out.push(b'"');
        json_text::push(sentence, self.out);
        self.out.push(b'"');
    }

    fn quoted(&mut self, word: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    fn field(&mut self, name: &str, value: Value<'_>) {
        let left = LONGEST.saturating_sub(self.out.len() - self.start + RESERVE);
        if left < name.len() * json_text::GROWTH + RESERVE {
            self.truncated = true;
            return;
        }
        self.name(name);
        match value {
            Value::Text(text) => self.text(text, left - name.len() * json_text::GROWTH),
            Value::Word(word) => self.quoted(word),
            Value::Count(n) => self.number(n),
            Value::Millis(time) => push_millis(time, self.out),
        }
    }

    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, text: &str, room: usize) {
        let masked = self.masking.mask(text);
        let fitting = json_text::fitting(&masked, room);
        self.out.push(b'"');
        json_text::push(fitting, self.out);
        if fitting.len() < masked.len() {
            self.out.extend_from_slice("…".as_bytes());
            self.truncated = true;
        }
        self.out.push(b'"');
    }

    fn number(&mut self, n: u64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }

    fn end(mut self, kind: &str) {
        if self.truncated {
            self.out.extend_from_slice(b",\"truncated\":1");
        }
        self.word("kind", kind);
    }
}

/// Appends a time in milliseconds with up to three decimals.
pub(super) fn push_millis(time: Duration, out: &mut Vec<u8>) {
    let micros = u64::try_from(time.as_nanos().saturating_add(500) / 1000).unwrap_or(u64::MAX);
    out.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
    let fraction = micros % 1000;
    if fraction > 0 {
        let digits = [fraction / 100, fraction / 10 % 10, fraction % 10];
        let used = 3 - digits.iter().rev().take_while(|d| **d == 0).count();
        out.push(b'.');
        out.extend(digits[..used].iter().map(|d| b'0' + *d as u8));
    }
}

#[cfg(test)]
mod tests;
