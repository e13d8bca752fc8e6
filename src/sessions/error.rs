//! What can go wrong with sessions.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A session could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory of the sessions cannot be used.
    #[error("session directory {}: {source}; {}", path.display(), remedy(source))]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// An append did not reach the disk; nothing of it remains.
    #[error("writing session {}: {source}; {}", path.display(), remedy(source))]
    Write {
        /// The session's file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// A session's file could not be read.
    #[error("reading session {}: {source}; {}", path.display(), remedy(source))]
    Read {
        /// The session's file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The disk has not answered in time. What was to be written may still arrive.
    #[error(
        "session directory {}: no answer from the disk within {} s; check the disk and the system's log",
        path.display(),
        patience.as_secs_f64()
    )]
    Stalled {
        /// The directory.
        path: PathBuf,
        /// How long it had.
        patience: Duration,
    },
    /// A message is longer than a line may be.
    #[error(
        "a message of {bytes} bytes is too long for a session, which holds at most {limit} bytes per message; send less"
    )]
    TooLong {
        /// Its size as a line.
        bytes: usize,
        /// The largest allowed.
        limit: usize,
    },
    /// The store was closed.
    #[error("the session store is closed because the gateway is stopping; try again after its restart")]
    Closed,
}

impl StoreError {
    pub(super) fn directory(path: &Path, source: io::Error) -> Self {
        Self::Directory { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source: Arc::new(source) }
    }
}

/// What the operator can do.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space on that file system",
        io::ErrorKind::PermissionDenied => "give the gateway's user read and write permission there",
        io::ErrorKind::ReadOnlyFilesystem => "mount that file system writable or move the workspace",
        io::ErrorKind::NotFound => "create the directory again",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "move the file that is in the way",
        io::ErrorKind::ResourceBusy => "stop one of the processes that use this directory",
        _ => "check the disk and the permissions",
    }
}
