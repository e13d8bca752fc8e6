//! What the gateway does when it has nothing to do: it lets go of code that ran once, and of memory that is free.

use std::time::Duration;

use picoclaw_sinks::plugin::host::{release_code, release_memory};
use picoclaw_telemetry::Bus;

/// How long whoever waits for the start goes first.
const STARTED: Duration = Duration::from_millis(200);
/// When what follows the start, as the first heartbeat and the first look at the jobs, is over.
const SETTLED: Duration = Duration::from_secs(2);
/// How long nothing must have happened after that.
const QUIET: Duration = Duration::from_secs(10);

/// Lets go of the code soon after the start, once the gateway has settled, and then each time after something has happened
/// and nothing more does. Health checks and scrapes are no events: what they need stays.
pub(super) async fn rest(bus: Bus) {
    tokio::time::sleep(STARTED).await;
    release_start().await;
    tokio::time::sleep(SETTLED).await;
    release_memory();
    let mut released = release(&bus).await;
    let mut before = released;
    loop {
        tokio::time::sleep(QUIET).await;
        // Also while much is going on: what is free now was needed by something larger.
        release_memory();
        let now = bus.seq();
        if now != released && now == before {
            released = release(&bus).await;
        }
        before = now;
    }
}

/// Up to which event was let go of.
async fn release(bus: &Bus) -> u64 {
    release_start().await;
    bus.seq()
}

/// What read the configuration and built the parts runs no more: it need not stay in memory.
pub(super) async fn release_start() {
    // The first time it takes the system some milliseconds, for which nobody needs to wait.
    match tokio::task::spawn_blocking(release_code).await {
        Ok(Ok(())) => tracing::debug!("Let go of code that ran once."),
        Ok(Err(error)) => tracing::debug!(%error, "Code that ran once stays in memory."),
        Err(error) => tracing::debug!(%error, "Code that ran once stays in memory."),
    }
}
