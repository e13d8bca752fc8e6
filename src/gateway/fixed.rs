//! Settings that hold from the start to the end of the process.

use crate::config::{Config, Loaded};

/// The values that are in force, whatever the file says by now.
#[derive(Debug)]
pub(super) struct Fixed(Vec<(&'static str, String)>);

impl Fixed {
    /// The values of the configuration that the gateway starts with.
    pub(super) fn at_start(loaded: &Loaded) -> Self {
        Self(values(loaded))
    }

    /// The settings for which this configuration says something else.
    pub(super) fn changed(&self, loaded: &Loaded) -> Vec<&'static str> {
        let now = values(loaded);
        self.0.iter().zip(now).filter(|(old, new)| *old != new).map(|(_, (key, _))| key).collect()
    }
}

fn values(loaded: &Loaded) -> Vec<(&'static str, String)> {
    let Config { gateway, session, telemetry, agents, .. } = &loaded.config;
    // The path matters here only where a listener of its own serves it; otherwise a reload moves it.
    let health = &gateway.health_check;
    let probes = health.port.filter(|_| health.enabled).map(|port| (port, &health.path));
    vec![
        ("gateway.host", gateway.host.clone()),
        ("gateway.port", gateway.port.to_string()),
        ("gateway.hot_reload", gateway.hot_reload.to_string()),
        ("gateway.max_connections", gateway.max_connections.to_string()),
        ("gateway.max_bodies_bytes", gateway.max_bodies_bytes.to_string()),
        ("gateway.health_check (its own port)", format!("{probes:?}")),
        ("session.persistence", format!("{:?}", session.persistence)),
        ("telemetry.ring", telemetry.ring.to_string()),
        ("telemetry.session_active_minutes", telemetry.session_active_minutes.to_string()),
        ("agents.defaults.max_parallel_turns", agents.defaults.parallel_turns().to_string()),
        ("agents.defaults.workspace (sessions)", loaded.paths.workspace.display().to_string()),
    ]
}
