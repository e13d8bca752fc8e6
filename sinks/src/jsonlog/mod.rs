//! The log: every event as one line of flat JSON, or of text for people, in a file or on a standard stream.
//!
//! * [`options`]: the settings. `line`, `text`, `escape`, `clock`: the encoders.
//! * `sink`: the lines that wait, and the gap lines that say how many are missing. `block`: how they travel.
//! * `writer`: the transport, whose thread does the blocking work. `file`, `rotate`, `archive`, `tail`: a log file.
//!   `stream`: standard output and error.
//!
//! A line ends in `"seq"`: its number in this log, which continues after a rotation and a restart. Lost lines leave a
//! hole in the numbers, and a gap line says how many they were. So it does of records that the bus overwrote; nobody
//! knows how many of those would have become lines, so they leave no hole.

mod archive;
mod block;
mod clock;
mod file;
mod line;
pub mod options;
mod rotate;
mod sink;
mod stream;
mod tail;
mod text;
mod writer;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use picoclaw_telemetry::sink::Transport;

use self::block::Progress;
use self::file::LogFile;
use self::options::{Format, Options};
use self::sink::JsonLog;
use self::stream::{LogStream, Stream};
use self::writer::Writer;
use crate::config::{OptionsError, SinkConfig, parse_options};
use crate::context::Context;
use crate::registry::{BuildError, Built};

/// Builds the sink.
///
/// # Errors
///
/// When an option is wrong.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let options: Options = parse_options(config, index)?;
    options.check().map_err(|(key, message)| OptionsError::new(index, key, message))?;
    let progress = Arc::new(Progress::default());
    let sink = JsonLog::new(&options, config.buffer, Arc::clone(&context.masker), Arc::clone(&progress));
    let transport: Box<dyn Transport> = match options.path.as_str() {
        "stdout" => stream(Stream::Stdout, options.format, progress),
        "stderr" => stream(Stream::Stderr, options.format, progress),
        path => {
            let path = PathBuf::from(path);
            let name = path.display().to_string();
            // However the path is spelt, the file can be one sink's only.
            let claim = plain(&path);
            let file = LogFile::new(path, &options, progress);
            Box::new(Writer::new(file, vec![format!("file {}", claim.display())], name))
        }
    };
    Ok(Built { sink: Box::new(sink), transport: Some(transport) })
}

/// The path from the root without `.` and `..`. Links are not followed: that would mean to ask a disk, which may hang.
fn plain(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// A stream takes lines from many: it is nobody's alone.
fn stream(stream: Stream, format: Format, progress: Arc<Progress>) -> Box<dyn Transport> {
    let name = stream.name().to_owned();
    Box::new(Writer::new(LogStream::new(stream, format, progress), Vec::new(), name))
}

#[cfg(test)]
mod tests;
