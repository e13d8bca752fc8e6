//! The way in: from the bus to the sink.

use picoclaw_telemetry::sink::{Sink, Verdict};
use picoclaw_telemetry::{Bus, Checkpoint, Next, Record, Subscription};

use super::{Account, Fence};
use crate::filter::EventFilter;
use crate::gather::Drains;

/// A subscription, how far it was read, and where it ends for this sink. It outlives a panic of the sink: what was not
/// taken in by then is still there.
#[derive(Debug)]
pub(crate) struct Intake {
    subscription: Subscription,
    drains: Drains,
    share: Share,
    /// Whether nothing more comes, or is taken in.
    closed: bool,
}

/// Which events are for this sink.
#[derive(Debug)]
struct Share {
    filter: EventFilter,
    /// Where a successor begins.
    fence: Fence,
    /// The number of the last event, once the sink was told to stop.
    until: Option<u64>,
}

impl Intake {
    /// What does not pass the filter is kept from sinks that carry records.
    pub(crate) fn new(subscription: Subscription, drains: Drains, filter: EventFilter, fence: Fence) -> Self {
        let share = Share { filter, fence, until: None };
        Self { subscription, drains, share, closed: false }
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.subscription.bus()
    }

    /// The numbers before the first event.
    pub(crate) fn start(&self) -> &Checkpoint {
        self.subscription.start()
    }

    /// The exact numbers now, without what belongs to a successor.
    pub(crate) fn numbers(&self) -> Checkpoint {
        self.share.fence.checkpoint().cloned().unwrap_or_else(|| self.bus().checkpoint())
    }

    /// Lets the sink see events up to where its successor begins, without one up to the last one now. Returns the number
    /// of the last.
    pub(crate) fn end(&mut self) -> u64 {
        let now = self.subscription.bus().seq();
        *self.share.until.get_or_insert_with(|| self.share.fence.seq().unwrap_or(now))
    }

    /// Whether it was told to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.share.until.is_some() || self.share.fence.seq().is_some()
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_over(&self) -> bool {
        self.closed || self.position() >= self.share.last()
    }

    /// Counts what will not be taken in any more. Returns how many events that are.
    pub(crate) fn give_up(&mut self, account: &mut Account) -> u64 {
        if self.is_over() {
            return 0;
        }
        let missed = self.end() - self.position();
        if missed > 0 {
            account.lagged(missed);
        }
        self.closed = true;
        account.stats().reached(self.end());
        missed
    }

    pub(crate) fn has_reached(&self, upto: u64) -> bool {
        self.position() >= upto || self.is_over()
    }

    /// The number of the last event of this sink that was taken in or missed. A successor's may have been read, too.
    pub(crate) fn position(&self) -> u64 {
        self.subscription.position().min(self.share.last())
    }

    /// How many events before the beginning of a successor wait to be taken in.
    pub(crate) fn left(&self) -> u64 {
        self.share.fence.seq().map_or(0, |end| end.saturating_sub(self.position()))
    }

    /// Completes when there is something to take in. Safe to cancel.
    pub(crate) async fn gathered(&mut self) {
        if self.is_over() || self.drains.changed().await.is_err() {
            // Nobody tells any more: whoever stops the sink has it take in the rest.
            std::future::pending::<()>().await;
        }
    }

    /// Hands over what can be read at once, at most `most` records, and counts it. Returns how many there were, a gap
    /// being one; 0 when there is nothing to read.
    pub(crate) fn take(&mut self, most: usize, sink: &mut dyn Sink, account: &mut Account) -> usize {
        match self.subscription.try_next() {
            None => return 0,
            Some(Next::Closed) => self.closed = true,
            Some(Next::Gap { missed, checkpoint }) => self.miss(missed, &checkpoint, sink, account),
            Some(Next::Record(record)) => self.share.hand_over(record, sink, account),
        }
        let mut taken = 1;
        for record in self.subscription.rest().take(most - taken) {
            self.share.hand_over(record, sink, account);
            taken += 1;
        }
        taken
    }

    fn miss(&mut self, missed: u64, now: &Checkpoint, sink: &mut dyn Sink, account: &mut Account) {
        // What a successor sees is not missed.
        let before = self.subscription.position() - missed;
        let mine = missed.min(self.share.last().saturating_sub(before));
        if mine > 0 {
            account.lagged(mine);
            // Nor are its numbers this sink's.
            let beyond = self.share.fence.checkpoint().filter(|end| end.ledger.seq() < now.ledger.seq());
            sink.gap(mine, beyond.unwrap_or(now));
        }
    }
}

impl Share {
    /// The number of the last event that is for this sink.
    fn last(&self) -> u64 {
        self.until.or_else(|| self.fence.seq()).unwrap_or(u64::MAX)
    }

    /// Hands a record over, if it is for this sink, and counts it. That is asked when the record was read, not before:
    /// the fence is there before any record beyond it can be read.
    fn hand_over(&self, record: &Record, sink: &mut dyn Sink, account: &mut Account) {
        if record.seq > self.last() {
            return;
        }
        account.recorded();
        if sink.carries_records() && !self.filter.passes(&record.event) {
            account.filtered();
            return;
        }
        match sink.record(record) {
            Verdict::Delivered => account.delivered(1),
            Verdict::Buffered => {}
            Verdict::Filtered => account.filtered(),
            Verdict::Dropped(reason) => account.dropped(reason, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use picoclaw_telemetry::{Event, SinkStats};

    /// Notes with which numbers it went on after each gap.
    #[derive(Default)]
    struct Gaps(Vec<(u64, u64)>);

    impl Sink for Gaps {
        fn record(&mut self, _: &Record) -> Verdict {
            Verdict::Delivered
        }
        fn gap(&mut self, missed: u64, checkpoint: &Checkpoint) {
            self.0.push((missed, checkpoint.ledger.seq()));
        }
    }

    #[test]
    fn a_gap_that_reaches_over_the_fence_ends_there() {
        let bus = Bus::new(4);
        let fence = Fence::default();
        let (_drain, drains) = tokio::sync::watch::channel(());
        let mut intake = Intake::new(
            bus.subscribe(),
            drains,
            EventFilter::new(&crate::config::Filter::default()),
            fence.clone(),
        );
        let mut account = Account::new(Arc::new(SinkStats::new("x")), Arc::default());
        let mut sink = Gaps::default();
        let emit = |n| {
            for _ in 0..n {
                bus.emit(Event::ReloadStarted);
            }
        };
        emit(7);
        let successor = bus.subscribe_after(|checkpoint| fence.set(checkpoint));
        emit(20);
        while !intake.is_over() {
            assert!(intake.take(3, &mut sink, &mut account) > 0, "there is more");
        }
        assert_eq!(sink.0, [(7, 7)], "nothing of what the successor counts");
        assert_eq!((account.stats().lagged(), account.stats().recorded()), (7, 0));
        assert_eq!(successor.start().ledger.seq(), 7);
    }
}
