//! Failures in words: what happened, where, and what to do about it.

use std::fmt;
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use picoclaw_telemetry::words::FailureReason;
use reqwest::Url;

use super::failure::{ErrorBody, classify, retry_after};
use crate::providers::error::{ProviderError, excerpt};
use crate::providers::spec::ModelSpec;
use crate::providers::transport::TransportError;

/// Shorter texts are no secrets, and hiding them would garble messages.
const MIN_SECRET: usize = 6;

/// Writes the errors of one configured model.
pub(super) struct Reporter {
    provider: String,
    protocol: &'static str,
    entry: String,
    host: String,
    secrets: Vec<String>,
}

impl Reporter {
    pub(super) fn new(spec: &ModelSpec, protocol: &'static str, url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let headers = spec.custom_headers.iter().map(|(_, value)| value);
        let mut secrets: Vec<String> =
            spec.api_key.iter().chain(headers).filter(|text| text.len() >= MIN_SECRET).cloned().collect();
        // A secret may hold another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { provider: spec.provider.clone(), protocol, entry: spec.name.clone(), host, secrets }
    }

    /// An error answer.
    pub(super) fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        let error = ErrorBody::parse(body);
        let reason = classify(Some(status), &error);
        let wait = retry_after(headers, SystemTime::now()).or(error.wait);
        let said = error.message.clone().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        let label = error.label().map(|label| format!(" ({label})")).unwrap_or_default();
        let what = format!("{} answered {status}{label}", self.provider);
        self.error(reason, Some(status), wait, &what, &said)
    }

    /// An error object in the middle of, or instead of, a good answer.
    pub(super) fn failed_within(&self, status: u16, error: &ErrorBody) -> ProviderError {
        let reason = classify(None, error);
        let label = error.label().map(|label| format!(" ({label})")).unwrap_or_default();
        let what = format!("{} answered with an error{label}", self.provider);
        self.error(reason, Some(status), None, &what, error.message.as_deref().unwrap_or_default())
    }

    /// An answer that the protocol does not know.
    pub(super) fn malformed(&self, status: u16, problem: impl fmt::Display, body: &[u8]) -> ProviderError {
        let what = format!("{} gave no answer of the {} protocol: {problem}", self.provider, self.protocol);
        let said = String::from_utf8_lossy(&body[..body.len().min(2048)]);
        self.error(FailureReason::BadResponse, Some(status), None, &what, &said)
    }

    /// An answer that broke off.
    pub(super) fn cut(&self, status: u16, problem: impl fmt::Display) -> ProviderError {
        let what = format!("the answer of {} broke off: {problem}", self.provider);
        self.error(FailureReason::CutStream, Some(status), None, &what, "")
    }

    /// An answer whose transfer failed.
    pub(super) fn broken(&self, status: u16, error: &TransportError) -> ProviderError {
        self.cut(status, error)
    }

    /// No answer in time.
    pub(super) fn timeout(&self, waited_for: &str, limit: Duration) -> ProviderError {
        let what = format!("{} sent no {waited_for} within {} s", self.provider, limit.as_secs_f64());
        self.error(FailureReason::Timeout, None, None, &what, "")
    }

    /// No answer at all: no connection, or one that was closed.
    pub(super) fn unreachable(&self, error: &TransportError) -> ProviderError {
        if error.is_parse() {
            let what = format!("{} at {} does not speak HTTP: {error}", self.provider, self.host);
            return self.error(FailureReason::BadResponse, None, None, &what, "");
        }
        let what = if error.is_connecting() {
            format!("{} could not be reached at {}: {error}", self.provider, self.host)
        } else {
            format!("{} at {} closed the connection without an answer: {error}", self.provider, self.host)
        };
        self.error(FailureReason::Network, None, None, &what, "")
    }

    fn error(
        &self,
        reason: FailureReason,
        status: Option<u16>,
        retry_after: Option<Duration>,
        what: &str,
        said: &str,
    ) -> ProviderError {
        let mut message = format!("{}: {}", self.redact(what), self.remedy(reason, status));
        if let Some(wait) = retry_after {
            message.push_str(&format!("; it asks to wait {} s", wait.as_secs_f64()));
        }
        // Hidden before it is shortened, or half a secret could remain.
        let said = excerpt(&self.redact(said));
        if !said.is_empty() {
            message.push_str("; it said: ");
            message.push_str(&said);
        }
        ProviderError { reason, status, retry_after, partial: false, local: false, message, said }
    }

    fn remedy(&self, reason: FailureReason, status: Option<u16>) -> String {
        let entry = format!("model_list entry `{}`", self.entry);
        match (reason, status) {
            (FailureReason::Auth, _) => format!("check api_keys of {entry}"),
            (FailureReason::Billing, _) => format!("add credit to the account, or other api_keys to {entry}"),
            (FailureReason::RateLimit, _) => format!("send less, or add api_keys or fallbacks to {entry}"),
            (FailureReason::Overloaded | FailureReason::Server | FailureReason::CutStream, _) => {
                format!("try again later, or add fallbacks to {entry}")
            }
            (FailureReason::Timeout, _) => format!("try again later, or raise request_timeout of {entry}"),
            (FailureReason::Network, _) => format!("check the network, and api_base and proxy of {entry}"),
            (FailureReason::BadRequest, Some(404)) => format!("check api_base and model of {entry}"),
            (FailureReason::BadRequest, _) => format!("check model and extra_body of {entry}"),
            (FailureReason::ContextOverflow, _) => {
                format!("shorten the conversation, or use a model with a larger context than that of {entry}")
            }
            (FailureReason::BadResponse | FailureReason::Unknown, _) => {
                let protocol = self.protocol;
                format!(
                    "check that api_base of {entry} is the address of an API that speaks the {protocol} protocol"
                )
            }
        }
    }

    fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("provider", &self.provider)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reporter() -> Reporter {
        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.api_key = Some("sk-secret".into());
        spec.custom_headers = vec![("x-key".into(), "sk-secret-too".into()), ("x-a".into(), "a".into())];
        Reporter::new(&spec, "OpenAI", &Url::parse("https://user:pw@host/v1").expect("URL"))
    }

    #[test]
    fn says_what_happened_and_what_to_do() {
        let body = br#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#;
        let error = reporter().refused(401, &HeaderMap::new(), body);
        assert_eq!(
            error.to_string(),
            "openai answered 401 (invalid_api_key): check api_keys of model_list entry `fast`; \
             it said: Incorrect API key provided"
        );
        assert_eq!((error.reason, error.status), (FailureReason::Auth, Some(401)));
        assert_eq!(error.said, "Incorrect API key provided");
    }

    #[test]
    fn never_repeats_a_secret_and_keeps_to_one_short_line() {
        let padding = "x".repeat(290);
        for body in ["sk-secret", "\n\nsk-secret-too\r\n", &format!("{padding} sk-secret-too")] {
            let error = reporter().refused(500, &HeaderMap::new(), body.as_bytes());
            assert!(!error.message.contains("secret"), "{}", error.message);
            assert!(!error.message.contains('\n'));
        }
        let long = reporter().malformed(200, "garbage", "x\n".repeat(5000).as_bytes());
        assert!(long.message.chars().count() < 600, "{}", long.message);
        assert!(!format!("{:?}", reporter()).contains("secret"));
    }
}
