//! Servers that speak the OpenAI protocol: `POST {api_base}/chat/completions`.
//!
//! * [`sse`] cuts a streamed body into events.
//! * `body` writes requests, `wire` reads answers, `assembly` puts a streamed answer together.
//! * `exchange` is one request with its answer, within its time limits; `events` reads a streamed one.
//! * `failure` judges error answers, `report` puts them into words.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hyper::Uri;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::Url;

use self::body::{Body, Dialect, Refused};
use self::exchange::Exchange;
use self::report::Reporter;
use super::catalog::{BuildError, ModelSpec};
use super::clients::HttpClients;
use super::error::ProviderError;
use super::provider::{ChatRequest, Completion, Deltas, Provider};
use super::transport::Client;
use super::vendors::Vendor;

mod assembly;
mod body;
mod events;
mod exchange;
mod failure;
mod report;
pub mod sse;
mod wire;

/// A model behind a server that speaks the OpenAI protocol.
///
/// `request_timeout` bounds a whole attempt. When the answer streams it bounds the time to the first byte and every
/// gap between bytes instead, and five times as much the whole attempt, without the time that the receiver of the
/// pieces needed.
#[derive(Debug)]
pub struct OpenAi {
    name: String,
    uri: Uri,
    headers: HeaderMap,
    dialect: Dialect,
    streaming: bool,
    timeout: Duration,
    proxy: Option<String>,
    reporter: Reporter,
    clients: HttpClients,
    client: OnceLock<Client>,
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
        let (url, uri) = endpoint(api_base).map_err(|problem| BuildError::new(spec, "api_base", problem))?;
        if let Some(proxy) = &spec.proxy {
            // The URL may hold a password, so neither it nor the parser's text is shown.
            reqwest::Proxy::all(proxy.as_str()).map_err(|_| {
                BuildError::new(spec, "proxy", "is no proxy's URL: write it as http://host:port")
            })?;
        }
        Ok(Self {
            name: vendor.map_or_else(|| spec.provider.clone(), |vendor| vendor.name.to_owned()),
            headers: headers(spec)?,
            dialect: Dialect {
                max_tokens_field: spec.max_tokens_field.clone().filter(|field| !field.is_empty()),
                extra_body: spec.extra_body.clone(),
                replays_reasoning: vendor.is_some_and(|vendor| vendor.replays_reasoning),
                signs_tool_calls: vendor.is_some_and(|vendor| vendor.signs_tool_calls),
            },
            streaming: spec.streaming,
            timeout: spec.request_timeout,
            proxy: spec.proxy.clone(),
            reporter: Reporter::new(spec, &url),
            uri,
            clients: clients.clone(),
            client: OnceLock::new(),
            refuses_stream_options: AtomicBool::new(false),
            refuses_temperature: AtomicBool::new(false),
        })
    }

    /// The client, made by the first attempt.
    fn client(&self) -> Result<&Client, ProviderError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self
            .clients
            .client(self.uri.scheme_str() == Some("https"), self.proxy.as_deref())
            .map_err(|error| self.reporter.unreachable(&error.into()))?;
        Ok(self.client.get_or_init(|| client))
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
        let client = self.client()?;
        let stream = request.stream && self.streaming;
        let mut exchange = Exchange::new(&self.reporter, deltas, self.timeout, stream);
        // At most once more for each field that the server may refuse.
        loop {
            let left_out = self.left_out(stream);
            let body = Body { request, dialect: &self.dialect, stream, refused: left_out }.to_bytes();
            match exchange.run(client.post(&self.uri, &self.headers, body)).await {
                Err(failed) if self.learn(left_out, failed.refused) => {}
                Err(failed) => return Err(failed.error),
                Ok(completion) => return Ok(completion),
            }
        }
    }
}

/// The reason that an error answer with this status has, if it says no more.
pub(super) fn reason_for_status(status: u16) -> picoclaw_telemetry::words::FailureReason {
    failure::classify(Some(status), &failure::ErrorBody::default())
}

/// The URL to post to.
fn endpoint(api_base: &str) -> Result<(Url, Uri), String> {
    const REMEDY: &str = "write it as http://host:port/v1 or https://host/v1";
    let mut url = Url::parse(api_base).map_err(|error| format!("is not a URL ({error}): {REMEDY}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("is not the URL of an HTTP server: {REMEDY}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "holds a user or a password: send them as an `Authorization` of custom_headers".to_owned()
        );
    }
    let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_fragment(None);
    let uri = url.as_str().parse().map_err(|error| format!("is not a URL ({error}): {REMEDY}"))?;
    Ok((url, uri))
}

/// The headers of every request; those of the configuration replace the gateway's own.
fn headers(spec: &ModelSpec) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = spec.user_agent.as_deref().unwrap_or(concat!("PicoClaw/", env!("CARGO_PKG_VERSION")));
    let agent = HeaderValue::from_str(agent)
        .map_err(|_| BuildError::new(spec, "user_agent", "holds characters that a header cannot"))?;
    headers.insert(USER_AGENT, agent);
    if let Some(key) = spec.api_key.as_deref().filter(|key| !key.is_empty()) {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
            BuildError::new(
                spec,
                "api_keys",
                "holds characters that no key has: look for line ends and quotes",
            )
        })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    for (name, value) in &spec.custom_headers {
        let problem = || {
            let name = super::error::excerpt(name);
            BuildError::new(
                spec,
                "custom_headers",
                format!("`{name}` is no valid header: check its name and value"),
            )
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| problem())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
