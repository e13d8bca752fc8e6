//! The way in: from the bus to the sink.

use picoclaw_telemetry::sink::{Sink, Verdict};
use picoclaw_telemetry::{Bus, Checkpoint, Next, Subscription};

use super::Account;
use crate::filter::EventFilter;

/// A subscription, how far it was read, and where it ends for this sink. It outlives a panic of the sink: what was not
/// taken in by then is still there.
#[derive(Debug)]
pub(crate) struct Intake {
    subscription: Subscription,
    filter: EventFilter,
    /// The number of the last event that was read or is known to be overwritten.
    position: u64,
    /// The number of the last event for this sink, once it was told to stop: a successor may begin after it.
    until: Option<u64>,
    closed: bool,
}

impl Intake {
    /// What does not pass the filter is kept from sinks that carry records.
    pub(crate) fn new(subscription: Subscription, filter: EventFilter) -> Self {
        Self { position: subscription.start().ledger.seq(), subscription, filter, until: None, closed: false }
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.subscription.bus()
    }

    /// The numbers before the first event.
    pub(crate) fn start(&self) -> &Checkpoint {
        self.subscription.start()
    }

    /// Lets the sink see events up to this number only; without one, up to the last one now. Returns that number.
    pub(crate) fn end_at(&mut self, until: Option<u64>) -> u64 {
        *self.until.insert(until.unwrap_or_else(|| self.subscription.bus().seq()))
    }

    /// Whether it was told to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.until.is_some()
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_over(&self) -> bool {
        self.closed || self.position >= self.last()
    }

    fn last(&self) -> u64 {
        self.until.unwrap_or(u64::MAX)
    }

    /// Counts what will not be taken in any more. Returns how many events that are.
    pub(crate) fn give_up(&mut self, account: &mut Account) -> u64 {
        if self.is_over() {
            return 0;
        }
        let missed = self.end_at(self.until) - self.position;
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
                    sink.gap(mine, &checkpoint);
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
