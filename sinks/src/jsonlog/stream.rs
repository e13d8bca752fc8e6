//! Standard output and error.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::Bytes;
use picoclaw_telemetry::sink::SendError;

use super::block::{self, Piece, Progress};
use super::file::write_all;
use super::options::Format;
use super::writer::Output;

/// Which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        }
    }

    /// A handle of its own: the lock of the standard library's must not be held while a pipe is full, because others
    /// who print would then wait too.
    fn open(self) -> io::Result<File> {
        let fd = match self {
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        Ok(File::from(fd?))
    }
}

/// A standard stream as a log.
pub(super) struct LogStream {
    name: &'static str,
    open: Box<dyn FnMut() -> io::Result<File> + Send + Sync>,
    format: Format,
    progress: Arc<Progress>,
    file: Option<File>,
    seq: u64,
    piece: Piece,
    /// The end of a line of which the beginning is out already.
    torn: Vec<u8>,
}

impl LogStream {
    pub(super) fn new(stream: Stream, format: Format, progress: Arc<Progress>) -> Self {
        Self::with(stream.name(), Box::new(move || stream.open()), format, progress)
    }

    fn with(
        name: &'static str,
        open: Box<dyn FnMut() -> io::Result<File> + Send + Sync>,
        format: Format,
        progress: Arc<Progress>,
    ) -> Self {
        Self { name, open, format, progress, file: None, seq: 0, piece: Piece::default(), torn: Vec::new() }
    }

    fn write_batch(&mut self, frames: &[Bytes]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert((self.open)()?),
        };
        let (written, result) = write_all(file, &self.torn);
        self.torn.drain(..written);
        result?;
        self.piece.clear();
        let done = self.progress.of(frames).lines;
        let mut seq = self.seq;
        for line in block::lines(frames).skip(done) {
            seq = self.piece.push(&line, self.format, seq);
        }
        let (written, result) = write_all(file, &self.piece.bytes);
        // What is in a pipe cannot be taken back: a torn line counts as written, and its end comes first next time.
        let end = self.piece.end_of_line(written);
        self.torn.extend_from_slice(&self.piece.bytes[written..end]);
        let (_, seq) = self.piece.written(end, &self.progress);
        self.seq = seq.unwrap_or(self.seq);
        self.piece.clear();
        result
    }
}

impl Output for LogStream {
    fn write(&mut self, frames: &[Bytes]) -> Result<(), SendError> {
        self.write_batch(frames)
            .map_err(|error| SendError::Retry { after: None, message: format!("{}: {error}", self.name) })
    }

    fn reopen(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    fn probe(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
