//! Keeps the service manager informed.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::health::HealthSource;
use tokio::time::{Instant, sleep};

use super::notifier::{Notifier, State};
use crate::config::Environment;

/// How often the judgement is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How often the service manager wants to hear that the gateway is not stuck: half of `WATCHDOG_USEC`, unless that is
/// meant for another process.
pub fn beat(environment: &Environment, pid: u32) -> Option<Duration> {
    let meant_for_us = environment.get("WATCHDOG_PID").is_none_or(|meant| meant.trim() == pid.to_string());
    let limit = environment.get("WATCHDOG_USEC")?.trim().parse().ok().filter(|limit| *limit > 0)?;
    meant_for_us.then_some(Duration::from_micros(limit) / 2)
}

/// Tells when the gateway is ready, each change of its status, and at every `beat` that the event loop runs. Never
/// returns while somebody listens.
///
/// The beat goes on whatever the judgement is: a restart repairs neither a provider nor a full disk.
pub async fn keep(notifier: Arc<Notifier>, health: Arc<dyn HealthSource>, beat: Option<Duration>) {
    if !notifier.is_enabled() {
        return;
    }
    let every = beat.map_or(EVERY, |beat| beat.min(EVERY));
    let mut told = String::new();
    let mut last_beat: Option<Instant> = None;
    loop {
        let report = health.report();
        let status = match report.issues() {
            issues if issues.is_empty() => report.status.as_str().to_owned(),
            issues => format!("{}: {issues}", report.status.as_str()),
        };
        if status != told {
            notifier.tell(&[State::Status(&status)]).await;
            told = status;
        }
        if report.http_status() == 200 {
            notifier.ready().await;
        }
        // The next round would be too late.
        if let Some(beat) = beat
            && last_beat.is_none_or(|last| last.elapsed() + every > beat)
        {
            notifier.tell(&[State::Watchdog]).await;
            last_beat = Some(Instant::now());
        }
        sleep(every).await;
    }
}
