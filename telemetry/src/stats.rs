//! The telemetry system's own numbers: atomics that are read when somebody looks, never events. A sink that
//! reported its losses through the stream that it cannot keep up with would make them worse.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::metric::FLUSH_BOUNDS;
use crate::words::words;

words! {
    /// Why a sink lost events.
    DropReason {
        /// The buffer was full.
        BufferFull = "buffer_full",
        /// One event is larger than the buffer or the protocol allows.
        TooLarge = "too_large",
        /// The receiver refused them for good.
        Refused = "refused",
        /// The receiver could not be reached for too long.
        GaveUp = "gave_up",
        /// The sink panicked.
        Crashed = "crashed",
        /// They were still unsent when the time to stop was over.
        Shutdown = "shutdown",
    }
}

words! {
    /// How a send failed.
    SendErrorKind {
        /// It may work later.
        Retry = "retry",
        /// A part was refused.
        Partial = "partial",
        /// It will never work.
        Permanent = "permanent",
        /// It took too long.
        Timeout = "timeout",
    }
}

words! {
    /// What the session store does beside writing messages.
    Upkeep {
        /// Forcing session files to the disk and starting the journal anew.
        Checkpoint = "checkpoint",
        /// Writing a session's metadata.
        Metadata = "metadata",
    }
}

/// Numbers about the process.
#[derive(Debug, Default)]
pub struct Vitals {
    event_loop_lag_ns: AtomicU64,
    session_disk_wait_ns: AtomicU64,
    upkeep_failures: [AtomicU64; Upkeep::ALL.len()],
    http_connections: AtomicI64,
}

impl Vitals {
    /// Notes how late a timer of the event loop fired.
    pub fn set_event_loop_lag(&self, lag: Duration) {
        self.event_loop_lag_ns.store(nanos(lag), Relaxed);
    }

    /// How late the last timer of the event loop fired.
    pub fn event_loop_lag(&self) -> Duration {
        Duration::from_nanos(self.event_loop_lag_ns.load(Relaxed))
    }

    /// Notes how long the disk has owed the sessions an answer.
    pub fn set_session_disk_wait(&self, wait: Duration) {
        self.session_disk_wait_ns.store(nanos(wait), Relaxed);
    }

    /// How long the disk has owed the sessions an answer; nothing when it owes none.
    pub fn session_disk_wait(&self) -> Duration {
        Duration::from_nanos(self.session_disk_wait_ns.load(Relaxed))
    }

    /// Notes how often the session store's upkeep has failed.
    pub fn set_upkeep_failures(&self, upkeep: Upkeep, failures: u64) {
        self.upkeep_failures[upkeep as usize].store(failures, Relaxed);
    }

    /// How often the session store's upkeep has failed.
    pub fn upkeep_failures(&self, upkeep: Upkeep) -> u64 {
        self.upkeep_failures[upkeep as usize].load(Relaxed)
    }

    /// Notes how many HTTP connections are open.
    pub fn set_http_connections(&self, open: usize) {
        self.http_connections.store(i64::try_from(open).unwrap_or(i64::MAX), Relaxed);
    }

    /// How many HTTP connections are open.
    pub fn http_connections(&self) -> i64 {
        self.http_connections.load(Relaxed)
    }
}

/// What became of the events that one sink was offered.
///
/// The conservation law, per sink: `emitted since it subscribed = recorded + lagged + waiting in the ring`, and
/// `recorded = delivered + filtered + dropped + buffered`.
#[derive(Debug)]
pub struct SinkStats {
    /// The sink's configured name.
    pub name: String,
    recorded: AtomicU64,
    delivered: AtomicU64,
    filtered: AtomicU64,
    lagged: AtomicU64,
    gaps: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    send_errors: [AtomicU64; SendErrorKind::ALL.len()],
    retries: AtomicU64,
    restarts: AtomicU64,
    buffered: AtomicU64,
    left: AtomicU64,
    position: AtomicU64,
    down: AtomicU64,
    last_success_ns: AtomicU64,
    retired: AtomicBool,
    flush: Mutex<Flush>,
    error: Mutex<String>,
}

/// How long sends took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flush {
    /// Sends per bucket of [`FLUSH_BOUNDS`], the last beyond all bounds.
    pub buckets: [u64; FLUSH_BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

macro_rules! counters {
    ($($(#[$meta:meta])* $field:ident, $add:ident;)+) => {$(
        $(#[$meta])*
        pub fn $field(&self) -> u64 { self.$field.load(Relaxed) }

        /// Adds to the number of the same name.
        pub fn $add(&self, n: u64) { self.$field.fetch_add(n, Relaxed); }
    )+};
}

impl SinkStats {
    /// All numbers 0, up.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            recorded: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            lagged: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            dropped: Default::default(),
            send_errors: Default::default(),
            retries: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            buffered: AtomicU64::new(0),
            left: AtomicU64::new(0),
            position: AtomicU64::new(0),
            down: AtomicU64::new(0),
            last_success_ns: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            flush: Mutex::default(),
            error: Mutex::default(),
        }
    }

    counters! {
        /// Events that the sink was handed.
        recorded, add_recorded;
        /// Events that reached their end: sent, written, or folded into what is served.
        delivered, add_delivered;
        /// Events that the sink's filter or level excludes.
        filtered, add_filtered;
        /// Events that were overwritten before the sink saw them.
        lagged, add_lagged;
        /// How often that happened.
        gaps, add_gaps;
        /// Sends that repeated a failed one.
        retries, add_retries;
        /// Restarts after a failure.
        restarts, add_restarts;
    }

    /// Events lost for a reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Relaxed)
    }

    /// Events lost.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|n| n.load(Relaxed)).sum()
    }

    /// Counts lost events.
    pub fn add_dropped(&self, reason: DropReason, n: u64) {
        self.dropped[reason as usize].fetch_add(n, Relaxed);
    }

    /// Failed sends of a kind.
    pub fn send_errors(&self, kind: SendErrorKind) -> u64 {
        self.send_errors[kind as usize].load(Relaxed)
    }

    /// Counts a failed send.
    pub fn add_send_error(&self, kind: SendErrorKind) {
        self.send_errors[kind as usize].fetch_add(1, Relaxed);
    }

    /// Events that wait to be sent.
    pub fn buffered(&self) -> u64 {
        self.buffered.load(Relaxed)
    }

    /// Notes how many events wait to be sent.
    pub fn set_buffered(&self, n: u64) {
        self.buffered.store(n, Relaxed);
    }

    /// Events up to number `seq` that the sink has not seen.
    pub fn backlog(&self, seq: u64) -> u64 {
        self.left() + seq.saturating_sub(self.position.load(Relaxed))
    }

    /// Notes up to which event the sink has seen or missed all. It does not go back: two may speak for one name.
    pub fn reached(&self, seq: u64) {
        self.position.fetch_max(seq, Relaxed);
    }

    /// Events that a predecessor has still to see: they are not its successor's.
    pub fn left(&self) -> u64 {
        self.left.load(Relaxed)
    }

    /// Notes how many events a predecessor has still to see.
    pub fn set_left(&self, n: u64) {
        self.left.store(n, Relaxed);
    }

    /// Whether the last send worked.
    pub fn up(&self) -> bool {
        self.down.load(Relaxed) == 0
    }

    /// Since when sends fail, as Unix seconds; `None` when they work.
    pub fn down_since(&self) -> Option<u64> {
        Some(self.down.load(Relaxed)).filter(|since| *since != 0)
    }

    /// Notes that sending works; returns whether that is news.
    pub fn mark_up(&self) -> bool {
        self.last_success_ns.store(unix_nanos(), Relaxed);
        self.down.swap(0, Relaxed) != 0
    }

    /// Notes that sending fails; returns whether that is news.
    pub fn mark_down(&self) -> bool {
        let now = (unix_nanos() / 1_000_000_000).max(1);
        let news = self.down.compare_exchange(0, now, Relaxed, Relaxed).is_ok();
        if news {
            // Who knows the reason tells it next; that of an earlier failure would lead astray.
            self.set_error("");
        }
        news
    }

    /// Why sends fail, in words that hold no secret; empty while nobody has said so.
    pub fn error(&self) -> String {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why sends fail.
    pub fn set_error(&self, error: &str) {
        error.clone_into(&mut self.error.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// When something was last sent or served, as Unix time; 0 for never.
    pub fn last_success(&self) -> f64 {
        Duration::from_nanos(self.last_success_ns.load(Relaxed)).as_secs_f64()
    }

    /// Whether the sink is no longer configured. It is then neither up nor down, and nothing waits for it; what it
    /// has counted stays true.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Relaxed)
    }

    /// Begins anew what describes a moment; counters go on.
    fn return_to_work(&self) {
        if self.retired.swap(false, Relaxed) {
            self.down.store(0, Relaxed);
            self.buffered.store(0, Relaxed);
            self.left.store(0, Relaxed);
        }
    }

    /// Notes how long a send took.
    pub fn observe_flush(&self, time: Duration) {
        let mut flush = self.flush.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = time.as_secs_f64();
        let bucket = FLUSH_BOUNDS.iter().position(|b| seconds <= *b).unwrap_or(FLUSH_BOUNDS.len());
        flush.buckets[bucket] += 1;
        flush.sum += time;
    }

    /// How long sends took.
    pub fn flush(&self) -> Flush {
        self.flush.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn unix_nanos() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The statistics of all sinks that run or ran, by name. A sink that a reload replaces keeps its numbers, and one that
/// comes back after a while goes on with those that it had, so that its counters never go back.
#[derive(Clone, Debug, Default)]
pub struct SinkRegistry(Arc<RwLock<Vec<Arc<SinkStats>>>>);

impl SinkRegistry {
    /// The statistics of the sink with this name, which begin to exist, or to tell of a running sink again.
    pub fn entry(&self, name: &str) -> Arc<SinkStats> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(stats) = all.iter().find(|stats| stats.name == name) {
            stats.return_to_work();
            return Arc::clone(stats);
        }
        let stats = Arc::new(SinkStats::new(name));
        all.push(Arc::clone(&stats));
        stats
    }

    /// Notes that the sink with this name is no longer configured.
    pub fn retire(&self, name: &str) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(stats) = all.iter().find(|stats| stats.name == name) {
            stats.retired.store(true, Relaxed);
        }
    }

    /// All of them, in the order in which they appeared.
    pub fn all(&self) -> Vec<Arc<SinkStats>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_sink_that_comes_back_is_up_and_goes_on_counting() {
        let registry = SinkRegistry::default();
        let stats = registry.entry("a");
        stats.add_delivered(3);
        stats.set_buffered(2);
        stats.set_left(1);
        stats.reached(5);
        assert_eq!((stats.backlog(7), stats.backlog(4)), (3, 1));
        stats.mark_down();
        registry.retire("a");
        registry.retire("unknown");
        assert!(stats.is_retired() && registry.all().len() == 1);
        let again = registry.entry("a");
        assert!(!again.is_retired() && again.up());
        assert_eq!((again.delivered(), again.buffered(), again.backlog(5)), (3, 0, 0));
        again.mark_down();
        assert!(!registry.entry("a").up(), "asking for a sink that runs changes nothing");
    }
}
