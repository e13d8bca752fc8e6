//! `gateway.metrics.auth` and `gateway.health_check.details`: who may see what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::SecretString;

/// What a scrape must show. With neither a token nor a user everybody may scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScrapeAuth {
    /// What a scrape must show as bearer token. Without it, and without `username`, everybody may scrape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    /// A user who may scrape with `password` (basic authentication), besides who shows the token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The password of `username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretString>,
}

impl ScrapeAuth {
    /// Whether everybody may scrape.
    pub fn is_open(&self) -> bool {
        self.token.is_none() && self.user().is_none()
    }

    /// The user with the password, if there is one.
    pub fn user(&self) -> Option<(&str, &SecretString)> {
        self.password
            .as_ref()
            .filter(|_| !self.username.is_empty())
            .map(|word| (self.username.as_str(), word))
    }
}

/// Who sees more than the basic keys of the health endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthDetails {
    /// Everybody.
    #[default]
    Everyone,
    /// Who shows what `gateway.metrics.auth` asks for; others get the basic keys.
    Authenticated,
}
