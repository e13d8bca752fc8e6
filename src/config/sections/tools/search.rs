//! `tools.web`: search engines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretString;

/// A search engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SearchEngineConfig {
    /// Whether it may be asked.
    pub enabled: bool,
    /// The key.
    #[serde(skip_serializing_if = "SecretString::is_empty")]
    pub api_key: SecretString,
    /// Several keys, which are tried in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_keys: Vec<SecretString>,
    /// Another address than the usual one.
    pub base_url: String,
    /// For `glm_search`, which of its indexes is asked: `search_std` unless it says another.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub search_engine: String,
    /// For `gemini`, which model searches: `gemini-2.5-flash` unless it says another.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Most results.
    #[schemars(range(min = 1, max = 10))]
    pub max_results: u64,
}

impl Default for SearchEngineConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            api_key: SecretString::default(),
            api_keys: Vec::new(),
            base_url: String::new(),
            search_engine: String::new(),
            model: String::new(),
            max_results: 5,
        }
    }
}

impl SearchEngineConfig {
    /// The keys, in the order in which they are tried.
    pub fn keys(&self) -> impl Iterator<Item = &SecretString> {
        self.api_keys.iter().chain([&self.api_key]).filter(|key| !key.is_empty())
    }
}
