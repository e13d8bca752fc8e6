//! The store: histories out, messages in.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::activity::SessionHash;
use super::cache::Cache;
use super::error::StoreError;
use super::id::SessionId;
use super::lines;
use super::listing::{self, MAX_ALIASES, SessionInfo};
use super::memory::Memory;
use super::options::{Options, Persistence};
use super::thread::{StoreStats, WriterThread};
use super::writer::{Append, lines_file};
use crate::chat::Message;

/// The messages of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Oldest first.
    pub messages: Vec<Arc<Message>>,
    /// A summary of what came before them; empty when nothing did.
    pub summary: String,
    /// Lines on disk that are no message: torn by a crash or damaged.
    pub corrupt: u64,
    /// Older messages left out because the history is too long.
    pub omitted: u64,
}

/// A durable append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Bytes added to the session's file.
    pub bytes: u64,
    /// How long it took until they were durable.
    pub wait: Duration,
}

/// Sessions, on disk or in memory. Cheap to clone; all clones are the same store.
///
/// One turn at a time may use a session: the caller sees to it.
#[derive(Clone, Debug)]
pub struct SessionStore(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Memory(Memory),
    Durable(Durable),
}

#[derive(Debug)]
struct Durable {
    directory: PathBuf,
    history_bytes: usize,
    writer: WriterThread,
    cache: Cache,
    /// Which file each alias stands for; read from the metadata when first needed.
    aliases: Mutex<Option<HashMap<SessionHash, Arc<str>>>>,
}

impl SessionStore {
    /// Opens the sessions of a directory, which is created if need be, and recovers what a crash left in its journal.
    ///
    /// # Errors
    /// When the directory cannot be created, read or written.
    pub fn open(directory: impl Into<PathBuf>, options: &Options) -> Result<Self, StoreError> {
        let directory = directory.into();
        let kind = match options.persistence {
            Persistence::Memory => Kind::Memory(Memory::new(options.memory_bytes)),
            Persistence::Durable => Kind::Durable(Durable {
                writer: WriterThread::start(&directory, options)
                    .map_err(|error| StoreError::directory(&directory, error))?,
                cache: Cache::new(options.cache_bytes),
                history_bytes: options.history_bytes,
                aliases: Mutex::new(None),
                directory,
            }),
        };
        Ok(Self(Arc::new(kind)))
    }

    /// The messages of a session; none when there is no such session.
    ///
    /// # Errors
    /// When the session's file cannot be read. Damaged lines are no error: they are counted and left out.
    pub async fn history(&self, id: &SessionId) -> Result<History, StoreError> {
        match &*self.0 {
            Kind::Memory(memory) => Ok(memory.history(id)),
            Kind::Durable(durable) => durable.history(id).await,
        }
    }

    /// Adds messages to a session, which is created if need be, and returns when they are durable.
    ///
    /// # Errors
    /// When they are not; nothing of them remains then. If the returned future is dropped the messages may or may
    /// not have been added.
    pub async fn append(&self, id: &SessionId, messages: Vec<Arc<Message>>) -> Result<Commit, StoreError> {
        let asked = Instant::now();
        let bytes = lines::encode(&messages)?;
        let bytes = match &*self.0 {
            Kind::Memory(memory) => memory.append(id, bytes.len(), messages),
            Kind::Durable(durable) => durable.append(id, bytes, messages).await?,
        };
        Ok(Commit { bytes, wait: asked.elapsed() })
    }

    /// Removes a session and its metadata.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub async fn clear(&self, id: &SessionId) -> Result<(), StoreError> {
        match &*self.0 {
            Kind::Memory(memory) => memory.clear(id),
            Kind::Durable(durable) => durable.clear(id).await?,
        }
        Ok(())
    }

    /// Every session, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn list(&self) -> Result<Vec<SessionInfo>, StoreError> {
        self.listing(None).await
    }

    /// The sessions written to within this time, in no order: which ones were active before a restart.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn recent(&self, within: Duration) -> Result<Vec<SessionInfo>, StoreError> {
        self.listing(Some(SystemTime::now().checked_sub(within).unwrap_or(SystemTime::UNIX_EPOCH))).await
    }

    /// What the store did since it was opened.
    pub fn stats(&self) -> StoreStats {
        match &*self.0 {
            Kind::Memory(_) => StoreStats::default(),
            Kind::Durable(durable) => durable.writer.stats(),
        }
    }

    /// Finishes what waits and does a last checkpoint. Further appends are refused.
    ///
    /// # Errors
    /// When the last checkpoint fails; nothing is lost then, the next start recovers it from the journal.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &*self.0 {
            Kind::Memory(_) => Ok(()),
            Kind::Durable(durable) => match durable.writer.close().await {
                Ok(Err(source)) => Err(StoreError::Directory { path: durable.directory.clone(), source }),
                // Closed already.
                Ok(Ok(())) | Err(_) => Ok(()),
            },
        }
    }

    async fn listing(&self, since: Option<SystemTime>) -> Result<Vec<SessionInfo>, StoreError> {
        match &*self.0 {
            Kind::Memory(memory) => Ok(memory.list(since)),
            Kind::Durable(durable) => {
                durable.writer.publish().await?;
                let directory = durable.directory.clone();
                let listed = blocking(move || listing::list(&directory, since)).await;
                listed.map_err(|error| StoreError::directory(&durable.directory, error))
            }
        }
    }
}

impl Durable {
    async fn history(&self, id: &SessionId) -> Result<History, StoreError> {
        let (stem, len) = self.resolve(id).await?;
        let Some(len) = len else {
            self.cache.remove(&stem);
            return Ok(History::default());
        };
        if let Some(history) = self.cache.get(&stem, len) {
            return Ok(history);
        }
        let (directory, name, budget) = (self.directory.clone(), stem.clone(), self.history_bytes);
        let (summary, loaded) = blocking(move || read(&directory, &name, budget))
            .await
            .map_err(|error| StoreError::read(&self.directory.join(lines_file(&stem)), error))?;
        Ok(self.cache.put(stem, summary, loaded, self.history_bytes))
    }

    async fn append(
        &self,
        id: &SessionId,
        bytes: Vec<u8>,
        messages: Vec<Arc<Message>>,
    ) -> Result<u64, StoreError> {
        if messages.is_empty() {
            return Ok(0);
        }
        // The writer looks whether the file is still the one that the cache knows.
        let stem = id.stem();
        let stem = if self.cache.has(&stem) { stem } else { self.resolve(id).await?.0 };
        let append = Append {
            stem: stem.clone(),
            id: id.clone(),
            bytes,
            lines: messages.len() as u64,
            at: jiff::Timestamp::now(),
        };
        let placed = self
            .writer
            .append(append)
            .await?
            .map_err(|source| StoreError::Write { path: self.directory.join(lines_file(&stem)), source })?;
        self.cache.append(&stem, placed, messages, self.history_bytes);
        if placed.start == 0
            && let Some(aliases) = &mut *self.aliases.lock().unwrap_or_else(PoisonError::into_inner)
            && aliases.len() < MAX_ALIASES
        {
            aliases.extend(id.aliases().iter().map(|alias| (SessionHash::of(alias), stem.clone())));
        }
        Ok(placed.end - placed.start)
    }

    async fn clear(&self, id: &SessionId) -> Result<(), StoreError> {
        let (stem, _) = self.resolve(id).await?;
        self.cache.remove(&stem);
        let cleared = self.writer.clear(stem.clone()).await?;
        if let Some(aliases) = &mut *self.aliases.lock().unwrap_or_else(PoisonError::into_inner) {
            aliases.retain(|_, target| *target != stem);
        }
        cleared.map_err(|source| StoreError::Write { path: self.directory.join(lines_file(&stem)), source })
    }

    /// The file of a session and its length: its own if that exists, else the one that an alias leads to, else its own.
    async fn resolve(&self, id: &SessionId) -> Result<(Arc<str>, Option<u64>), StoreError> {
        let stem = id.stem();
        if let Some(len) = self.file_len(&stem)? {
            return Ok((stem, Some(len)));
        }
        if let Some(legacy) = id.legacy_stem() {
            let len = self.file_len(&legacy)?;
            return Ok((if len.is_some() { legacy } else { stem }, len));
        }
        match self.alias(id).await {
            Some(target) => {
                let len = self.file_len(&target)?;
                Ok((target, len))
            }
            None => Ok((stem, None)),
        }
    }

    async fn alias(&self, id: &SessionId) -> Option<Arc<str>> {
        let hash = SessionHash::of(id.key());
        if let Some(aliases) = &*self.aliases.lock().unwrap_or_else(PoisonError::into_inner) {
            return aliases.get(&hash).cloned();
        }
        let directory = self.directory.clone();
        let found = blocking(move || listing::aliases(&directory)).await;
        let target = found.get(&hash).cloned();
        *self.aliases.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        target
    }

    /// The length of a session's file. Inline: the answer is in the kernel's cache.
    fn file_len(&self, stem: &str) -> Result<Option<u64>, StoreError> {
        let path = self.directory.join(lines_file(stem));
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::read(&path, error)),
        }
    }
}

/// Reads a session's file as far as its metadata says that it counts.
fn read(directory: &Path, stem: &str, budget: usize) -> io::Result<(String, lines::Loaded)> {
    let meta = listing::read_meta(directory, stem).unwrap_or_default();
    let file = match File::open(directory.join(lines_file(stem))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((meta.summary, lines::Loaded::default()));
        }
        opened => opened?,
    };
    let loaded = lines::load(BufReader::with_capacity(64 << 10, file), meta.skip, budget)?;
    Ok((meta.summary, loaded))
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

#[cfg(test)]
mod tests;
