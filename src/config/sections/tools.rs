//! `tools`: what the agent can do.

use std::collections::BTreeMap;
use std::time::Duration;

use picoclaw_sinks::plugin::options::Options as PluginOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the agent can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ToolsConfig {
    /// Whether configured secrets are masked in what tools return to the model.
    pub filter_sensitive_data: bool,
    /// Longest time that a tool may take, in seconds.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub timeout_seconds: u64,
    /// Reads a file.
    pub read_file: Toggle,
    /// Writes a file.
    pub write_file: Toggle,
    /// Lists a directory.
    pub list_dir: Toggle,
    /// Fetches a web page.
    pub web_fetch: Toggle,
    /// How web pages are fetched.
    pub web: WebConfig,
    /// Plugins that offer tools, by name.
    pub plugins: BTreeMap<String, PluginOptions>,
}

impl Default for ToolsConfig {
    fn default() -> Self {
        Self {
            filter_sensitive_data: true,
            timeout_seconds: 60,
            read_file: Toggle::default(),
            write_file: Toggle::default(),
            list_dir: Toggle::default(),
            web_fetch: Toggle::default(),
            web: WebConfig::default(),
            plugins: BTreeMap::new(),
        }
    }
}

impl ToolsConfig {
    /// Longest time that a tool may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

/// A tool that can only be switched on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Toggle {
    /// Whether the agent has the tool.
    pub enabled: bool,
}

impl Default for Toggle {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// How web pages are fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WebConfig {
    /// Whether the agent may use the web.
    pub enabled: bool,
    /// Hosts and networks that may be fetched though they are private, such as `10.0.0.0/8`.
    pub private_host_whitelist: Vec<String>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { enabled: true, private_host_whitelist: Vec::new() }
    }
}
