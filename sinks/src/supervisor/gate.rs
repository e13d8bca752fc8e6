//! What only one sink can have at a time, such as a file: whoever comes after another has it once that one has stopped.
//!
//! Only the way out waits. The sink takes records in from the first moment on: the other one may take seconds to stop,
//! and the ring does not hold as many.

use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::sink::{Batch, SendError, Transport};
use tokio::sync::watch;

/// Opens when all those have stopped who had what is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Vec<watch::Receiver<()>>);

/// Held by one who stops, until it has.
#[derive(Debug)]
pub(super) struct Occupied(watch::Sender<()>);

impl Occupied {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Gate {
    /// A gate that these keep shut.
    pub(super) fn behind<'a>(occupants: impl Iterator<Item = &'a Occupied>) -> Self {
        Self(occupants.map(|occupied| occupied.0.subscribe()).collect())
    }

    /// The transport, which is not used before the gate opens.
    pub(super) fn guard(&self, transport: Box<dyn Transport>) -> Box<dyn Transport> {
        if self.0.is_empty() {
            return transport;
        }
        Box::new(Guarded { gate: self.clone(), transport })
    }

    async fn pass(&mut self) {
        while let Some(occupied) = self.0.last_mut() {
            // Nothing is ever sent: it ends when the other side is dropped.
            while occupied.changed().await.is_ok() {}
            self.0.pop();
        }
    }
}

struct Guarded {
    gate: Gate,
    transport: Box<dyn Transport>,
}

#[async_trait]
impl Transport for Guarded {
    async fn probe(&mut self) -> Result<(), SendError> {
        self.gate.pass().await;
        self.transport.probe().await
    }

    async fn send(&mut self, batch: &mut Batch) -> Result<(), SendError> {
        self.gate.pass().await;
        self.transport.send(batch).await
    }

    fn patience(&self) -> Option<Duration> {
        self.transport.patience()
    }

    async fn reopen(&mut self) -> Result<(), SendError> {
        self.gate.pass().await;
        self.transport.reopen().await
    }

    fn claims(&self) -> Vec<String> {
        self.transport.claims()
    }

    fn must_be_reachable(&self) -> bool {
        self.transport.must_be_reachable()
    }

    fn version(&self) -> Option<String> {
        self.transport.version()
    }

    fn describe(&self) -> String {
        self.transport.describe()
    }
}
