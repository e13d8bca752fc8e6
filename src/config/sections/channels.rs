//! `channel_list`: the chat networks to which the gateway connects.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The types of channels that run. Others of the existing PicoClaw are accepted and do not.
pub const CHANNEL_TYPES: &[&str] = &[
    "discord",
    "irc",
    "matrix",
    "pico",
    "pico_client",
    "slack",
    "slack_webhook",
    "teams_webhook",
    "telegram",
    "webhook",
];

/// A connection to a chat network.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChannelConfig {
    /// Whether the channel runs.
    pub enabled: bool,
    /// Which network. Empty: the channel's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who may write to the agent; empty: everybody who can reach the channel.
    pub allow_from: Vec<String>,
    /// The chat to which the model's reasoning goes.
    pub reasoning_channel_id: String,
    /// When the agent answers in a group.
    pub group_trigger: Map<String, Value>,
    /// Whether the agent shows that it is typing.
    pub typing: Map<String, Value>,
    /// A message that stands in until the answer is there.
    pub placeholder: Map<String, Value>,
    /// Settings of this network.
    pub settings: Map<String, Value>,
}

impl ChannelConfig {
    /// Which network the channel called `name` connects to.
    pub fn kind<'a>(&'a self, name: &'a str) -> &'a str {
        if self.kind.is_empty() { name } else { &self.kind }
    }

    /// Whether the channel called `name` is enabled and of a type that runs.
    pub fn runs(&self, name: &str) -> bool {
        self.enabled && CHANNEL_TYPES.contains(&self.kind(name))
    }
}

/// Settings show only their keys: a value may be a secret.
impl fmt::Debug for ChannelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelConfig")
            .field("enabled", &self.enabled)
            .field("kind", &self.kind)
            .field("allow_from", &self.allow_from)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
