//! Whether a file may be loaded: nobody but root and the gateway's user can have put it there.

use std::fs::{File, Metadata};
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
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
    modified: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

/// Which version of a file is there now; `None` without one.
pub fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path).ok().map(|file| Stamp::of(&file))
}

/// Opens a file that may be loaded.
///
/// # Errors
/// When it may not: see [`FileError`].
pub(super) fn open(path: &Path, sha256: Option<&str>) -> Result<(File, Stamp), FileError> {
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
    let mut file = File::from(file);
    let open_error = |error| FileError::Open { path: named(), error };
    let opened = file.metadata().map_err(open_error)?;
    if !opened.is_file() {
        return Err(FileError::NotRegular { path: named() });
    }
    trusted(path, &opened)?;
    // Where it lies by its name, and where it really lies, should a directory above it be a link.
    let folder = path.parent().map(std::fs::canonicalize).transpose().map_err(open_error)?;
    for parent in path.ancestors().skip(1).chain(folder.iter().flat_map(|folder| folder.ancestors())) {
        trusted(parent, &std::fs::metadata(parent).map_err(open_error)?)?;
    }
    if let Some(expected) = sha256 {
        let found = digest(&mut file).map_err(open_error)?;
        if !found.eq_ignore_ascii_case(expected.trim()) {
            return Err(FileError::Digest { path: named(), found });
        }
    }
    Ok((file, Stamp::of(&opened)))
}

/// Only root and we can have changed it.
fn trusted(path: &Path, found: &Metadata) -> Result<(), FileError> {
    let ours = rustix::process::geteuid().as_raw();
    if found.uid() != 0 && found.uid() != ours {
        return Err(FileError::Owner { path: path.to_owned(), owner: found.uid() });
    }
    let mode = found.mode() & 0o7777;
    // In a directory with the sticky bit, such as /tmp, nobody can replace what is somebody else's.
    let sticky = found.is_dir() && mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn digest(file: &mut File) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            n => hash.update(&bytes[..n]),
        }
    }
    file.rewind()?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
