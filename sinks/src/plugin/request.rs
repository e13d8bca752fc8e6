//! What can be asked of a plugin that is kept.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::hello::Ready;

/// A request.
pub(super) enum Request {
    /// Learn when the plugin is ready, and what it is.
    Ready(oneshot::Sender<Result<Ready, Trouble>>),
    /// Take batches.
    Batches { batches: Vec<Sealed>, reply: oneshot::Sender<Report> },
    /// Make durable, or send, what was taken.
    Flush(oneshot::Sender<Result<(), Trouble>>),
    /// Call a tool.
    Call { name: String, arguments: String, reply: oneshot::Sender<Result<String, Trouble>> },
    /// Flush, and stop for good.
    Stop { within: Duration, reply: oneshot::Sender<Result<(), Trouble>> },
}

/// What is asked of a plugin, in its order.
pub(super) struct Requests {
    asked: mpsc::Receiver<Request>,
    /// What came while the plugin started: each has somebody who waits for the answer, so they are few.
    early: VecDeque<Request>,
    over: bool,
}

impl Requests {
    pub(super) fn new(asked: mpsc::Receiver<Request>) -> Self {
        Self { asked, early: VecDeque::new(), over: false }
    }

    /// The next one; `None` when nobody asks any more. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Request> {
        match self.early.pop_front() {
            Some(request) => Some(request),
            None => self.asked.recv().await,
        }
    }

    /// Completes when the plugin is to stop, or nobody asks any more; all else that is asked meanwhile waits. Safe to
    /// cancel.
    pub(super) async fn end(&mut self) {
        while !self.over {
            let request = self.asked.recv().await;
            self.over = matches!(request, None | Some(Request::Stop { .. }));
            self.early.extend(request);
        }
    }

    /// Whether [`Requests::end`] has completed.
    pub(super) fn are_over(&self) -> bool {
        self.over
    }

    /// Answers what waits while a plugin stops that was never ready.
    pub(super) fn refuse(&mut self) {
        for request in self.early.drain(..) {
            match request {
                Request::Stop { reply, .. } => drop(reply.send(Ok(()))),
                other => other.fail(Trouble::new("the plugin was stopped before it was ready")),
            }
        }
    }
}

/// A batch, encoded.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    /// Its number, which stays when it is handed over again.
    pub(super) id: u64,
    /// How many events.
    pub(super) count: u32,
    /// Everything of its frame but the events.
    pub(super) header: Bytes,
    /// The events.
    pub(super) events: Bytes,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The plugin took it.
    Delivered,
    /// The plugin will never take it.
    Lost,
    /// It must be handed over again.
    Again,
}

/// What became of batches.
#[derive(Debug)]
pub(super) struct Report {
    /// One for each batch.
    pub(super) outcomes: Vec<Outcome>,
    /// What went wrong, if anything did.
    pub(super) trouble: Option<Trouble>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) message: String,
    /// After which time it may be better.
    pub(super) after: Option<Duration>,
    /// Whether it will never be better.
    pub(super) off: bool,
}

impl Trouble {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), after: None, off: false }
    }
}

impl Request {
    /// Answers that it cannot be done. Whoever asked may have gone.
    pub(super) fn fail(self, trouble: Trouble) {
        match self {
            Self::Ready(reply) => drop(reply.send(Err(trouble))),
            Self::Flush(reply) | Self::Stop { reply, .. } => drop(reply.send(Err(trouble))),
            Self::Batches { batches, reply } => {
                let outcomes = vec![Outcome::Again; batches.len()];
                let _ = reply.send(Report { outcomes, trouble: Some(trouble) });
            }
            Self::Call { reply, .. } => drop(reply.send(Err(trouble))),
        }
    }
}
