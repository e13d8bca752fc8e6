//! Histories in memory, so that a turn need not read its file again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lines::{self, Loaded};
use super::lru::Lru;
use super::store::History;
use super::writer::Placed;
use crate::chat::Message;

/// Recently used histories, bounded in bytes.
#[derive(Debug)]
pub(super) struct Cache(Mutex<Lru<Cached>>);

#[derive(Debug)]
struct Cached {
    history: History,
    /// Length of the file that this history is the content of.
    file_len: u64,
    weight: usize,
    /// A longer history is read from the file again, so that its oldest messages are left out.
    limit: usize,
}

impl Cache {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Mutex::new(Lru::new(bytes)))
    }

    /// The history of a session whose file has this length now.
    pub(super) fn get(&self, stem: &str, file_len: u64) -> Option<History> {
        let mut cache = self.lock();
        let cached = cache.get(stem)?;
        if cached.file_len == file_len {
            return Some(cached.history.clone());
        }
        cache.remove(stem);
        None
    }

    /// Whether the history of a session is here.
    pub(super) fn has(&self, stem: &str) -> bool {
        self.lock().get(stem).is_some()
    }

    pub(super) fn put(&self, stem: Arc<str>, summary: String, loaded: Loaded, limit: usize) -> History {
        let history =
            History { messages: loaded.messages, summary, corrupt: loaded.corrupt, omitted: loaded.omitted };
        let weight = loaded.weight + history.summary.len() + stem.len();
        let cached = Cached { history: history.clone(), file_len: loaded.bytes, weight, limit };
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
                cached.history.messages.extend(messages);
                cached.file_len = placed.end;
                cached.weight += weight;
                cache.grow(stem, weight);
            }
            None if placed.start == 0 && weight <= limit => {
                let history = History { messages, ..History::default() };
                cache.insert(stem.clone(), Cached { history, file_len: placed.end, weight, limit }, weight);
            }
            _ => {
                cache.remove(stem);
            }
        }
    }

    pub(super) fn remove(&self, stem: &str) {
        self.lock().remove(stem);
    }

    fn lock(&self) -> MutexGuard<'_, Lru<Cached>> {
        // Whoever panicked left at worst an entry whose length does not match its file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
