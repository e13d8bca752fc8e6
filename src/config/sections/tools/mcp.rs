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
    /// The servers, by name.
    pub servers: BTreeMap<String, McpServerConfig>,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self { enabled: false, max_inline_text_chars: 16_384, servers: BTreeMap::new() }
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
