//! Texts that must not be seen.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// A secret text: it shows itself only to who asks by [`expose`](Self::expose).
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretString(String);

impl SecretString {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for SecretString {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(MASK)
    }
}

impl JsonSchema for SecretString {
    fn schema_name() -> Cow<'static, str> {
        "SecretString".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "password", "writeOnly": true})
    }
}

/// Whether values under this key are secret, going by what such keys are called in this configuration and in HTTP.
pub fn is_secret_key(key: &str) -> bool {
    const ENDINGS: [&str; 11] = [
        "token",
        "secret",
        "password",
        "passphrase",
        "apikey",
        "api_keys",
        "_key",
        "authorization",
        "credential",
        "credentials",
        "webhook_url",
    ];
    let key = key.to_ascii_lowercase().replace('-', "_");
    ENDINGS.iter().any(|ending| key.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_only_when_asked() {
        let secret = SecretString::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()),
            "*** *** \"***\""
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn secret_keys_are_known_by_name() {
        for key in ["api_key", "api_keys", "token", "bot_token", "app_secret", "X-Api-Key", "Authorization"] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in ["max_tokens", "allow_token_query", "model_name", "keys"] {
            assert!(!is_secret_key(key), "{key}");
        }
    }
}
