//! Events in an EVENTS frame.
//!
//! An event is: `u64` number, `u64` nanoseconds since 1970, `u8` level, `u16` attributes, and kind, component and message,
//! each with its length in front: `u8`, `u8`, `u32`. An attribute is: `u8` type, `u8` length of the key, the key, and its
//! value: for type 1 a text with its length as `u32` in front, for 2 a count and for 3 nanoseconds, both `u64`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use picoclaw_plugin::loader::{EventBatch, EventFacts};
use picoclaw_plugin::{Level, Value};
use picoclaw_telemetry::Record;
use picoclaw_telemetry::event::Value as TelemetryValue;

use super::frame::{Content, FrameError};
use crate::mask::Masker;

const TEXT: u8 = 1;
const COUNT: u8 = 2;
const DURATION: u8 = 3;

/// Appends an event. Secrets are masked where free text may hold some.
pub(super) fn push(record: &Record, masker: &Masker, out: &mut Vec<u8>) {
    let event = &record.event;
    out.extend_from_slice(&record.seq.to_le_bytes());
    out.extend_from_slice(&unix_nanos(record.time).to_le_bytes());
    out.push(event.level() as u8);
    let count_at = out.len();
    out.extend_from_slice(&[0; 2]);
    push_short(event.kind().as_str(), out);
    push_short(event.component().as_str(), out);
    match event.sentence() {
        Some(sentence) => push_long(sentence, out),
        None => push_long(&masker.mask(&event.message()), out),
    }
    let mut count: u16 = 0;
    event.attributes(|key, value| {
        count += 1;
        match value {
            TelemetryValue::Text(text) => {
                out.push(TEXT);
                push_short(key, out);
                push_long(&masker.mask(text), out);
            }
            TelemetryValue::Word(word) => {
                out.push(TEXT);
                push_short(key, out);
                push_long(word, out);
            }
            TelemetryValue::Count(n) => push_number(COUNT, key, n, out),
            TelemetryValue::Millis(time) => push_number(DURATION, key, nanos(time), out),
        }
    });
    out[count_at..count_at + 2].copy_from_slice(&count.to_le_bytes());
}

fn push_short(text: &str, out: &mut Vec<u8>) {
    let text = &text[..text.floor_char_boundary(usize::from(u8::MAX))];
    out.push(u8::try_from(text.len()).expect("it was cut to this length"));
    out.extend_from_slice(text.as_bytes());
}

fn push_long(text: &str, out: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).expect("details are short");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn push_number(kind: u8, key: &str, number: u64, out: &mut Vec<u8>) {
    out.push(kind);
    push_short(key, out);
    out.extend_from_slice(&number.to_le_bytes());
}

fn unix_nanos(time: SystemTime) -> u64 {
    nanos(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads `count` events into a batch.
///
/// # Errors
/// When they are cut, or are not what they should be.
pub fn read<'a>(events: &'a [u8], count: u32, batch: &mut EventBatch<'_, 'a>) -> Result<(), FrameError> {
    let mut content = Content(events);
    for _ in 0..count {
        let (seq, time_unix_ns) = (content.u64()?, content.u64()?);
        let level = Level::from_number(u32::from(content.u8()?));
        let attributes = content.u16()?;
        let (kind, component) = (short(&mut content)?, short(&mut content)?);
        let message = long(&mut content)?;
        batch.push(EventFacts { seq, time_unix_ns, level, kind, component, message });
        for _ in 0..attributes {
            let kind = content.u8()?;
            let key = short(&mut content)?;
            let value = match kind {
                TEXT => Value::Text(long(&mut content)?),
                COUNT => Value::Count(content.u64()?),
                DURATION => Value::Duration(Duration::from_nanos(content.u64()?)),
                _ => return Err(FrameError::Content("attribute")),
            };
            batch.attribute(key, value);
        }
    }
    if content.0.is_empty() { Ok(()) } else { Err(FrameError::Content("end")) }
}

fn short<'a>(content: &mut Content<'a>) -> Result<&'a str, FrameError> {
    let length = content.u8()?;
    text(content, usize::from(length))
}

fn long<'a>(content: &mut Content<'a>) -> Result<&'a str, FrameError> {
    let length = content.u32()?;
    text(content, length as usize)
}

fn text<'a>(content: &mut Content<'a>, length: usize) -> Result<&'a str, FrameError> {
    std::str::from_utf8(content.take(length)?).map_err(|_| FrameError::Content("text"))
}

#[cfg(test)]
mod tests;
