//! `tools.mcp`: servers that speak the Model Context Protocol.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretString;

/// Servers that offer tools over the Model Context Protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct McpConfig {
    /// Whether the servers are used.
    pub enabled: bool,
    /// Characters of a text that go to the model; of what is longer the whole goes to a file in the workspace.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_inline_text_chars: u32,
    /// How tools are found that the model is not shown at once.
    pub discovery: McpDiscoveryConfig,
    /// The servers, by name.
    pub servers: BTreeMap<String, McpServerConfig>,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            max_inline_text_chars: 16_384,
            discovery: McpDiscoveryConfig::default(),
            servers: BTreeMap::new(),
        }
    }
}

impl McpConfig {
    /// The servers that are used, by name.
    pub fn used(&self) -> impl Iterator<Item = (&str, &McpServerConfig)> {
        let used = |(_, server): &(&String, &McpServerConfig)| {
            self.enabled && server.enabled && server.transport().is_some()
        };
        self.servers.iter().filter(used).map(|(name, server)| (name.as_str(), server))
    }

    /// Whether the model is only shown the tools of a server when it has searched for them. Not without a search.
    pub fn defers(&self, server: &str) -> bool {
        let discovery = &self.discovery;
        let searchable = discovery.enabled && (discovery.use_bm25 || discovery.use_regex);
        searchable && self.servers.get(server).is_none_or(|server| server.deferred.unwrap_or(true))
    }
}

/// How tools are found that the model is not shown at once: for servers with so many that their descriptions would fill
/// each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct McpDiscoveryConfig {
    /// Whether the tools of servers are only shown when the model has searched for them; `deferred` of a server decides
    /// for that server.
    pub enabled: bool,
    /// For how many turns a conversation is shown a tool that was found, from its last use on; 0 for 5.
    #[schemars(range(max = 1000))]
    pub ttl: u32,
    /// Most tools that one search finds; 0 for 5.
    #[schemars(range(max = 50))]
    pub max_search_results: u32,
    /// Whether there is a search by words.
    pub use_bm25: bool,
    /// Whether there is a search by a regular expression.
    pub use_regex: bool,
}

impl McpDiscoveryConfig {
    /// For how many turns a tool that was found is shown.
    pub fn turns(&self) -> u32 {
        if self.ttl == 0 { 5 } else { self.ttl }
    }

    /// Most tools that one search finds.
    pub fn most(&self) -> usize {
        if self.max_search_results == 0 { 5 } else { self.max_search_results as usize }
    }
}

impl Default for McpDiscoveryConfig {
    fn default() -> Self {
        Self { enabled: false, ttl: 5, max_search_results: 5, use_bm25: true, use_regex: false }
    }
}

/// How a server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum McpTransport {
    /// By what is there: `command` or `url`.
    #[default]
    #[serde(rename = "")]
    Automatic,
    /// A program, over its standard streams.
    Stdio,
    /// Streamable HTTP, under its older name.
    Sse,
    /// Streamable HTTP.
    Http,
    /// Streamable HTTP.
    StreamableHttp,
}

/// A server that offers tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct McpServerConfig {
    /// Whether it is used.
    pub enabled: bool,
    /// How it is reached; empty: `stdio` with a `command`, else `http`.
    #[serde(rename = "type")]
    pub kind: McpTransport,
    /// The program, for `stdio`.
    pub command: String,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Variables of the program, besides `PATH`, `HOME`, `LANG` and their like.
    pub env: BTreeMap<String, SecretString>,
    /// A file with more variables, `NAME=value` a line; a relative path starts at the workspace.
    pub env_file: String,
    /// The URL, for `http`.
    pub url: String,
    /// Headers of each request, for `http`.
    pub headers: BTreeMap<String, SecretString>,
    /// Whether its tools are only shown when the model has searched for them; without it as `discovery.enabled` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred: Option<bool>,
}

impl McpServerConfig {
    /// How it is reached: `Stdio` or `Http`. `None` when what that needs is missing.
    pub fn transport(&self) -> Option<McpTransport> {
        let program = match self.kind {
            McpTransport::Automatic => !self.command.is_empty(),
            kind => kind == McpTransport::Stdio,
        };
        let (needed, transport) =
            if program { (&self.command, McpTransport::Stdio) } else { (&self.url, McpTransport::Http) };
        (!needed.trim().is_empty()).then_some(transport)
    }
}
