//! Servers that speak the Gemini protocol: `POST {api_base}/models/{model}:generateContent`, and
//! `:streamGenerateContent?alt=sse` for pieces.
//!
//! `body` writes requests, `contents` the conversation in them, `schema` what tools take; `assembly` puts an answer
//! together.

use std::pin::pin;

use async_trait::async_trait;
use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName};

use self::assembly::Answer;
use self::body::{Body, Dialect};
use super::catalog::BuildError;
use super::clients::HttpClients;
use super::error::ProviderError;
use super::exchange::{Connection, endpoint, secret_header, uri};
use super::provider::{ChatRequest, Completion, Deltas, Provider};
use super::spec::ModelSpec;

mod assembly;
mod body;
mod contents;

/// Where Google's own API is.
pub(super) const API_BASE: &str = "https://generativelanguage.googleapis.com/v1beta";

/// A model behind a server that speaks the Gemini protocol.
#[derive(Debug)]
pub struct Gemini {
    name: String,
    whole: Uri,
    pieces: Uri,
    dialect: Dialect,
    connection: Connection,
}

impl Gemini {
    /// Checks the fields of a configured model.
    pub(super) fn new(spec: &ModelSpec, api_base: &str, clients: &HttpClients) -> Result<Self, BuildError> {
        let model = spec.model.strip_prefix("models/").unwrap_or(&spec.model);
        let (url, whole) = endpoint(spec, api_base, &format!("/models/{model}:generateContent"))?;
        let (mut stream, _) = endpoint(spec, api_base, &format!("/models/{model}:streamGenerateContent"))?;
        stream.query_pairs_mut().append_pair("alt", "sse");
        let pieces = uri(spec, &stream)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = spec.api_key.as_deref().filter(|key| !key.is_empty()) {
            headers.insert(HeaderName::from_static("x-goog-api-key"), secret_header(spec, "", key)?);
        }
        Ok(Self {
            name: spec.provider.clone(),
            whole,
            pieces,
            dialect: Dialect { extra_body: spec.extra_body.clone(), thinking: spec.thinking },
            connection: Connection::new(spec, "Gemini", &url, headers, clients)?,
        })
    }
}

#[async_trait]
impl Provider for Gemini {
    fn name(&self) -> &str {
        &self.name
    }

    async fn complete(
        &self,
        request: &ChatRequest<'_>,
        deltas: &mut dyn Deltas,
    ) -> Result<Completion, ProviderError> {
        let connection = &self.connection;
        let client = connection.client()?;
        let stream = request.stream && connection.streams();
        let uri = if stream { &self.pieces } else { &self.whole };
        let body = Body { request, dialect: &self.dialect }.to_bytes();
        let mut exchange = connection.exchange(deltas, stream);
        let result = exchange.run::<Answer>(pin!(connection.post(client, uri, body))).await;
        result.map_err(|failed| failed.error)
    }
}

#[cfg(test)]
mod tests;
