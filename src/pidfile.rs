//! The pid file: who runs, where, and the token that lets its reader administer the gateway.
//!
//! Its schema is the existing PicoClaw's, so launchers find this gateway as they found that one. As long as the gateway
//! lives it holds a lock on the file (flock(2)). That is a proof which a process id is not: in a container every gateway
//! is process 1, and ids are used again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::hex::Hex;

/// What the pid file says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidRecord {
    /// The gateway's process.
    pub pid: u32,
    /// Whoever knows it may reload the gateway and speak as `picoclaw agent`. 32 hexadecimal digits.
    pub token: String,
    /// The gateway's version.
    pub version: String,
    /// Where it listens.
    pub port: u16,
    /// On which address.
    pub host: String,
}

impl PidRecord {
    /// The address of a path of this gateway, for a program on the same machine.
    pub fn url(&self, port: u16, path: &str) -> String {
        format!("http://{}{path}", address_of(&self.host, port))
    }
}

/// `host:port` to connect to a gateway on the same machine that listens on `host`: an address, a name, a wildcard, or
/// several with commas between.
pub fn address_of(host: &str, port: u16) -> String {
    let first = host.split(',').next().unwrap_or_default().trim();
    let host = match first.trim_start_matches('[').trim_end_matches(']') {
        // A wildcard is no address to connect to, and a gateway on `localhost` surely has this one.
        "0.0.0.0" | "" | "*" | "localhost" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("{host}:{port}")
}

impl std::fmt::Debug for PidRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PidRecord").field("pid", &self.pid).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why the pid file cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum PidError {
    /// Another gateway runs on the same home directory.
    #[error("gateway is already running (PID: {pid}); stop it first, or set another PICOCLAW_HOME")]
    Running {
        /// Its process.
        pid: u32,
    },
    /// Another start on the same home directory does not come to an end.
    #[error("another program has held the lock of {directory} for {} s; see who with `lsof {directory}`", PATIENCE.as_secs())]
    Busy {
        /// The directory of the pid file.
        directory: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the pid file {path}: {source}; check that the directory exists and is writable")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The file of the running gateway. Removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    record: PidRecord,
    /// Holds the lock. The kernel releases it with the process, whatever ends that.
    _locked: File,
}

impl PidFile {
    /// Writes the file, unless another gateway lives.
    ///
    /// # Errors
    /// When another gateway runs, or the file cannot be written.
    pub fn take(path: &Path, record: PidRecord) -> Result<Self, PidError> {
        let failed = |source| PidError::Write { path: path.to_owned(), source };
        // Between the look and the writing nobody else may do the same: of two that start at once, one must see the other.
        let _alone = match path.parent() {
            Some(directory) => enter(directory, failed)?,
            None => None,
        };
        if let Some(other) = running(path) {
            return Err(PidError::Running { pid: other.pid });
        }
        let locked = write(path, &record).map_err(failed)?;
        Ok(Self { path: path.to_owned(), record, _locked: locked })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another gateway may have taken over a file that was deleted by hand: only our own is removed.
        if read(&self.path).is_some_and(|found| found == self.record) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The gateway that runs on a home directory, if one does: it holds the lock of its file, or, as the existing PicoClaw
/// and file systems know no lock, its process is one.
pub fn running(path: &Path) -> Option<PidRecord> {
    let file = File::open(path).ok()?;
    let record: PidRecord = serde_json::from_reader(&file).ok()?;
    (is_locked(&file) || is_gateway(record.pid)).then_some(record)
}

fn read(path: &Path) -> Option<PidRecord> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whether a living process holds the lock. Trying is the only way to ask; a lock that is got goes with the handle.
fn is_locked(file: &File) -> bool {
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Whether the process lives and is a PicoClaw. Process 1 without a lock is stale: in a container every gateway is
/// process 1, and a file that survived the last container speaks of that one.
fn is_gateway(pid: u32) -> bool {
    pid != 1
        && pid != std::process::id()
        && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.contains("picoclaw"))
}

/// How long a start waits for another one on the same home. Each holds the directory for the time of a small write.
const PATIENCE: Duration = Duration::from_secs(5);

/// Locks the directory, which leaves no file behind as a lock of its own would. `None` where the file system has no locks.
fn enter(directory: &Path, failed: impl Fn(io::Error) -> PidError) -> Result<Option<File>, PidError> {
    fs::create_dir_all(directory).map_err(&failed)?;
    let handle = File::open(directory).map_err(&failed)?;
    let since = Instant::now();
    loop {
        match handle.try_lock() {
            Ok(()) => return Ok(Some(handle)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(PidError::Busy { directory: directory.to_owned() }),
        }
    }
}

/// Writes the file and returns it, locked before anybody can find it.
fn write(path: &Path, record: &PidRecord) -> io::Result<File> {
    let temporary = path.with_extension("pid.new");
    // A rest of an earlier start may have other permissions.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    // Where the file system has no locks the process id has to do.
    let _ = file.try_lock();
    file.write_all(&serde_json::to_vec(record)?)?;
    fs::rename(&temporary, path)?;
    Ok(file)
}

/// A new token.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new_token() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Hex(&bytes).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn record(pid: u32) -> PidRecord {
        let token = new_token().unwrap();
        PidRecord { pid, token, version: "0.1.0".into(), port: 1, host: "127.0.0.1".into() }
    }

    #[test]
    fn the_file_is_private_and_goes_with_the_gateway() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/.picoclaw.pid");
        let file = PidFile::take(&path, record(std::process::id())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().token.len(), 32);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_proves_life_whatever_the_process_id_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".picoclaw.pid");
        for pid in [1, std::process::id(), u32::MAX / 2] {
            let file = PidFile::take(&path, record(pid)).unwrap();
            assert_eq!(running(&path).unwrap().pid, pid);
            // A look must not take the lock away.
            assert_eq!(running(&path).unwrap().pid, pid);
            let refused = PidFile::take(&path, record(7)).unwrap_err();
            assert!(matches!(refused, PidError::Running { pid: found } if found == pid), "{refused}");
            drop(file);
            assert!(running(&path).is_none());
        }
    }

    #[test]
    fn of_gateways_that_start_at_once_one_runs() {
        for _ in 0..50 {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join(".picoclaw.pid");
            let start = std::sync::Barrier::new(4);
            let attempt = |pid| {
                start.wait();
                PidFile::take(&path, record(pid))
            };
            let taken = thread::scope(|scope| {
                let starts = [2, 3, 4, 5].map(|offset| scope.spawn(move || attempt(u32::MAX / offset)));
                starts.map(|start| start.join().unwrap())
            });
            let winner = taken.iter().flatten().next().unwrap();
            assert_eq!(taken.iter().flatten().count(), 1);
            assert_eq!(read(&path).unwrap(), winner.record);
            for refused in taken.iter().filter_map(|taken| taken.as_ref().err()) {
                assert!(
                    matches!(refused, PidError::Running { pid } if *pid == winner.record.pid),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn wildcards_become_addresses_to_connect_to() {
        for (host, address) in [
            ("localhost", "127.0.0.1:1"),
            ("*", "127.0.0.1:1"),
            ("0.0.0.0", "127.0.0.1:1"),
            ("::", "[::1]:1"),
            ("[::1], 10.0.0.1", "[::1]:1"),
            ("10.0.0.1,::1", "10.0.0.1:1"),
            ("gw.example", "gw.example:1"),
        ] {
            assert_eq!(address_of(host, 1), address);
        }
    }

    #[test]
    fn stale_files_are_taken_over_and_foreign_ones_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".picoclaw.pid");
        for stale in [1, u32::MAX / 2] {
            fs::write(&path, serde_json::to_vec(&record(stale)).unwrap()).unwrap();
            assert!(running(&path).is_none());
        }
        let file = PidFile::take(&path, record(std::process::id())).unwrap();
        fs::write(&path, serde_json::to_vec(&record(7)).unwrap()).unwrap();
        drop(file);
        assert!(path.exists());
    }
}
