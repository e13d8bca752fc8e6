//! What can be asked of a plugin that is kept.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

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
