//! The HTTP side.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::channel::SendError;
use crate::form;
use picoclaw::chat::courier::Attachment;
use picoclaw::config::SecretString;

const CALL_TIME: Duration = Duration::from_secs(15);
/// How long a file may be under way.
const FILE_TIME: Duration = Duration::from_secs(120);
const LONGEST_ANSWER: usize = 4 << 20;
/// Discord turns away who does not say so.
const AGENT: &str =
    concat!("DiscordBot (https://github.com/sipeed/picoclaw, ", env!("CARGO_PKG_VERSION"), ")");

/// Calls methods on behalf of one bot.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    token: SecretString,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("discord says {code} {message}")]
    Refused { code: u16, message: String },
    #[error("discord wants fewer calls")]
    Limited(Option<Duration>),
    #[error("{0}")]
    Unreachable(String),
}

impl From<ApiError> for SendError {
    fn from(error: ApiError) -> Self {
        let reason = error.to_string();
        match error {
            ApiError::Refused { code, .. } if code < 500 => Self::Final(reason),
            ApiError::Limited(after) => Self::Passing { reason, after },
            ApiError::Refused { .. } | ApiError::Unreachable(_) => Self::passing(reason),
        }
    }
}

impl Api {
    pub(super) fn new(client: reqwest::Client, base: &str, token: SecretString) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned(), token }
    }

    /// Calls a method; the answer is null where there is none.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        let request = self.request(method, path)?.header(CONTENT_TYPE, "application/json");
        answer(request.timeout(CALL_TIME).body(body.map(Value::to_string).unwrap_or_default())).await
    }

    /// Creates something with a file.
    pub(super) async fn upload(
        &self,
        path: &str,
        document: &Value,
        file: &Attachment,
    ) -> Result<Value, ApiError> {
        let (kind, body) = form::encode(&[("payload_json", document.to_string())], "files[0]", file);
        let request = self.request(Method::POST, path)?.header(CONTENT_TYPE, kind);
        answer(request.timeout(FILE_TIME).body(body)).await
    }

    /// Fetches a file of at most `most` bytes. Its address is one that Discord has named, which wants no token.
    pub(super) async fn download(&self, url: &str, most: usize) -> Result<Bytes, ApiError> {
        let answer = self.client.get(url).header(USER_AGENT, AGENT).timeout(FILE_TIME).send().await;
        let answer = answer.map_err(unreachable)?;
        match answer.status().as_u16() {
            200 => read(answer, most).await,
            code => Err(ApiError::Refused { code, message: "the file could not be fetched".to_owned() }),
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ApiError> {
        let mut authorization = HeaderValue::from_str(&format!("Bot {}", self.token.expose()))
            .map_err(|_| ApiError::Unreachable("the token is malformed".to_owned()))?;
        authorization.set_sensitive(true);
        let request = self.client.request(method, format!("{}/{path}", self.base));
        Ok(request.header(AUTHORIZATION, authorization).header(USER_AGENT, AGENT))
    }
}

async fn answer(request: RequestBuilder) -> Result<Value, ApiError> {
    let answer = request.send().await.map_err(unreachable)?;
    let code = answer.status().as_u16();
    let document: Value = serde_json::from_slice(&read(answer, LONGEST_ANSWER).await?).unwrap_or_default();
    match code {
        200..=299 => Ok(document),
        429 => {
            let wish = document["retry_after"].as_f64().filter(|seconds| (0.0..86_400.0).contains(seconds));
            Err(ApiError::Limited(wish.map(Duration::from_secs_f64)))
        }
        code => {
            let message = document["message"].as_str().unwrap_or_default().to_owned();
            Err(ApiError::Refused { code, message })
        }
    }
}

async fn read(mut answer: Response, most: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > most {
            return Err(ApiError::Unreachable("the answer is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The address, which may hold a secret, is not repeated.
fn unreachable(error: reqwest::Error) -> ApiError {
    ApiError::Unreachable(error.without_url().to_string())
}
