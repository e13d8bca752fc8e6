//! What the gateway does when it has nothing to do: it lets go of code that ran once.

use std::time::Duration;

use picoclaw_sinks::plugin::host::release_code;
use picoclaw_telemetry::Bus;

/// When what follows the start, as the first heartbeat and the first look at the jobs, is over.
const SETTLED: Duration = Duration::from_secs(2);
/// How long nothing must have happened after that.
const QUIET: Duration = Duration::from_secs(10);

/// Lets go of the code once the gateway has settled, and then each time after something has happened and nothing more
/// does. Health checks and scrapes are no events: what they need stays.
pub(super) async fn rest(bus: Bus) {
    tokio::time::sleep(SETTLED).await;
    let mut released = release(&bus);
    let mut before = released;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = bus.seq();
        if now != released && now == before {
            released = release(&bus);
        }
        before = now;
    }
}

/// Up to which event was let go of.
fn release(bus: &Bus) -> u64 {
    release_start();
    bus.seq()
}

/// What read the configuration and built the parts runs no more: it need not stay in memory.
pub(super) fn release_start() {
    match release_code() {
        Ok(()) => tracing::debug!("Let go of code that ran once."),
        Err(error) => tracing::debug!(%error, "Code that ran once stays in memory."),
    }
}
