//! Messages as lines of JSON, and back.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::Arc;

use picoclaw_telemetry::json_text;

use super::error::StoreError;
use crate::chat::Message;

/// Longest line, in bytes. A longer one found on disk counts as corrupt.
pub(super) const MAX_LINE: usize = 10 << 20;
/// What a message costs in memory beyond its text.
const MESSAGE_OVERHEAD: usize = 256;

/// What was found in a session's file.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The messages after the skipped lines, oldest first.
    pub(super) messages: Vec<Arc<Message>>,
    /// Lines that are no message: torn by a crash, damaged, or too long.
    pub(super) corrupt: u64,
    /// Messages left out from the beginning because the rest fills the budget.
    pub(super) omitted: u64,
    /// Bytes read.
    pub(super) bytes: u64,
    /// Estimate of the memory that the messages take.
    pub(super) weight: usize,
}

/// The messages as lines, each with its newline.
pub(super) fn encode(messages: &[Arc<Message>]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(256 * messages.len());
    for message in messages {
        let start = bytes.len();
        push(message, &mut bytes);
        bytes.push(b'\n');
        let line = bytes.len() - start;
        if line > MAX_LINE {
            return Err(StoreError::TooLong { bytes: line, limit: MAX_LINE });
        }
    }
    Ok(bytes)
}

/// Appends a message as JSON. Most have a text and little else.
fn push(message: &Message, out: &mut Vec<u8>) {
    let Message { role, content, model_name, created_at, reasoning_content, tool_calls, tool_call_id, other } =
        message;
    if reasoning_content.is_some() || !tool_calls.is_empty() || tool_call_id.is_some() || !other.is_empty() {
        serde_json::to_writer(out, message).expect("a message always serialises into memory");
        return;
    }
    let mut field = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        json_text::push(value, out);
        out.push(b'"');
    };
    field("{\"role\":\"", role.as_str());
    field(",\"content\":\"", content);
    if let Some(model) = model_name {
        field(",\"model_name\":\"", model);
    }
    if let Some(time) = created_at {
        field(",\"created_at\":\"", time);
    }
    out.push(b'}');
}

/// Memory that messages take whose lines have this many bytes in all.
pub(super) fn weight(line_bytes: usize, messages: usize) -> usize {
    line_bytes + messages * MESSAGE_OVERHEAD
}

/// About what a message weighs among others.
pub(super) fn cost(message: &Message) -> usize {
    weight(serde_json::to_vec(message).map_or(0, |line| line.len() + 1), 1)
}

/// Where the conversation begins after so many messages have left it, as a number of lines; `skip` is where it begins
/// now. Less than asked for when there are fewer.
pub(super) fn beginning(mut reader: impl BufRead, skip: u64, messages: u64) -> io::Result<u64> {
    let (mut line, mut bytes) = (Vec::new(), 0);
    let (mut number, mut beginning, mut left) = (0, skip, messages);
    while left > 0
        && let Some(text) = next_line(&mut reader, &mut line, &mut bytes)?
    {
        if text.is_some_and(|text| text.trim_ascii().is_empty()) {
            continue;
        }
        number += 1;
        if number > skip && text.is_some_and(|text| serde_json::from_slice::<Message>(text).is_ok()) {
            left -= 1;
            beginning = number;
        }
    }
    Ok(beginning)
}

/// Reads a session's file, without its first `skip` lines, and keeps the newest messages within `budget` bytes.
pub(super) fn load(mut reader: impl BufRead, skip: u64, budget: usize) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut kept: VecDeque<(Arc<Message>, usize)> = VecDeque::new();
    let mut line = Vec::new();
    let mut number = 0;
    while let Some(text) = next_line(&mut reader, &mut line, &mut loaded.bytes)? {
        if text.is_some_and(|text| text.trim_ascii().is_empty()) {
            continue;
        }
        number += 1;
        if number <= skip {
            continue;
        }
        let Some((text, message)) =
            text.and_then(|t| serde_json::from_slice(t).ok().map(|m: Message| (t, m)))
        else {
            loaded.corrupt += 1;
            continue;
        };
        let cost = weight(text.len(), 1);
        loaded.weight += cost;
        kept.push_back((Arc::new(message), cost));
        while loaded.weight > budget && kept.len() > 1 {
            loaded.weight -= kept.pop_front().map_or(0, |(_, cost)| cost);
            loaded.omitted += 1;
        }
    }
    loaded.messages = kept.into_iter().map(|(message, _)| message).collect();
    Ok(loaded)
}

/// Counts lines as [`load`] numbers them: blank ones do not count, one without a newline at the end does.
#[derive(Debug, Default)]
pub(super) struct Counter {
    complete: u64,
    /// Whether the line that is not complete has more than white space.
    begun: bool,
}

impl Counter {
    /// Takes in the next bytes of the file.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.complete += u64::from(std::mem::take(&mut self.begun));
            } else {
                self.begun |= !byte.is_ascii_whitespace();
            }
        }
    }

    /// How many lines there were.
    pub(super) fn lines(&self) -> u64 {
        self.complete + u64::from(self.begun)
    }
}

/// The next line without its newline: `Some(None)` for one that is too long, `None` at the end.
fn next_line<'a>(
    reader: &mut impl BufRead,
    line: &'a mut Vec<u8>,
    bytes: &mut u64,
) -> io::Result<Option<Option<&'a [u8]>>> {
    line.clear();
    let (mut read, mut too_long) = (0, false);
    loop {
        let chunk = reader.fill_buf()?;
        let newline = chunk.iter().position(|b| *b == b'\n');
        let part = &chunk[..newline.unwrap_or(chunk.len())];
        too_long |= line.len() + part.len() > MAX_LINE;
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = newline.map_or(chunk.len(), |at| at + 1);
        reader.consume(used);
        read += used;
        if newline.is_some() || used == 0 {
            *bytes += read as u64;
            return Ok((read > 0).then_some((!too_long).then_some(&line[..])));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::Role;

    fn message(text: &str) -> Arc<Message> {
        Arc::new(Message::new(Role::User, text))
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_makes_of_a_message(content: String, model: Option<String>, time: Option<String>,
            call: Option<String>, reasoning: Option<String>, role in 0..4usize) {
            let role = [Role::System, Role::User, Role::Assistant, Role::Tool][role];
            let message = Message { model_name: model, created_at: time, tool_call_id: call,
                reasoning_content: reasoning, ..Message::new(role, content) };
            let mut line = Vec::new();
            push(&message, &mut line);
            let fields = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap();
            prop_assert_eq!(fields(&line), serde_json::to_value(&message).unwrap());
        }
    }

    #[test]
    fn a_plain_line_is_the_same_byte_for_byte() {
        let message = Message {
            model_name: Some("gpt".to_owned()),
            created_at: Some("2026-01-02T03:04:05Z".to_owned()),
            ..Message::new(Role::Assistant, "\"a\"\n\\ b ü \u{1}")
        };
        let mut line = Vec::new();
        push(&message, &mut line);
        assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&message).unwrap());
    }

    fn load_all(bytes: &[u8]) -> Loaded {
        load(bytes, 0, usize::MAX).unwrap()
    }

    #[test]
    fn corrupt_and_torn_lines_are_left_out_and_counted() {
        let text = "{\"role\":\"user\",\"content\":\"a\"}\n\nnonsense\n{\"role\":\"user\",\"content\":\"b\"}\n{\"role\":\"us";
        let loaded = load_all(text.as_bytes());
        let contents: Vec<_> = loaded.messages.iter().map(|m| m.content.as_str()).collect();
        assert_eq!((contents, loaded.corrupt), (vec!["a", "b"], 2));
        assert_eq!(loaded.bytes, text.len() as u64);
    }

    #[test]
    fn a_last_line_without_newline_is_read_when_it_is_whole() {
        assert_eq!(load_all(b"{\"role\":\"user\",\"content\":\"a\"}").messages.len(), 1);
    }

    #[test]
    fn skip_counts_lines_even_corrupt_ones() {
        let text = b"x\n{\"role\":\"user\",\"content\":\"a\"}\n{\"role\":\"user\",\"content\":\"b\"}\n";
        let loaded = load(&text[..], 2, usize::MAX).unwrap();
        assert_eq!((loaded.messages.len(), loaded.corrupt), (1, 0));
        assert_eq!(loaded.messages[0].content, "b");
    }

    #[test]
    fn a_line_that_is_too_long_does_not_hide_the_next_one() {
        let mut text = vec![b'x'; MAX_LINE + 1];
        text.extend_from_slice(b"\n{\"role\":\"user\",\"content\":\"a\"}\n");
        let loaded = load_all(&text);
        assert_eq!((loaded.messages.len(), loaded.corrupt), (1, 1));
    }

    #[test]
    fn a_message_that_is_too_long_is_refused() {
        let error = encode(&[message(&"x".repeat(MAX_LINE))]).unwrap_err();
        assert!(matches!(error, StoreError::TooLong { limit: MAX_LINE, .. }), "{error}");
    }

    #[test]
    fn of_a_long_history_the_newest_messages_are_kept() {
        let bytes = encode(&[message("first"), message("second"), message("third")]).unwrap();
        let loaded = load(&bytes[..], 0, 2 * weight(50, 1)).unwrap();
        assert_eq!((loaded.messages.len(), loaded.omitted), (2, 1));
        assert_eq!(loaded.messages[1].content, "third");
        assert!(loaded.weight <= 2 * weight(50, 1));
    }

    #[test]
    fn unknown_fields_are_kept() {
        let line = r#"{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"a":1}}],"media":["x"]}"#;
        let loaded = load_all(line.as_bytes());
        let again = encode(&loaded.messages).unwrap();
        let (a, b): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_slice(&again).unwrap());
        assert_eq!(a, b);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_loaded(texts in prop::collection::vec("(\\PC|\n|\0){0,40}", 0..8)) {
            let messages: Vec<_> = texts.iter().map(|t| message(t)).collect();
            let bytes = encode(&messages).unwrap();
            let loaded = load_all(&bytes);
            prop_assert_eq!(&loaded.messages, &messages);
            prop_assert_eq!(loaded.corrupt, 0);
            prop_assert!(!bytes.contains(&0));
        }

        #[test]
        fn lines_are_counted_as_they_are_numbered(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), Just(b'x')], 0..60),
            cut in 0..60usize,
        ) {
            let (mut counter, cut) = (Counter::default(), cut.min(bytes.len()));
            counter.add(&bytes[..cut]);
            counter.add(&bytes[cut..]);
            prop_assert_eq!(counter.lines(), load_all(&bytes).corrupt);
        }

        #[test]
        fn any_bytes_can_be_loaded(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(load_all(&bytes).bytes, bytes.len() as u64);
        }
    }
}
