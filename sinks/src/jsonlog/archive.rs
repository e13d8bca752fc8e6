//! Compresses and deletes rotated files, in the background and out of the way of everything else.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::rotate::{self, Fate, Keep};
use super::tail::siblings;

/// The ending of what is not yet complete.
const UNFINISHED: &str = "gz.tmp";

/// Looks after the rotated files of one log.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    path: PathBuf,
    keep: Keep,
    mode: u32,
    // One sweep at a time: two would compress one file.
    sweeping: Arc<Mutex<()>>,
}

impl Archive {
    pub(super) fn new(path: PathBuf, keep: Keep, mode: u32) -> Self {
        Self { path, keep, mode, sweeping: Arc::default() }
    }

    /// Sweeps, on a thread of its own.
    pub(super) fn sweep_soon(&self) {
        let archive = self.clone();
        let thread = std::thread::Builder::new().name("log archive".to_owned());
        let started = thread.spawn(move || {
            // Of this thread only. Compression must not take time from requests; if it cannot be helped, it does.
            let _ = rustix::process::setpriority_process(None, 19);
            archive.sweep();
        });
        if let Err(error) = started {
            tracing::warn!(target: "picoclaw_sinks", %error, "Rotated logs stay as they are for now.");
        }
    }

    /// Deletes and compresses what is due. What fails is tried again at the next rotation.
    pub(super) fn sweep(&self) {
        let _one = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match siblings(&self.path) {
            Ok(files) => files,
            Err(error) => return self.complain(&self.path, &error),
        };
        let mut dated = Vec::new();
        for file in files {
            let name = file.to_string_lossy();
            if name.ends_with(UNFINISHED) {
                // Left by a process that died.
                let _ = fs::remove_file(&file);
            } else if let Ok(changed) = fs::metadata(&file).and_then(|m| m.modified()) {
                dated.push((file, changed));
            }
        }
        for (file, fate) in rotate::fates(&self.path, dated, self.keep, SystemTime::now()) {
            let done = match fate {
                Fate::Delete => fs::remove_file(&file),
                Fate::Compress => self.compress(&file),
            };
            match done {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.complain(&file, &error),
                _ => {}
            }
        }
    }

    /// The compressed file appears complete or not at all, and is as old as the original.
    fn compress(&self, file: &Path) -> io::Result<()> {
        let mut from = File::open(file)?;
        let changed = from.metadata()?.modified()?;
        let target = rotate::compressed(file);
        let unfinished = target.with_extension(UNFINISHED);
        let written = self.write_compressed(&mut from, &unfinished, changed);
        written
            .and_then(|()| fs::rename(&unfinished, &target))
            .inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
        fs::remove_file(file)
    }

    fn write_compressed(&self, from: &mut File, to: &Path, changed: SystemTime) -> io::Result<()> {
        let to = OpenOptions::new().write(true).create(true).truncate(true).mode(self.mode).open(to)?;
        let mut encoder = GzEncoder::new(to, Compression::default());
        io::copy(from, &mut encoder)?;
        encoder.finish()?.set_modified(changed)
    }

    fn complain(&self, file: &Path, error: &io::Error) {
        let file = file.display();
        tracing::warn!(target: "picoclaw_sinks", %file, %error, "A rotated log could not be looked after.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::time::Duration;

    #[test]
    fn files_are_compressed_whole_and_keep_their_age() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let old = dir.path().join("a.log.20240115T103000.000000Z");
        let new = dir.path().join("a.log.20240116T103000.000000Z");
        let left = dir.path().join("a.log.20240114T103000.000000Z.gz.tmp");
        for file in [&old, &new, &left] {
            fs::write(file, "line\n".repeat(1000)).unwrap();
        }
        let then = SystemTime::now() - Duration::from_secs(3600);
        File::options().append(true).open(&old).unwrap().set_modified(then).unwrap();
        let keep = Keep { backups: 3, days: 28, compress: true };
        Archive::new(path, keep, 0o640).sweep();
        let gz = rotate::compressed(&old);
        assert!(!old.exists() && !left.exists() && new.exists());
        assert_eq!(fs::metadata(&gz).unwrap().modified().unwrap(), then);
        let mut text = String::new();
        flate2::read::GzDecoder::new(File::open(gz).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "line\n".repeat(1000));
    }
}
