//! The client-server API: one call each.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::channel::SendError;
use picoclaw::config::SecretString;

const CALL_TIME: Duration = Duration::from_secs(15);
/// How long the server waits for something to tell, and how much longer it may take.
const POLL_TIME: Duration = Duration::from_secs(30);
const SPARE_TIME: Duration = Duration::from_secs(15);
const LONGEST_ANSWER: usize = 16 << 20;
/// How long somebody is shown that the agent is typing.
const TYPING_MS: u64 = 8000;

/// Calls on behalf of one account.
pub(super) struct Api {
    client: reqwest::Client,
    server: String,
    token: SecretString,
    user: OnceLock<String>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("the homeserver says {code}: {text}")]
    Refused { code: String, text: String },
    #[error("the homeserver wants fewer calls")]
    Limited(Option<Duration>),
    #[error("{0}")]
    Unreachable(String),
}

impl From<ApiError> for SendError {
    fn from(error: ApiError) -> Self {
        let reason = error.to_string();
        match error {
            ApiError::Refused { .. } => Self::Final(reason),
            ApiError::Limited(after) => Self::Passing { reason, after },
            ApiError::Unreachable(_) => Self::passing(reason),
        }
    }
}

impl Api {
    pub(super) fn new(client: reqwest::Client, server: &str, token: &str) -> Self {
        Self { client, server: server.to_owned(), token: SecretString::new(token), user: OnceLock::new() }
    }

    /// The account's own name, such as `@pico:example.org`.
    pub(super) async fn who_am_i(&self) -> Result<String, ApiError> {
        let me = self.call(Method::GET, &["account", "whoami"], &[], None, CALL_TIME).await?;
        // Without it the agent would answer itself.
        let user = me["user_id"].as_str().filter(|user| !user.is_empty());
        let nobody = || ApiError::Unreachable("not an answer of a homeserver".to_owned());
        let user = user.ok_or_else(nobody)?.to_owned();
        let _ = self.user.set(user.clone());
        Ok(user)
    }

    /// What has happened since; without a place, where it is now.
    pub(super) async fn sync(&self, since: Option<&str>) -> Result<Value, ApiError> {
        let filter = json!({
            "presence": { "types": [] },
            "account_data": { "types": [] },
            "room": {
                "ephemeral": { "types": [] }, "account_data": { "types": [] },
                "state": { "types": [], "lazy_load_members": true },
                "timeline": { "limit": if since.is_some() { 50 } else { 1 } },
            },
        });
        let filter = filter.to_string();
        let poll = since.map_or(0, |_| POLL_TIME.as_millis()).to_string();
        let mut query = vec![("filter", filter.as_str()), ("timeout", poll.as_str())];
        query.extend(since.map(|since| ("since", since)));
        self.call(Method::GET, &["sync"], &query, None, POLL_TIME + SPARE_TIME).await
    }

    /// Enters a room.
    pub(super) async fn join(&self, room: &str) -> Result<Value, ApiError> {
        self.call(Method::POST, &["join", room], &[], Some(&json!({})), CALL_TIME).await
    }

    /// How many people are in a room.
    pub(super) async fn members(&self, room: &str) -> Result<usize, ApiError> {
        let answer = self.call(Method::GET, &["rooms", room, "joined_members"], &[], None, CALL_TIME).await?;
        Ok(answer["joined"].as_object().map_or(0, serde_json::Map::len))
    }

    /// Sends a message.
    pub(super) async fn send(
        &self,
        room: &str,
        transaction: &str,
        content: &Value,
    ) -> Result<Value, ApiError> {
        let path = ["rooms", room, "send", "m.room.message", transaction];
        self.call(Method::PUT, &path, &[], Some(content), CALL_TIME).await
    }

    /// Shows that the agent is typing. It is a courtesy.
    pub(super) async fn typing(&self, room: &str) {
        let Some(user) = self.user.get() else { return };
        let body = json!({ "typing": true, "timeout": TYPING_MS });
        let _ = self.call(Method::PUT, &["rooms", room, "typing", user], &[], Some(&body), CALL_TIME).await;
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
        time: Duration,
    ) -> Result<Value, ApiError> {
        let url = address(&self.server, path, query)
            .ok_or_else(|| ApiError::Unreachable("settings.homeserver is no address".to_owned()))?;
        let request = self.client.request(method, url).bearer_auth(self.token.expose()).timeout(time);
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        };
        let unreachable = |error: reqwest::Error| ApiError::Unreachable(error.without_url().to_string());
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut read = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if read.len() + chunk.len() > LONGEST_ANSWER {
                return Err(ApiError::Unreachable("the answer is too large".to_owned()));
            }
            read.extend_from_slice(&chunk);
        }
        let document: Option<Value> = serde_json::from_slice(&read).ok();
        if status.is_success() {
            return document.ok_or_else(|| ApiError::Unreachable("not an answer of a homeserver".to_owned()));
        }
        let document = document.unwrap_or_default();
        if status.as_u16() == 429 {
            let said = document["retry_after_ms"].as_u64().map(Duration::from_millis);
            return Err(ApiError::Limited(said.or(wish.map(Duration::from_secs))));
        }
        if status.is_server_error() {
            return Err(ApiError::Unreachable(format!("the homeserver answered {status}")));
        }
        let code = document["errcode"].as_str().unwrap_or(status.as_str()).to_owned();
        Err(ApiError::Refused { code, text: document["error"].as_str().unwrap_or("no reason").to_owned() })
    }
}

/// The address of a call.
fn address(server: &str, path: &[&str], query: &[(&str, &str)]) -> Option<Url> {
    let mut url = Url::parse(server).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(["_matrix", "client", "v3"]).extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rooms_are_escaped_in_addresses() {
        let url =
            |server| address(server, &["rooms", "!a/b:x", "send"], &[("since", "s 1")]).unwrap().to_string();
        let expected = "https://m.org/_matrix/client/v3/rooms/!a%2Fb:x/send?since=s+1";
        assert_eq!(url("https://m.org"), expected);
        assert_eq!(url("https://m.org/"), expected);
        assert!(url("https://m.org/base").starts_with("https://m.org/base/_matrix/"));
    }
}
