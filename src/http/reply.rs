//! Answers in JSON, errors in the shape of the OpenAI API.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use std::time::Duration;
use warp::reply::Response;

/// An error that a caller gets: `{"error":{"message","type","param","code"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For a person: what is wrong, where, and what helps.
    pub message: String,
    /// The part of the request that is wrong.
    pub param: Option<String>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// Whether a client that retries by itself should; `None` leaves it to the client's own rule.
    pub retry: Option<bool>,
}

impl ApiError {
    /// An error without further details.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None, retry_after: None, retry: None }
    }

    /// A 400 that names the wrong part of the request.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message) }
    }

    /// The `type` of the OpenAI API that goes with the status.
    pub fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }

    /// The JSON document.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: Fields<'a>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            message: &'a str,
            r#type: &'a str,
            param: Option<&'a str>,
            code: &'a str,
        }
        let error = Fields {
            message: &self.message,
            r#type: self.kind(),
            param: self.param.as_deref(),
            code: self.code,
        };
        serde_json::to_vec(&Envelope { error }).expect("a document of strings always serialises")
    }
}

/// The response for an error.
pub fn error(error: &ApiError) -> Response {
    let mut response = json(error.status, error.to_json());
    let headers = response.headers_mut();
    if let Some(after) = error.retry_after {
        // Whole seconds, rounded up: coming back too early is refused again.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    match error.retry {
        // A header of OpenAI's own API: its clients otherwise repeat every 5xx twice.
        Some(true) => headers.insert(SHOULD_RETRY, HeaderValue::from_static("true")),
        Some(false) => headers.insert(SHOULD_RETRY, HeaderValue::from_static("false")),
        None => None,
    };
    response
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A response with a JSON document that nobody may cache.
pub fn json(status: StatusCode, document: impl Into<Vec<u8>>) -> Response {
    let mut response = Response::new(document.into().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The 404 for a path that nothing serves.
pub fn unknown_path(path: &str) -> Response {
    let mut message = format!("there is nothing at {path:.200}");
    if is_of_a_client(path) {
        message.push_str("; of the OpenAI API there are /v1/chat/completions and /v1/models, so a client's base URL ends with /v1");
    }
    error(&ApiError::new(StatusCode::NOT_FOUND, "unknown_path", message))
}

/// Whether a client of the OpenAI API asks, with another base URL or for another part of the API.
fn is_of_a_client(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path == "/v1" || path.starts_with("/v1/") || path.ends_with("/completions") || path.ends_with("/models")
}

/// The 405 for a path that is served with other methods.
pub fn method_not_allowed(path: &str, allow: &'static str) -> Response {
    let message = format!("{path:.200} takes {allow}");
    let mut response = error(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message));
    response.headers_mut().insert(hyper::header::ALLOW, HeaderValue::from_static(allow));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_shape_of_the_openai_api() {
        let error = ApiError::invalid("messages[2].role", "unknown role \"x\"");
        assert_eq!(
            String::from_utf8(error.to_json()).unwrap(),
            r#"{"error":{"message":"unknown role \"x\"","type":"invalid_request_error","param":"messages[2].role","code":"invalid_request"}}"#
        );
    }

    #[test]
    fn a_client_at_the_wrong_path_is_told_the_right_one() {
        for (path, is_told) in [
            ("/chat/completions", true),
            ("/v1/chat/completions/", true),
            ("/api/v1/models", true),
            ("/v1/embeddings", true),
            ("/v1", true),
            ("/", false),
            ("/metrics/", false),
            ("/v10/x", false),
        ] {
            assert_eq!(is_of_a_client(path), is_told, "{path}");
        }
    }

    #[test]
    fn retry_after_is_rounded_up() {
        for (millis, seconds) in [(1, "1"), (1000, "1"), (1500, "2"), (0, "1")] {
            let mut limited = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", "slow down");
            limited.retry_after = Some(Duration::from_millis(millis));
            assert_eq!(error(&limited).headers()[RETRY_AFTER], seconds, "{millis} ms");
        }
    }
}
