//! Memory for all requests together: many large ones at a time must not be more than a small machine has.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for.
const PERMIT: usize = 1 << 10;

/// A body as small as this needs no room: the number of connections bounds them.
pub(super) const FREE: usize = 16 << 10;

/// Room for bodies, shared by everybody who reads one. Cloning it shares it.
#[derive(Clone, Debug)]
pub struct Room {
    permits: Arc<Semaphore>,
    most: u32,
}

impl Room {
    /// Room for as many bytes.
    pub fn new(bytes: usize) -> Self {
        let most = u32::try_from(bytes.div_ceil(PERMIT)).unwrap_or(u32::MAX);
        Self { permits: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Waits for room for so many bytes, in the order of those who ask. A body larger than all there is takes all.
    pub(super) async fn wait(&self, bytes: usize) -> Taken {
        let permit = Arc::clone(&self.permits).acquire_many_owned(self.permits_for(bytes)).await;
        Taken(Some(permit.expect("the semaphore is never closed")))
    }

    /// Room for so many bytes more, if there is some.
    pub(super) fn more(&self, taken: &mut Taken, bytes: usize) -> bool {
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(self.permits_for(bytes)).ok();
        let Some(permit) = permit else { return false };
        match &mut taken.0 {
            Some(first) => first.merge(permit),
            none => *none = Some(permit),
        }
        true
    }

    fn permits_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(PERMIT)).unwrap_or(u32::MAX).min(self.most)
    }
}

/// Room that a request has, until it is dropped: what was read from its body lives until it is answered.
#[derive(Debug, Default)]
pub struct Taken(Option<OwnedSemaphorePermit>);
