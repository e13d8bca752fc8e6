//! `/reload`, with the codes and bodies of the existing PicoClaw.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::header::{ALLOW, AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use picoclaw_telemetry::words::HttpRejection;
use serde_json::json;
use tokio::time::timeout;
use warp::reply::Response;

use super::observer::Observer;
use super::reply;

/// Reads the configuration again.
#[async_trait]
pub trait Reloader: Send + Sync {
    /// Returns when the new configuration is in force, or says why the old one still is.
    async fn reload(&self) -> Result<Reloaded, ReloadError>;
}

/// A new configuration is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that have changed and are in force.
    pub changed: Vec<String>,
    /// What became of the sinks, if anything did.
    pub sinks: Option<String>,
    /// Settings that have changed and take effect with the next start only.
    pub needs_restart: Vec<&'static str>,
}

impl Reloaded {
    /// The existing PicoClaw's answer, and what it cannot say.
    fn to_json(&self) -> String {
        let mut document = json!({ "status": "reload triggered" });
        if !self.changed.is_empty() {
            document["changed"] = json!(self.changed);
        }
        if let Some(sinks) = &self.sinks {
            document["sinks"] = json!(sinks);
        }
        if !self.needs_restart.is_empty() {
            document["needs_restart"] = json!(self.needs_restart);
        }
        document.to_string()
    }
}

/// Why nothing changed, for a person: the path, the value and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReloadError(pub String);

/// How long a caller waits for the end of a reload. The reload itself goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// The administrative routes.
pub struct Admin {
    token: Option<Token>,
    reloader: Option<Arc<dyn Reloader>>,
    observer: Arc<dyn Observer>,
}

impl Admin {
    /// `token` is the one of the pid file; without it nobody is let in. Without a `reloader` callers get a 503.
    pub fn new(
        token: Option<Token>,
        reloader: Option<Arc<dyn Reloader>>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self { token, reloader, observer }
    }

    /// Answers at `/reload`.
    pub async fn reload(&self, method: &Method, headers: &HeaderMap) -> Response {
        if method != Method::POST {
            let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed, use POST");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        if !self.token.as_ref().is_some_and(|token| token.is_borne_by(headers)) {
            self.observer.rejected(HttpRejection::Unauthorized);
            return error(StatusCode::UNAUTHORIZED, "unauthorized");
        }
        let Some(reloader) = self.reloader.clone() else {
            return error(StatusCode::SERVICE_UNAVAILABLE, "reload not configured");
        };
        // A task of its own: a caller who goes away must not stop a reload half-way.
        let reload = tokio::spawn(async move { reloader.reload().await });
        match timeout(PATIENCE, reload).await {
            Ok(Ok(Ok(reloaded))) => reply::json(StatusCode::OK, reloaded.to_json()),
            Ok(Ok(Err(ReloadError(why)))) => error(StatusCode::INTERNAL_SERVER_ERROR, &why),
            Ok(Err(_)) => error(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed inside"),
            Err(_) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, "the reload is still going on after 30 seconds")
            }
        }
    }
}

fn error(status: StatusCode, why: &str) -> Response {
    reply::json(status, json!({ "error": why }).to_string())
}

/// A secret that callers prove to know.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// `None` for an empty text: it would let everybody in.
    pub fn new(secret: impl Into<String>) -> Option<Self> {
        let secret = secret.into();
        (!secret.is_empty()).then_some(Self(secret))
    }

    /// The secret itself, for whoever masks it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the request has `Authorization: Bearer` with this token.
    pub fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        header
            .and_then(|header| credential(header, "bearer"))
            .is_some_and(|presented| self.matches(presented))
    }

    /// Compares in a time that does not depend on where the texts differ.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let difference =
            secret.iter().zip(presented).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
        secret.len() == presented.len() && difference == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The credential of an `Authorization` header of this scheme, which may be in any case (RFC 9110, section 11.1).
pub(super) fn credential<'a>(header: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (found, rest) = header.split_at_checked(scheme.len())?;
    let credential = rest.strip_prefix(b" ")?;
    found.eq_ignore_ascii_case(scheme.as_bytes()).then(|| credential.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_itself_only() {
        let token = Token::new("secret").unwrap();
        assert!(token.matches(b"secret"));
        for other in ["", "secre", "secrets", "Secret", "secreT"] {
            assert!(!token.matches(other.as_bytes()), "{other}");
        }
        assert_eq!(Token::new(""), None);
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn the_bearer_scheme_is_recognised_in_any_case() {
        let token = Token::new("secret").unwrap();
        for (header, expected) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Basic secret", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("secret", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
            assert_eq!(token.is_borne_by(&headers), expected, "{header}");
        }
        assert!(!token.is_borne_by(&HeaderMap::new()));
    }
}
