//! Looks after the gateway once a second.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use picoclaw_telemetry::health::HealthSource;
use picoclaw_telemetry::stats::Upkeep;
use picoclaw_telemetry::words::HealthStatus;
use picoclaw_telemetry::{Bus, Detail, Event};
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use crate::agent::Agent;
use crate::sessions::Stores;

const EVERY: Duration = Duration::from_secs(1);
/// Every how many rounds totals are remembered, and the sessions tried.
const SLOW_ROUNDS: u32 = 5;

/// Measures how late its timer fires and how long the disk owes the sessions an answer, tells when the judgement
/// changes, lets sessions expire, and tries the session directories when turns could not be made durable: without traffic
/// nobody else would notice that it works again.
///
/// It waits for no disk.
pub async fn watch(bus: Bus, judge: Arc<Judge>, agent: Agent, sessions: Stores, stop: CancellationToken) {
    let mut status = HealthStatus::Starting;
    let mut round = 0_u32;
    loop {
        let due = tokio::time::Instant::now() + EVERY;
        status = tell(&bus, judge.as_ref(), status);
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            // Whoever reads the metrics learns of it as soon as whoever asks `/health`.
            () = judge.moved() => continue,
            () = stop.cancelled() => {
                tell(&bus, judge.as_ref(), status);
                return;
            }
        }
        bus.vitals().set_event_loop_lag(due.elapsed());
        tell_vitals(&bus, &sessions);
        agent.expire_sessions(Instant::now()).await;
        agent.end_cooldowns();
        if round.is_multiple_of(SLOW_ROUNDS) {
            judge.sample(Instant::now());
            if judge.begin_trial(Instant::now()) {
                tokio::spawn(trial(Arc::clone(&judge), sessions.directories()));
            }
        }
        round = round.wrapping_add(1);
    }
}

fn tell(bus: &Bus, judge: &Judge, from: HealthStatus) -> HealthStatus {
    let report = HealthSource::report(judge);
    if report.status != from {
        bus.emit(Event::HealthChanged { from, to: report.status, issues: Detail::from(report.issues()) });
    }
    report.status
}

fn tell_vitals(bus: &Bus, stores: &Stores) {
    let vitals = bus.vitals();
    vitals.set_session_disk_wait(stores.oldest_request().unwrap_or_default());
    let failures = stores.upkeep_failures();
    vitals.set_upkeep_failures(Upkeep::Checkpoint, failures.checkpoints);
    vitals.set_upkeep_failures(Upkeep::Metadata, failures.metadata);
}

/// Tries the directories, however long that takes: the judge sees that it has not ended.
async fn trial(judge: Arc<Judge>, directories: Vec<PathBuf>) {
    let write = move || directories.iter().try_for_each(|directory| try_write(directory));
    let tried = tokio::task::spawn_blocking(write).await;
    judge.end_trial(matches!(tried, Ok(Ok(()))));
}

/// Writes, forces to the disk, and removes a small file.
fn try_write(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(".writable");
    let mut file = std::fs::File::create(&path)?;
    file.write_all(&[0; 4096])?;
    file.sync_data()?;
    std::fs::remove_file(&path)
}
