//! Histories in memory, so that a turn need not read its file again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lines::{self, Loaded};
use super::lru::Lru;
use super::meta::Head;
use super::store::History;
use super::writer::Placed;
use crate::chat::Message;

/// What a history costs in memory beyond its messages.
const ENTRY_OVERHEAD: usize = 256;

/// Recently used histories, bounded in bytes.
#[derive(Debug)]
pub(super) struct Cache(Mutex<Lru<Cached>>);

#[derive(Debug)]
struct Cached {
    history: History,
    /// Length of the file that this history is the content of.
    file_len: u64,
    /// When the file was last known to have this length.
    verified: Instant,
    weight: usize,
    /// A longer history is read from the file again, so that its oldest messages are left out.
    limit: usize,
}

impl Cache {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Mutex::new(Lru::new(bytes)))
    }

    /// The history of a session, if a look at its file is not older than `trust`.
    pub(super) fn fresh(&self, stem: &str, trust: Duration) -> Option<History> {
        let mut cache = self.lock();
        let cached = cache.get(stem)?;
        (cached.verified.elapsed() < trust).then(|| cached.history.clone())
    }

    /// The history of a session whose file had this length at that moment.
    pub(super) fn confirm(&self, stem: &str, file_len: u64, at: Instant) -> Option<History> {
        let mut cache = self.lock();
        let cached = cache.get(stem)?;
        if cached.file_len != file_len {
            cache.remove(stem);
            return None;
        }
        cached.verified = at;
        Some(cached.history.clone())
    }

    /// The length of the file whose content is here.
    pub(super) fn len(&self, stem: &str) -> Option<u64> {
        self.lock().get(stem).map(|cached| cached.file_len)
    }

    /// Whether the history of a session is here.
    pub(super) fn has(&self, stem: &str) -> bool {
        self.len(stem).is_some()
    }

    /// Keeps what was read at that moment, in a file that may not exist.
    pub(super) fn put(
        &self,
        stem: Arc<str>,
        head: Head,
        loaded: Loaded,
        limit: usize,
        at: Instant,
    ) -> History {
        let history = History {
            messages: Arc::new(loaded.messages),
            summary: head.summary,
            corrupt: loaded.corrupt,
            omitted: loaded.omitted,
            skip: head.skip,
        };
        let weight = loaded.weight + history.summary.len() + stem.len() + ENTRY_OVERHEAD;
        let cached = Cached { history: history.clone(), file_len: loaded.bytes, verified: at, weight, limit };
        self.lock().insert(stem, cached, weight);
        history
    }

    /// Adds what was just appended, if the history is the one that it was appended to.
    pub(super) fn append(&self, stem: &Arc<str>, placed: Placed, messages: Vec<Arc<Message>>, limit: usize) {
        let weight =
            lines::weight(usize::try_from(placed.end - placed.start).unwrap_or(usize::MAX), messages.len());
        let mut cache = self.lock();
        match cache.get(stem) {
            Some(cached) if cached.file_len == placed.start && cached.weight + weight <= cached.limit => {
                Arc::make_mut(&mut cached.history.messages).extend(messages);
                cached.file_len = placed.end;
                cached.verified = Instant::now();
                cached.weight += weight;
                cache.grow(stem, weight);
            }
            None if placed.start == 0 && weight <= limit => {
                let history = History { messages: Arc::new(messages), ..History::default() };
                let weight = weight + stem.len() + ENTRY_OVERHEAD;
                let verified = Instant::now();
                let cached = Cached { history, file_len: placed.end, verified, weight, limit };
                cache.insert(stem.clone(), cached, weight);
            }
            _ => {
                cache.remove(stem);
            }
        }
    }

    /// Forgets a history whose beginning has changed.
    pub(super) fn remove(&self, stem: &str) {
        self.lock().remove(stem);
    }

    fn lock(&self) -> MutexGuard<'_, Lru<Cached>> {
        // Whoever panicked left at worst an entry whose length does not match its file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
