//! Opening files anew, whatever the supervisor is busy with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::entry::Entry;
use crate::runner::Address;

/// How long everybody may take; those that are in the middle of a send do it afterwards.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reaches all sinks of a supervisor, also while that one reloads: log rotators send several signals in a row.
#[derive(Clone, Debug, Default)]
pub struct Reopener(Arc<Mutex<Vec<Address>>>);

impl Reopener {
    /// Reaches these sinks from now on.
    pub(super) fn reach(&self, entries: &[Entry]) {
        let addresses = entries.iter().map(|entry| entry.address.clone()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// Opens all files anew, at once: a log rotator has renamed them.
    pub async fn reopen(&self) {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answers: Vec<_> = addresses.iter().filter_map(Address::reopen).collect();
        let all = async {
            for answer in answers {
                // No answer means that the sink stops: its successor opens the file by itself.
                let _ = answer.await;
            }
        };
        let _ = timeout(PATIENCE, all).await;
    }
}
