//! `session`: how conversations are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How conversations are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionConfig {
    /// Whether conversations survive the process.
    pub persistence: Persistence,
}

/// Whether conversations survive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// Every message is on disk before the reply is sent.
    #[default]
    Durable,
    /// Conversations are forgotten when the process ends.
    Memory,
}
