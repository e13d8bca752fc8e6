//! Whether a file may be loaded: nobody but root and the gateway's user can have put it there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Where it would be looked for depends on something else.
    #[error("{path}: not an absolute path")]
    Relative {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("{path}: {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It could be changed to point elsewhere.
    #[error("{path}: a symbolic link; give the file itself")]
    Link {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory, a device, ...
    #[error("{path}: not a regular file")]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    #[error("{path}: owned by user {owner}; must be owned by root or the gateway's user")]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may change it.
    #[error("{path}: writable by others (mode {mode:04o}); run chmod go-w on it")]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not the file that was meant.
    #[error("{path}: sha256 is {found}, not the configured one")]
    Digest {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
}

/// What tells one version of a file from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.unsigned_abs(),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }
}

/// Which version of a file is there now; `None` without one.
pub fn stamp(path: &Path) -> Option<Stamp> {
    rustix::fs::lstat(path).ok().map(|stat| Stamp::of(&stat))
}

/// Opens a file that may be loaded.
///
/// # Errors
/// When it may not: see [`FileError`].
pub(super) fn open(path: &Path, sha256: Option<&str>) -> Result<(OwnedFd, Stamp), FileError> {
    let named = || path.to_owned();
    if !path.is_absolute() {
        return Err(FileError::Relative { path: named() });
    }
    // Without blocking, so that a pipe of this name does not hang us.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP => FileError::Link { path: named() },
        error => FileError::Open { path: named(), error: error.into() },
    })?;
    let open_error = |error: std::io::Error| FileError::Open { path: named(), error };
    let stat = rustix::fs::fstat(&file).map_err(|error| open_error(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular { path: named() });
    }
    trusted(path, &stat)?;
    for parent in path.ancestors().skip(1) {
        let stat = rustix::fs::stat(parent).map_err(|error| open_error(error.into()))?;
        trusted(parent, &stat)?;
    }
    if let Some(expected) = sha256 {
        let found = digest(file.try_clone().map_err(open_error)?).map_err(open_error)?;
        if !found.eq_ignore_ascii_case(expected.trim()) {
            return Err(FileError::Digest { path: named(), found });
        }
    }
    Ok((file, Stamp::of(&stat)))
}

/// Only root and we can have changed it.
fn trusted(path: &Path, stat: &Stat) -> Result<(), FileError> {
    let ours = rustix::process::geteuid().as_raw();
    if stat.st_uid != 0 && stat.st_uid != ours {
        return Err(FileError::Owner { path: path.to_owned(), owner: stat.st_uid });
    }
    let mode = stat.st_mode & 0o7777;
    // In a directory with the sticky bit, such as /tmp, nobody can replace what is somebody else's.
    let sticky = FileType::from_raw_mode(stat.st_mode) == FileType::Directory && mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn digest(file: OwnedFd) -> std::io::Result<String> {
    let mut file = File::from(file);
    let mut hash = Sha256::new();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            n => hash.update(&bytes[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
