//! How lines travel from the sink to the writer.
//!
//! The sink cannot number lines: only the writer knows where the file's numbers stand, and which lines reached it. So
//! each line travels with a header, and the writer completes it. The first frame of a batch is the batch's number, the
//! others are blocks of such lines.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::options::Format;

/// Length of the line, its step, and what it speaks of as missing.
const HEADER: usize = 20;

/// What a line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// How far its number is from that of the line before.
    pub(super) step: u64,
    /// How many records a gap line calls missing; 0 for an event's line.
    pub(super) missing: u64,
}

impl Meaning {
    /// An event.
    pub(super) const EVENT: Self = Self { step: 1, missing: 0 };

    /// Lines that got lost: their numbers are missing too. The gap line has the last of them.
    pub(super) const fn lost(missing: u64) -> Self {
        Self { step: missing, missing }
    }

    /// Records that were overwritten before anybody knew whether they would become lines.
    pub(super) const fn unseen(missing: u64) -> Self {
        Self { step: 1, missing }
    }
}

/// Appends a line that `write` appends.
pub(super) fn push(meaning: Meaning, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    write(out);
    let length = u32::try_from(out.len() - start - HEADER).expect("a line is shorter than 64 KiB");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 12].copy_from_slice(&meaning.step.to_le_bytes());
    out[start + 12..start + HEADER].copy_from_slice(&meaning.missing.to_le_bytes());
}

/// The first frame of a batch: by its number a batch that is sent again is known.
pub(super) fn first_frame(batch: u64) -> Bytes {
    Bytes::copy_from_slice(&batch.to_le_bytes())
}

/// A batch's number.
pub(super) fn number(frames: &[Bytes]) -> u64 {
    let bytes = frames.first().and_then(|frame| frame.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A line on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) meaning: Meaning,
    pub(super) content: &'a [u8],
}

/// The lines of a batch.
pub(super) fn lines(frames: &[Bytes]) -> impl Iterator<Item = Line<'_>> {
    frames.iter().skip(1).flat_map(|frame| {
        let mut rest = &frame[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (step, after) = after.split_first_chunk::<8>()?;
            let (missing, after) = after.split_first_chunk::<8>()?;
            let (content, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some(Line {
                meaning: Meaning { step: u64::from_le_bytes(*step), missing: u64::from_le_bytes(*missing) },
                content,
            })
        })
    })
}

/// Complete lines that are about to be written.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    ends: Vec<End>,
}

/// Where a line ends, and what it stands for.
#[derive(Clone, Copy, Debug)]
struct End {
    at: usize,
    seq: u64,
    missing: u64,
}

/// Memory that a piece keeps.
const KEPT: usize = 256 * 1024;

impl Piece {
    /// Completes a line with the number that follows `seq`, and returns that number.
    pub(super) fn push(&mut self, line: &Line<'_>, format: Format, seq: u64) -> u64 {
        let seq = seq + line.meaning.step;
        self.bytes.extend_from_slice(line.content);
        if format == Format::Json {
            self.bytes.extend_from_slice(b",\"seq\":");
            self.bytes.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
            self.bytes.push(b'}');
        }
        self.bytes.push(b'\n');
        self.ends.push(End { at: self.bytes.len(), seq, missing: line.meaning.missing });
        seq
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where the line ends that byte `written` is in the middle of; `written` when it is between lines.
    pub(super) fn end_of_line(&self, written: usize) -> usize {
        let at = self.ends.partition_point(|end| end.at < written);
        if written == 0 { 0 } else { self.ends.get(at).map_or(written, |end| end.at) }
    }

    /// Notes that the first `written` bytes are out: how many of them are whole lines, and the last line's number.
    pub(super) fn written(&self, written: usize, progress: &Progress) -> (usize, Option<u64>) {
        let whole = self.ends.partition_point(|end| end.at <= written);
        let out = &self.ends[..whole];
        progress.advance(out);
        (out.last().map_or(0, |end| end.at), out.last().map(|end| end.seq))
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.ends.clear();
        self.ends.shrink_to(KEPT / 64);
    }
}

/// How far a batch was written: shared by the writer, which goes on there, and the sink, which counts what was lost
/// should the batch be given up.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Done>);

/// What was written of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    batch: u64,
    /// All lines.
    pub(super) lines: usize,
    /// Lines of events.
    pub(super) events: u64,
    /// Records that the lines tell of, as events or as missing.
    pub(super) records: u64,
}

impl Progress {
    /// What was written of this batch.
    pub(super) fn of(&self, frames: &[Bytes]) -> Done {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = number(frames);
        if done.batch != batch {
            *done = Done { batch, ..Done::default() };
        }
        *done
    }

    fn advance(&self, lines: &[End]) {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.lines += lines.len();
        for line in lines {
            done.events += u64::from(line.missing == 0);
            done.records += line.missing.max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_on_their_way() {
        let mut block = Vec::new();
        push(Meaning::EVENT, &mut block, |out| {
            out.extend_from_slice(b"{\"a\":1");
        });
        push(Meaning::lost(500), &mut block, |out| {
            out.extend_from_slice(b"{\"gap\":1");
        });
        push(Meaning::EVENT, &mut block, |out| {
            out.extend_from_slice(b"{\"b\":1");
        });
        let frames = [first_frame(3), Bytes::from(block)];
        let mut piece = Piece::default();
        let last = lines(&frames).fold(7, |seq, line| piece.push(&line, Format::Json, seq));
        assert_eq!(last, 509);
        let expected = "{\"a\":1,\"seq\":8}\n{\"gap\":1,\"seq\":508}\n{\"b\":1,\"seq\":509}\n";
        assert_eq!(std::str::from_utf8(&piece.bytes).unwrap(), expected);

        let progress = Progress::default();
        assert_eq!(progress.of(&frames).lines, 0);
        assert_eq!(piece.written(40, &progress), (36, Some(508)));
        let done = progress.of(&frames);
        assert_eq!((done.lines, done.events, done.records), (2, 1, 501));
        assert_eq!(progress.of(&[first_frame(4)]).lines, 0);
    }
}
