//! `tools.cron` and `heartbeat`: what the agent does without being asked.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Scheduled jobs. Those of `cron/jobs.json` run in any case; this is about the tool by which the agent manages them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CronConfig {
    /// Whether the agent can schedule jobs.
    pub enabled: bool,
    /// Longest time that a command of a job may take, in minutes; 0 means 60.
    #[schemars(range(max = 1440))]
    pub exec_timeout_minutes: u64,
    /// Whether jobs may run commands of the shell. The tool `exec` must be enabled too.
    pub allow_command: bool,
}

impl Default for CronConfig {
    fn default() -> Self {
        Self { enabled: true, exec_timeout_minutes: 5, allow_command: true }
    }
}

impl CronConfig {
    /// Longest time that a command may take.
    pub fn exec_timeout(&self) -> Duration {
        Duration::from_secs(60 * if self.exec_timeout_minutes == 0 { 60 } else { self.exec_timeout_minutes })
    }
}

/// The periodic check of `HEARTBEAT.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HeartbeatConfig {
    /// Whether the agent looks at `HEARTBEAT.md` now and then.
    pub enabled: bool,
    /// How often, in minutes, at least 5; 0 means 30.
    #[schemars(range(max = 525_600))]
    pub interval: u64,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { enabled: true, interval: 30 }
    }
}

impl HeartbeatConfig {
    /// How often.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(60 * if self.interval == 0 { 30 } else { self.interval.max(5) })
    }
}
