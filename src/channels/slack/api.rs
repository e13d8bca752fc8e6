//! The Web API: one method per call.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use crate::channels::channel::SendError;
use crate::config::SecretString;

const CALL_TIME: Duration = Duration::from_secs(15);
const LONGEST_ANSWER: usize = 4 << 20;

/// Calls methods on behalf of one app.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    bot: SecretString,
    app: SecretString,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("slack says {0}")]
    Refused(String),
    #[error("slack wants fewer calls")]
    Limited(Option<Duration>),
    #[error("{0}")]
    Unreachable(String),
}

impl From<ApiError> for SendError {
    fn from(error: ApiError) -> Self {
        let reason = error.to_string();
        match error {
            ApiError::Refused(_) => Self::Final(reason),
            ApiError::Limited(after) => Self::Passing { reason, after },
            ApiError::Unreachable(_) => Self::passing(reason),
        }
    }
}

impl Api {
    pub(super) fn new(client: reqwest::Client, base: &str, bot: &SecretString, app: &SecretString) -> Self {
        let trimmed = |token: &SecretString| SecretString::new(token.expose().trim());
        Self { client, base: base.trim_end_matches('/').to_owned(), bot: trimmed(bot), app: trimmed(app) }
    }

    /// Calls a method as the bot.
    pub(super) async fn call(&self, method: &str, arguments: &Value) -> Result<Value, ApiError> {
        self.call_as(&self.bot, method, arguments).await
    }

    /// The address of a new connection.
    pub(super) async fn open(&self) -> Result<String, ApiError> {
        let answer =
            self.call_as(&self.app, "apps.connections.open", &Value::Object(Default::default())).await?;
        let url = answer["url"].as_str();
        url.map(str::to_owned).ok_or_else(|| ApiError::Unreachable("slack gave no address".to_owned()))
    }

    async fn call_as(
        &self,
        token: &SecretString,
        method: &str,
        arguments: &Value,
    ) -> Result<Value, ApiError> {
        let request = self.client.post(format!("{}/{method}", self.base)).bearer_auth(token.expose());
        let request = request.header(CONTENT_TYPE, "application/json; charset=utf-8");
        let sent = request.timeout(CALL_TIME).body(arguments.to_string()).send().await;
        let unreachable = |error: reqwest::Error| ApiError::Unreachable(error.without_url().to_string());
        let mut answer = sent.map_err(unreachable)?;
        let status = answer.status().as_u16();
        if status == 429 {
            let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(ApiError::Limited(wish.map(Duration::from_secs)));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(ApiError::Unreachable("the answer is too large".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let document: Value = serde_json::from_slice(&body)
            .map_err(|_| ApiError::Unreachable(format!("{status}, not an answer of Slack")))?;
        match document["error"].as_str() {
            _ if document["ok"] == true => Ok(document),
            Some("ratelimited" | "rate_limited") => Err(ApiError::Limited(None)),
            Some("internal_error" | "fatal_error" | "service_unavailable" | "request_timeout") => {
                Err(ApiError::Unreachable("slack is in trouble".to_owned()))
            }
            error => Err(ApiError::Refused(error.unwrap_or("no reason").to_owned())),
        }
    }
}
