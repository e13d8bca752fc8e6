//! Commands that go on in the background, each with a number of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::super::caller::Caller;
use super::process::{End, Process};

/// Most background commands that are kept, ended ones included.
const MAX_SESSIONS: usize = 16;
/// How long an ended command can be asked about.
const KEPT_FOR: Duration = Duration::from_secs(30 * 60);

/// The background commands of a gateway. Cheap to clone; all of them end with the last clone.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    running: BTreeMap<String, Session>,
}

/// A background command.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) command: String,
    pub(super) process: Arc<Process>,
    pub(super) began: Instant,
    owner: (String, String),
    ended: Option<Instant>,
}

impl Sessions {
    /// Takes a command in. Of those that have ended the oldest makes room.
    ///
    /// # Errors
    /// The process itself, when there is no room.
    pub(super) fn add(&self, caller: Caller<'_>, command: &str, process: Process) -> Result<String, Process> {
        let mut table = self.table();
        if table.running.len() >= MAX_SESSIONS {
            let ended = table.running.values().filter(|session| session.ended.is_some());
            let Some(oldest) = ended.min_by_key(|session| session.ended).map(|session| session.id.clone())
            else {
                return Err(process);
            };
            table.running.remove(&oldest);
        }
        table.last += 1;
        let id = format!("exec-{}", table.last);
        let session = Session {
            id: id.clone(),
            command: command.to_owned(),
            process: Arc::new(process),
            began: Instant::now(),
            owner: owner(caller),
            ended: None,
        };
        table.running.insert(id.clone(), session);
        Ok(id)
    }

    /// Ends all of them and waits for that, up to `patience`. Later ones are on their own.
    pub async fn close(&self, patience: Duration) {
        let running: Vec<_> = std::mem::take(&mut self.table().running).into_values().collect();
        running.iter().for_each(|session| session.process.stop());
        let ended = join_all(running.iter().map(|session| session.process.ended()));
        // Whoever does not end in time is killed with the runtime.
        let _ = tokio::time::timeout(patience, ended).await;
    }

    /// Whether another command could be taken in.
    pub(super) fn has_room(&self) -> bool {
        let table = self.table();
        table.running.len() < MAX_SESSIONS || table.running.values().any(|session| session.ended.is_some())
    }

    /// The command of that name which this caller's conversation has started.
    pub(super) fn get(&self, caller: Caller<'_>, id: &str) -> Option<Arc<Process>> {
        let table = self.table();
        let session = table.running.get(id).filter(|session| session.owner == owner(caller))?;
        Some(Arc::clone(&session.process))
    }

    /// Looks at each command which this caller's conversation has started, in order.
    pub(super) fn list<T>(&self, caller: Caller<'_>, look: impl FnMut(&Session) -> T) -> Vec<T> {
        let owner = owner(caller);
        let table = self.table();
        let mut sessions: Vec<_> = table.running.values().filter(|session| session.owner == owner).collect();
        sessions.sort_by_key(|session| session.began);
        sessions.into_iter().map(look).collect()
    }

    /// The table, without what ended long ago.
    fn table(&self) -> MutexGuard<'_, Table> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        table.running.retain(|_, session| {
            if session.ended.is_none() && session.process.end().is_some() {
                session.ended = Some(now);
            }
            session.ended.is_none_or(|ended| now.duration_since(ended) < KEPT_FOR)
        });
        table
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table().running.keys()).finish()
    }
}

fn owner(caller: Caller<'_>) -> (String, String) {
    (caller.channel.to_owned(), caller.chat.to_owned())
}

/// How a command is, in the words of the existing histories.
pub(super) fn status(end: Option<End>) -> &'static str {
    match end {
        None => "running",
        Some(End::Exited(_)) => "done",
        Some(End::Stopped) => "killed",
        Some(End::Expired) => "timeout",
    }
}
