//! Names of rotated files, and which of them are kept.
//!
//! `picoclaw.log.20240115T103000.123456Z`: no pattern `*.log` matches it, because a rotated file that a log shipper
//! finds by its pattern is read twice.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Which rotated files are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// The newest ones; 0: all.
    pub(super) backups: usize,
    /// Those that are not older; 0: all.
    pub(super) days: u32,
    /// Whether all but the newest are compressed.
    pub(super) compress: bool,
}

/// What happens to a rotated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delete,
    Compress,
}

/// `20240115T103000.123456Z`
const STAMP: &str = "00000000T000000.000000Z";

/// A name for the file that is rotated away now, which no other file has.
pub(super) fn name(path: &Path, now: SystemTime) -> PathBuf {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut micros = i64::try_from(since.as_micros()).unwrap_or(0);
    loop {
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let mut name = path.as_os_str().to_owned();
        name.push(time.strftime(".%Y%m%dT%H%M%S.%6fZ").to_string());
        let rotated = PathBuf::from(name);
        if !rotated.exists() && !compressed(&rotated).exists() {
            return rotated;
        }
        micros += 1;
    }
}

/// The name of a rotated file when it is compressed.
pub(super) fn compressed(rotated: &Path) -> PathBuf {
    let mut name = rotated.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

/// When a file was rotated away from `path`, as its name says; `None` when it is not one of ours.
pub(super) fn stamp<'a>(path: &Path, rotated: &'a Path) -> Option<&'a str> {
    let name = path.file_name()?.to_str()?;
    let rest = rotated.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix('.')?;
    let stamp = rest.strip_suffix(".gz").unwrap_or(rest);
    let digits = stamp.len() == STAMP.len()
        && stamp.bytes().zip(STAMP.bytes()).all(|(have, want)| match want {
            b'0' => have.is_ascii_digit(),
            want => have == want,
        });
    digits.then_some(stamp)
}

/// What to do with which of the rotated files, given with the times of their last change.
pub(super) fn fates(
    path: &Path,
    files: Vec<(PathBuf, SystemTime)>,
    keep: Keep,
    now: SystemTime,
) -> Vec<(PathBuf, Fate)> {
    let mut ours: Vec<_> = files.into_iter().filter(|(file, _)| stamp(path, file).is_some()).collect();
    ours.sort_by(|(a, _), (b, _)| stamp(path, b).cmp(&stamp(path, a)));
    let oldest = Duration::from_secs(u64::from(keep.days) * 24 * 60 * 60);
    let mut fates = Vec::new();
    for (rank, (file, changed)) in ours.into_iter().enumerate() {
        let too_many = keep.backups > 0 && rank >= keep.backups;
        let too_old = keep.days > 0 && now.duration_since(changed).is_ok_and(|age| age > oldest);
        let is_plain = file.extension().is_none_or(|extension| extension != "gz");
        if too_many || too_old {
            fates.push((file, Fate::Delete));
        } else if keep.compress && rank > 0 && is_plain {
            fates.push((file, Fate::Compress));
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/var/log/picoclaw/picoclaw.log";

    #[test]
    fn names_are_unique_and_not_found_by_the_patterns_of_log_shippers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(1_705_314_600_123_456);
        let first = name(&path, now);
        assert_eq!(first, dir.path().join("a.log.20240115T103000.123456Z"));
        assert_eq!(stamp(&path, &first), Some("20240115T103000.123456Z"));
        std::fs::write(compressed(&first), "").unwrap();
        assert_eq!(name(&path, now), dir.path().join("a.log.20240115T103000.123457Z"));
    }

    #[test]
    fn files_of_others_are_not_ours() {
        for other in ["picoclaw.log", "picoclaw.log.1", "picoclaw.log.1.gz", "x.log.20240115T103000.123456Z"]
        {
            assert_eq!(stamp(Path::new(PATH), Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn the_newest_is_plain_the_next_compressed_the_rest_deleted() {
        let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n * 86_400);
        let file =
            |n: u64, end: &str| (PathBuf::from(format!("{PATH}.202401{n:02}T000000.000000Z{end}")), day(n));
        let files = vec![file(3, ".gz"), file(9, ""), file(7, ""), file(8, ""), file(1, ".gz"), file(4, "")];
        let keep = Keep { backups: 4, days: 5, compress: true };
        let fates = fates(Path::new(PATH), files, keep, day(10));
        let expected = [
            (file(8, "").0, Fate::Compress),
            (file(7, "").0, Fate::Compress),
            (file(4, "").0, Fate::Delete),
            (file(3, ".gz").0, Fate::Delete),
            (file(1, ".gz").0, Fate::Delete),
        ];
        assert_eq!(fates, expected);
    }
}
