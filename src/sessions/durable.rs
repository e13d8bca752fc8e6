//! Sessions on disk: which file is whose, and what of it is in memory.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;

use super::cache::Cache;
use super::error::StoreError;
use super::id::SessionId;
use super::lines;
use super::listing::{self, SessionInfo};
use super::meta::Head;
use super::options::Options;
use super::pending::Pending;
use super::recovery::Recovery;
use super::store::{Forgotten, History};
use super::thread::{UpkeepFailures, WriterThread};
use super::writer::{Append, lines_file, meta_file};
use crate::chat::Message;

/// Most reads at a time: each takes a thread of the pool, and a disk that hangs keeps them.
const MAX_READS: usize = 32;
/// How long the last checkpoint may take. Giving up loses nothing: the journal has everything.
const CLOSE_PATIENCE: Duration = Duration::from_secs(4);

/// Sessions in the files of one directory.
#[derive(Debug)]
pub(super) struct Durable {
    directory: PathBuf,
    history_bytes: usize,
    patience: Duration,
    trust: Duration,
    writer: WriterThread,
    cache: Cache,
    places: Arc<Semaphore>,
    reads: Pending,
}

/// The file of a session: its own, or else the one that older versions gave it.
#[derive(Debug)]
struct Candidate {
    stem: Arc<str>,
    /// The length that its history in the cache has.
    known: Option<u64>,
}

/// What was found on disk.
#[derive(Debug)]
enum Found {
    /// No file. The first append creates this one.
    Absent(Arc<str>),
    /// The file that the cache has, of this length.
    Known(Arc<str>, u64),
    /// Another file, and what it holds.
    Read(Arc<str>, Head, lines::Loaded),
}

impl Durable {
    pub(super) fn open(directory: PathBuf, options: &Options) -> Result<Self, StoreError> {
        let writer = WriterThread::start(&directory, options)
            .map_err(|error| StoreError::directory(&directory, error))?;
        Ok(Self {
            directory,
            history_bytes: options.history_bytes,
            patience: options.patience,
            trust: options.trust,
            writer,
            cache: Cache::new(options.cache_bytes),
            places: Arc::new(Semaphore::new(MAX_READS)),
            reads: Pending::default(),
        })
    }

    /// How long the oldest request to the disk has waited for its answer.
    pub(super) fn oldest_request(&self) -> Option<Duration> {
        self.reads.oldest().max(self.writer.oldest_request())
    }

    pub(super) fn upkeep_failures(&self) -> UpkeepFailures {
        self.writer.upkeep_failures()
    }

    pub(super) fn recovery(&self) -> Recovery {
        self.writer.recovery()
    }

    pub(super) async fn history(&self, id: &SessionId) -> Result<History, StoreError> {
        // The turn could not be made durable: better to know before a model has answered.
        if self.writer.oldest_request().is_some_and(|waited| waited >= self.patience) {
            return Err(self.stalled());
        }
        let own = id.stem();
        if let Some(history) = self.cache.fresh(&own, self.trust) {
            return Ok(history);
        }
        let legacy = id.legacy_stem();
        if let Some(history) = self.cache.fresh(&legacy, self.trust) {
            return Ok(history);
        }
        loop {
            let asked = Instant::now();
            match self.find(&own, &legacy).await? {
                Found::Absent(stem) => {
                    return Ok(self.cache.put(
                        stem,
                        Head::default(),
                        lines::Loaded::default(),
                        self.history_bytes,
                        asked,
                    ));
                }
                Found::Known(stem, len) => {
                    if let Some(history) = self.cache.confirm(&stem, len, asked) {
                        return Ok(history);
                    }
                    // Forgotten in this very moment: it is no longer known, and the next look reads it.
                }
                Found::Read(stem, head, loaded) => {
                    return Ok(self.cache.put(stem, head, loaded, self.history_bytes, asked));
                }
            }
        }
    }

    pub(super) async fn append(
        &self,
        id: &SessionId,
        bytes: Vec<u8>,
        messages: Vec<Arc<Message>>,
    ) -> Result<u64, StoreError> {
        if messages.is_empty() {
            return Ok(0);
        }
        let stem = self.file_of(id).await?;
        let append = Append {
            stem: stem.clone(),
            id: id.clone(),
            bytes,
            lines: messages.len() as u64,
            at: jiff::Timestamp::now(),
        };
        let placed = self
            .within(self.patience, self.writer.append(append))
            .await?
            .map_err(|source| StoreError::Write { path: self.directory.join(lines_file(&stem)), source })?;
        self.cache.append(&stem, placed, messages, self.history_bytes);
        Ok(placed.end - placed.start)
    }

    pub(super) async fn forget(&self, id: &SessionId, what: Forgotten) -> Result<bool, StoreError> {
        let stem = self.file_of(id).await?;
        let path = self.directory.join(lines_file(&stem));
        let (file, since, messages) = (path.clone(), what.since, what.messages);
        let beginning = self
            .read(move || {
                let file = BufReader::with_capacity(64 << 10, File::open(file)?);
                lines::beginning(file, since, messages)
            })
            .await?;
        let skip = match beginning {
            Ok(skip) => skip,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::read(&path, error)),
        };
        let head = Head { skip, summary: what.summary };
        let done = self.within(self.patience, self.writer.behead(id, &stem, since, head)).await;
        // Whatever became of it: the next look at the session reads it anew.
        self.cache.remove(&stem);
        done?.map_err(|source| StoreError::Write { path: self.directory.join(meta_file(&stem)), source })
    }

    pub(super) async fn recent(&self, since: SystemTime) -> Result<Vec<SessionInfo>, StoreError> {
        self.writer.publish().await?;
        let directory = self.directory.clone();
        let listed = blocking(move || listing::list(&directory, since)).await;
        listed.map_err(|error| StoreError::directory(&self.directory, error))
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        match self.within(CLOSE_PATIENCE, self.writer.close()).await {
            Ok(Err(source)) => Err(StoreError::Directory { path: self.directory.clone(), source }),
            // Closed already.
            Ok(Ok(())) | Err(StoreError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The file to append to. The writer looks whether it is still the one that the cache knows.
    async fn file_of(&self, id: &SessionId) -> Result<Arc<str>, StoreError> {
        let own = id.stem();
        if self.cache.has(&own) {
            return Ok(own);
        }
        let legacy = id.legacy_stem();
        if self.cache.fresh(&legacy, self.trust).is_some() {
            return Ok(legacy);
        }
        let (directory, stem) = (self.directory.clone(), own.clone());
        let found = self
            .read(move || {
                Ok(match (file_len(&directory, &own)?, file_len(&directory, &legacy)?) {
                    (None, Some(_)) => legacy,
                    _ => own,
                })
            })
            .await?;
        found.map_err(|error| StoreError::read(&self.directory.join(lines_file(&stem)), error))
    }

    /// Looks which file is the session's, and reads it unless the cache has it.
    async fn find(&self, own: &Arc<str>, legacy: &Arc<str>) -> Result<Found, StoreError> {
        let candidate = |stem: &Arc<str>| Candidate { stem: stem.clone(), known: self.cache.len(stem) };
        let candidates = [candidate(own), candidate(legacy)];
        let (directory, budget) = (self.directory.clone(), self.history_bytes);
        let found = self.read(move || find(&directory, &candidates, budget)).await?;
        found.map_err(|error| StoreError::read(&self.directory.join(lines_file(own)), error))
    }

    /// Reads where it may take its time. Given up, it goes on in the background and holds its place.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<io::Result<T>, StoreError> {
        let request = self.reads.ask();
        let read = async {
            let place = self.places.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
            Ok(blocking(move || {
                let _until_answered = (place, request);
                work()
            })
            .await)
        };
        self.within(self.patience, read).await
    }

    async fn within<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(patience, work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Stalled { path: self.directory.clone(), patience }),
        }
    }

    fn stalled(&self) -> StoreError {
        StoreError::Stalled { path: self.directory.clone(), patience: self.patience }
    }
}

/// The first of the files that exists, read unless it has the length that is known.
fn find(directory: &Path, candidates: &[Candidate; 2], budget: usize) -> io::Result<Found> {
    for Candidate { stem, known } in candidates {
        let Some(len) = file_len(directory, stem)? else { continue };
        if *known == Some(len) {
            return Ok(Found::Known(stem.clone(), len));
        }
        let (head, loaded) = read(directory, stem, budget)?;
        return Ok(Found::Read(stem.clone(), head, loaded));
    }
    let [own, _] = candidates;
    Ok(Found::Absent(own.stem.clone()))
}

/// The length of a session's file.
fn file_len(directory: &Path, stem: &str) -> io::Result<Option<u64>> {
    match fs::metadata(directory.join(lines_file(stem))) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a session's file as far as its metadata says that it counts.
fn read(directory: &Path, stem: &str, budget: usize) -> io::Result<(Head, lines::Loaded)> {
    let meta = listing::read_meta(directory, stem).unwrap_or_default();
    let head = Head { skip: meta.skip, summary: meta.summary };
    let file = match File::open(directory.join(lines_file(stem))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((head, lines::Loaded::default()));
        }
        opened => opened?,
    };
    let loaded = lines::load(BufReader::with_capacity(64 << 10, file), head.skip, budget)?;
    Ok((head, loaded))
}

/// Does file work where it may take its time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being dropped, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
