//! Settings that hold from the start to the end of the process.

use serde_json::{Value, json};

use picoclaw::config::{Config, Loaded};

/// The values that are in force, whatever the file says by now, by the path of their setting.
#[derive(Debug)]
pub(super) struct Fixed(Vec<(&'static str, Value)>);

impl Fixed {
    /// The values of the configuration that the gateway starts with.
    pub(super) fn at_start(loaded: &Loaded) -> Self {
        Self(values(loaded))
    }

    /// Whether a setting is one of these, so that no reload changes it.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.0.iter().any(|(key, _)| *key == path)
    }

    /// The settings for which this configuration says something else.
    pub(super) fn changed(&self, loaded: &Loaded) -> Vec<&'static str> {
        let now = values(loaded);
        self.0.iter().zip(now).filter(|(old, new)| *old != new).map(|(_, (path, _))| path).collect()
    }
}

fn values(loaded: &Loaded) -> Vec<(&'static str, Value)> {
    let Config { gateway, session, telemetry, agents, tools, heartbeat: config_heartbeat, .. } =
        &loaded.config;
    let health = &gateway.health_check;
    vec![
        ("gateway.host", json!(gateway.host)),
        ("gateway.port", json!(gateway.port)),
        ("gateway.hot_reload", json!(gateway.hot_reload)),
        ("gateway.max_connections", json!(gateway.max_connections)),
        ("gateway.max_bodies_bytes", json!(gateway.max_bodies_bytes)),
        // Only the listener is fixed: what it serves is in the table that a reload exchanges.
        ("gateway.health_check.port", json!(health.port.filter(|_| health.enabled))),
        ("session.persistence", json!(session.persistence)),
        ("telemetry.ring", json!(telemetry.ring)),
        ("telemetry.session_active_minutes", json!(telemetry.session_active_minutes)),
        ("heartbeat.enabled", json!(config_heartbeat.enabled)),
        ("heartbeat.interval", json!(config_heartbeat.interval)),
        ("tools.cron.allow_command", json!(tools.cron.allow_command)),
        ("tools.cron.exec_timeout_minutes", json!(tools.cron.exec_timeout_minutes)),
        ("agents.defaults.max_parallel_turns", json!(agents.defaults.parallel_turns())),
        // Tools move to another workspace at once; the conversations stay where they are.
        ("agents.defaults.workspace", json!(loaded.paths.sessions_dir)),
    ]
}
