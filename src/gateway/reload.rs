//! Takes a new configuration over while the gateway runs, or refuses it whole.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use picoclaw_sinks::registry::known_types;
use picoclaw_telemetry::{Detail, Event};

use super::parts::{self, Parts};
use super::{routes, setup};
use crate::config::{self, Config, Loaded};
use crate::http::admin::{ReloadError, Reloader};

/// Reloads on behalf of the HTTP route, a signal, or a changed file.
pub(super) struct Reload(pub(super) Arc<Parts>);

#[async_trait]
impl Reloader for Reload {
    async fn reload(&self) -> Result<(), ReloadError> {
        let parts = &self.0;
        let Ok(mut running) = parts.running.try_lock() else {
            return Err(ReloadError("reload already in progress".to_owned()));
        };
        let began = Instant::now();
        parts.bus.emit(Event::ReloadStarted);
        match take_over(parts, &mut running).await {
            Ok(changes) => {
                let changes = Detail::from(changes);
                parts.bus.emit(Event::ReloadCompleted { duration: began.elapsed(), changes });
                Ok(())
            }
            Err(error) => {
                let event = Event::ReloadFailed { duration: began.elapsed(), error: Detail::new(&error) };
                parts.bus.emit(event);
                Err(ReloadError(error))
            }
        }
    }
}

/// Everything that can fail comes first; from the sinks' reload on nothing can.
async fn take_over(parts: &Parts, running: &mut parts::Running) -> Result<String, String> {
    let environment = parts.environment.clone();
    let loaded = tokio::task::spawn_blocking(move || config::load(&environment, &known_types()))
        .await
        .map_err(|error| format!("reading the configuration: {error}"))?
        .map_err(|errors| errors.to_string())?;
    let sinks = parts::sinks(&loaded, parts.debug);
    let setup = setup::setup(&parts.bus, &loaded.config, &loaded.paths, &parts.masker)
        .map_err(|error| error.to_string())?;

    // Secrets that are no longer configured may still be spoken of by turns in flight.
    let mut secrets = running.loaded.secrets.clone();
    secrets.extend(loaded.secrets.iter().cloned());
    parts.masker.replace(&secrets);
    let changes = running.supervisor.reload(&sinks).await.map_err(|error| error.to_string())?;
    match routes::table(&loaded.config, &parts.judge, running.supervisor.routes()) {
        Ok(table) => parts.endpoints.replace(table),
        // The configuration was checked for this; should it slip through, the old paths stay.
        Err(taken) => tracing::error!(%taken, "Two endpoints claim one path; paths stay as they were."),
    }
    parts.agent.reconfigure(setup);
    parts.channel.reconfigure(parts::settings(&loaded.config, parts.operator.clone()));
    parts.judge.set_watched(parts::watched(&loaded, &parts.bus, &sinks));
    super::run::tell_warnings(&loaded);
    let mut text = changes.to_string();
    for key in needs_restart(&running.loaded, &loaded) {
        let _ = write!(text, "; {key} changes with the next start");
        tracing::warn!(key, "A changed setting takes effect with the next start only.");
    }
    running.loaded = loaded;
    Ok(text)
}

type Read = fn(&Config) -> String;

/// Settings that differ and are read at the start only.
fn needs_restart(old: &Loaded, new: &Loaded) -> Vec<&'static str> {
    let fixed: [(&str, Read); 7] = [
        ("gateway.host", |c| c.gateway.host.clone()),
        ("gateway.port", |c| c.gateway.port.to_string()),
        ("gateway.max_connections", |c| c.gateway.max_connections.to_string()),
        ("gateway.health_check.port", |c| format!("{:?}", c.gateway.health_check.port)),
        ("session.persistence", |c| format!("{:?}", c.session.persistence)),
        ("telemetry.ring", |c| c.telemetry.ring.to_string()),
        ("agents.defaults.max_parallel_turns", |c| c.agents.defaults.max_parallel_turns.to_string()),
    ];
    let changed = fixed.into_iter().filter(|(_, read)| read(&old.config) != read(&new.config));
    let mut keys: Vec<_> = changed.map(|(key, _)| key).collect();
    if old.paths.workspace != new.paths.workspace {
        keys.push("agents.defaults.workspace (sessions)");
    }
    keys
}
