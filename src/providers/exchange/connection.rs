//! Where a configured model's server is, and how it is asked.

use std::sync::OnceLock;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::Url;

use super::attempt::Exchange;
use super::report::Reporter;
use crate::providers::catalog::BuildError;
use crate::providers::clients::HttpClients;
use crate::providers::error::{ProviderError, excerpt};
use crate::providers::provider::Deltas;
use crate::providers::spec::ModelSpec;
use crate::providers::transport::{Answer, Client, NAMELESS, TransportError};

/// The way to a server.
///
/// `request_timeout` bounds a whole attempt. When the answer streams it bounds the time to the first byte and every
/// gap between bytes instead, and five times as much the whole attempt, without the time that the receiver of the
/// pieces needed.
#[derive(Debug)]
pub(in crate::providers) struct Connection {
    headers: HeaderMap,
    streaming: bool,
    timeout: Duration,
    way: Way,
    reporter: Reporter,
    clients: HttpClients,
    client: OnceLock<Client>,
}

/// How its server is reached.
#[derive(Debug)]
enum Way {
    /// Plain HTTP to this server.
    Direct(Uri),
    /// With TLS, or through the proxy.
    Full { proxy: Option<String> },
}

impl Connection {
    /// Checks the fields of a configured model. `own` are the headers of the protocol, which those of the
    /// configuration replace.
    pub(in crate::providers) fn new(
        spec: &ModelSpec,
        protocol: &'static str,
        url: &Url,
        own: HeaderMap,
        clients: &HttpClients,
    ) -> Result<Self, BuildError> {
        if let Some(proxy) = &spec.proxy {
            // The URL may hold a password, so neither it nor the parser's text is shown.
            reqwest::Proxy::all(proxy.as_str()).map_err(|_| {
                BuildError::new(spec, "proxy", "is no proxy's URL: write it as http://host:port")
            })?;
        }
        let mut headers = headers(spec, own)?;
        let way = if is_direct(spec, url) {
            let problem = |error| BuildError::new(spec, "api_base", format!("is not a URL ({error})"));
            let server = Uri::try_from(format!("http://{}", url.authority())).map_err(problem)?;
            // The request's URI does not name it.
            let host = url.authority().try_into().expect("a URL has no characters that a header cannot have");
            headers.entry(HOST).or_insert(host);
            Way::Direct(server)
        } else {
            Way::Full { proxy: spec.proxy.clone() }
        };
        Ok(Self {
            headers,
            streaming: spec.streaming,
            timeout: spec.request_timeout,
            way,
            reporter: Reporter::new(spec, protocol, url),
            clients: clients.clone(),
            client: OnceLock::new(),
        })
    }

    /// Whether an answer comes in pieces if they are wanted.
    pub(in crate::providers) const fn streams(&self) -> bool {
        self.streaming
    }

    /// An attempt that begins now.
    pub(in crate::providers) fn exchange<'a>(
        &'a self,
        deltas: &'a mut dyn Deltas,
        stream: bool,
    ) -> Exchange<'a> {
        Exchange::new(&self.reporter, deltas, self.timeout, stream)
    }

    /// The client, made by the first attempt.
    pub(in crate::providers) fn client(&self) -> Result<&Client, ProviderError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = match &self.way {
            Way::Direct(server) => self.clients.direct(server),
            Way::Full { proxy } => {
                let client = self.clients.client(proxy.as_deref());
                Client::Full(client.map_err(|error| self.reporter.unreachable(&error.into()))?)
            }
        };
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends a body, and waits for the head of the answer.
    pub(in crate::providers) async fn post(
        &self,
        client: &Client,
        uri: &Uri,
        body: Vec<u8>,
    ) -> Result<Answer, TransportError> {
        client.post(uri, &self.headers, body).await
    }
}

/// The URL of an API with this path after its base, and what it is to the HTTP client.
pub(in crate::providers) fn endpoint(
    spec: &ModelSpec,
    api_base: &str,
    path: &str,
) -> Result<(Url, Uri), BuildError> {
    let url = parse(api_base, path).map_err(|problem| BuildError::new(spec, "api_base", problem))?;
    let uri = uri(spec, &url)?;
    Ok((url, uri))
}

/// What a URL is to the HTTP client.
pub(in crate::providers) fn uri(spec: &ModelSpec, url: &Url) -> Result<Uri, BuildError> {
    let uri = if is_direct(spec, url) {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{NAMELESS}{}{query}", url.path()).parse()
    } else {
        url.as_str().parse()
    };
    uri.map_err(|error| BuildError::new(spec, "api_base", format!("is not a URL ({error}): {REMEDY}")))
}

/// Such a server is near, and there is nothing between us and it.
fn is_direct(spec: &ModelSpec, url: &Url) -> bool {
    url.scheme() == "http" && spec.proxy.is_none()
}

const REMEDY: &str = "write it as http://host:port/v1 or https://host/v1";

fn parse(api_base: &str, path: &str) -> Result<Url, String> {
    let mut url = Url::parse(api_base).map_err(|error| format!("is not a URL ({error}): {REMEDY}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("is not the URL of an HTTP server: {REMEDY}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "holds a user or a password: send them as an `Authorization` of custom_headers".to_owned()
        );
    }
    let path = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

/// The value of a header that carries the key.
pub(in crate::providers) fn secret_header(
    spec: &ModelSpec,
    prefix: &str,
    key: &str,
) -> Result<HeaderValue, BuildError> {
    let mut value = HeaderValue::from_str(&format!("{prefix}{key}")).map_err(|_| {
        BuildError::new(spec, "api_keys", "holds characters that no key has: look for line ends and quotes")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The headers of every request.
fn headers(spec: &ModelSpec, own: HeaderMap) -> Result<HeaderMap, BuildError> {
    let mut headers = own;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = spec.user_agent.as_deref().unwrap_or(concat!("PicoClaw/", env!("CARGO_PKG_VERSION")));
    let agent = HeaderValue::from_str(agent)
        .map_err(|_| BuildError::new(spec, "user_agent", "holds characters that a header cannot"))?;
    headers.insert(USER_AGENT, agent);
    for (name, value) in &spec.custom_headers {
        let problem = || {
            let name = excerpt(name);
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
