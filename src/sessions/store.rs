//! The store: histories out, messages in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::durable::Durable;
use super::error::StoreError;
use super::id::SessionId;
use super::lines;
use super::listing::SessionInfo;
use super::memory::Memory;
use super::options::{Options, Persistence};
use super::recovery::Recovery;
use super::thread::UpkeepFailures;
use crate::chat::Message;

/// The messages of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Oldest first. Shared with the store: a turn that only reads them copies nothing.
    pub messages: Arc<Vec<Arc<Message>>>,
    /// A summary of what came before them; empty when nothing did.
    pub summary: String,
    /// Lines on disk that are no message: torn by a crash or damaged.
    pub corrupt: u64,
    /// Older messages left out because the history is too long.
    pub omitted: u64,
    /// How many lines from the beginning were no longer part of the conversation.
    pub skip: u64,
}

/// What is no longer part of a conversation. The lines stay in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// [`History::skip`] of the history in question: whoever forgot something since wins.
    pub since: u64,
    /// How many messages from there on, those included that [`History::omitted`] counts.
    pub messages: u64,
    /// What stands for them from now on.
    pub summary: String,
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

impl SessionStore {
    /// Opens the sessions of a directory, which is created if need be, and recovers what a crash left in its journal.
    ///
    /// # Errors
    /// When the directory cannot be created, read or written.
    pub fn open(directory: impl Into<PathBuf>, options: &Options) -> Result<Self, StoreError> {
        let directory = directory.into();
        let kind = match options.persistence {
            Persistence::Memory => Kind::Memory(Memory::new(options.memory_bytes)),
            Persistence::Durable => Kind::Durable(Durable::open(directory, options)?),
        };
        Ok(Self(Arc::new(kind)))
    }

    /// The messages of a session; none when there is no such session.
    ///
    /// # Errors
    /// When the session's file cannot be read, or not within [`Options::patience`]. Damaged lines are no error: they
    /// are counted and left out.
    pub async fn history(&self, id: &SessionId) -> Result<History, StoreError> {
        match &*self.0 {
            Kind::Memory(memory) => Ok(memory.history(id)),
            Kind::Durable(durable) => durable.history(id).await,
        }
    }

    /// Adds messages to a session, which is created if need be, and returns when they are durable.
    ///
    /// # Errors
    /// When they are not; nothing of them remains then. But when the disk does not answer within
    /// [`Options::patience`] ([`StoreError::Stalled`]), or when the returned future is dropped, the messages may or may
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

    /// Takes the oldest messages out of a conversation, durably, and puts a summary in their place. `false` when the
    /// conversation has been cut since, or is not there: nothing was done then.
    ///
    /// # Errors
    /// When the metadata cannot be read or written, or not within [`Options::patience`].
    pub async fn forget(&self, id: &SessionId, what: Forgotten) -> Result<bool, StoreError> {
        match &*self.0 {
            Kind::Memory(memory) => Ok(memory.forget(id, what)),
            Kind::Durable(durable) => durable.forget(id, what).await,
        }
    }

    /// The sessions written to within this time, in no order: which ones were active before a restart.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn recent(&self, within: Duration) -> Result<Vec<SessionInfo>, StoreError> {
        let since = SystemTime::now().checked_sub(within).unwrap_or(SystemTime::UNIX_EPOCH);
        match &*self.0 {
            Kind::Memory(memory) => Ok(memory.list(since)),
            Kind::Durable(durable) => durable.recent(since).await,
        }
    }

    /// How long the disk has owed an answer: the age of the oldest append, read or checkpoint that is under way.
    pub fn oldest_request(&self) -> Option<Duration> {
        match &*self.0 {
            Kind::Memory(_) => None,
            Kind::Durable(durable) => durable.oldest_request(),
        }
    }

    /// What failed beside the conversations themselves since the store was opened.
    pub fn upkeep_failures(&self) -> UpkeepFailures {
        match &*self.0 {
            Kind::Memory(_) => UpkeepFailures::default(),
            Kind::Durable(durable) => durable.upkeep_failures(),
        }
    }

    /// What a process that did not stop in order had left behind when the store was opened.
    pub fn recovery(&self) -> Recovery {
        match &*self.0 {
            Kind::Memory(_) => Recovery::default(),
            Kind::Durable(durable) => durable.recovery(),
        }
    }

    /// Finishes what waits and does a last checkpoint. Further appends are refused.
    ///
    /// # Errors
    /// When the last checkpoint fails or takes too long; nothing is lost then, the next start recovers it from the
    /// journal.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &*self.0 {
            Kind::Memory(_) => Ok(()),
            Kind::Durable(durable) => durable.close().await,
        }
    }
}

#[cfg(test)]
mod tests;
