//! One turn per session at a time.
//!
//! A message for a busy session waits its turn in a bounded queue; the queue of one session never holds up another.
//! Where its channel wants that, it offers itself meanwhile to the turn that runs, which may take it in. Whoever says
//! `/stop` ends the turn that runs and all that wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::inbound::{Reply, TurnError};
use crate::chat::Message;

/// How many messages may wait for one session.
pub(super) const QUEUE_LIMIT: usize = 10;

/// The gates of all sessions that somebody uses or waits for, by their keys, which are hashes already.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<FxHashMap<Arc<str>, Gate>>);

#[derive(Debug)]
struct Gate {
    // The permits are handed out in the order of asking.
    free: Arc<Semaphore>,
    places: usize,
    /// The number of the next place.
    next: u64,
    /// Whoever has a place below this number was told to stop.
    stopped: u64,
    /// Cancels the turn that runs.
    running: Option<CancellationToken>,
    offers: VecDeque<Offer>,
}

/// A message that waits and may join the turn that runs.
#[derive(Debug)]
struct Offer {
    number: u64,
    messages: Vec<Message>,
    taken: oneshot::Sender<Ending>,
}

/// How the turn ends that a message has joined.
pub(super) type Ending = oneshot::Receiver<Result<Reply, TurnError>>;

/// A message that has joined a turn: what it says, and where the turn's end is told.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) messages: Vec<Message>,
    pub(super) answer: oneshot::Sender<Result<Reply, TurnError>>,
}

/// A place in a session's queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Place {
    gates: Arc<Gates>,
    key: Arc<str>,
    free: Arc<Semaphore>,
    number: u64,
}

/// The session is this turn's own until this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    // Released before the place, so that the next in line finds the gate.
    _permit: OwnedSemaphorePermit,
    place: Place,
}

impl Gates {
    /// Takes a place in the queue of a session; `None` when the queue is full.
    pub(super) fn queue(self: &Arc<Self>, key: &str) -> Option<Place> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gates.get_key_value(key).map(|(key, gate)| (Arc::clone(key), gate.places));
        let key = match known {
            Some((_, places)) if places > QUEUE_LIMIT => return None,
            Some((key, _)) => key,
            None => key.into(),
        };
        let gate = gates.entry(Arc::clone(&key)).or_insert_with(Gate::new);
        gate.places += 1;
        gate.next += 1;
        Some(Place { gates: Arc::clone(self), key, free: Arc::clone(&gate.free), number: gate.next - 1 })
    }

    /// Ends the turn of a session and those that wait there; says how many.
    pub(super) fn stop(&self, key: &str) -> usize {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gate) = gates.get_mut(key) else { return 0 };
        gate.stopped = gate.next;
        // Those that wait find out when it is their turn.
        if let Some(running) = &gate.running {
            running.cancel();
        }
        gate.places
    }

    /// Whether a turn of the session runs.
    pub(super) fn is_busy(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }
}

impl Gate {
    fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(1)),
            places: 0,
            next: 0,
            stopped: 0,
            running: None,
            offers: VecDeque::new(),
        }
    }
}

impl Place {
    /// Enters if nobody is there. `cancel` ends what then runs.
    pub(super) fn try_enter(self, cancel: &CancellationToken) -> Result<Entered, Self> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Ok(self.entered(permit, cancel)),
            Err(_) => Err(self),
        }
    }

    /// Waits to enter. Dropping the future leaves the queue.
    pub(super) async fn enter(self, cancel: &CancellationToken) -> Entered {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("a gate is never closed");
        self.entered(permit, cancel)
    }

    /// Waits to enter, and offers its messages meanwhile to the turn that runs. Gives them back when it enters; fails
    /// when that turn took them.
    pub(super) async fn enter_or_join(
        self,
        messages: Vec<Message>,
        cancel: &CancellationToken,
    ) -> Result<(Entered, Vec<Message>), Ending> {
        let mut taken = self.offer(messages);
        let permit = tokio::select! {
            biased;
            Ok(ending) = &mut taken => return Err(ending),
            permit = Arc::clone(&self.free).acquire_owned() => permit.expect("a gate is never closed"),
        };
        match self.withdraw() {
            Some(messages) => Ok((self.entered(permit, cancel), messages)),
            // In the very moment in which that turn ended.
            None => Err(taken.await.expect("an offer that is gone was taken")),
        }
    }

    /// Whether somebody said that what has a place here should stop.
    fn is_stopped(&self) -> bool {
        self.with(|gate| self.number < gate.stopped).unwrap_or(false)
    }

    /// Offers messages to the turn that runs; the receiver hears of it when it takes them.
    fn offer(&self, messages: Vec<Message>) -> oneshot::Receiver<Ending> {
        let (taken, heard) = oneshot::channel();
        self.with(|gate| gate.offers.push_back(Offer { number: self.number, messages, taken }));
        heard
    }

    /// Takes the offer back; `None` when it was taken.
    fn withdraw(&self) -> Option<Vec<Message>> {
        self.with(|gate| {
            let at = gate.offers.iter().position(|offer| offer.number == self.number)?;
            gate.offers.remove(at).map(|offer| offer.messages)
        })?
    }

    fn entered(self, permit: OwnedSemaphorePermit, cancel: &CancellationToken) -> Entered {
        self.with(|gate| gate.running = Some(cancel.clone()));
        Entered { _permit: permit, place: self }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Gate) -> T) -> Option<T> {
        let mut gates = self.gates.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.get_mut(&self.key).map(act)
    }
}

impl Entered {
    /// Whether somebody said that this turn should stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.place.is_stopped()
    }

    /// Takes in the message that has waited for the longest time, if one wants to join.
    pub(super) fn take_offer(&self) -> Option<Joined> {
        self.place.with(|gate| {
            loop {
                let at = gate.offers.iter().position(|offer| offer.number >= gate.stopped)?;
                let Offer { messages, taken, .. } = gate.offers.remove(at)?;
                let (answer, ending) = oneshot::channel();
                // Whoever has gone away meanwhile no longer wants an answer.
                if taken.send(ending).is_ok() {
                    return Some(Joined { messages, answer });
                }
            }
        })?
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut gates = self.gates.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get_mut(&self.key) {
            gate.places -= 1;
            gate.offers.retain(|offer| offer.number != self.number);
            if gate.places == 0 {
                gates.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
