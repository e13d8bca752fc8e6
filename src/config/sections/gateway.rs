//! `gateway`: the HTTP server.

use picoclaw_telemetry::words::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::level;
use super::scrape::{HealthDetails, ScrapeAuth};
use crate::secret::SecretString;

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GatewayConfig {
    /// The addresses on which the server listens, separated by commas; `*` means all, `localhost` both loopbacks.
    pub host: String,
    /// The port on which the server listens; 0 lets the system choose one.
    #[schemars(extend("format" = "port"))]
    pub port: u16,
    /// Whether the gateway reloads its configuration when the file changes.
    pub hot_reload: bool,
    /// The least important level of what is printed on the terminal.
    #[serde(with = "level")]
    #[schemars(with = "String", extend("format" = "level"))]
    pub log_level: Level,
    /// What a client must show as bearer token to talk to the agent over HTTP. Without it only programs on this machine may, while the gateway listens on loopback addresses alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// Origins of the web pages that may talk to the agent, such as `https://chat.example.com`; `*` means all.
    pub allow_origins: Vec<String>,
    /// How many connections may be open at the same time.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// How large a request's body may be, in bytes.
    #[schemars(range(min = 1024))]
    pub max_body_bytes: usize,
    /// How many bytes the bodies of all requests that wait for their answer may have together. Those of 16 KiB and less
    /// do not count; a larger one waits for its turn, up to 30 s.
    #[schemars(range(min = 65_536))]
    pub max_bodies_bytes: usize,
    /// The Prometheus endpoint: the short form of a `prometheus` sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MetricsConfig")]
    pub metrics: Option<MetricsConfig>,
    /// The health endpoint.
    pub health_check: HealthCheckConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 18_790,
            hot_reload: false,
            log_level: Level::Warn,
            api_key: None,
            allow_origins: Vec::new(),
            max_connections: 1024,
            max_body_bytes: 4 * 1024 * 1024,
            max_bodies_bytes: 24 * 1024 * 1024,
            metrics: None,
            health_check: HealthCheckConfig::default(),
        }
    }
}

impl GatewayConfig {
    /// The Prometheus endpoint as configured, or with its defaults.
    pub fn metrics(&self) -> MetricsConfig {
        self.metrics.clone().unwrap_or_default()
    }
}

/// The Prometheus endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MetricsConfig {
    /// Whether metrics are served.
    pub enabled: bool,
    /// The path under which they are served.
    pub path: String,
    /// Who may scrape.
    pub auth: ScrapeAuth,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, path: "/metrics".into(), auth: ScrapeAuth::default() }
    }
}

/// The health endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HealthCheckConfig {
    /// Whether the gateway tells how it is.
    pub enabled: bool,
    /// The path under which it tells.
    pub path: String,
    /// A port of its own for the health endpoint, not 0: probes must know it. Without it: `gateway.port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("format" = "port"))]
    pub port: Option<u16>,
    /// How long the gateway must have been unable to do its own work before it calls itself `failing` and answers 503.
    pub failing_after_seconds: u64,
    /// Who sees more than the basic keys (`status`, `issues`, `uptime`, ...): `everyone`, or `authenticated`, who shows
    /// what `gateway.metrics.auth` asks for.
    pub details: HealthDetails,
}

impl Default for HealthCheckConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "/health".into(),
            port: None,
            failing_after_seconds: 30,
            details: HealthDetails::Everyone,
        }
    }
}
