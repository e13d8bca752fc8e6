//! The frames between the gateway and a plugin's host.
//!
//! A frame is the length of what follows as `u32`, a byte that says what it is, and its content; all numbers are
//! little-endian. The gateway says HELLO and then asks; the other side answers each question in order, says READY once,
//! and LOG whenever it likes.
//!
//! | Byte | Frame | From | Content |
//! |---|---|---|---|
//! | 1 | HELLO | gateway | JSON: `protocol`, `name`, `config`, `path`, `sha256` |
//! | 2 | READY | plugin | JSON: `protocol`, and what it is, or `error` |
//! | 3 | EVENTS | gateway | `u64` id, `u64` lost before, `u32` count, then the events: see `wire` |
//! | 4 | ACK | plugin | `u64` id, `u8` code, text |
//! | 5 | FLUSH | gateway | `u64` id, `u32` milliseconds |
//! | 6 | FLUSHED | plugin | `u64` id, `u8` code, text |
//! | 7 | HEALTH | both | `u64` id, `u8` code, text |
//! | 8 | LOG | plugin | `u8` level, text |
//! | 9 | SHUTDOWN | gateway | `u32` milliseconds |
//! | 10 | CALL | gateway | `u64` id, `u16` length of the name, name, JSON arguments |
//! | 11 | RESULT | plugin | `u64` id, `u8` code, text |

/// The version of these frames.
pub const PROTOCOL: u32 = 1;

/// The longest frame, its length not included.
pub const LONGEST: usize = 2 * 1024 * 1024;

/// The length of everything of an EVENTS frame but its events.
pub const EVENTS_HEADER: usize = 4 + 1 + 8 + 8 + 4;

/// How a call of a plugin went; the numbers are those of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// It worked.
    Ok = 0,
    /// What it was about is lost.
    Lost = 1,
    /// The configuration is wrong.
    Config = 2,
    /// It may work later.
    Retry = 3,
    /// The plugin panicked.
    Panicked = 4,
}

impl Code {
    fn from_byte(byte: u8) -> Result<Self, FrameError> {
        Ok(match byte {
            0 => Self::Ok,
            1 => Self::Lost,
            2 => Self::Config,
            3 => Self::Retry,
            4 => Self::Panicked,
            _ => return Err(FrameError::Content("code")),
        })
    }
}

/// What cannot be a frame. The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is too long, or empty.
    #[error("a frame of {0} bytes, between 1 and {LONGEST} are allowed")]
    Length(usize),
    /// There is no such frame.
    #[error("an unknown frame, {0}")]
    Kind(u8),
    /// Its content is cut, or is not what it should be.
    #[error("a frame whose {0} cannot be read")]
    Content(&'static str),
}

/// A frame, borrowed from the bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are those of the table above.
pub enum Frame<'a> {
    Hello(&'a str),
    Ready(&'a str),
    Events { id: u64, lost_before: u64, count: u32, events: &'a [u8] },
    Ack { id: u64, code: Code, text: &'a str },
    Flush { id: u64, within_ms: u32 },
    Flushed { id: u64, code: Code, text: &'a str },
    Health { id: u64, code: Code, text: &'a str },
    Log { level: u8, text: &'a str },
    Shutdown { within_ms: u32 },
    Call { id: u64, name: &'a str, arguments: &'a str },
    Result { id: u64, code: Code, text: &'a str },
}

impl<'a> Frame<'a> {
    /// The first frame of `bytes` and its length, or nothing when more must be received.
    ///
    /// # Errors
    /// When this can never become a frame.
    pub fn first(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > LONGEST {
            return Err(FrameError::Length(length));
        }
        match rest.get(..length) {
            Some(frame) => Ok(Some((Self::decode(frame[0], &frame[1..])?, 4 + length))),
            None => Ok(None),
        }
    }

    fn decode(kind: u8, content: &'a [u8]) -> Result<Self, FrameError> {
        let mut content = Content(content);
        let frame = match kind {
            1 => Self::Hello(content.text()?),
            2 => Self::Ready(content.text()?),
            3 => Self::Events {
                id: content.u64()?,
                lost_before: content.u64()?,
                count: content.u32()?,
                events: std::mem::take(&mut content.0),
            },
            4 => Self::Ack { id: content.u64()?, code: content.code()?, text: content.text()? },
            5 => Self::Flush { id: content.u64()?, within_ms: content.u32()? },
            6 => Self::Flushed { id: content.u64()?, code: content.code()?, text: content.text()? },
            7 => Self::Health { id: content.u64()?, code: content.code()?, text: content.text()? },
            8 => Self::Log { level: content.u8()?, text: content.text()? },
            9 => Self::Shutdown { within_ms: content.u32()? },
            10 => {
                let id = content.u64()?;
                let length = content.u16()?;
                let name = content.take(usize::from(length))?;
                let name = std::str::from_utf8(name).map_err(|_| FrameError::Content("name"))?;
                Self::Call { id, name, arguments: content.text()? }
            }
            11 => Self::Result { id: content.u64()?, code: content.code()?, text: content.text()? },
            other => return Err(FrameError::Kind(other)),
        };
        if content.0.is_empty() { Ok(frame) } else { Err(FrameError::Content("end")) }
    }

    /// Appends the frame.
    pub fn push(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        match *self {
            Self::Hello(text) => push(out, 1, &[text.as_bytes()]),
            Self::Ready(text) => push(out, 2, &[text.as_bytes()]),
            Self::Events { id, lost_before, count, events } => {
                push(out, 3, &[&id.to_le_bytes(), &lost_before.to_le_bytes(), &count.to_le_bytes(), events]);
            }
            Self::Ack { id, code, text } => {
                push(out, 4, &[&id.to_le_bytes(), &[code as u8], text.as_bytes()]);
            }
            Self::Flush { id, within_ms } => push(out, 5, &[&id.to_le_bytes(), &within_ms.to_le_bytes()]),
            Self::Flushed { id, code, text } => {
                push(out, 6, &[&id.to_le_bytes(), &[code as u8], text.as_bytes()]);
            }
            Self::Health { id, code, text } => {
                push(out, 7, &[&id.to_le_bytes(), &[code as u8], text.as_bytes()]);
            }
            Self::Log { level, text } => push(out, 8, &[&[level], text.as_bytes()]),
            Self::Shutdown { within_ms } => push(out, 9, &[&within_ms.to_le_bytes()]),
            Self::Call { id, name, arguments } => {
                let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
                let length = u16::try_from(name.len()).expect("it was cut to this length");
                let parts = [&id.to_le_bytes()[..], &length.to_le_bytes(), name.as_bytes()];
                push(out, 10, &[parts[0], parts[1], parts[2], arguments.as_bytes()]);
            }
            Self::Result { id, code, text } => {
                push(out, 11, &[&id.to_le_bytes(), &[code as u8], text.as_bytes()]);
            }
        }
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// The beginning of an EVENTS frame whose events, so many bytes, are sent after it.
pub fn events_header(id: u64, lost_before: u64, count: u32, bytes: usize) -> [u8; EVENTS_HEADER] {
    let length = u32::try_from(EVENTS_HEADER - 4 + bytes).unwrap_or(u32::MAX);
    let mut header = [0; EVENTS_HEADER];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4] = 3;
    header[5..13].copy_from_slice(&id.to_le_bytes());
    header[13..21].copy_from_slice(&lost_before.to_le_bytes());
    header[21..].copy_from_slice(&count.to_le_bytes());
    header
}

/// Number and count of a frame that begins so.
pub fn read_events_header(header: &[u8]) -> Option<(u64, u32)> {
    let header: &[u8; EVENTS_HEADER] = header.try_into().ok()?;
    let id = u64::from_le_bytes(header[5..13].try_into().ok()?);
    Some((id, u32::from_le_bytes(header[21..].try_into().ok()?)))
}

fn push(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    out.push(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// What is left of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a>(pub(super) &'a [u8]);

impl<'a> Content<'a> {
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(FrameError::Content("end"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(FrameError::Content("end"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    fn code(&mut self) -> Result<Code, FrameError> {
        self.u8().and_then(Code::from_byte)
    }

    /// All the rest.
    fn text(&mut self) -> Result<&'a str, FrameError> {
        std::str::from_utf8(std::mem::take(&mut self.0)).map_err(|_| FrameError::Content("text"))
    }
}

#[cfg(test)]
mod tests;
