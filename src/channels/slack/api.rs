//! The Web API: one method per call.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::{Value, json};

use super::API;
use crate::channel::SendError;
use picoclaw::chat::courier::Attachment;
use picoclaw::config::SecretString;

const CALL_TIME: Duration = Duration::from_secs(15);
/// How long a file may be under way.
const FILE_TIME: Duration = Duration::from_secs(120);
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

impl ApiError {
    /// Whether the message that is to be changed is gone or must stay as it is.
    pub(super) fn is_of_message(&self) -> bool {
        const WORDS: [&str; 3] = ["message_not_found", "cant_update_message", "edit_window_closed"];
        matches!(self, Self::Refused(why) if WORDS.contains(&why.as_str()))
    }
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
        answer(request.body(arguments.to_string())).await
    }

    /// Sends a file where `arguments` say, in the three steps that Slack wants.
    pub(super) async fn upload(&self, mut arguments: Value, file: &Attachment) -> Result<(), ApiError> {
        let url = format!("{}/files.getUploadURLExternal", self.base);
        let fields = [("filename", file.name.as_str()), ("length", &file.bytes.len().to_string())];
        let url = Url::parse_with_params(&url, fields)
            .map_err(|error| ApiError::Unreachable(format!("settings.base_url: {error}")))?;
        let place = answer(self.client.get(url).bearer_auth(self.bot.expose())).await?;
        let malformed = || ApiError::Unreachable("slack gave no place for the file".to_owned());
        let url = place["upload_url"].as_str().ok_or_else(malformed)?;
        let id = place["file_id"].as_str().ok_or_else(malformed)?;
        // The address is the permission.
        let request = self.client.post(url).header(CONTENT_TYPE, "application/octet-stream");
        let sent = request.timeout(FILE_TIME).body(file.bytes.clone()).send().await.map_err(unreachable)?;
        if !sent.status().is_success() {
            return Err(ApiError::Unreachable(format!("slack answered {} to the file", sent.status())));
        }
        arguments["files"] = json!([{ "id": id, "title": file.name }]);
        self.call("files.completeUploadExternal", &arguments).await.map(drop)
    }

    /// Fetches a file of at most `most` bytes.
    pub(super) async fn download(&self, url: &str, most: usize) -> Result<Bytes, ApiError> {
        // Files may also be kept by others, who are not to see the token.
        if !keeps(&self.base, url) {
            return Err(ApiError::Refused("that the file is not kept by Slack".to_owned()));
        }
        let request = self.client.get(url).bearer_auth(self.bot.expose()).timeout(FILE_TIME);
        let answer = request.send().await.map_err(unreachable)?;
        match answer.status().as_u16() {
            // Who may not have a file gets a page to log in.
            200 if answer.headers().get(CONTENT_TYPE).is_some_and(is_page) && !url.ends_with(".html") => {
                Err(ApiError::Refused("files:read is missing among the app's scopes".to_owned()))
            }
            200 => read(answer, most).await,
            code => Err(ApiError::Refused(format!("{code} to who fetches the file"))),
        }
    }
}

/// Whether an address is one of Slack's, or of the server at `base` that stands for it.
fn keeps(base: &str, url: &str) -> bool {
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host(url).is_some_and(|name| {
        let at_slack = url.starts_with("https://") && (name == "slack.com" || name.ends_with(".slack.com"));
        at_slack || (base != API && Some(name) == host(base))
    })
}

fn is_page(kind: &HeaderValue) -> bool {
    kind.as_bytes().starts_with(b"text/html")
}

async fn answer(request: RequestBuilder) -> Result<Value, ApiError> {
    let answer = request.timeout(CALL_TIME).send().await.map_err(unreachable)?;
    let status = answer.status().as_u16();
    if status == 429 {
        let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        return Err(ApiError::Limited(wish.map(Duration::from_secs)));
    }
    let document: Value = serde_json::from_slice(&read(answer, LONGEST_ANSWER).await?)
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

async fn read(mut answer: Response, most: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > most {
            return Err(ApiError::Unreachable("the answer is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unreachable(error: reqwest::Error) -> ApiError {
    ApiError::Unreachable(error.without_url().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slack_sees_the_token() {
        let at_slack = |url| keeps(API, url);
        assert!(at_slack("https://files.slack.com/files-pri/T1-F1/a.png"));
        for url in
            ["https://docs.example.com/a", "https://evilslack.com/a", "http://files.slack.com/a", "", "/a"]
        {
            assert!(!at_slack(url), "{url}");
        }
    }
}
