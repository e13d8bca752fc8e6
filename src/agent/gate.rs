//! One turn per session at a time.
//!
//! A message for a busy session waits its turn in a bounded queue; the queue of one session never holds up another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many messages may wait for one session.
pub(super) const QUEUE_LIMIT: usize = 10;

/// The gates of all sessions that somebody uses or waits for.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<Arc<str>, Gate>>);

#[derive(Debug)]
struct Gate {
    // The permits are handed out in the order of asking.
    free: Arc<Semaphore>,
    places: usize,
}

/// A place in a session's queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Place {
    gates: Arc<Gates>,
    key: Arc<str>,
    free: Arc<Semaphore>,
}

/// The session is this turn's own until this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    // Released before the place, so that the next in line finds the gate.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Gates {
    /// Takes a place in the queue of a session; `None` when the queue is full.
    pub(super) fn queue(self: &Arc<Self>, key: &str) -> Option<Place> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, gate)) = gates.get_key_value(key).map(|(k, g)| (Arc::clone(k), g))
            && gate.places > QUEUE_LIMIT
        {
            drop(key);
            return None;
        }
        let key: Arc<str> = key.into();
        let gate = gates
            .entry(Arc::clone(&key))
            .or_insert_with(|| Gate { free: Arc::new(Semaphore::new(1)), places: 0 });
        gate.places += 1;
        Some(Place { gates: Arc::clone(self), key, free: Arc::clone(&gate.free) })
    }
}

impl Place {
    /// Enters if nobody is there.
    pub(super) fn try_enter(self) -> Result<Entered, Self> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Ok(Entered { _permit: permit, _place: self }),
            Err(_) => Err(self),
        }
    }

    /// Waits to enter. Dropping the future leaves the queue.
    pub(super) async fn enter(self) -> Entered {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("a gate is never closed");
        Entered { _permit: permit, _place: self }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut gates = self.gates.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get_mut(&self.key) {
            gate.places -= 1;
            if gate.places == 0 {
                gates.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_of_a_session_follow_one_another_and_the_queue_is_bounded() {
        let gates = Arc::new(Gates::default());
        let first = gates.queue("a").unwrap().try_enter().unwrap();
        let second = gates.queue("a").unwrap().try_enter().unwrap_err();
        assert!(gates.queue("b").unwrap().try_enter().is_ok());
        let others: Vec<_> = (1..QUEUE_LIMIT).map(|_| gates.queue("a").unwrap()).collect();
        assert!(gates.queue("a").is_none());
        drop(others);
        let mut waiting = tokio_test_pin(second.enter());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(first);
        drop(waiting.await);
        assert!(gates.0.lock().unwrap().is_empty());
    }

    fn tokio_test_pin<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
        Box::pin(future)
    }
}
