//! The bus: a broadcast channel that cannot make counters wrong.
//!
//! [`Bus::emit`] takes one short lock. Under it the event gets its number, is folded into the exact [`Ledger`], and
//! is sent on a tokio broadcast channel. A subscriber that is too slow finds its oldest events overwritten; it is
//! told how many ([`Next::Gap`]) together with a [`Checkpoint`] of the exact ledger, so its totals stay right.
//! Emitting never waits for a subscriber.
//!
//! The channel carries pages of a few dozen records, for a lock, a wake-up and a reference count per record and
//! subscriber cost more than what most subscribers do with it. A page is sent with its first record and read while it
//! fills up, so no record waits for another.

mod page;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Notify, broadcast};

use crate::event::Event;
use crate::label::Vocabulary;
use crate::ledger::Ledger;
use crate::stats::Vitals;
use page::Page;

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
    // The std mutex: it is held for a microsecond or so and never across an await.
    core: Mutex<Core>,
    last_seq: AtomicU64,
    /// The number of the last event that a subscriber can see, once the bus is closed.
    end: AtomicU64,
    capacity: u64,
    /// How many records a page holds.
    page: usize,
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
    sender: Option<broadcast::Sender<Arc<Page>>>,
    /// The page that was sent last. Records that nobody is there to see are on none.
    page: Option<Arc<Page>>,
    /// Whether somebody waits for the next event.
    awaited: bool,
}

/// How many records the ring holds unless configured otherwise.
pub const DEFAULT_CAPACITY: usize = 4096;

/// Most records of a page.
const LARGEST_PAGE: usize = 32;
/// Least pages of a ring: what is overwritten at once is a small part of it.
const PAGES: usize = 16;

impl Default for Bus {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Bus {
    /// A bus whose ring holds `capacity` records, rounded up to a power of two.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(2, 1 << 20).next_power_of_two();
        let page = (capacity / PAGES).clamp(1, LARGEST_PAGE);
        let (sender, _) = broadcast::channel(capacity / page);
        let core = Core { ledger: Ledger::new(), seq: 0, sender: Some(sender), page: None, awaited: false };
        Self(Arc::new(Inner {
            core: Mutex::new(core),
            last_seq: AtomicU64::new(0),
            end: AtomicU64::new(u64::MAX),
            capacity: capacity as u64,
            page,
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
        core.send(record, self.0.page);
        self.0.last_seq.store(seq, Ordering::Release);
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
        // It was sent before; what is still to come on it is for this subscription, too.
        let page = core.page.clone();
        let checkpoint = Checkpoint { ledger: core.ledger.clone() };
        before(&checkpoint);
        drop(core);
        let position = checkpoint.ledger.seq();
        Subscription { bus: self.clone(), receiver, page, position, start: checkpoint }
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
        let mut core = self.lock();
        if core.sender.take().is_some() {
            core.page = None;
            self.0.end.store(core.seq, Ordering::Release);
        }
        drop(core);
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

    /// The number of the last event that a subscriber can see, if the bus is closed.
    fn end(&self) -> u64 {
        self.0.end.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic cannot happen between the writes under this lock; should it, the numbers are still consistent.
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Sends a record, with its page or on the one that was sent last, to whoever is there.
    fn send(&mut self, record: Record, places: usize) {
        let Some(sender) = &self.sender else { return };
        if sender.receiver_count() == 0 {
            self.page = None;
            return;
        }
        match &self.page {
            Some(page) if page.covers(record.seq) => page.put(record),
            _ => {
                let page = Arc::new(Page::new(record.seq, places));
                page.put(record);
                // An error says that the last receiver has just gone, which is no loss to anyone.
                let _ = sender.send(Arc::clone(&page));
                self.page = Some(page);
            }
        }
    }
}

/// What a subscriber gets.
#[derive(Debug)]
pub enum Next<'a> {
    /// The next record.
    Record(&'a Record),
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
    receiver: Option<broadcast::Receiver<Arc<Page>>>,
    /// The page with the next record, or the one before it.
    page: Option<Arc<Page>>,
    position: u64,
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

    /// The number of the last record that was read or missed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next thing, waiting for it. Safe to cancel.
    pub async fn next(&mut self) -> Next<'_> {
        while !self.turn() {
            self.bus.beyond(self.position).await;
        }
        self.read()
    }

    /// The next thing, if there is one now.
    pub fn try_next(&mut self) -> Option<Next<'_>> {
        self.turn().then(|| self.read())
    }

    /// The records after the last one that can be read without a look at the channel: there may be more.
    pub fn rest(&mut self) -> impl Iterator<Item = &Record> {
        let (page, position) = (self.page.as_deref(), &mut self.position);
        std::iter::from_fn(move || {
            let record = page?.get(*position + 1)?;
            *position += 1;
            Some(record)
        })
    }

    /// Sees to it that the page with the next record is open. Says whether there is something to read.
    fn turn(&mut self) -> bool {
        let next = self.position + 1;
        if let Some(page) = &self.page
            && page.covers(next)
        {
            return page.get(next).is_some() || self.bus.end() < next;
        }
        let Some(receiver) = &mut self.receiver else { return true };
        loop {
            match receiver.try_recv() {
                Ok(page) => {
                    self.page = Some(page);
                    return true;
                }
                // The page after the missed ones says how many records they had.
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty) => return false,
                Err(broadcast::error::TryRecvError::Closed) => return true,
            }
        }
    }

    /// What [`Self::turn`] has found.
    fn read(&mut self) -> Next<'_> {
        let next = self.position + 1;
        let Some(page) = &self.page else { return Next::Closed };
        let missed = page.first().saturating_sub(next);
        if missed > 0 {
            self.position += missed;
            return Next::Gap { missed, checkpoint: Box::new(self.bus.checkpoint()) };
        }
        match page.get(next) {
            Some(record) => {
                self.position = next;
                Next::Record(record)
            }
            None => Next::Closed,
        }
    }
}
