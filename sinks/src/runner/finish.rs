//! The end of a runner.

use std::time::SystemTime;

use picoclaw_telemetry::stats::DropReason;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Outbox, Runner};
use crate::runner::outbox::Went;

/// A runner that has stopped.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How many records were still unsent and are lost.
    pub(crate) unsent: u64,
    /// Who wants to know.
    pub(crate) reply: Option<oneshot::Sender<u64>>,
}

impl Runner<'_> {
    /// Takes in what is left, sends what there is, with one more try for what fails, and counts the rest as lost.
    pub(crate) async fn finish(mut self, deadline: Instant, reply: Option<oneshot::Sender<u64>>) -> Finished {
        let upto = self.intake.end();
        // Even without time left, one look at what is there already: it costs no waiting.
        let _ = timeout_at(deadline, self.send_rest(upto)).await;
        let missed = self.intake.give_up(self.account);
        Finished { unsent: self.account.abandon(DropReason::Shutdown) + missed, reply }
    }

    async fn send_rest(&mut self, upto: u64) {
        self.take_up_to(upto).await;
        self.sink.tick(SystemTime::now());
        let mut failed = false;
        loop {
            if self.outbox.is_busy() {
                let done = self.outbox.finished().await;
                let (outbox, sink) = (&mut self.outbox, self.sink.as_mut());
                let went = outbox.settle(done, sink, self.account, self.status);
                let tried_before = std::mem::replace(&mut failed, went == Went::Wrong);
                self.note_buffered();
                if failed && tried_before {
                    return;
                }
            } else if self.outbox.is_holding() || !self.outbox.is_ready() {
                if !self.outbox.has_transport() {
                    return;
                }
                // The last try of what failed, whatever its pause. What then fails is not tried again.
                failed = true;
                self.outbox.retry(self.account.stats());
            } else if !self.seal(true) {
                return;
            }
        }
    }
}

impl Outbox {
    /// Whether the transport waits for nothing.
    fn is_ready(&self) -> bool {
        self.has_transport() && self.due().is_none()
    }
}
