//! `telemetry`: where telemetry goes.

use picoclaw_sinks::config::SinkConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where telemetry goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TelemetryConfig {
    /// The destinations. Without this list: `prometheus`, `newrelic` and `jsonlog`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<SinkConfig>")]
    pub sinks: Option<Vec<SinkConfig>>,
    /// After how many minutes without a message a conversation no longer counts as active.
    #[schemars(range(min = 1, max = 525_600))]
    pub session_active_minutes: u64,
    /// How many events a sink may be behind before it catches up from the exact totals instead.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub ring: usize,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { sinks: None, session_active_minutes: 30, ring: 4096 }
    }
}
