//! The Bot API: one method per call, JSON in and out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::channel::SendError;
use crate::form;
use picoclaw::chat::courier::Attachment;
use picoclaw::config::SecretString;

/// How long a call may take that does not wait for messages.
const CALL_TIME: Duration = Duration::from_secs(15);
/// How long a file may be under way.
const FILE_TIME: Duration = Duration::from_secs(120);
/// The longest answer of a call.
const LONGEST_ANSWER: usize = 16 << 20;

/// Calls methods on behalf of one bot.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    token: SecretString,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// The server says no.
    #[error("{code} {description}")]
    Refused {
        /// As an HTTP status.
        code: u16,
        /// In its words.
        description: String,
        /// When it wants to see the next call.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error("{0}")]
    Unreachable(String),
}

impl ApiError {
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Unreachable(_) => None,
        }
    }

    pub(super) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { description, .. } if description.to_ascii_lowercase().contains(words))
    }
}

impl From<ApiError> for SendError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused { code: 429, retry_after, .. } => {
                Self::Passing { reason: error.to_string(), after: retry_after }
            }
            ApiError::Refused { code, .. } if code < 500 => Self::Final(error.to_string()),
            ApiError::Refused { .. } | ApiError::Unreachable(_) => Self::passing(error.to_string()),
        }
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    ok: bool,
    result: Option<T>,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Api {
    pub(super) fn new(client: reqwest::Client, base: &str, token: SecretString) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned(), token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/bot{}/{path}", self.base, self.token.expose())
    }

    /// Calls a method.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &Value,
    ) -> Result<T, ApiError> {
        self.call_within(method, arguments, CALL_TIME).await
    }

    /// Calls a method that may take this long.
    pub(super) async fn call_within<T: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &Value,
        time: Duration,
    ) -> Result<T, ApiError> {
        let request = self.client.post(self.url(method));
        let request = request.header(CONTENT_TYPE, "application/json").body(arguments.to_string());
        answer(request.timeout(time)).await
    }

    /// Calls a method with a file in the field `field`.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        method: &str,
        fields: &[(&str, String)],
        field: &str,
        file: &Attachment,
    ) -> Result<T, ApiError> {
        let (kind, body) = form::encode(fields, field, file);
        let request = self.client.post(self.url(method)).header(CONTENT_TYPE, kind).body(body);
        answer(request.timeout(FILE_TIME)).await
    }

    /// Fetches a file of at most `most` bytes by the path that `getFile` gives.
    pub(super) async fn download(&self, path: &str, most: usize) -> Result<Bytes, ApiError> {
        let url = format!("{}/file/bot{}/{path}", self.base, self.token.expose());
        let answer = self.client.get(url).timeout(FILE_TIME).send().await.map_err(unreachable)?;
        let code = answer.status().as_u16();
        if code != 200 {
            let description = "the file could not be fetched".to_owned();
            return Err(ApiError::Refused { code, description, retry_after: None });
        }
        read(answer, most).await
    }
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, ApiError> {
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status().as_u16();
    let body = read(answer, LONGEST_ANSWER).await?;
    let refused = |description: String| ApiError::Refused { code: status, description, retry_after: None };
    match serde_json::from_slice::<Envelope<T>>(&body) {
        Ok(Envelope { ok: true, result: Some(result), .. }) => Ok(result),
        Ok(envelope) => Err(ApiError::Refused {
            code: envelope.error_code.unwrap_or(status),
            description: envelope.description,
            retry_after: envelope.parameters.and_then(|p| p.retry_after).map(Duration::from_secs),
        }),
        Err(_) if status != 200 => Err(refused("the answer is none of the Bot API".to_owned())),
        Err(error) => Err(ApiError::Unreachable(format!("the answer is none of the Bot API: {error}"))),
    }
}

async fn read(mut answer: reqwest::Response, most: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > most {
            return Err(ApiError::Unreachable(format!("the answer is larger than {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The innermost cause says what happened. The address, which holds the token, is not repeated.
fn unreachable(error: reqwest::Error) -> ApiError {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ApiError::Unreachable(if timed_out { "no answer in time".to_owned() } else { cause.to_string() })
}
