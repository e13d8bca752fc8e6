//! What a provider needs to know of a configured model.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde_json::{Map, Value};

use super::catalog::ECHO;

/// How long an attempt may take when the configuration does not say.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// How much a model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thinking {
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

/// A configured model: what a provider needs to know to answer for it.
#[derive(Clone)]
pub struct ModelSpec {
    /// The configured name (`model_name`), for messages to the operator.
    pub name: String,
    /// The vendor: `echo`, a known one, or any word together with `api_base`.
    pub provider: String,
    /// The model's id on the wire.
    pub model: String,
    /// Where the API is; `None` for the vendor's own address.
    pub api_base: Option<String>,
    /// The key, sent as a bearer token; `None` for servers that want none.
    pub api_key: Option<String>,
    /// URL of the HTTP proxy on the way there.
    pub proxy: Option<String>,
    /// How long an attempt may take: see [`OpenAi`](super::openai::OpenAi) for what it bounds when the answer streams.
    pub request_timeout: Duration,
    /// The field that bounds the answer's length; `None` for `max_tokens` or what the model's name demands.
    pub max_tokens_field: Option<String>,
    /// Fields put into every request; they win over the gateway's own.
    pub extra_body: Map<String, Value>,
    /// Headers put into every request; they win over the gateway's own.
    pub custom_headers: Vec<(String, String)>,
    /// Whether the server can stream. If not, it is asked for whole answers only.
    pub streaming: bool,
    /// The `User-Agent`; `None` for `PicoClaw/<version>`.
    pub user_agent: Option<String>,
    /// How much the model thinks; `None` for what it does by itself.
    pub thinking: Option<Thinking>,
    /// Whether tools are described in the simplest words.
    pub simple_tools: bool,
}

impl ModelSpec {
    /// A model with nothing but its three names.
    pub fn new(name: impl Into<String>, provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            provider: provider.into(),
            model: model.into(),
            api_base: None,
            api_key: None,
            proxy: None,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            max_tokens_field: None,
            extra_body: Map::new(),
            custom_headers: Vec::new(),
            streaming: true,
            user_agent: None,
            thinking: None,
            simple_tools: false,
        }
    }

    /// A number that is the same for entries that are written in the same way, in this process.
    pub fn identity(&self) -> u64 {
        // Every field is taken apart here, so that none is forgotten.
        let Self {
            name,
            provider,
            model,
            api_base,
            api_key,
            proxy,
            request_timeout,
            max_tokens_field,
            extra_body,
            custom_headers,
            streaming,
            user_agent,
            thinking,
            simple_tools,
        } = self;
        let mut hasher = DefaultHasher::new();
        (name, provider, model, api_base, api_key, proxy).hash(&mut hasher);
        (
            request_timeout,
            max_tokens_field,
            extra_body,
            custom_headers,
            streaming,
            user_agent,
            thinking,
            simple_tools,
        )
            .hash(&mut hasher);
        hasher.finish()
    }

    /// The built-in model, which needs no network.
    pub fn echo() -> Self {
        Self::new(ECHO, ECHO, ECHO)
    }
}

/// Without the key, and without whatever may hold another secret: proxy, headers, extra fields.
impl fmt::Debug for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSpec")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("api_key", &self.api_key.as_ref().map(|_| "[redacted]"))
            .field("request_timeout", &self.request_timeout)
            .field("streaming", &self.streaming)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_secrets() {
        let mut spec = ModelSpec::new("m", "openai", "id");
        spec.api_key = Some("sk-secret".into());
        spec.custom_headers = vec![("x-key".into(), "hunter22".into())];
        spec.proxy = Some("http://user:hunter22@proxy".into());
        let debug = format!("{spec:?}");
        assert!(!debug.contains("sk-secret") && !debug.contains("hunter22"), "{debug}");
    }
}
