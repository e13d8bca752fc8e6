//! What one runner has counted.

use std::sync::{Arc, Mutex, PoisonError};

use picoclaw_telemetry::SinkStats;
use picoclaw_telemetry::stats::DropReason;

/// The gauges under one sink's name, summed: during a reload two runners have the same name.
#[derive(Debug, Default)]
pub(crate) struct Gauges(Mutex<Waiting>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    buffered: u64,
    /// Of what is not a successor's.
    left: u64,
}

/// Counts into the statistics under the sink's name, and remembers what this runner's share is.
#[derive(Debug)]
pub(crate) struct Account {
    stats: Arc<SinkStats>,
    gauges: Arc<Gauges>,
    mine: Waiting,
    /// Records taken in of which nobody has said yet what became of them.
    open: u64,
    unsaid: Unsaid,
}

/// What is not in the statistics yet: nobody reads them between two records that are taken in at once.
#[derive(Debug, Default)]
struct Unsaid {
    recorded: u64,
    delivered: u64,
    filtered: u64,
}

/// Also a task that is aborted leaves right numbers behind.
impl Drop for Account {
    fn drop(&mut self) {
        self.abandon(DropReason::Shutdown);
    }
}

impl Account {
    pub(crate) fn new(stats: Arc<SinkStats>, gauges: Arc<Gauges>) -> Self {
        Self { stats, gauges, mine: Waiting::default(), open: 0, unsaid: Unsaid::default() }
    }

    pub(crate) fn stats(&self) -> &SinkStats {
        &self.stats
    }

    pub(crate) fn recorded(&mut self) {
        self.open += 1;
        self.unsaid.recorded += 1;
    }

    pub(crate) fn delivered(&mut self, n: u64) {
        self.close(n);
        self.unsaid.delivered += n;
    }

    pub(crate) fn filtered(&mut self) {
        self.close(1);
        self.unsaid.filtered += 1;
    }

    /// Brings the statistics up to date: before anybody else has a turn.
    pub(crate) fn say(&mut self) {
        let Unsaid { recorded, delivered, filtered } = std::mem::take(&mut self.unsaid);
        self.stats.add_recorded(recorded);
        self.stats.add_delivered(delivered);
        self.stats.add_filtered(filtered);
    }

    pub(crate) fn dropped(&mut self, reason: DropReason, n: u64) {
        self.close(n);
        self.stats.add_dropped(reason, n);
    }

    pub(crate) fn lagged(&mut self, n: u64) {
        self.stats.add_lagged(n);
        self.stats.add_gaps(1);
    }

    pub(crate) fn set_buffered(&mut self, buffered: u64) {
        self.set(Waiting { buffered, ..self.mine });
    }

    pub(crate) fn set_left(&mut self, left: u64) {
        self.set(Waiting { left, ..self.mine });
    }

    /// The end of a runner: what it still held is lost. Returns how much that was.
    pub(crate) fn abandon(&mut self, reason: DropReason) -> u64 {
        let lost = self.open;
        self.dropped(reason, lost);
        self.say();
        self.set(Waiting::default());
        lost
    }

    fn close(&mut self, n: u64) {
        debug_assert!(n <= self.open, "{}: {n} records ended, {} are open", self.stats.name, self.open);
        self.open = self.open.saturating_sub(n);
    }

    fn set(&mut self, mine: Waiting) {
        if mine == self.mine {
            return;
        }
        let mut all = self.gauges.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.buffered = all.buffered - self.mine.buffered + mine.buffered;
        all.left = all.left - self.mine.left + mine.left;
        // Under the lock, so that the later sum is also the later to be seen.
        self.stats.set_buffered(all.buffered);
        self.stats.set_left(all.left);
        self.mine = mine;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runners_of_one_name_add_up() {
        let stats = Arc::new(SinkStats::new("x"));
        let gauges = Arc::new(Gauges::default());
        let mut old = Account::new(Arc::clone(&stats), Arc::clone(&gauges));
        let mut new = Account::new(Arc::clone(&stats), gauges);
        for _ in 0..5 {
            old.recorded();
        }
        old.set_buffered(5);
        new.recorded();
        new.set_buffered(1);
        new.set_left(7);
        assert_eq!((stats.buffered(), stats.left()), (6, 7));
        old.delivered(3);
        old.say();
        assert_eq!((stats.recorded(), stats.delivered()), (5, 3));
        old.set_buffered(2);
        assert_eq!(old.abandon(DropReason::Shutdown), 2);
        assert_eq!((stats.buffered(), stats.left()), (1, 7));
        drop(new);
        assert_eq!((stats.buffered(), stats.left()), (0, 0));
        assert_eq!((stats.recorded(), stats.delivered()), (6, 3));
        assert_eq!(stats.dropped(DropReason::Shutdown), 3);
    }
}
