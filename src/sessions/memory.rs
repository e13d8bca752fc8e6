//! Sessions that live in memory only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::id::SessionId;
use super::lines;
use super::listing::SessionInfo;
use super::lru::Lru;
use super::store::{Forgotten, History};
use crate::chat::Message;

/// Sessions in memory, bounded in bytes: the least recently used are forgotten.
#[derive(Debug)]
pub(super) struct Memory(Mutex<Lru<Remembered>>);

#[derive(Debug)]
struct Remembered {
    messages: Arc<Vec<Arc<Message>>>,
    summary: String,
    skip: u64,
    bytes: u64,
    modified: SystemTime,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Mutex::new(Lru::new(bytes)))
    }

    pub(super) fn history(&self, id: &SessionId) -> History {
        let mut sessions = self.lock();
        let Some(session) = sessions.get(id.key()) else { return History::default() };
        History {
            messages: session.messages.clone(),
            summary: session.summary.clone(),
            skip: session.skip,
            ..History::default()
        }
    }

    pub(super) fn append(&self, id: &SessionId, bytes: usize, messages: Vec<Arc<Message>>) -> u64 {
        let weight = lines::weight(bytes, messages.len());
        let modified = SystemTime::now();
        let mut sessions = self.lock();
        if let Some(session) = sessions.get(id.key()) {
            Arc::make_mut(&mut session.messages).extend(messages);
            session.bytes += bytes as u64;
            session.modified = modified;
            sessions.grow(id.key(), weight);
        } else {
            let messages = Arc::new(messages);
            let session =
                Remembered { messages, summary: String::new(), skip: 0, bytes: bytes as u64, modified };
            sessions.insert(id.key().into(), session, weight + 2 * id.key().len());
        }
        bytes as u64
    }

    pub(super) fn forget(&self, id: &SessionId, what: Forgotten) -> bool {
        let mut sessions = self.lock();
        let Some(session) = sessions.get(id.key()).filter(|session| session.skip == what.since) else {
            return false;
        };
        let messages = usize::try_from(what.messages).map_or(usize::MAX, |n| n.min(session.messages.len()));
        let gone: usize =
            Arc::make_mut(&mut session.messages).drain(..messages).map(|message| lines::cost(&message)).sum();
        session.skip += messages as u64;
        let grown = what.summary.len();
        let gone = gone + std::mem::replace(&mut session.summary, what.summary).len();
        sessions.grow(id.key(), grown);
        sessions.ease(id.key(), gone);
        true
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
