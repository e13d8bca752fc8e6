//! Where a sink ends, because a successor begins there.

use std::sync::{Arc, OnceLock};

use picoclaw_telemetry::Checkpoint;

/// The moment after which events belong to a successor. It is set while the bus is locked, before any later event can
/// be read, so that the predecessor never takes in what its successor will.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fence(Arc<OnceLock<Checkpoint>>);

impl Fence {
    /// Ends the sink at this moment. The first call counts.
    pub(crate) fn set(&self, checkpoint: &Checkpoint) {
        // A sink is replaced once.
        let _ = self.0.set(checkpoint.clone());
    }

    /// The exact numbers at the end, if there is one.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.0.get()
    }

    /// The number of the last event.
    pub(crate) fn seq(&self) -> Option<u64> {
        self.checkpoint().map(|checkpoint| checkpoint.ledger.seq())
    }
}
