//! `tools`: what the agent can do.

mod mcp;
mod search;

use std::collections::BTreeMap;
use std::time::Duration;

pub use mcp::{McpConfig, McpServerConfig, McpTransport};
use picoclaw_sinks::plugin::options::Options as PluginOptions;
use schemars::JsonSchema;
pub use search::SearchEngineConfig;
use serde::{Deserialize, Serialize};

use super::jobs::CronConfig;

/// What the agent can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ToolsConfig {
    /// Whether configured secrets are masked in what tools return to the model.
    pub filter_sensitive_data: bool,
    /// Longest time that a tool may take, in seconds.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub timeout_seconds: u64,
    /// Paths outside the workspace that tools may read, as regular expressions such as `^/var/log/`.
    pub allow_read_paths: Vec<String>,
    /// Paths outside the workspace that tools may write, as regular expressions.
    pub allow_write_paths: Vec<String>,
    /// Reads a file.
    pub read_file: Toggle,
    /// Writes a file.
    pub write_file: Toggle,
    /// Replaces a piece of a file.
    pub edit_file: Toggle,
    /// Adds to the end of a file.
    pub append_file: Toggle,
    /// Finds installed skills.
    pub find_skills: Toggle,
    /// Sends messages to chats.
    pub message: MessageConfig,
    /// Sends files to chats.
    pub send_file: Toggle,
    /// Runs shell commands.
    pub exec: ExecConfig,
    /// Lists a directory.
    pub list_dir: Toggle,
    /// Has a sub-agent do a task, and waits for it.
    pub subagent: Toggle,
    /// Has a sub-agent do a task beside the conversation.
    pub spawn: Toggle,
    /// Has another agent do a task, and waits for it.
    pub delegate: Toggle,
    /// Tells how spawned tasks go; off unless switched on.
    pub spawn_status: Toggle,
    /// Fetches a web page.
    pub web_fetch: Toggle,
    /// Scheduled jobs.
    pub cron: CronConfig,
    /// How web pages are fetched.
    pub web: WebConfig,
    /// Servers that offer tools over the Model Context Protocol.
    pub mcp: McpConfig,
    /// Plugins that offer tools, by name.
    pub plugins: BTreeMap<String, PluginOptions>,
}

impl Default for ToolsConfig {
    fn default() -> Self {
        Self {
            filter_sensitive_data: true,
            timeout_seconds: 60,
            allow_read_paths: Vec::new(),
            allow_write_paths: Vec::new(),
            read_file: Toggle::default(),
            write_file: Toggle::default(),
            edit_file: Toggle::default(),
            append_file: Toggle::default(),
            find_skills: Toggle::default(),
            message: MessageConfig::default(),
            send_file: Toggle::default(),
            exec: ExecConfig::default(),
            list_dir: Toggle::default(),
            subagent: Toggle::default(),
            spawn: Toggle::default(),
            delegate: Toggle::default(),
            spawn_status: Toggle { enabled: false },
            web_fetch: Toggle::default(),
            cron: CronConfig::default(),
            web: WebConfig::default(),
            mcp: McpConfig::default(),
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

/// How messages are sent to chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MessageConfig {
    /// Whether the agent has the tool.
    pub enabled: bool,
    /// Whether messages may carry files of the workspace.
    pub media_enabled: bool,
}

impl Default for MessageConfig {
    fn default() -> Self {
        Self { enabled: true, media_enabled: false }
    }
}

/// How shell commands are run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExecConfig {
    /// Whether the agent has the tool.
    pub enabled: bool,
    /// Whether commands that destroy things or hide what they do are refused.
    pub enable_deny_patterns: bool,
    /// Whether people on channels may have commands run, not only those at the terminal.
    pub allow_remote: bool,
    /// Commands that are refused besides, as regular expressions.
    pub custom_deny_patterns: Vec<String>,
    /// Commands that are never refused, as regular expressions.
    pub custom_allow_patterns: Vec<String>,
    /// Longest time of a command that says nothing about it, in seconds; 0 for an hour.
    #[schemars(range(max = 3600))]
    pub timeout_seconds: u64,
    /// Names of variables of the gateway that commands get besides `PATH`, `HOME`, `LANG` and their like.
    pub pass_env: Vec<String>,
}

impl Default for ExecConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            enable_deny_patterns: true,
            allow_remote: true,
            custom_deny_patterns: Vec::new(),
            custom_allow_patterns: Vec::new(),
            timeout_seconds: 60,
            pass_env: Vec::new(),
        }
    }
}

/// How web pages are fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WebConfig {
    /// Whether the agent may use the web.
    pub enabled: bool,
    /// The search engine that is asked first: `brave`, `duckduckgo`, `perplexity`, `searxng` or `tavily`; with `auto` the
    /// first that is enabled and has its key. The others are asked when it does not answer.
    pub provider: String,
    /// Brave Search.
    pub brave: SearchEngineConfig,
    /// DuckDuckGo, which needs no key.
    #[schemars(with = "SearchEngineConfig")]
    pub duckduckgo: SearchEngineConfig,
    /// Perplexity.
    pub perplexity: SearchEngineConfig,
    /// A SearXNG instance of your own.
    pub searxng: SearchEngineConfig,
    /// Tavily.
    pub tavily: SearchEngineConfig,
    /// Hosts and networks that may be fetched though they are private, such as `10.0.0.0/8`.
    pub private_host_whitelist: Vec<String>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            provider: "auto".to_owned(),
            brave: SearchEngineConfig::default(),
            duckduckgo: SearchEngineConfig { enabled: true, ..SearchEngineConfig::default() },
            perplexity: SearchEngineConfig::default(),
            searxng: SearchEngineConfig::default(),
            tavily: SearchEngineConfig::default(),
            private_host_whitelist: Vec::new(),
        }
    }
}
