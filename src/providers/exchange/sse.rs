//! Server-sent events: from bytes, split anywhere, to the data of each event.
//!
//! Follows the parsing rules of the HTML standard (lines end with LF, CR or CRLF; a leading byte order mark, comments
//! and unknown fields are skipped; several data lines are joined), with two deviations that suit model servers: only
//! the data is kept, and an event that the end of the body interrupts after a whole line still counts.

use std::ops::Range;

/// Longest line, and longest data of one event, in bytes.
pub(super) const MAX_EVENT: usize = 1024 * 1024;

/// A line or an event longer than [`MAX_EVENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT} bytes")]
pub(super) struct TooLong;

/// Cuts a body into events. Holds at most one unfinished event and what was last fed.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Bytes as they came; those before `start` are done with.
    buffer: Vec<u8>,
    start: usize,
    /// Up to here no line end was found.
    scanned: usize,
    /// The data lines of the unfinished event: a place in the buffer while there is one line, joined here when more.
    joined: Vec<u8>,
    data: Data,
    after_cr: bool,
    begun: bool,
}

#[derive(Clone, Debug, Default)]
enum Data {
    #[default]
    None,
    Line(Range<usize>),
    Joined,
}

impl Decoder {
    /// An empty decoder.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds bytes of the body.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        // The data of an unfinished event stays in place: it is kept until the event's end.
        let keep = match &self.data {
            Data::Line(range) => range.start,
            Data::None | Data::Joined => self.start,
        };
        if keep > 0 {
            self.buffer.drain(..keep);
            self.start -= keep;
            self.scanned -= keep;
            if let Data::Line(range) = &mut self.data {
                *range = range.start - keep..range.end - keep;
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The data of the next whole event, or `None` until more is fed.
    ///
    /// # Errors
    /// A line or an event is too long. The decoder is of no further use then.
    pub(super) fn next_event(&mut self) -> Result<Option<&[u8]>, TooLong> {
        loop {
            let Some(line) = self.next_line()? else {
                return Ok(None);
            };
            if !line.is_empty() {
                self.field(line)?;
                continue;
            }
            match std::mem::take(&mut self.data) {
                Data::None => {}
                Data::Line(range) => return Ok(Some(&self.buffer[range])),
                Data::Joined => return Ok(Some(&self.joined)),
            }
        }
    }

    /// The data of an event that the end of the body left without its empty line.
    pub(super) fn finish(&mut self) -> Option<&[u8]> {
        // A last line without its end: complete it.
        if self.start < self.buffer.len() {
            self.feed(b"\n");
            let line = self.next_line().ok()??;
            self.field(line).ok()?;
        }
        match std::mem::take(&mut self.data) {
            Data::None => None,
            Data::Line(range) => Some(&self.buffer[range]),
            Data::Joined => Some(&self.joined),
        }
    }

    /// Where the next whole line is, without its end.
    fn next_line(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        if self.after_cr && self.start < self.buffer.len() {
            self.after_cr = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
                self.scanned = self.scanned.max(self.start);
            }
        }
        let rest = &self.buffer[self.scanned..];
        let Some(found) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.scanned = self.buffer.len();
            return if self.scanned - self.start > MAX_EVENT { Err(TooLong) } else { Ok(None) };
        };
        let end = self.scanned + found;
        let mut line = self.start..end;
        self.after_cr = self.buffer[end] == b'\r';
        self.start = end + 1;
        self.scanned = self.start;
        if line.len() > MAX_EVENT {
            return Err(TooLong);
        }
        if !std::mem::replace(&mut self.begun, true) && self.buffer[line.clone()].starts_with(b"\xef\xbb\xbf")
        {
            line.start += 3;
        }
        Ok(Some(line))
    }

    fn field(&mut self, line: Range<usize>) -> Result<(), TooLong> {
        let text = &self.buffer[line.clone()];
        let value = match text.strip_prefix(b"data") {
            Some([]) => line.end..line.end,
            Some([b':', b' ', ..]) => line.start + 6..line.end,
            Some([b':', ..]) => line.start + 5..line.end,
            // A comment, another field, or noise.
            Some(_) | None => return Ok(()),
        };
        match std::mem::take(&mut self.data) {
            Data::None => {
                self.data = Data::Line(value);
                return Ok(());
            }
            Data::Line(first) => {
                self.joined.clear();
                self.joined.extend_from_slice(&self.buffer[first]);
            }
            Data::Joined => {}
        }
        self.joined.push(b'\n');
        self.joined.extend_from_slice(&self.buffer[value]);
        self.data = Data::Joined;
        if self.joined.len() > MAX_EVENT { Err(TooLong) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
