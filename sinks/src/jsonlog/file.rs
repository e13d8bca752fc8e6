//! A log file: whole lines only, rotated by size, opened anew when somebody takes it away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::archive::Archive;
use super::block::{self, Piece, Progress};
use super::options::{Format, Options};
use super::rotate::{self, Keep};
use super::tail;
use super::writer::Output;
use crate::place;
use bytes::Bytes;
use picoclaw_telemetry::sink::SendError;

/// How often it is looked whether the file is still the one at its path.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// More than the number adds to a line.
const LINE_END: u64 = 32;

/// A log file and where it stands.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    format: Format,
    mode: u32,
    max_size: Option<u64>,
    archive: Archive,
    progress: Arc<Progress>,
    open: Option<Open>,
    /// The number of the last line, once it is known.
    seq: Option<u64>,
    piece: Piece,
    looked: Instant,
    /// A rotation that failed is not tried again before this moment.
    rotate_after: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    id: (u64, u64),
    /// Whether it is a file on a disk, which can be rotated; not a device or a pipe.
    regular: bool,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, options: &Options, progress: Arc<Progress>) -> Self {
        let mode = options.permissions().unwrap_or(0o640);
        let keep =
            Keep { backups: options.max_backups, days: options.max_age_days, compress: options.compress };
        Self {
            archive: Archive::new(path.clone(), keep, mode),
            path,
            format: options.format,
            mode,
            max_size: options.max_size(),
            progress,
            open: None,
            seq: None,
            piece: Piece::default(),
            looked: Instant::now(),
            rotate_after: None,
        }
    }

    /// Writes the lines of a batch that are not written yet.
    fn write_batch(&mut self, frames: &[Bytes]) -> io::Result<()> {
        self.look()?;
        self.piece.clear();
        let done = self.progress.of(frames).lines;
        let mut seq = self.seq.unwrap_or(0);
        for line in block::lines(frames).skip(done) {
            let length = line.content.len() as u64 + LINE_END;
            if self.is_full_with(length) {
                self.flush()?;
                self.rotate()?;
                seq = self.seq.unwrap_or(0);
            }
            seq = self.piece.push(&line, self.format, seq);
        }
        self.flush()
    }

    /// Makes sure that the file is open and still the one at its path.
    fn look(&mut self) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            let there = fs::metadata(&self.path).ok();
            self.open = self.open.take().and_then(|open| {
                let there = there?;
                let same = (there.dev(), there.ino()) == open.id;
                // Somebody may have cut the file.
                same.then_some(Open { size: there.len(), ..open })
            });
        }
        if self.open.is_none() {
            self.open = Some(self.open()?);
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<Open> {
        let folder = tail::parent(&self.path);
        if !folder.exists() {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        }
        let mut options = OpenOptions::new();
        let mut file = match options.read(true).append(true).create(true).mode(self.mode).open(&self.path) {
            Ok(file) => file,
            // A file that may be written but not read can still be a log. If it is none, the first error says why.
            Err(error) => OpenOptions::new().append(true).open(&self.path).map_err(|_| error)?,
        };
        let facts = file.metadata()?;
        let mut size = facts.len();
        let regular = facts.is_file();
        if regular {
            let tail = tail::read(&mut file, size).unwrap_or_default();
            if self.seq.is_none() {
                self.seq = tail.seq.or_else(|| tail::of_rotated(&self.path));
                self.archive.sweep_soon();
            }
            if tail.torn {
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        self.seq.get_or_insert(0);
        self.looked = Instant::now();
        Ok(Open { file, size, id: (facts.dev(), facts.ino()), regular })
    }

    /// Whether a line of this length belongs to the next file.
    fn is_full_with(&self, length: u64) -> bool {
        let (Some(max), Some(open)) = (self.max_size, &self.open) else {
            return false;
        };
        let size = open.size + self.piece.bytes.len() as u64;
        let may = self.rotate_after.is_none_or(|at| at <= Instant::now());
        open.regular && size > 0 && size + length > max && may
    }

    /// Writes the piece. After a failure the file ends with a whole line, and it is known which lines are in it.
    fn flush(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if self.piece.is_empty() {
            return Ok(());
        }
        let (written, result) = write_all(&mut open.file, &self.piece.bytes);
        let (whole, seq) = self.piece.written(written, &self.progress);
        self.seq = seq.or(self.seq);
        open.size += whole as u64;
        if result.is_err() && written > whole {
            let torn = (written - whole) as u64;
            let cut = open.file.metadata().and_then(|facts| {
                let size = facts.len().saturating_sub(torn);
                open.file.set_len(size)
            });
            if cut.is_err() {
                // Opening it anew finds the torn line and ends it.
                self.open = None;
            }
        }
        self.piece.clear();
        result
    }

    /// Renames the file and opens a new one at its path. Should the name not change, the file just grows on.
    fn rotate(&mut self) -> io::Result<()> {
        let rotated = rotate::name(&self.path, SystemTime::now());
        match fs::rename(&self.path, &rotated) {
            Ok(()) => {
                self.rotate_after = None;
                self.open = None;
                self.archive.sweep_soon();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.open = None,
            Err(error) => {
                let file = self.path.display();
                tracing::warn!(target: "picoclaw_sinks", %file, %error, "Log could not be rotated; it grows on.");
                self.rotate_after = Some(Instant::now() + 60 * LOOK_EVERY);
                return Ok(());
            }
        }
        self.look()
    }

    fn error(&self, error: &io::Error) -> SendError {
        SendError::Retry { after: None, message: format!("{}: {error}", self.path.display()) }
    }
}

impl Output for LogFile {
    fn write(&mut self, frames: &[Bytes]) -> Result<(), SendError> {
        self.write_batch(frames).map_err(|error| self.error(&error))
    }

    fn reopen(&mut self) -> Result<(), SendError> {
        self.open = None;
        self.look().map_err(|error| self.error(&error))
    }

    /// Creates nothing: whoever checks may be another user than the one who writes.
    fn probe(&mut self) -> Result<(), SendError> {
        place::check_file(&self.path)
            .map_err(|error| SendError::Retry { after: None, message: error.to_string() })
    }
}

/// Writes all, and says how much was written when that fails.
pub(super) fn write_all(to: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests;
