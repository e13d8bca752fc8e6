//! Takes a new configuration over while the gateway runs, or refuses it whole.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use picoclaw_telemetry::{Detail, Event};

use super::parts::{self, Parts};
use super::plugin_tools::PluginTools;
use super::supply::Supply;
use super::{check, mcp, plugin_tools, routes, team};
use picoclaw::agent::commands;
use picoclaw::config::{self, Loaded};
use picoclaw::health::Phase;
use picoclaw::http::admin::{ReloadError, Reloaded, Reloader};
use picoclaw_hooks::Chain;

const STOPPING: &str = "the gateway is stopping; the next start reads the configuration";

/// Reloads on behalf of the HTTP route, a signal, or a changed file.
pub(super) struct Reload(pub(super) Arc<Parts>);

#[async_trait]
impl Reloader for Reload {
    async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let Ok(mut running) = self.0.running.try_lock() else {
            let parts = Arc::clone(&self.0);
            tokio::spawn(async move { parts.running.lock().await.supervisor.reopener().reopen().await });
            return Err(ReloadError("reload already in progress".to_owned()));
        };
        // As after a signal: whoever rotates logs by this route has renamed them.
        let reopener = running.supervisor.reopener();
        tokio::spawn(async move { reopener.reopen().await });
        self.run(&mut running).await
    }
}

#[async_trait]
impl commands::Reload for Reload {
    async fn reload_for_person(&self) -> String {
        match self.reload().await {
            Ok(Reloaded { changed, needs_restart, .. }) => {
                let mut text = match changed.as_slice() {
                    [] => "The configuration was read again; nothing has changed.".to_owned(),
                    changed => {
                        format!("The configuration was read again; in force now: {}.", changed.join(", "))
                    }
                };
                if !needs_restart.is_empty() {
                    let _ = write!(text, " With the next start: {}.", needs_restart.join(", "));
                }
                text
            }
            Err(error) => format!("Nothing has changed: {error}"),
        }
    }
}

impl Reload {
    /// Reloads after whichever reload is under way, for those who cannot be told to come back: that one may have read
    /// the files before they changed. The outcome is on the bus.
    pub(super) async fn when_free(&self) {
        let mut running = self.0.running.lock().await;
        let _ = self.run(&mut running).await;
    }

    async fn run(&self, running: &mut parts::Running) -> Result<Reloaded, ReloadError> {
        let parts = &self.0;
        // What it would start nobody would stop.
        if parts.judge.phase() == Phase::Draining {
            tracing::warn!("A reload was refused because the gateway is stopping.");
            return Err(ReloadError(STOPPING.to_owned()));
        }
        let began = Instant::now();
        parts.bus.emit(Event::ReloadStarted);
        parts.service.reload_began().await;
        let outcome = take_over(parts, running).await;
        parts.service.reload_ended().await;
        drop(tokio::spawn(super::rest::release_start()));
        match outcome {
            Ok((changes, reloaded)) => {
                let changes = Detail::from(changes);
                parts.bus.emit(Event::ReloadCompleted { duration: began.elapsed(), changes });
                Ok(reloaded)
            }
            Err(error) => {
                let event = Event::ReloadFailed { duration: began.elapsed(), error: Detail::new(&error) };
                parts.bus.emit(event);
                Err(ReloadError(error))
            }
        }
    }
}

/// Reads the configuration, and starts the plugins that are new in it. Given up half-way it leaves nothing behind.
async fn prepare(parts: &Parts, running: &parts::Running) -> Result<(Loaded, PluginTools), String> {
    let environment = parts.environment.clone();
    let workspace = running.loaded.paths.workspace.clone();
    let loaded = tokio::task::spawn_blocking(move || check::load(&environment, Some(&workspace)))
        .await
        .map_err(|error| format!("reading the configuration: {error}"))?
        .map_err(|errors| errors.to_string())?;
    plugin_tools::replaceable(&loaded.config)?;
    let plugins = plugin_tools::start(&loaded.config, &parts.masker, &running.supply.plugins).await;
    Ok((loaded, plugins))
}

/// Everything that can fail comes first; from the sinks' reload on nothing can.
async fn take_over(parts: &Parts, running: &mut parts::Running) -> Result<(String, Reloaded), String> {
    // A disk or a plugin may let wait for long. The sinks, which nobody can stop meanwhile, have still something to send.
    let (loaded, plugins) = tokio::select! {
        prepared = prepare(parts, running) => prepared?,
        () = parts.stopping.cancelled() => return Err(STOPPING.to_owned()),
    };
    let sinks = parts::sinks(&loaded, parts.debug);
    let cron = super::jobs::cron_tool(&loaded.config, &parts.jobs);
    let supply = Supply { plugins, cron, ..running.supply.clone() };
    team::open_sessions(&loaded.config, &parts.paths(&loaded), &supply.stores)
        .await
        .map_err(|error| error.to_string())?;
    let hooks = if loaded.config.hooks == running.loaded.config.hooks {
        running.hooks.clone()
    } else {
        Chain::start(&loaded.config.hooks, &loaded.paths.workspace, &parts.bus)
    };
    let team = parts.team(&loaded, &supply, hooks.as_ref()).map_err(|error| error.to_string())?;

    // Secrets that are no longer configured may still be spoken of by turns in flight.
    let mut secrets = parts::secrets(&loaded, parts.operator.as_ref());
    secrets.extend(running.loaded.secrets.iter().cloned());
    parts.masker.replace(&secrets);
    let changes = running.supervisor.reload(&sinks).await.map_err(|error| error.to_string())?;
    match routes::table(&loaded.config, &parts.judge, running.supervisor.routes(), &parts.guards) {
        Ok(table) => parts.endpoints.replace(table),
        // The configuration was checked for this; should it slip through, the old paths stay.
        Err(taken) => tracing::error!(%taken, "Two endpoints claim one path; paths stay as they were."),
    }
    parts.agent.reconfigure(team);
    // The old ones end when the last turn that knows them does.
    if let Some(old) = std::mem::replace(&mut running.hooks, hooks) {
        old.retire(running.hooks.as_deref(), &parts.bus);
    }
    parts.channel.reconfigure(parts::settings(&loaded.config, parts.operator.clone()));
    // Before the channels run: those that are new begin to connect from here.
    parts.judge.set_watched(parts::watched(&loaded, &parts.bus, &sinks));
    parts.run_channels(&loaded).await;
    super::run::tell_warnings(&loaded);
    let mut text = changes.to_string();
    let needs_restart = parts.fixed.changed(&loaded);
    let mut changed = config::changes(&running.loaded.config, &loaded.config);
    changed.retain(|path| !parts.fixed.holds(path));
    if !changed.is_empty() {
        let _ = write!(text, "; changed {}", changed.join(", "));
    }
    let sinks = changes.is_some().then(|| changes.to_string());
    for key in &needs_restart {
        let _ = write!(text, "; {key} changes with the next start");
        tracing::warn!(key, "A changed setting takes effect with the next start only.");
    }
    if let Some(servers) = &supply.mcp {
        mcp::configure(servers, &parts.bus, &loaded.config, &loaded.paths);
        // Tools of servers that are gone must go too.
        parts.mcp_changed.notify_one();
    }
    parts.plugin_registry.replace(supply.plugins.stats());
    running.loaded = loaded;
    running.supply = supply;
    Ok((text, Reloaded { changed, sinks, needs_restart }))
}
