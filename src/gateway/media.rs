//! Removes media files from time to time, as `tools.media_cleanup` says.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::Event;
use picoclaw_telemetry::words::Outcome;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use picoclaw::config::{Config, Persistence};
use picoclaw::media::{Places, sweep};

/// The shortest pause between two looks.
const SHORTEST: Duration = Duration::from_millis(100);
/// A message may wait for as many turns as there are places in its queue, before it has a turn of its own.
const TURNS: u32 = 12;
/// How old files are in any case where conversations are not on the disk, and nobody can look what they show.
const WITHOUT_SESSIONS: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks for files until told to stop. Settings are taken as they are then.
pub(super) async fn keep(parts: Arc<Parts>, stop: CancellationToken) {
    loop {
        let interval = parts.running.lock().await.loaded.config.tools.media_cleanup.interval();
        tokio::select! {
            () = tokio::time::sleep(interval.max(SHORTEST)) => {}
            () = stop.cancelled() => return,
        }
        let (config, places) = {
            let running = parts.running.lock().await;
            let config = running.loaded.config.clone();
            let places = places(&config, &parts.paths(&running.loaded));
            (config, places)
        };
        // The message of a turn that runs is in its conversation only when the turn is over.
        let Some(age) = age(&config, parts.agent.is_idle()) else { continue };
        let swept = tokio::task::spawn_blocking(move || sweep(&places, age)).await.unwrap_or_default();
        for (outcome, files) in [(Outcome::Success, swept.removed), (Outcome::Failure, swept.failed)] {
            if files > 0 {
                parts.bus.emit(Event::MediaRemoved { outcome, files });
            }
        }
    }
}

fn places(config: &Config, paths: &picoclaw::config::Paths) -> Places {
    let agents = config.agents().into_iter().map(|agent| paths.of_agent(&agent.id()));
    let mut all: Vec<_> =
        agents.chain([paths.clone()]).map(|own| (own.workspace, own.sessions_dir)).collect();
    all.sort();
    all.dedup();
    let (mut workspaces, mut sessions): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    workspaces.dedup();
    sessions.dedup();
    Places { workspaces, sessions }
}

/// How old a file must be to be removed now; `None` when none may be.
fn age(config: &Config, idle: bool) -> Option<Duration> {
    let cleanup = config.tools.media_cleanup;
    let mut age = cleanup.enabled.then(|| cleanup.max_age())?;
    if config.session.persistence != Persistence::Durable {
        age = age.max(WITHOUT_SESSIONS);
    }
    if idle {
        return Some(age);
    }
    let turn = config.agents.defaults.turn_timeout()?;
    Some(age.saturating_add(turn.saturating_mul(TURNS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_turns_that_run_are_spared() {
        let mut config = Config::default();
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        assert_eq!((age(&config, true), age(&config, false)), (minutes(30), minutes(30 + 12 * 10)));
        config.agents.defaults.turn_timeout_secs = 0;
        assert_eq!((age(&config, true), age(&config, false)), (minutes(30), None));
        config.session.persistence = Persistence::Memory;
        assert_eq!(age(&config, true), minutes(24 * 60));
        config.tools.media_cleanup.enabled = false;
        assert_eq!(age(&config, true), None);
    }
}
