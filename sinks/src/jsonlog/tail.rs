//! Where the numbers of a log stand: the last number in its file, or else in the newest rotated one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// More than the longest line, so that the last whole line is within.
const WINDOW: u64 = 128 * 1024;

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
    Ok(Tail {
        seq: bytes.rsplit(|b| *b == b'\n').find_map(number),
        torn: bytes.last().is_some_and(|last| *last != b'\n'),
    })
}

/// The last number in the newest of the files that were rotated away from `path`, by us or by others.
pub(super) fn of_rotated(path: &Path) -> Option<u64> {
    let mut rotated = siblings(path).ok()?;
    rotated.retain(|sibling| sibling.extension().is_none_or(|e| e != "gz" && e != "tmp"));
    rotated.sort_by_cached_key(|sibling| std::fs::metadata(sibling).and_then(|m| m.modified()).ok());
    let mut file = File::open(rotated.last()?).ok()?;
    let size = file.metadata().ok()?.len();
    read(&mut file, size).ok()?.seq
}

/// The files whose names begin with the name of `path` and a dot.
pub(super) fn siblings(path: &Path) -> io::Result<Vec<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut siblings = Vec::new();
    for entry in std::fs::read_dir(parent(path))? {
        let entry = entry?;
        let other = entry.file_name();
        let other = other.to_string_lossy();
        let is_rotated =
            other.strip_prefix(&*name).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'));
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
        for (name, seq, age) in
            [("a.log.1", 8, 60), ("a.log.20240115T103000.000000Z", 9, 30), ("b.log.1", 99, 0)]
        {
            let rotated = dir.path().join(name);
            std::fs::write(&rotated, format!("{{\"m\":1,\"seq\":{seq}}}\n")).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            File::options().append(true).open(&rotated).unwrap().set_modified(then).unwrap();
        }
        assert_eq!(of_rotated(&path), Some(9));
    }
}
