//! Servers that speak the Anthropic Messages protocol: `POST {api_base}/messages`.
//!
//! `body` writes requests, `blocks` the conversation in them, `assembly` puts an answer together.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use self::assembly::Answer;
use self::body::{Body, Dialect, Habits};
use super::catalog::BuildError;
use super::clients::HttpClients;
use super::error::ProviderError;
use super::exchange::{Connection, Failed, ask, endpoint, secret_header};
use super::provider::{ChatRequest, Completion, Deltas, Provider};
use super::spec::ModelSpec;

mod assembly;
mod blocks;
mod body;

/// Where Anthropic's own API is.
pub(super) const API_BASE: &str = "https://api.anthropic.com/v1";
/// The version of the protocol that is spoken here.
const VERSION: &str = "2023-06-01";

/// A model behind a server that speaks the Anthropic Messages protocol.
#[derive(Debug)]
pub struct Anthropic {
    name: String,
    uri: Uri,
    dialect: Dialect,
    connection: Connection,
    refuses_temperature: AtomicBool,
    wants_adaptive_thinking: AtomicBool,
}

impl Anthropic {
    /// Checks the fields of a configured model.
    pub(super) fn new(spec: &ModelSpec, api_base: &str, clients: &HttpClients) -> Result<Self, BuildError> {
        let base = api_base.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let (url, uri) = endpoint(spec, base, "/v1/messages")?;
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION));
        if let Some(key) = spec.api_key.as_deref().filter(|key| !key.is_empty()) {
            headers.insert(HeaderName::from_static("x-api-key"), secret_header(spec, "", key)?);
        }
        Ok(Self {
            name: spec.provider.clone(),
            uri,
            dialect: Dialect { extra_body: spec.extra_body.clone(), thinking: spec.thinking },
            connection: Connection::new(spec, "Anthropic Messages", &url, headers, clients)?,
            refuses_temperature: AtomicBool::new(false),
            wants_adaptive_thinking: AtomicBool::new(false),
        })
    }

    fn habits(&self) -> Habits {
        Habits {
            no_temperature: self.refuses_temperature.load(Ordering::Relaxed),
            adaptive_only: self.wants_adaptive_thinking.load(Ordering::Relaxed),
        }
    }

    /// Remembers how the model wants to be asked. Says whether that is news, so that the request is worth repeating.
    fn learn(&self, asked: Habits, failed: &Failed) -> bool {
        if failed.error.status != Some(400) {
            return false;
        }
        let speaks_of = |word: &str| failed.refusal.windows(word.len()).any(|part| part == word.as_bytes());
        let thinks = self.dialect.thinking.is_some();
        // The protocol has no word for a parameter that a model does not know; its name is all there is.
        let adaptive = thinks && !asked.adaptive_only && speaks_of("thinking.type");
        let temperature = !asked.no_temperature && !adaptive && speaks_of("temperature");
        self.wants_adaptive_thinking.fetch_or(adaptive, Ordering::Relaxed);
        self.refuses_temperature.fetch_or(temperature, Ordering::Relaxed);
        adaptive || temperature
    }
}

#[async_trait]
impl Provider for Anthropic {
    fn name(&self) -> &str {
        &self.name
    }

    async fn complete(
        &self,
        request: &ChatRequest<'_>,
        deltas: &mut dyn Deltas,
    ) -> Result<Completion, ProviderError> {
        let connection = &self.connection;
        let stream = request.stream && connection.streams();
        let write = || {
            let habits = self.habits();
            (habits, Body { request, dialect: &self.dialect, stream, habits }.to_bytes())
        };
        let learn = |habits: Habits, failed: &Failed| self.learn(habits, failed);
        ask::<Answer, _>(connection, &self.uri, deltas, stream, write, learn).await
    }
}

#[cfg(test)]
mod tests;
