//! `tools`: what the agent can do.

mod mcp;
mod search;
mod skills;

use std::collections::BTreeMap;
use std::time::Duration;

pub use mcp::{McpConfig, McpDiscoveryConfig, McpServerConfig, McpTransport};
use picoclaw_sinks::plugin::options::Options as PluginOptions;
use schemars::JsonSchema;
pub use search::SearchEngineConfig;
use serde::{Deserialize, Serialize};
pub use skills::{SkillRegistriesConfig, SkillRegistryConfig, SkillsConfig};

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
    /// Texts that are shorter, in bytes, are not looked through for secrets.
    pub filter_min_length: u64,
    /// Reads a file.
    pub read_file: ReadFileConfig,
    /// Writes a file.
    pub write_file: Toggle,
    /// Replaces a piece of a file.
    pub edit_file: Toggle,
    /// Adds to the end of a file.
    pub append_file: Toggle,
    /// Finds skills, installed ones and those of the registries.
    pub find_skills: Toggle,
    /// Installs skills of the registries.
    pub install_skill: Toggle,
    /// Where skills come from.
    pub skills: SkillsConfig,
    /// Sends messages to chats.
    pub message: MessageConfig,
    /// Sends files to chats.
    pub send_file: Toggle,
    /// Runs shell commands.
    pub exec: ExecConfig,
    /// Lists a directory.
    pub list_dir: Toggle,
    /// Shows the model an image.
    pub load_image: Toggle,
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
    /// When media files are removed.
    pub media_cleanup: MediaCleanupConfig,
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
            filter_min_length: 8,
            read_file: ReadFileConfig::default(),
            write_file: Toggle::default(),
            edit_file: Toggle::default(),
            append_file: Toggle::default(),
            find_skills: Toggle::default(),
            install_skill: Toggle::default(),
            skills: SkillsConfig::default(),
            message: MessageConfig::default(),
            send_file: Toggle::default(),
            exec: ExecConfig::default(),
            list_dir: Toggle::default(),
            load_image: Toggle::default(),
            subagent: Toggle::default(),
            spawn: Toggle::default(),
            delegate: Toggle::default(),
            spawn_status: Toggle { enabled: false },
            web_fetch: Toggle::default(),
            cron: CronConfig::default(),
            media_cleanup: MediaCleanupConfig::default(),
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

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReadFileConfig {
    /// Whether the agent has the tool.
    pub enabled: bool,
    /// What the model is told: that it can read by bytes and by lines, or by lines alone.
    pub mode: ReadFileMode,
    /// Most bytes that are read at once; 0 for 65536.
    #[schemars(range(max = 16_777_216))]
    pub max_read_file_size: u64,
}

impl Default for ReadFileConfig {
    fn default() -> Self {
        Self { enabled: true, mode: ReadFileMode::Bytes, max_read_file_size: 65_536 }
    }
}

impl ReadFileConfig {
    /// Most bytes that are read at once.
    pub fn most(&self) -> u64 {
        if self.max_read_file_size == 0 { 65_536 } else { self.max_read_file_size }
    }
}

/// How a model reads files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadFileMode {
    /// By bytes or by lines.
    #[default]
    Bytes,
    /// By lines.
    Lines,
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

/// When files that people sent and that tools made are removed, once no conversation shows them any more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MediaCleanupConfig {
    /// Whether they are.
    pub enabled: bool,
    /// How old they are then, in minutes; 0 for 30.
    #[schemars(range(min = 0, max = 525_600))]
    pub max_age_minutes: f64,
    /// How often they are looked for, in minutes; 0 for 5.
    #[schemars(range(min = 0, max = 525_600))]
    pub interval_minutes: f64,
}

impl Default for MediaCleanupConfig {
    fn default() -> Self {
        Self { enabled: true, max_age_minutes: 30.0, interval_minutes: 5.0 }
    }
}

impl MediaCleanupConfig {
    /// How old files are when they are removed.
    pub fn max_age(&self) -> Duration {
        minutes(self.max_age_minutes, 30.0)
    }

    /// How often files are looked for.
    pub fn interval(&self) -> Duration {
        minutes(self.interval_minutes, 5.0)
    }
}

fn minutes(minutes: f64, usual: f64) -> Duration {
    let minutes = if minutes == 0.0 { usual } else { minutes };
    Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX)
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
    /// The search engine that is asked first: `baidu_search`, `brave`, `duckduckgo`, `gemini`, `glm_search`, `perplexity`,
    /// `searxng` or `tavily`; with `auto` the first that is enabled and has its key. The others are asked when it does not answer.
    pub provider: String,
    /// The proxy through which search engines are asked, such as `http://proxy:3128`; empty for that of the environment.
    /// Pages are fetched without one: behind a proxy nobody could check that an address is public.
    pub proxy: String,
    /// Most bytes of a page that are read; 0 for 10 MiB.
    #[schemars(range(max = 67_108_864))]
    pub fetch_limit_bytes: u64,
    /// Baidu's search for programs.
    pub baidu_search: SearchEngineConfig,
    /// Brave Search.
    pub brave: SearchEngineConfig,
    /// DuckDuckGo, which needs no key.
    #[schemars(with = "SearchEngineConfig")]
    pub duckduckgo: SearchEngineConfig,
    /// A Gemini model that searches with Google and sums up.
    pub gemini: SearchEngineConfig,
    /// Zhipu's search.
    pub glm_search: SearchEngineConfig,
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
            proxy: String::new(),
            fetch_limit_bytes: 10 << 20,
            baidu_search: SearchEngineConfig::default(),
            brave: SearchEngineConfig::default(),
            duckduckgo: SearchEngineConfig { enabled: true, ..SearchEngineConfig::default() },
            gemini: SearchEngineConfig::default(),
            glm_search: SearchEngineConfig::default(),
            perplexity: SearchEngineConfig::default(),
            searxng: SearchEngineConfig::default(),
            tavily: SearchEngineConfig::default(),
            private_host_whitelist: Vec::new(),
        }
    }
}

impl WebConfig {
    /// Most bytes of a page that are read.
    pub fn fetch_limit(&self) -> usize {
        let limit = if self.fetch_limit_bytes == 0 { 10 << 20 } else { self.fetch_limit_bytes };
        usize::try_from(limit).unwrap_or(usize::MAX)
    }
}
