//! `agents`: how the agent works.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_list::{AgentConfig, DispatchConfig};

/// Turns wait for providers most of the time, so many fit into a small machine.
const AUTOMATIC_PARALLEL_TURNS: usize = 256;

/// How the agent works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AgentsConfig {
    /// What holds for every agent.
    pub defaults: AgentDefaults,
    /// The agents. Without any there is one, called `main`.
    pub list: Vec<AgentConfig>,
    /// Which of them is for whom.
    pub dispatch: DispatchConfig,
}

/// What holds for every agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AgentDefaults {
    /// The directory in which the agent works. A relative path starts at the home of PicoClaw; empty means its
    /// `workspace`.
    pub workspace: String,
    /// Whether tools are kept to the workspace. Without this they reach whatever the gateway's user does.
    pub restrict_to_workspace: bool,
    /// Whether tools may read files outside the workspace.
    pub allow_read_outside_workspace: bool,
    /// The provider of the models that name none, neither in `provider` nor before a `/` in `model`; empty means
    /// `openai`.
    pub provider: String,
    /// The model that answers when nobody names one; empty means the first of `model_list`.
    pub model_name: String,
    /// Models, by `model_name` or `model`, that are tried in this order when that one fails.
    pub model_fallbacks: Vec<String>,
    /// The model, by `model_name` or `model`, that answers messages with images; empty means the usual one.
    pub image_model: String,
    /// Models that are tried in this order when that one fails.
    pub image_model_fallbacks: Vec<String>,
    /// The largest image that is shown to a model, in bytes; 0 means 20 MiB.
    pub max_media_size: u64,
    /// Longest answer, in tokens.
    #[schemars(range(min = 1))]
    pub max_tokens: u64,
    /// How much a model takes in tokens, its answer included; 0 means four times `max_tokens`. Of a longer conversation
    /// the oldest messages are left out.
    pub context_window: u64,
    /// A conversation of more messages is summed up by the model, but for its last ones; 0 means 20.
    pub summarize_message_threshold: u32,
    /// So is one that fills more than this part of the context window, in percent; 0 means 75.
    #[schemars(range(max = 100))]
    pub summarize_token_percent: u64,
    /// A lighter model for easy messages.
    pub routing: RoutingConfig,
    /// The bounds of sub-agents.
    pub subturn: SubturnConfig,
    /// Whether people in chats are told which tools are called.
    pub tool_feedback: ToolFeedbackConfig,
    /// Whether an answer in a chat may be several messages: the model is told to put `<|[SPLIT]|>` between them.
    pub split_on_marker: bool,
    /// How messages join a turn that runs already, in channels where people chat: one after each answer of the model, or
    /// all that wait.
    pub steering_mode: SteeringMode,
    /// Randomness of the answers.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: f64,
    /// How often a turn may ask the model before it must answer; 0 means 20.
    pub max_tool_iterations: u32,
    /// How many turns of different conversations may run at the same time; 0 lets the gateway choose, 1 means one after
    /// the other.
    pub max_parallel_turns: u32,
    /// How often a failed request to a model is repeated.
    #[schemars(range(max = 20))]
    pub max_llm_retries: u32,
    /// Pause before the first repetition, in seconds; it grows with each one.
    #[schemars(range(min = 0, max = 3600))]
    pub llm_retry_backoff_secs: f64,
    /// Longest time that a turn may take, in seconds; 0 means no limit.
    #[schemars(range(max = 31_536_000))]
    pub turn_timeout_secs: u64,
}

/// A lighter model for easy messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RoutingConfig {
    /// Whether easy messages are for the light model.
    pub enabled: bool,
    /// The light model, by `model_name` or `model`.
    pub light_model: String,
    /// How hard a message may be for it, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub threshold: f64,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { enabled: false, light_model: String::new(), threshold: 0.35 }
    }
}

/// The bounds of sub-agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SubturnConfig {
    /// How deep sub-agents may be nested; 0 means 3.
    pub max_depth: u32,
    /// How many sub-agents may work for a conversation at the same time; 0 means 5.
    pub max_concurrent: u32,
    /// Longest time that a sub-agent may take, in minutes; 0 means 5.
    #[schemars(range(max = 1440))]
    pub default_timeout_minutes: u64,
    /// Most tokens that a sub-agent may use, those that it is sent included; 0 means no limit.
    pub default_token_budget: u64,
    /// How long a task waits when `max_concurrent` sub-agents are at work, in seconds, before it is refused; 0 means 30.
    #[schemars(range(max = 3600))]
    pub concurrency_timeout_sec: u64,
}

impl SubturnConfig {
    /// How deep sub-agents may be nested.
    pub fn depth(&self) -> u32 {
        if self.max_depth == 0 { 3 } else { self.max_depth }
    }

    /// How many may work for a conversation at the same time.
    pub fn concurrent(&self) -> usize {
        if self.max_concurrent == 0 { 5 } else { self.max_concurrent as usize }
    }

    /// How long a task waits for its turn.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(if self.concurrency_timeout_sec == 0 { 30 } else { self.concurrency_timeout_sec })
    }

    /// Most tokens that one may use.
    pub fn token_budget(&self) -> Option<u64> {
        (self.default_token_budget > 0).then_some(self.default_token_budget)
    }

    /// How long one may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(
            60 * if self.default_timeout_minutes == 0 { 5 } else { self.default_timeout_minutes },
        )
    }
}

/// How people in chats are told which tools are called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ToolFeedbackConfig {
    /// Whether they are told.
    pub enabled: bool,
    /// The longest arguments that are shown, in characters; 0 means 300.
    #[schemars(range(max = 4000))]
    pub max_args_length: u32,
    /// Whether every call is a message of its own, instead of all in one that the answer takes the place of.
    pub separate_messages: bool,
}

impl ToolFeedbackConfig {
    /// The longest arguments that are shown, in characters.
    pub fn max_args_length(&self) -> usize {
        if self.max_args_length == 0 { 300 } else { self.max_args_length as usize }
    }
}

/// How messages join a turn that runs already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SteeringMode {
    /// One after each answer of the model.
    #[default]
    #[serde(rename = "one-at-a-time")]
    OneAtATime,
    /// All that wait.
    All,
}

impl Default for AgentDefaults {
    fn default() -> Self {
        Self {
            workspace: String::new(),
            restrict_to_workspace: true,
            allow_read_outside_workspace: false,
            provider: String::new(),
            model_name: String::new(),
            model_fallbacks: Vec::new(),
            image_model: String::new(),
            image_model_fallbacks: Vec::new(),
            max_media_size: 20 << 20,
            max_tokens: 32_768,
            context_window: 0,
            summarize_message_threshold: 20,
            summarize_token_percent: 75,
            routing: RoutingConfig::default(),
            subturn: SubturnConfig::default(),
            tool_feedback: ToolFeedbackConfig::default(),
            split_on_marker: false,
            steering_mode: SteeringMode::OneAtATime,
            temperature: 0.7,
            max_tool_iterations: 50,
            max_parallel_turns: 0,
            max_llm_retries: 2,
            llm_retry_backoff_secs: 2.0,
            turn_timeout_secs: 600,
        }
    }
}

impl AgentDefaults {
    /// How often a turn may ask the model, at least once.
    pub fn tool_iterations(&self) -> u32 {
        match self.max_tool_iterations {
            0 => 20,
            limit => limit,
        }
    }

    /// The largest image that is shown to a model, in bytes.
    pub fn max_media_size(&self) -> u64 {
        match self.max_media_size {
            0 => 20 << 20,
            size => size,
        }
    }

    /// How much a model takes, in tokens.
    pub fn context_window(&self) -> u64 {
        match self.context_window {
            0 => self.max_tokens.saturating_mul(4),
            window => window,
        }
    }

    /// From how many messages on a conversation is summed up.
    pub fn summarize_messages(&self) -> usize {
        match self.summarize_message_threshold {
            0 => 20,
            messages => messages as usize,
        }
    }

    /// From which part of the context window on a conversation is summed up, in percent.
    pub fn summarize_percent(&self) -> u64 {
        match self.summarize_token_percent {
            0 => 75,
            percent => percent,
        }
    }

    /// How many turns may run at the same time, at least one.
    pub fn parallel_turns(&self) -> usize {
        match self.max_parallel_turns {
            0 => AUTOMATIC_PARALLEL_TURNS,
            turns => turns as usize,
        }
    }

    /// Pause before the first repetition of a request to a model.
    pub fn retry_backoff(&self) -> Duration {
        Duration::try_from_secs_f64(self.llm_retry_backoff_secs).unwrap_or_default()
    }

    /// Longest time that a turn may take.
    pub fn turn_timeout(&self) -> Option<Duration> {
        (self.turn_timeout_secs > 0).then(|| Duration::from_secs(self.turn_timeout_secs))
    }
}
