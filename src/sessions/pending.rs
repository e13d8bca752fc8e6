//! How long the disk has owed an answer.
//!
//! A disk that fails says so; one that hangs says nothing at all. So whoever asks it something notes when, until the
//! answer is there: also when nobody waits for the answer any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the disk was asked and has not answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    last: u64,
    /// When each was asked, by number: the first is the oldest.
    asked: BTreeMap<u64, Instant>,
}

/// A request; dropped when it is answered.
#[derive(Debug)]
pub(super) struct Request {
    pending: Pending,
    number: u64,
}

impl Pending {
    /// The disk is about to be asked something.
    pub(super) fn ask(&self) -> Request {
        let mut requests = self.lock();
        requests.last += 1;
        let number = requests.last;
        requests.asked.insert(number, Instant::now());
        Request { pending: self.clone(), number }
    }

    /// How long the oldest request has waited.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.lock().asked.values().next().map(Instant::elapsed)
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        // Nothing under this lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.pending.lock().asked.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_request_counts_until_it_is_answered() {
        let pending = Pending::default();
        assert_eq!(pending.oldest(), None);
        let first = pending.ask();
        let asked = pending.lock().asked[&1];
        let second = pending.ask();
        assert!(pending.oldest().unwrap() >= pending.lock().asked[&2] - asked);
        drop(first);
        assert_eq!(pending.lock().asked.keys().copied().collect::<Vec<_>>(), [2]);
        drop(second);
        assert_eq!(pending.oldest(), None);
    }
}
