//! Servers that speak the OpenAI protocol: `POST {api_base}/chat/completions`.
//!
//! `body` writes requests, `wire` reads answers, `assembly` puts a streamed answer together.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Map, Value, json};

use self::assembly::Answer;
use self::body::{Body, Dialect, Refused};
use super::catalog::BuildError;
use super::clients::HttpClients;
use super::error::ProviderError;
use super::exchange::{Connection, ErrorBody, Failed, ask, endpoint, secret_header};
use super::provider::{ChatRequest, Completion, Deltas, Provider};
use super::spec::{ModelSpec, Thinking};
use super::vendors::{Thinks, Vendor};

mod assembly;
mod body;
mod wire;

/// A model behind a server that speaks the OpenAI protocol.
#[derive(Debug)]
pub struct OpenAi {
    name: String,
    uri: Uri,
    dialect: Dialect,
    connection: Connection,
    refuses_stream_options: AtomicBool,
    refuses_temperature: AtomicBool,
}

impl OpenAi {
    /// Checks the fields of a configured model.
    pub(super) fn new(
        spec: &ModelSpec,
        api_base: &str,
        vendor: Option<&Vendor>,
        clients: &HttpClients,
    ) -> Result<Self, BuildError> {
        let path = vendor.map_or("", |vendor| vendor.path);
        let base = api_base.trim_end_matches('/');
        let base = base.strip_suffix(path).unwrap_or(base);
        let (url, uri) = endpoint(spec, base, &format!("{path}/chat/completions"))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = spec.api_key.as_deref().filter(|key| !key.is_empty()) {
            headers.insert(AUTHORIZATION, secret_header(spec, "Bearer ", key)?);
        }
        Ok(Self {
            name: vendor.map_or_else(|| spec.provider.clone(), |vendor| vendor.name.to_owned()),
            dialect: Dialect {
                max_tokens_field: max_tokens_field(spec, vendor),
                extra_body: extra_body(spec, vendor),
                replays_reasoning: vendor.is_some_and(|vendor| vendor.replays_reasoning),
                signs_tool_calls: vendor.is_some_and(|vendor| vendor.signs_tool_calls),
            },
            connection: Connection::new(spec, "OpenAI", &url, headers, clients)?,
            uri,
            refuses_stream_options: AtomicBool::new(false),
            refuses_temperature: AtomicBool::new(false),
        })
    }

    /// The optional fields that the next request does without.
    fn left_out(&self, stream: bool) -> Refused {
        Refused {
            stream_options: !stream || self.refuses_stream_options.load(Ordering::Relaxed),
            temperature: self.refuses_temperature.load(Ordering::Relaxed),
        }
    }

    /// Remembers fields that the server refuses. Says whether this request held one, so that it is worth repeating.
    fn learn(&self, left_out: Refused, found: Refused) -> bool {
        let news = |known: &AtomicBool, left_out: bool, found: bool| {
            let news = found && !left_out;
            known.fetch_or(news, Ordering::Relaxed);
            news
        };
        let stream_options =
            news(&self.refuses_stream_options, left_out.stream_options, found.stream_options);
        let temperature = news(&self.refuses_temperature, left_out.temperature, found.temperature);
        stream_options || temperature
    }
}

#[async_trait]
impl Provider for OpenAi {
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
            let left_out = self.left_out(stream);
            (left_out, Body { request, dialect: &self.dialect, stream, refused: left_out }.to_bytes())
        };
        let learn = |left_out: Refused, failed: &Failed| self.learn(left_out, refused_fields(failed));
        ask::<Answer, _>(connection, &self.uri, deltas, stream, write, learn).await
    }
}

fn max_tokens_field(spec: &ModelSpec, vendor: Option<&Vendor>) -> Option<String> {
    let configured = spec.max_tokens_field.clone().filter(|field| !field.is_empty());
    let wanted = vendor.filter(|vendor| vendor.max_completion_tokens);
    configured.or_else(|| wanted.map(|_| "max_completion_tokens".to_owned()))
}

/// The configured fields, and those that follow from other settings unless the former say otherwise.
fn extra_body(spec: &ModelSpec, vendor: Option<&Vendor>) -> Map<String, Value> {
    let mut body = Map::new();
    if vendor.is_some_and(|vendor| vendor.splits_reasoning) {
        body.insert("reasoning_split".to_owned(), true.into());
    }
    match (spec.thinking, vendor.map_or(Thinks::Effort, |vendor| vendor.thinks)) {
        // A model that decides itself is one that is told nothing.
        (None | Some(Thinking::Adaptive), _) => {}
        (Some(_), Thinks::Switch) => drop(body.insert("thinking".to_owned(), json!({ "type": "enabled" }))),
        (Some(level), Thinks::Effort) => {
            let effort = match level {
                Thinking::Low => "low",
                Thinking::Medium | Thinking::Adaptive => "medium",
                Thinking::High => "high",
                Thinking::XHigh => "xhigh",
            };
            body.insert("reasoning_effort".to_owned(), effort.into());
        }
    }
    body.extend(spec.extra_body.clone());
    body
}

/// The optional fields that the server does not know, as far as it says so. A value that is merely out of range is
/// the caller's mistake, which must show.
fn refused_fields(failed: &Failed) -> Refused {
    if failed.error.status != Some(400) {
        return Refused::default();
    }
    let error = ErrorBody::parse(&failed.refusal);
    let unknown = matches!(error.code.as_deref(), Some("unsupported_value" | "unsupported_parameter"));
    let name = b"stream_options";
    Refused {
        stream_options: failed.refusal.windows(name.len()).any(|part| part == name),
        temperature: unknown && error.param.as_deref() == Some("temperature"),
    }
}

#[cfg(test)]
mod tests;
