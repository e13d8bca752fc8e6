//! The way in: from the bus to the sink.

use picoclaw_telemetry::sink::{Sink, Verdict};
use picoclaw_telemetry::{Bus, Checkpoint, Next, Subscription};

use super::{Account, Fence};
use crate::filter::EventFilter;
use crate::gather::Drains;

/// A subscription, how far it was read, and where it ends for this sink. It outlives a panic of the sink: what was not
/// taken in by then is still there.
#[derive(Debug)]
pub(crate) struct Intake {
    subscription: Subscription,
    drains: Drains,
    filter: EventFilter,
    /// The number of the last event that was read or is known to be overwritten.
    position: u64,
    /// Where a successor begins.
    fence: Fence,
    /// The number of the last event for this sink, once it was told to stop.
    until: Option<u64>,
    closed: bool,
}

impl Intake {
    /// What does not pass the filter is kept from sinks that carry records.
    pub(crate) fn new(subscription: Subscription, drains: Drains, filter: EventFilter, fence: Fence) -> Self {
        let position = subscription.start().ledger.seq();
        Self { subscription, drains, filter, position, fence, until: None, closed: false }
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
        self.fence.checkpoint().cloned().unwrap_or_else(|| self.bus().checkpoint())
    }

    /// Lets the sink see events up to where its successor begins, without one up to the last one now. Returns the number
    /// of the last.
    pub(crate) fn end(&mut self) -> u64 {
        let now = self.subscription.bus().seq();
        *self.until.get_or_insert_with(|| self.fence.seq().unwrap_or(now))
    }

    /// Whether it was told to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.until.is_some() || self.fence.seq().is_some()
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_over(&self) -> bool {
        self.closed || self.position >= self.last()
    }

    fn last(&self) -> u64 {
        self.until.or_else(|| self.fence.seq()).unwrap_or(u64::MAX)
    }

    /// Counts what will not be taken in any more. Returns how many events that are.
    pub(crate) fn give_up(&mut self, account: &mut Account) -> u64 {
        if self.is_over() {
            return 0;
        }
        let missed = self.end() - self.position;
        if missed > 0 {
            account.lagged(missed);
        }
        self.position += missed;
        missed
    }

    pub(crate) fn has_reached(&self, upto: u64) -> bool {
        self.position >= upto || self.is_over()
    }

    /// How many events wait to be taken in.
    pub(crate) fn backlog(&self) -> u64 {
        let left = self.last().saturating_sub(self.position);
        self.subscription.backlog().min(left)
    }

    /// Completes when there is something to take in. Safe to cancel.
    pub(crate) async fn gathered(&mut self) {
        if self.is_over() || self.drains.changed().await.is_err() {
            // Nobody tells any more: whoever stops the sink has it take in the rest.
            std::future::pending::<()>().await;
        }
    }

    /// Safe to cancel.
    pub(crate) async fn next(&mut self) -> Next {
        self.subscription.next().await
    }

    pub(crate) fn try_next(&mut self) -> Option<Next> {
        self.subscription.try_next()
    }

    /// Hands over what was read, and counts it.
    pub(crate) fn take(&mut self, next: Next, sink: &mut dyn Sink, account: &mut Account) {
        match next {
            Next::Closed => self.closed = true,
            Next::Gap { missed, checkpoint } => {
                // What a successor sees is not missed.
                let mine = missed.min(self.last().saturating_sub(self.position));
                self.position += missed;
                if mine > 0 {
                    account.lagged(mine);
                    // Nor are its numbers this sink's.
                    let beyond =
                        self.fence.checkpoint().filter(|end| end.ledger.seq() < checkpoint.ledger.seq());
                    sink.gap(mine, beyond.unwrap_or(&checkpoint));
                }
            }
            Next::Record(record) => {
                debug_assert_eq!(record.seq, self.position + 1, "the stream has no holes");
                self.position = record.seq;
                if record.seq > self.last() {
                    return;
                }
                account.recorded();
                if sink.carries_records() && !self.filter.passes(&record.event) {
                    account.filtered();
                    return;
                }
                match sink.record(&record) {
                    Verdict::Delivered => account.delivered(1),
                    Verdict::Buffered => {}
                    Verdict::Filtered => account.filtered(),
                    Verdict::Dropped(reason) => account.dropped(reason, 1),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use picoclaw_telemetry::{Event, Record, SinkStats};

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
            let next = intake.try_next().expect("there is more");
            intake.take(next, &mut sink, &mut account);
        }
        assert_eq!(sink.0, [(7, 7)], "nothing of what the successor counts");
        assert_eq!((account.stats().lagged(), account.stats().recorded()), (7, 0));
        assert_eq!(successor.start().ledger.seq(), 7);
    }
}
