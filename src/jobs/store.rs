//! The file of the jobs: read, changed and written whole, under a lock, so that no change of another process is lost.
//!
//! All of it blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use super::document::{ChangeError, Document};

/// No file of jobs is larger.
const LARGEST: u64 = 16 << 20;

/// Why jobs could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} is not a list of jobs: {source}; mend it, or move it away")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It is too large.
    #[error("{path} is larger than {} MiB", LARGEST >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What was asked for cannot be done.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// What distinguishes one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Option<(i64, i64, u64, u64)>);

/// The file of the jobs. All clones are the same one.
#[derive(Clone, Debug)]
pub struct JobStore {
    path: Arc<Path>,
    changed: Arc<Notify>,
}

impl JobStore {
    /// The jobs of a workspace: `cron/jobs.json`. Nothing of it needs to exist.
    pub fn new(workspace: &Path) -> Self {
        Self { path: workspace.join("cron/jobs.json").into(), changed: Arc::default() }
    }

    /// Completes after the next change made through this store or a clone of it.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How the file is now, without reading it.
    pub fn stamp(&self) -> Stamp {
        let found = fs::metadata(&self.path).ok();
        Stamp(found.map(|found| (found.mtime(), found.mtime_nsec(), found.size(), found.ino())))
    }

    /// The jobs; none when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of jobs.
    pub fn read(&self) -> Result<Document, StoreError> {
        let mut bytes = Vec::new();
        match File::open(&self.path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Document::default()),
            Err(source) => return Err(self.io(source)),
            Ok(_) => {}
        }
        if bytes.len() as u64 > LARGEST {
            return Err(StoreError::TooLarge { path: self.path.to_path_buf() });
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(Document::default());
        }
        serde_json::from_slice(&bytes)
            .map_err(|source| StoreError::Malformed { path: self.path.to_path_buf(), source })
    }

    /// Changes the jobs as they are on the disk, and writes them if they differ. Whoever waits for changes hears of it.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the change is refused; nothing is written then.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut Document) -> Result<T, ChangeError>,
    ) -> Result<(T, Document), StoreError> {
        let updated = self.update_quietly(change)?;
        self.changed.notify_one();
        Ok(updated)
    }

    /// The same for whoever waits for changes.
    pub(super) fn update_quietly<T>(
        &self,
        change: impl FnOnce(&mut Document) -> Result<T, ChangeError>,
    ) -> Result<(T, Document), StoreError> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(|source| self.io(source))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(directory.join(".lock"));
        let lock = lock.map_err(|source| self.io(source))?;
        lock.lock().map_err(|source| self.io(source))?;
        let before = self.read()?;
        let mut document = before.clone();
        let result = change(&mut document)?;
        if document != before {
            self.write(&document).map_err(|source| self.io(source))?;
        }
        Ok((result, document))
    }

    /// Beside the file and then in its place, both on the disk, so that a crash leaves the one or the other.
    fn write(&self, document: &Document) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(document)?;
        text.push(b'\n');
        let beside = self.path.with_extension("json.tmp");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.to_path_buf(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{Job, Payload, Schedule};

    fn job(id: String) -> Job {
        Job::new(id, "n", Schedule::every(1000), Payload::default(), 0)
    }

    #[test]
    fn changes_of_many_at_once_are_all_kept() {
        let home = tempfile::tempdir().unwrap();
        let store = JobStore::new(home.path());
        let nothing = store.stamp();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let store = JobStore::new(home.path());
                scope.spawn(move || {
                    for n in 0..5 {
                        store.update(|jobs| jobs.add(job(format!("{writer}-{n}")))).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.read().unwrap().jobs().count(), 20);
        assert_ne!(store.stamp(), nothing);
        let file = home.path().join("cron/jobs.json");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_damaged_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let store = JobStore::new(home.path());
        assert_eq!(store.read().unwrap(), Document::default());
        let file = home.path().join("cron/jobs.json");
        fs::create_dir(home.path().join("cron")).unwrap();
        for (text, word) in [("{\"jobs\": [", "not a list of jobs"), ("[1]", "not a list of jobs")] {
            fs::write(&file, text).unwrap();
            let error = store.update(|jobs| jobs.add(job("a".into()))).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("jobs.json"), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let store = JobStore::new(home.path());
        store.update(|jobs| jobs.add(job("a".into()))).unwrap();
        let stamp = store.stamp();
        store.update(|_| Ok(())).unwrap();
        assert_eq!(store.stamp(), stamp);
    }
}
