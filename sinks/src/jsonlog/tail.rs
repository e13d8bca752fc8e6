//! Where the numbers of a log stand: the last number in its file, or else in the newest rotated one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// More than the longest line, so that the last whole line is within.
const WINDOW: u64 = 128 * 1024;

/// In how many rotated files a number is looked for: the newest ones may hold text.
const MOST_FILES: usize = 4;

/// How much of a compressed file is read, which must be read from its beginning.
const MOST_BYTES: u64 = 4 << 30;

/// The end of a file.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The number of the last line that has one.
    pub(super) seq: Option<u64>,
    /// Whether the last line has no end: the process died, or the disk was full.
    pub(super) torn: bool,
}

/// Reads the end of a file that is `size` bytes long.
pub(super) fn read(file: &mut File, size: u64) -> io::Result<Tail> {
    file.seek(SeekFrom::Start(size.saturating_sub(WINDOW)))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    Ok(Tail { seq: last_number(&bytes), torn: bytes.last().is_some_and(|last| *last != b'\n') })
}

fn last_number(bytes: &[u8]) -> Option<u64> {
    bytes.rsplit(|b| *b == b'\n').find_map(number)
}

/// The last number in the newest of the files that were rotated away from `path`, by us or by others: logrotate names
/// them `a.log.1` or `a.log-20240115`, and may compress them at once.
pub(super) fn of_rotated(path: &Path) -> Option<u64> {
    let mut rotated = named_after(path, &['.', '-']).ok()?;
    rotated.retain(|sibling| sibling.extension().is_none_or(|e| e != "tmp"));
    rotated.sort_by_cached_key(|sibling| std::fs::metadata(sibling).and_then(|m| m.modified()).ok());
    rotated.iter().rev().take(MOST_FILES).find_map(|rotated| {
        let mut file = File::open(rotated).ok()?;
        if rotated.extension().is_some_and(|end| end == "gz") {
            return last_number(&end_of(MultiGzDecoder::new(file).take(MOST_BYTES)));
        }
        let size = file.metadata().ok()?.len();
        read(&mut file, size).ok()?.seq
    })
}

/// The last part of what can be read, at least [`WINDOW`] of it if there is as much.
fn end_of(mut from: impl Read) -> Vec<u8> {
    let window = usize::try_from(WINDOW).expect("the window is small");
    let mut end = Vec::new();
    // A file that breaks off ends there.
    while let Ok(1..) = from.by_ref().take(WINDOW).read_to_end(&mut end) {
        end.drain(..end.len().saturating_sub(window));
    }
    end
}

/// The files whose names begin with the name of `path` and a dot.
pub(super) fn siblings(path: &Path) -> io::Result<Vec<PathBuf>> {
    named_after(path, &['.'])
}

fn named_after(path: &Path, separators: &[char]) -> io::Result<Vec<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut siblings = Vec::new();
    for entry in std::fs::read_dir(parent(path))? {
        let entry = entry?;
        let other = entry.file_name();
        let other = other.to_string_lossy();
        let is_rotated =
            other.strip_prefix(&*name).is_some_and(|rest| rest.len() > 1 && rest.starts_with(separators));
        if is_rotated && entry.file_type()?.is_file() {
            siblings.push(entry.path());
        }
    }
    Ok(siblings)
}

/// The folder of a file.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The number at the end of a line: `,"seq":17}`.
fn number(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"}")?;
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (line, digits) = line.split_at(line.len() - digits);
    line.ends_with(b",\"seq\":").then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_at_the_end_of_a_line() {
        assert_eq!(number(br#"{"time":"x","kind":"log","seq":17}"#), Some(17));
        assert_eq!(number(br#"{"time":"x","seq":}"#), None);
        assert_eq!(number(br#"{"time":"x","seq":17"#), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(br#"{"message":"\"seq\":9}"#), None);
    }

    #[test]
    fn the_last_whole_line_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let long = "x".repeat(WINDOW as usize);
        let text = format!("{{\"m\":\"{long}\",\"seq\":1}}\n{{\"m\":1,\"seq\":2}}\n{{\"m\":1,\"se");
        std::fs::write(&path, &text).unwrap();
        let tail = read(&mut File::open(&path).unwrap(), text.len() as u64).unwrap();
        assert_eq!((tail.seq, tail.torn), (Some(2), true));
    }

    #[test]
    fn the_newest_rotated_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        assert_eq!(of_rotated(&path), None);
        let rotate = |name: &str, content: &[u8], age| {
            let rotated = dir.path().join(name);
            std::fs::write(&rotated, content).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            File::options().append(true).open(&rotated).unwrap().set_modified(then).unwrap();
        };
        let line = |seq: u64| format!("{{\"m\":1,\"seq\":{seq}}}\n").into_bytes();
        rotate("a.log.1", &line(8), 60);
        rotate("a.log.20240115T103000.000000Z", &line(9), 50);
        rotate("b.log.1", &line(99), 0);
        assert_eq!(of_rotated(&path), Some(9));
        rotate("a.log-20240116", &line(10), 40);
        assert_eq!(of_rotated(&path), Some(10));

        let mut text = b"no number here\n".repeat(60_000);
        text.extend(line(11));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &text).unwrap();
        rotate("a.log-20240117.gz", &gz.finish().unwrap(), 30);
        assert_eq!(of_rotated(&path), Some(11));
        rotate("a.log.2", b"2024-01-15T10:30:00.123Z INFO main Text has no numbers\n", 20);
        rotate("a.log.3.gz", b"this is not compressed", 10);
        assert_eq!(of_rotated(&path), Some(11));
    }
}
