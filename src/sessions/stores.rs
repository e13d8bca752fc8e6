//! The stores of all agents, one for each directory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::error::StoreError;
use super::options::Options;
use super::store::SessionStore;
use super::thread::UpkeepFailures;

/// The stores that are open, one for each directory. Cheap to clone; all clones are the same.
///
/// None is closed before the process ends: conversations may be under way in it whose agent is gone already.
#[derive(Clone, Debug, Default)]
pub struct Stores(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    options: Options,
    open: Mutex<Vec<(PathBuf, SessionStore)>>,
}

impl Stores {
    /// None is open yet.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Inner { options, open: Mutex::default() }))
    }

    /// Opens the sessions of a directory unless they are open. Blocks on the disk. `None` when they were.
    ///
    /// # Errors
    /// As [`SessionStore::open`].
    pub fn open(&self, directory: &Path) -> Result<Option<SessionStore>, StoreError> {
        if self.get(directory).is_some() {
            return Ok(None);
        }
        let store = SessionStore::open(directory, &self.0.options)?;
        self.lock().push((directory.to_owned(), store.clone()));
        Ok(Some(store))
    }

    /// The store of a directory, if it is open.
    pub fn get(&self, directory: &Path) -> Option<SessionStore> {
        self.lock().iter().find(|(open, _)| open == directory).map(|(_, store)| store.clone())
    }

    /// All of them, in the order in which they were opened.
    pub fn all(&self) -> Vec<SessionStore> {
        self.lock().iter().map(|(_, store)| store.clone()).collect()
    }

    /// Their directories.
    pub fn directories(&self) -> Vec<PathBuf> {
        self.lock().iter().map(|(directory, _)| directory.clone()).collect()
    }

    /// How long a disk has owed an answer, see [`SessionStore::oldest_request`].
    pub fn oldest_request(&self) -> Option<Duration> {
        self.lock().iter().filter_map(|(_, store)| store.oldest_request()).max()
    }

    /// What failed beside the conversations themselves, in all of them.
    pub fn upkeep_failures(&self) -> UpkeepFailures {
        let open = self.lock();
        open.iter().map(|(_, store)| store.upkeep_failures()).fold(UpkeepFailures::default(), |sum, one| {
            UpkeepFailures {
                checkpoints: sum.checkpoints + one.checkpoints,
                metadata: sum.metadata + one.metadata,
            }
        })
    }

    /// Closes all of them, see [`SessionStore::close`].
    ///
    /// # Errors
    /// The first failure; the others are closed all the same.
    pub async fn close(&self) -> Result<(), StoreError> {
        let stores = self.all();
        join_all(stores.iter().map(SessionStore::close)).await.into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(PathBuf, SessionStore)>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_is_opened_once() {
        let home = tempfile::tempdir().unwrap();
        let stores = Stores::new(Options::default());
        let (a, b) = (home.path().join("a"), home.path().join("b"));
        assert!(stores.get(&a).is_none());
        assert!(stores.open(&a).unwrap().is_some() && stores.open(&b).unwrap().is_some());
        assert!(stores.open(&a).unwrap().is_none() && stores.get(&a).is_some());
        assert_eq!(stores.directories(), [a, b]);
        stores.close().await.unwrap();
    }
}
