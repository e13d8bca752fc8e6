//! One question to a gateway.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::http::request::Builder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// No answer of a gateway is larger.
const LARGEST: usize = 16 << 20;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: bytes::Bytes,
}

/// Looks, and waits for at most `patience` for the whole answer.
///
/// # Errors
/// When there is no answer; the error says why in words for a person.
pub(super) async fn get(
    url: &str,
    authorization: Option<&str>,
    patience: Duration,
) -> anyhow::Result<Answer> {
    send(Request::get(url), authorization, patience).await
}

/// Tells it to do something, and waits for at most `patience` for the whole answer.
///
/// # Errors
/// As [`get`].
pub(super) async fn post(
    url: &str,
    authorization: Option<&str>,
    patience: Duration,
) -> anyhow::Result<Answer> {
    send(Request::post(url), authorization, patience).await
}

async fn send(request: Builder, authorization: Option<&str>, patience: Duration) -> anyhow::Result<Answer> {
    let mut request = request.header(ACCEPT, "application/json, text/plain;version=0.0.4");
    if let Some(value) = authorization {
        let mut value = HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = async {
        let response = client.request(request).await.map_err(|error| anyhow::anyhow!(root_cause(&error)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    tokio::time::timeout(patience, answer)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", patience.as_secs_f64())))
}

/// The innermost error: "Connection refused" instead of "client error (Connect)".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
