//! Sessions that live in memory only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::id::SessionId;
use super::lines;
use super::listing::SessionInfo;
use super::lru::Lru;
use super::store::History;
use crate::chat::Message;

/// Sessions in memory, bounded in bytes: the least recently used are forgotten.
#[derive(Debug)]
pub(super) struct Memory(Mutex<Lru<Remembered>>);

#[derive(Debug)]
struct Remembered {
    messages: Vec<Arc<Message>>,
    bytes: u64,
    modified: SystemTime,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Mutex::new(Lru::new(bytes)))
    }

    pub(super) fn history(&self, id: &SessionId) -> History {
        let messages = self.lock().get(id.key()).map(|session| session.messages.clone()).unwrap_or_default();
        History { messages, ..History::default() }
    }

    pub(super) fn append(&self, id: &SessionId, bytes: usize, messages: Vec<Arc<Message>>) -> u64 {
        let weight = lines::weight(bytes, messages.len());
        let modified = SystemTime::now();
        let mut sessions = self.lock();
        if let Some(session) = sessions.get(id.key()) {
            session.messages.extend(messages);
            session.bytes += bytes as u64;
            session.modified = modified;
            sessions.grow(id.key(), weight);
        } else {
            let session = Remembered { messages, bytes: bytes as u64, modified };
            sessions.insert(id.key().into(), session, weight + 2 * id.key().len());
        }
        bytes as u64
    }

    pub(super) fn list(&self, since: SystemTime) -> Vec<SessionInfo> {
        let sessions = self.lock();
        let recent = sessions.iter().filter(|(_, session)| session.modified >= since);
        recent
            .map(|(key, session)| SessionInfo {
                key: key.to_string(),
                modified: session.modified,
                bytes: session.bytes,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Lru<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
