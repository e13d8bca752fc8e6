//! Whether a file or a directory can be written, found out without leaving a trace: whoever asks may be another user
//! than the one who will write.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, OFlags};

/// Why a place cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written{}: {source}", path.display(), self.because())]
pub struct Unwritable {
    path: PathBuf,
    /// What stands in the way: the path itself, or a directory above it.
    place: PathBuf,
    source: io::Error,
}

impl Unwritable {
    fn because(&self) -> String {
        if self.place == self.path { String::new() } else { format!(", because of {}", self.place.display()) }
    }

    /// What stands in the way: the path itself, or what exists above it.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// What the system says.
    pub fn kind(&self) -> ErrorKind {
        self.source.kind()
    }
}

/// Whether lines can be appended to the file, which need not exist yet, nor its directories.
///
/// # Errors
/// When they cannot, as far as it can be known without writing.
pub fn check_file(path: &Path) -> Result<(), Unwritable> {
    let place = existing(path);
    let result = if place == path { check_existing(path) } else { check_creating(place) };
    // A log that is rotated in between was there and is no more.
    if place == path && result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return check_file(path);
    }
    result.map_err(|source| Unwritable { path: path.to_owned(), place: place.to_owned(), source })
}

/// Whether files can be created in the directory, which need not exist yet.
///
/// # Errors
/// As [`check_file`].
pub fn check_directory(path: &Path) -> Result<(), Unwritable> {
    let place = existing(path);
    check_creating(place).map_err(|source| Unwritable {
        path: path.to_owned(),
        place: place.to_owned(),
        source,
    })
}

/// The path itself, or what exists above it.
fn existing(path: &Path) -> &Path {
    let mut place = path;
    while !place.exists() {
        match place.parent() {
            Some(parent) if parent == Path::new("") => return Path::new("."),
            Some(parent) => place = parent,
            None => break,
        }
    }
    place
}

fn check_existing(file: &Path) -> io::Result<()> {
    let kind = fs::metadata(file)?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    rustix::fs::access(file, Access::WRITE_OK)?;
    // Opening a pipe that nobody reads would wait for a reader, or fail without one.
    if kind.is_fifo() || kind.is_socket() {
        return Ok(());
    }
    // A device may take nothing, whatever its permissions say: it is offered nothing.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut opened = OpenOptions::new().append(true).custom_flags(flags).open(file)?;
    let _ = opened.write(&[])?;
    if kind.is_file() { check_room(file, false) } else { Ok(()) }
}

fn check_creating(directory: &Path) -> io::Result<()> {
    if !directory.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
    // Root may write everything there, yet nothing can be created.
    const PROC: u64 = 0x9fa0;
    const SYSFS: u64 = 0x6265_6572;
    let kind = rustix::fs::statfs(directory)?.f_type;
    if [PROC, SYSFS].iter().any(|pseudo| u64::try_from(kind) == Ok(*pseudo)) {
        return Err(io::Error::new(ErrorKind::Unsupported, "the kernel's own file system takes no files"));
    }
    check_room(directory, true)
}

/// Whether the file system has a block left, and for a new file also an entry.
fn check_room(place: &Path, creating: bool) -> io::Result<()> {
    let facts = rustix::fs::statvfs(place)?;
    let is_root = rustix::process::geteuid().is_root();
    let blocks = if is_root { facts.f_bfree } else { facts.f_bavail };
    // A file system without numbers has no limits.
    let is_full = facts.f_blocks > 0 && blocks == 0;
    let has_no_entry = creating && facts.f_files > 0 && facts.f_ffree == 0;
    if is_full || has_no_entry { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_written_passes_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        check_file(&folder.path().join("deep/down/log")).unwrap();
        check_directory(&folder.path().join("deep/down")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("log");
        fs::write(&file, "line\n").unwrap();
        check_file(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "line\n");
        check_file(Path::new("/dev/null")).unwrap();
        check_file(Path::new("name-without-directory")).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_found_even_by_root() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, kind) in [
            (PathBuf::from("/dev/full"), ErrorKind::StorageFull),
            (PathBuf::from("/proc/nope/log"), ErrorKind::Unsupported),
            (PathBuf::from("/sys/nope.log"), ErrorKind::Unsupported),
            (folder.path().to_owned(), ErrorKind::IsADirectory),
            (file.join("log"), ErrorKind::NotADirectory),
        ] {
            let error = check_file(&path).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(
                error.to_string().starts_with(&format!("{} cannot be written", path.display())),
                "{error}"
            );
        }
        assert_eq!(check_directory(&file).unwrap_err().place(), file);
        assert_eq!(check_directory(Path::new("/proc/nope")).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
