//! Who may ask.
//!
//! Two kinds of callers are dangerous on a machine where the gateway runs without a key: programs elsewhere,
//! and web pages that the browser of this machine shows. The first are kept out by the addresses of the
//! connection. The second reach loopback addresses, and the browser tells on them by `Origin`; a page that had
//! its own name point to a loopback address ("DNS rebinding") is recognised by the name in `Host`.

use std::net::IpAddr;

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use picoclaw_telemetry::words::HttpRejection;
use warp::reply::Response;

use crate::http::ConnInfo;
use crate::http::admin::Token;
use crate::http::reply::ApiError;

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `gateway.api_key`. Without it only this machine may ask.
    pub api_key: Option<Token>,
    /// The token of the pid file: whoever can read that file runs the gateway.
    pub operator: Option<Token>,
    /// Origins of web pages that may ask, besides those of this machine; `*` for all.
    pub allow_origins: Vec<String>,
    /// Names by which the gateway is reached, besides loopback names and literal addresses.
    pub hosts: Vec<String>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who knows the token of the pid file.
    Operator,
    /// Somebody who knows the key.
    KeyHolder,
    /// A program on this machine.
    Local,
}

impl Caller {
    /// Whether it is somebody who may read the pid file.
    pub fn is_operator(self) -> bool {
        self == Self::Operator
    }
}

/// Why somebody may not ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The key is missing or wrong.
    WrongKey,
    /// No key is configured and the caller is not on this machine, or the gateway listens for others too.
    NoKey,
    /// A web page of this origin.
    Origin(String),
    /// The gateway was reached by this name.
    Host(String),
}

impl Denied {
    /// The word for it.
    pub fn rejection(&self) -> HttpRejection {
        match self {
            Self::WrongKey | Self::NoKey => HttpRejection::Unauthorized,
            Self::Origin(_) | Self::Host(_) => HttpRejection::ForbiddenOrigin,
        }
    }

    /// The answer to the caller.
    pub fn to_error(&self) -> ApiError {
        match self {
            Self::WrongKey => ApiError::new(
                StatusCode::UNAUTHORIZED,
                "invalid_api_key",
                "the API key is missing or wrong: send `Authorization: Bearer <gateway.api_key>`",
            ),
            Self::NoKey => ApiError::new(
                StatusCode::UNAUTHORIZED,
                "api_key_required",
                "without a key only programs on this machine may ask, and only while the gateway listens on a \
                 loopback address: set gateway.api_key in the configuration and send it as `Authorization: Bearer`",
            ),
            Self::Origin(origin) => ApiError::new(
                StatusCode::FORBIDDEN,
                "forbidden_origin",
                format!(
                    "web pages of {origin} may not ask: add the origin to allow_origins in the configuration"
                ),
            ),
            Self::Host(host) => ApiError::new(
                StatusCode::FORBIDDEN,
                "forbidden_host",
                format!(
                    "without a key the gateway does not answer under the name {host}: use localhost or an address, \
                     or set gateway.api_key"
                ),
            ),
        }
    }
}

impl Access {
    /// Whether the page that sends the request, if it is a page, may ask at all.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(());
        };
        match origin.to_str() {
            Ok(origin) if self.allows(origin) => Ok(()),
            _ => Err(Denied::Origin(printable(origin))),
        }
    }

    /// Who asks, if it may. `writes` tells whether the request changes or costs anything.
    pub fn check(&self, headers: &HeaderMap, conn: ConnInfo, writes: bool) -> Result<Caller, Denied> {
        let knows = |token: &Option<Token>| token.as_ref().is_some_and(|token| token.is_borne_by(headers));
        if knows(&self.operator) {
            return Ok(Caller::Operator);
        }
        if knows(&self.api_key) {
            return Ok(Caller::KeyHolder);
        }
        if self.api_key.is_some() {
            return Err(Denied::WrongKey);
        }
        if !conn.is_local() {
            return Err(Denied::NoKey);
        }
        if let Some(host) = headers.get(HOST).filter(|_| writes)
            && !host.to_str().is_ok_and(|host| self.knows_host(host))
        {
            return Err(Denied::Host(printable(host)));
        }
        Ok(Caller::Local)
    }

    /// Lets the page read the answer.
    pub fn add_cors(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let Some(origin) = request.get(ORIGIN) else { return };
        response.append(VARY, HeaderValue::from_static("Origin"));
        if origin.to_str().is_ok_and(|origin| self.allows(origin)) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("x-session-id, retry-after, x-should-retry"),
            );
        }
    }

    fn allows(&self, origin: &str) -> bool {
        let listed =
            |allowed: &String| allowed == "*" || allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| is_loopback_name(host_of(authority)))
            || self.allow_origins.iter().any(listed)
    }

    fn knows_host(&self, host: &str) -> bool {
        let name = host_of(host);
        is_loopback_name(name)
            || literal(name).is_some()
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The answer to a browser that asks whether a page may ask.
pub fn preflight(request: &HeaderMap) -> Response {
    let mut response = Response::new(Default::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    // OpenAI's own clients send many headers of their own: the origin decides, not the header.
    let wanted = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let usual = HeaderValue::from_static("authorization, content-type, x-session-id");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(usual));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if request.contains_key(PRIVATE_NETWORK_ASKED) {
        headers.insert(PRIVATE_NETWORK_ALLOWED, HeaderValue::from_static("true"));
    }
    response
}

/// Chrome asks this before a page on the internet talks to a machine of the local network.
const PRIVATE_NETWORK_ASKED: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK_ALLOWED: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The host of `host:port`; brackets of an IPv6 literal stay.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    // RFC 6761, section 6.3: names below localhost are loopback too.
    let below = name.len() > 10 && name.as_bytes()[name.len() - 10..].eq_ignore_ascii_case(b".localhost");
    name.eq_ignore_ascii_case("localhost")
        || below
        || literal(host).is_some_and(|ip| ip.to_canonical().is_loopback())
}

fn printable(value: &HeaderValue) -> String {
    value
        .as_bytes()
        .iter()
        .take(200)
        .map(|byte| if byte.is_ascii_graphic() { *byte as char } else { '?' })
        .collect()
}
