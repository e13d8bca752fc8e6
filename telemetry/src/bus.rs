//! The bus: a broadcast channel that cannot make counters wrong.
//!
//! [`Bus::emit`] takes one short lock. Under it the event gets its number, is folded into the exact [`Ledger`], and
//! is sent on a tokio broadcast channel. A subscriber that is too slow finds its oldest events overwritten; it is
//! told how many ([`Next::Gap`]) together with a [`Checkpoint`] of the exact ledger, so its totals stay right.
//! Emitting never waits for a subscriber.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Notify, broadcast};

use crate::event::Event;
use crate::label::Vocabulary;
use crate::ledger::Ledger;
use crate::stats::Vitals;

/// An event with its place in the stream.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number, from 1, without holes.
    pub seq: u64,
    /// When it happened.
    pub time: SystemTime,
    /// What happened.
    pub event: Event,
}

/// The exact numbers at one moment of the stream.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The ledger, which knows the number of the last event that it contains.
    pub ledger: Ledger,
}

/// The way into telemetry. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // The std mutex: it is held for well under a microsecond and never across an await.
    core: Mutex<Core>,
    last_seq: AtomicU64,
    capacity: u64,
    pressure: Notify,
    stirred: Notify,
    vocabulary: Vocabulary,
    vitals: Vitals,
}

#[derive(Debug)]
struct Core {
    ledger: Ledger,
    seq: u64,
    // `None` once the bus is closed: the receivers then see the end after the last record.
    sender: Option<broadcast::Sender<Arc<Record>>>,
    /// Whether somebody waits for the next event.
    awaited: bool,
}

/// How many records the ring holds unless configured otherwise.
pub const DEFAULT_CAPACITY: usize = 4096;

impl Default for Bus {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Bus {
    /// A bus whose ring holds `capacity` records, rounded up to a power of two.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(2, 1 << 20).next_power_of_two();
        let (sender, _) = broadcast::channel(capacity);
        Self(Arc::new(Inner {
            core: Mutex::new(Core { ledger: Ledger::new(), seq: 0, sender: Some(sender), awaited: false }),
            last_seq: AtomicU64::new(0),
            capacity: capacity as u64,
            pressure: Notify::new(),
            stirred: Notify::new(),
            vocabulary: Vocabulary::new(),
            vitals: Vitals::default(),
        }))
    }

    /// Tells everyone what happened and returns the event's number. After [`Bus::close`] only the ledger hears it.
    pub fn emit(&self, event: Event) -> u64 {
        self.emit_locked(self.lock(), event)
    }

    /// The same, unless the bus is busy: for a panic hook, which may run while this very thread emits.
    pub fn try_emit(&self, event: Event) -> bool {
        match self.0.core.try_lock() {
            Ok(core) => {
                self.emit_locked(core, event);
                true
            }
            Err(_) => false,
        }
    }

    fn emit_locked(&self, mut core: MutexGuard<'_, Core>, event: Event) -> u64 {
        core.seq += 1;
        let record = Record { seq: core.seq, time: SystemTime::now(), event };
        core.ledger.apply(&record);
        let seq = record.seq;
        self.0.last_seq.store(seq, Ordering::Release);
        if let Some(sender) = &core.sender
            && sender.receiver_count() > 0
        {
            // An error says that the last receiver has just gone, which is no loss to anyone.
            let _ = sender.send(Arc::new(record));
        }
        let awaited = std::mem::take(&mut core.awaited);
        drop(core);
        if awaited {
            self.0.stirred.notify_waiters();
        }
        // Subscribers drain on a timer; before the ring can overflow they are woken.
        if seq.is_multiple_of(self.0.capacity / 2) {
            self.0.pressure.notify_waiters();
        }
        seq
    }

    /// A subscription to everything after this moment, and the numbers at this moment.
    pub fn subscribe(&self) -> Subscription {
        self.subscribe_after(|_| {})
    }

    /// The same, once `before` has seen the numbers with which the subscription begins. Nobody can read a later event
    /// before `before` has returned: one subscriber can take over from another without a hole and without an overlap.
    /// Emitters wait for it, so it must be short.
    pub fn subscribe_after(&self, before: impl FnOnce(&Checkpoint)) -> Subscription {
        let core = self.lock();
        let receiver = core.sender.as_ref().map(broadcast::Sender::subscribe);
        let checkpoint = Checkpoint { ledger: core.ledger.clone() };
        before(&checkpoint);
        drop(core);
        Subscription { bus: self.clone(), receiver, start: checkpoint }
    }

    /// The exact numbers now.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { ledger: self.lock().ledger.clone() }
    }

    /// Reads the exact numbers now without copying them. Keep `read` short: emitters wait for it.
    pub fn inspect<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.lock().ledger)
    }

    /// The number of the last event.
    pub fn seq(&self) -> u64 {
        self.0.last_seq.load(Ordering::Acquire)
    }

    /// Ends the stream: subscribers see what is left in the ring and then [`Next::Closed`].
    pub fn close(&self) {
        self.lock().sender = None;
        self.0.pressure.notify_waiters();
        self.0.stirred.notify_waiters();
    }

    /// Whether the stream has ended.
    pub fn is_closed(&self) -> bool {
        self.lock().sender.is_none()
    }

    /// The names that may become labels.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.0.vocabulary
    }

    /// Numbers about the process that are read when somebody looks.
    pub fn vitals(&self) -> &Vitals {
        &self.0.vitals
    }

    /// Completes when there is an event after number `seq`, or the bus is closed. Between events it costs nothing:
    /// whoever lets events gather waits here, and not for each of them.
    pub async fn beyond(&self, seq: u64) {
        let stirred = self.0.stirred.notified();
        {
            let mut core = self.lock();
            if core.seq > seq || core.sender.is_none() {
                return;
            }
            core.awaited = true;
        }
        stirred.await;
    }

    /// How many records the ring holds.
    pub fn capacity(&self) -> u64 {
        self.0.capacity
    }

    /// Completes when, after this call, the ring fills up by another half, or the bus is closed. A subscriber that
    /// drains on a timer selects on it.
    pub fn pressure(&self) -> impl Future<Output = ()> {
        self.0.pressure.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic cannot happen between the writes under this lock; should it, the numbers are still consistent.
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a subscriber gets.
#[derive(Debug)]
pub enum Next {
    /// The next record.
    Record(Arc<Record>),
    /// Records were overwritten before they were read.
    Gap {
        /// How many.
        missed: u64,
        /// The exact numbers now. Records still to come that it contains are ignored by [`Ledger::apply`].
        checkpoint: Box<Checkpoint>,
    },
    /// The bus is closed and everything was read.
    Closed,
}

/// A place in the stream.
#[derive(Debug)]
pub struct Subscription {
    bus: Bus,
    receiver: Option<broadcast::Receiver<Arc<Record>>>,
    start: Checkpoint,
}

impl Subscription {
    /// The numbers at the moment of subscribing.
    pub fn start(&self) -> &Checkpoint {
        &self.start
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// How many records wait in the ring, overwritten ones included.
    pub fn backlog(&self) -> u64 {
        self.receiver.as_ref().map_or(0, |receiver| receiver.len() as u64)
    }

    /// The next thing, waiting for it. Safe to cancel.
    pub async fn next(&mut self) -> Next {
        let Some(receiver) = &mut self.receiver else {
            return Next::Closed;
        };
        match receiver.recv().await {
            Ok(record) => Next::Record(record),
            Err(broadcast::error::RecvError::Lagged(missed)) => self.gap(missed),
            Err(broadcast::error::RecvError::Closed) => Next::Closed,
        }
    }

    /// The next thing, if there is one now.
    pub fn try_next(&mut self) -> Option<Next> {
        let Some(receiver) = &mut self.receiver else {
            return Some(Next::Closed);
        };
        match receiver.try_recv() {
            Ok(record) => Some(Next::Record(record)),
            Err(broadcast::error::TryRecvError::Empty) => None,
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(self.gap(missed)),
            Err(broadcast::error::TryRecvError::Closed) => Some(Next::Closed),
        }
    }

    fn gap(&self, missed: u64) -> Next {
        Next::Gap { missed, checkpoint: Box::new(self.bus.checkpoint()) }
    }
}
