//! `tools.skills`: where skills come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretString;

/// Where skills are found and installed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SkillsConfig {
    /// Whether the agent may ask registries.
    pub enabled: bool,
    /// The registries.
    pub registries: SkillRegistriesConfig,
}

impl Default for SkillsConfig {
    fn default() -> Self {
        Self { enabled: true, registries: SkillRegistriesConfig::default() }
    }
}

/// The registries of skills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SkillRegistriesConfig {
    /// ClawHub.
    pub clawhub: SkillRegistryConfig,
    /// Repositories of GitHub, or of another host that offers archives under the same addresses.
    pub github: SkillRegistryConfig,
}

/// A registry of skills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SkillRegistryConfig {
    /// Whether skills may come from it.
    pub enabled: bool,
    /// Its address; empty for the usual one. A private one, or one without https, must be in
    /// `tools.web.private_host_whitelist`.
    pub base_url: String,
    /// The token that it is shown.
    #[serde(skip_serializing_if = "SecretString::is_empty")]
    pub auth_token: SecretString,
}

impl Default for SkillRegistryConfig {
    fn default() -> Self {
        Self { enabled: true, base_url: String::new(), auth_token: SecretString::default() }
    }
}
