//! What can be configured: one file per section of `config.json`.
//!
//! The doc comments of the fields are the descriptions in the JSON schema and in `docs/config.md`.

mod agent_list;
mod agents;
mod channels;
mod gateway;
mod hooks;
mod jobs;
mod level;
mod logging;
mod models;
mod scrape;
mod sessions;
mod telemetry;
mod tools;

pub use agent_list::{
    AgentConfig, AgentModel, DispatchConfig, DispatchRule, DispatchSelector, MAIN, SubagentsConfig, agent_id,
};
pub use agents::{AgentDefaults, AgentsConfig, RoutingConfig, SteeringMode, SubturnConfig};
pub use channels::{CHANNEL_TYPES, ChannelConfig};
pub use gateway::{GatewayConfig, HealthCheckConfig, MetricsConfig};
pub use hooks::{HookDefaults, HookProcess, HooksConfig, Intercept, Transport};
pub use jobs::{CronConfig, HeartbeatConfig};
pub use logging::{LogFormat, LoggingConfig};
pub use models::{ECHO, ModelConfig, PriceConfig, StreamingConfig, ThinkingLevel, ToolSchemaTransform};
pub use scrape::{HealthDetails, ScrapeAuth};
pub use sessions::{DM_SCOPES, Persistence, SESSION_DIMENSIONS, SessionConfig, known_dimensions};
pub use telemetry::TelemetryConfig;
pub use tools::{
    ExecConfig, McpConfig, McpDiscoveryConfig, McpServerConfig, McpTransport, MessageConfig, ReadFileConfig,
    ReadFileMode, SearchEngineConfig, SkillRegistriesConfig, SkillRegistryConfig, SkillsConfig, Toggle,
    ToolsConfig, WebConfig,
};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration of PicoClaw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The version of the layout of this file: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// How the agent works.
    pub agents: AgentsConfig,
    /// How conversations are kept.
    pub session: SessionConfig,
    /// The models that can be used. Without any there is `echo`, which needs no key and no network.
    pub model_list: Vec<ModelConfig>,
    /// The chat networks to which the gateway connects, by name.
    pub channel_list: BTreeMap<String, ChannelConfig>,
    /// The HTTP server.
    pub gateway: GatewayConfig,
    /// What the agent can do.
    pub tools: ToolsConfig,
    /// Programs that watch and change what the agent does.
    pub hooks: HooksConfig,
    /// The periodic check of `HEARTBEAT.md`.
    pub heartbeat: HeartbeatConfig,
    /// The log file: the short form of a `jsonlog` sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LoggingConfig")]
    pub logging: Option<LoggingConfig>,
    /// Where telemetry goes.
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// The configured name of the model that answers when nobody names one: `agents.defaults.model_name`, else the first
    /// model that is enabled, else `echo`.
    pub fn default_model(&self) -> &str {
        match self.agents.defaults.model_name.as_str() {
            "" => self.models().next().map_or(ECHO, |model| model.model_name.as_str()),
            name => name,
        }
    }

    /// The models that can be asked, in the order of the list: those that are enabled and whose provider is supported.
    /// Entries with one name take turns.
    pub fn models(&self) -> impl Iterator<Item = &ModelConfig> {
        self.model_list.iter().filter(|model| model.enabled && model.is_supported())
    }

    /// The enabled model that a text means: by its name, else by its id as `model` gives it.
    pub fn model_meant(&self, text: &str) -> Option<&ModelConfig> {
        let by_name = self.models().find(|model| model.model_name == text);
        by_name.or_else(|| self.models().find(|model| model.model == text))
    }

    /// Gives models that name no provider the usual one.
    pub(super) fn name_providers(&mut self) {
        let provider = self.agents.defaults.provider.trim();
        let nameless =
            |model: &&mut ModelConfig| model.provider.trim().is_empty() && !model.model.contains('/');
        if !provider.is_empty() {
            self.model_list
                .iter_mut()
                .filter(nameless)
                .for_each(|model| provider.clone_into(&mut model.provider));
        }
    }

    /// Adds what is always there: the model `echo`, unless the user has one of that name.
    pub(super) fn add_built_in(&mut self) {
        if self.model_list.iter().all(|model| model.model_name != ECHO) {
            self.model_list.push(ModelConfig::echo());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_provider_is_that_of_models_without_one() {
        let model = |provider: &str, model: &str| ModelConfig {
            provider: provider.to_owned(),
            model: model.to_owned(),
            ..ModelConfig::default()
        };
        let model_list = vec![model("", "a"), model("groq", "b"), model("", "mistral/c")];
        let mut config = Config { model_list, ..Config::default() };
        let names = |config: &Config| {
            config.model_list.iter().map(|model| model.provider_name().to_owned()).collect::<Vec<_>>()
        };
        config.name_providers();
        assert_eq!(names(&config), ["openai", "groq", "mistral"]);
        config.agents.defaults.provider = "zhipu".to_owned();
        config.name_providers();
        assert_eq!(names(&config), ["zhipu", "groq", "mistral"]);
    }
}
