//! `model_list`: the models that can be used.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::SecretString;

/// Providers of the existing PicoClaw that are no HTTP servers, and that this gateway cannot ask.
const ELSEWHERE: &[&str] = &[
    "antigravity",
    "bedrock",
    "claude-cli",
    "claudecli",
    "codex-cli",
    "codexcli",
    "copilot",
    "github-copilot",
];

/// The name of the built-in model and of its provider.
pub const ECHO: &str = "echo";

/// One model of one provider. Entries with the same `model_name` take turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelConfig {
    /// The name by which the rest of the configuration and clients call the model.
    pub model_name: String,
    /// The provider, such as `openai`, `openrouter` or `echo`. Empty: the part of `model` before the first `/`.
    pub provider: String,
    /// The model's id at the provider, or `provider/id` where `provider` is empty.
    pub model: String,
    /// The provider's address, up to and without `/chat/completions`. Empty: the usual one of the provider.
    pub api_base: String,
    /// The key for the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretString>,
    /// Several keys. Requests begin with each in turn, and go on with the next ones when it fails.
    pub api_keys: Vec<SecretString>,
    /// Whether the model can be used.
    pub enabled: bool,
    /// Longest time without an answer from the provider, in seconds; 0 means 120.
    #[schemars(range(max = 31_536_000))]
    pub request_timeout: u64,
    /// Further headers of each request.
    pub custom_headers: BTreeMap<String, SecretString>,
    /// Further fields of each request's body.
    pub extra_body: Map<String, Value>,
    /// What the gateway calls itself towards the provider. Empty: `PicoClaw/<version>`.
    pub user_agent: String,
    /// URL of an HTTP proxy on the way to this model, such as `http://proxy:3128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<SecretString>,
    /// The field that limits the answer: `max_tokens` or `max_completion_tokens`. Empty: whichever the model wants.
    pub max_tokens_field: String,
    /// Models, by `model_name` or `model`, that are tried in this order when this one fails.
    pub fallbacks: Vec<String>,
    /// Most requests in a minute, for each key; 0 means no limit. When they are used up other entries are asked, and
    /// without others requests wait for up to a minute.
    pub rpm: u32,
    /// How much the model thinks before it answers, for models that can be told.
    pub thinking_level: ThinkingLevel,
    /// What a server can read of a tool's description: `simple` for those that refuse the finer words of JSON Schema.
    /// Empty: everything.
    pub tool_schema_transform: ToolSchemaTransform,
    /// What the model costs. Without a price its cost is not known, and not guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PriceConfig")]
    pub price: Option<PriceConfig>,
    /// Answers in pieces.
    pub streaming: StreamingConfig,
}

/// How much a model thinks before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThinkingLevel {
    /// As it does by itself.
    #[default]
    #[serde(alias = "")]
    Off,
    /// A little.
    Low,
    /// More.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    XHigh,
    /// As much as the model finds right.
    Adaptive,
}

/// What a server can read of a tool's description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolSchemaTransform {
    /// Everything.
    #[default]
    #[serde(alias = "")]
    None,
    /// Types, descriptions, properties and enumerations alone.
    Simple,
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PriceConfig {
    /// Tokens sent to the model.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub input_per_million: f64,
    /// Tokens that the model writes, what it thinks included.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub output_per_million: f64,
    /// Tokens that the provider takes from its cache. Not given: as other input.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1_000_000))]
    pub cached_input_per_million: Option<f64>,
    /// Tokens that the provider writes into its cache. Not given: as other input.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1_000_000))]
    pub cache_write_per_million: Option<f64>,
}

/// Answers in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StreamingConfig {
    /// Whether the provider is asked to send its answer in pieces.
    pub enabled: bool,
}

impl Default for StreamingConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            model_name: String::new(),
            provider: String::new(),
            model: String::new(),
            api_base: String::new(),
            api_key: None,
            api_keys: Vec::new(),
            enabled: true,
            request_timeout: 120,
            custom_headers: BTreeMap::new(),
            extra_body: Map::new(),
            user_agent: String::new(),
            proxy: None,
            max_tokens_field: String::new(),
            fallbacks: Vec::new(),
            rpm: 0,
            thinking_level: ThinkingLevel::default(),
            tool_schema_transform: ToolSchemaTransform::default(),
            price: None,
            streaming: StreamingConfig::default(),
        }
    }
}

impl ModelConfig {
    /// The built-in model.
    pub fn echo() -> Self {
        Self { model_name: ECHO.into(), model: format!("{ECHO}/{ECHO}"), ..Self::default() }
    }

    /// Whether this gateway can ask the model's provider.
    pub fn is_supported(&self) -> bool {
        let provider = self.provider_name().to_ascii_lowercase();
        // With the address of an HTTP server it is the name of a proxy.
        !ELSEWHERE.contains(&provider.as_str()) || self.api_base.trim().starts_with("http")
    }

    /// The provider's name. A model without provider and without `/` is OpenAI's.
    pub fn provider_name(&self) -> &str {
        match (self.provider.trim(), self.model.split_once('/')) {
            ("", Some((vendor, _))) => vendor.trim(),
            ("", None) => "openai",
            (provider, _) => provider,
        }
    }

    /// The id that the provider is sent: `model` as it is if `provider` is set, else what follows the first `/`.
    pub fn upstream_id(&self) -> &str {
        match (self.provider.trim(), self.model.split_once('/')) {
            ("", Some((_, id))) => id.trim(),
            _ => self.model.trim(),
        }
    }

    /// Every key for the provider, in order and without empty ones.
    pub fn keys(&self) -> impl Iterator<Item = &SecretString> {
        self.api_key.iter().chain(&self.api_keys).filter(|key| !key.is_empty())
    }

    /// Longest time without an answer from the provider.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(if self.request_timeout == 0 { 120 } else { self.request_timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(provider: &str, model: &str) -> (String, String) {
        let config = ModelConfig { provider: provider.into(), model: model.into(), ..ModelConfig::default() };
        (config.provider_name().to_owned(), config.upstream_id().to_owned())
    }

    #[test]
    fn what_is_no_http_server_cannot_be_asked() {
        let supported = |model: &str, api_base: &str| {
            let (model, api_base) = (model.to_owned(), api_base.to_owned());
            ModelConfig { model, api_base, ..ModelConfig::default() }.is_supported()
        };
        assert!(!supported("claude-cli/claude", "") && !supported("Bedrock/x", "us-east-1"));
        assert!(!supported("github-copilot/gpt", "localhost:4321"));
        assert!(supported("copilot/gpt", "http://localhost:4141/v1") && supported("openai/gpt", ""));
    }

    #[test]
    fn the_provider_is_the_first_part_of_the_model_unless_it_is_given() {
        assert_eq!(model("", "nvidia/z-ai/glm-5"), ("nvidia".into(), "z-ai/glm-5".into()));
        assert_eq!(model("openrouter", "openrouter/auto"), ("openrouter".into(), "openrouter/auto".into()));
        assert_eq!(model("", "gpt-4o"), ("openai".into(), "gpt-4o".into()));
    }
}
