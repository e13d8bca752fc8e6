//! When sinks take records in: together, some time after the first event.
//!
//! Waking costs more than taking in. So runners do not wait for events; one task does, for all of them. After the first
//! event it lets others gather for [`GATHER`], or until the ring fills up, and then tells all runners.

use std::time::Duration;

use picoclaw_telemetry::Bus;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long records gather before they are taken in.
pub(crate) const GATHER: Duration = Duration::from_millis(20);

/// Tells runners that there is something to take in: its value changes.
pub(crate) type Drains = watch::Receiver<()>;

/// The task that waits for events.
#[derive(Debug)]
pub(crate) struct Gather {
    drains: Drains,
    task: JoinHandle<()>,
}

impl Gather {
    /// Waits from now on; must be called within a tokio runtime.
    pub(crate) fn start(bus: &Bus) -> Self {
        let (drain, drains) = watch::channel(());
        Self { drains, task: tokio::spawn(gather(bus.clone(), drain)) }
    }

    /// What a runner listens to. It is told once at the beginning.
    pub(crate) fn drains(&self) -> Drains {
        let mut drains = self.drains.clone();
        drains.mark_changed();
        drains
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn gather(bus: Bus, drain: watch::Sender<()>) {
    let mut told = 0;
    while !bus.is_closed() {
        bus.beyond(told).await;
        // Before the look at the ring: what fills it up from now on is heard.
        let pressure = bus.pressure();
        // Whoever has emitted goes on first.
        tokio::task::yield_now().await;
        if bus.seq() - told < bus.capacity() / 4 {
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = pressure => {}
            }
        }
        told = bus.seq();
        drain.send_replace(());
    }
}
