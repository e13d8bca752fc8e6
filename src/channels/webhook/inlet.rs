//! Messages that come in: checked, handed to the agent once, and acknowledged or answered.

use std::time::Instant;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use picoclaw_telemetry::words::{HttpRejection, Rejection};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::reply::Response;

use super::sign::Distrust;
use super::{Webhook, WebhookChannel, unix_time};
use crate::dialogue::Heard;
use crate::link::Link;
use crate::marker;
use picoclaw::agent::{Chat, Conversation, Inbound};
use picoclaw::chat::{Message, Sampling};
use picoclaw::http::body::{self, BodyError, BodyLimits, Taken};
use picoclaw::http::channel::errors;
use picoclaw::http::inlets::{Call, Inlet};
use picoclaw::http::reply::{self, ApiError};
use picoclaw::media::inbox::{LARGEST_FILE, MOST_FILES, kind_of};
use picoclaw::quote::quote;

/// The largest message: a file of 20 MiB in base64, and some text.
pub(super) const LARGEST: usize = 28 << 20;
/// The longest text, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

/// A message as it comes in.
#[derive(Deserialize)]
struct Incoming {
    #[serde(default)]
    content: String,
    #[serde(default)]
    attachments: Vec<Enclosed>,
    #[serde(default)]
    chat_id: Option<String>,
    #[serde(default)]
    sender: Option<String>,
}

/// A file in a message: the form in which files go out, or a `data:` URL.
#[derive(Deserialize)]
struct Enclosed {
    #[serde(default)]
    filename: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    data: String,
    #[serde(default)]
    url: String,
}

struct File {
    name: String,
    mime: String,
    bytes: Bytes,
}

impl Enclosed {
    /// The file. The error is for whoever sent it.
    fn open(&self) -> Result<File, String> {
        let name = if self.filename.is_empty() { "file" } else { &self.filename };
        let (mime, data) = match self.url.strip_prefix("data:") {
            Some(url) => url.split_once(";base64,").ok_or("a data URL is not in base64")?,
            None if self.url.is_empty() => (self.content_type.as_str(), self.data.as_str()),
            None => return Err("only data URLs are taken: send the file itself as data".to_owned()),
        };
        if data.len() / 4 * 3 > LARGEST_FILE + 3 {
            return Err(format!("a file is larger than {} MB", LARGEST_FILE >> 20));
        }
        let bytes =
            STANDARD.decode(data.trim()).map_err(|_| format!("{} is not valid base64", quote(name)))?;
        if bytes.is_empty() {
            return Err(format!("{} is empty", quote(name)));
        }
        Ok(File { name: name.to_owned(), mime: mime.to_owned(), bytes: bytes.into() })
    }
}

impl Webhook {
    /// A trusted message with the room that it takes, or the answer to whoever sent something else.
    async fn read(&self, call: Call, link: &Link) -> Result<(String, Incoming, Taken), Response> {
        let limits = BodyLimits { size: LARGEST, ..BodyLimits::default() };
        let (body, room) = match body::read(call.body, &call.headers, limits, &self.room).await {
            Ok(read) => read,
            Err(error) => {
                link.refused_because(Rejection::Invalid, &error.to_string());
                let status = match error {
                    BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
                    BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                    BodyError::Broken => StatusCode::BAD_REQUEST,
                };
                return Err(reply::error(&ApiError::new(status, "unreadable_body", error.to_string())));
            }
        };
        let id = match self.key.verify(&call.headers, &body, unix_time(), self.tolerance) {
            Ok(id) => id.to_owned(),
            Err(distrust) => {
                self.observer.rejected(HttpRejection::Unauthorized);
                link.refused_because(Rejection::Unauthorized, &distrust.to_string());
                let code = match distrust {
                    Distrust::Unsigned => "unsigned",
                    Distrust::Stale => "stale",
                    Distrust::Forged => "wrong_signature",
                };
                return Err(reply::error(&ApiError::new(
                    StatusCode::UNAUTHORIZED,
                    code,
                    distrust.to_string(),
                )));
            }
        };
        let invalid = |message: &str| {
            link.refused_because(Rejection::Invalid, message);
            reply::error(&ApiError::invalid("content", message))
        };
        match serde_json::from_slice::<Incoming>(&body) {
            Ok(incoming) if incoming.content.trim().is_empty() && incoming.attachments.is_empty() => {
                Err(invalid("message content is empty"))
            }
            Ok(incoming) if incoming.content.len() > LONGEST_TEXT => {
                Err(invalid(&format!("content is longer than {LONGEST_TEXT} bytes")))
            }
            Ok(incoming) if incoming.attachments.len() > MOST_FILES => {
                Err(invalid(&format!("more than {MOST_FILES} attachments in one message")))
            }
            Ok(incoming) if incoming.chat_id.as_ref().is_some_and(|id| id.len() > 256) => {
                Err(invalid("chat_id is longer than 256 bytes"))
            }
            Ok(incoming) => Ok((id, incoming, room)),
            // What the parser says quotes what is wrong, which may be what somebody said.
            Err(error) => {
                link.refused_because(Rejection::Invalid, "the body is no message");
                Err(reply::error(&ApiError::invalid("content", format!("the body is no message: {error}"))))
            }
        }
    }
}

#[async_trait]
impl Inlet for WebhookChannel {
    async fn call(&self, call: Call) -> Response {
        let webhook = &self.0;
        if call.method != Method::POST {
            return reply::method_not_allowed(&call.path, "POST");
        }
        let Some((link, dialogue)) = webhook.running() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return reply::error(&ApiError::new(status, "not_running", "channel not running"));
        };
        let received = Instant::now();
        // The room is given back when the files are no longer in memory.
        let (id, incoming, room) = match webhook.read(call, &link).await {
            Ok(read) => read,
            Err(answer) => return answer,
        };
        let files: Result<Vec<File>, _> = incoming.attachments.iter().map(Enclosed::open).collect();
        let files = match files {
            Ok(files) => files,
            Err(problem) => {
                link.refused_because(Rejection::Invalid, &format!("attachments: {problem}"));
                return reply::error(&ApiError::invalid("attachments", problem));
            }
        };
        let sender = incoming.sender.as_deref().unwrap_or_default();
        if !webhook.allowed.any("webhook", &[sender]) {
            link.not_allowed(sender);
            let message = "the sender is not in allow_from of this channel";
            return reply::error(&ApiError::new(StatusCode::FORBIDDEN, "not_allowed", message));
        }
        if !webhook.seen().is_new(&id, unix_time(), webhook.tolerance) {
            return accepted(&id, "duplicate");
        }
        let chat = incoming.chat_id.filter(|chat| !chat.is_empty()).unwrap_or_else(|| "default".to_owned());
        let chat = Chat { kind: "direct", id: chat, sender: sender.to_owned(), ..Chat::default() };
        let mut heard = Heard { received, ..Heard::now(chat, incoming.content) };
        if !files.is_empty() {
            let inbox = link.inbox(&webhook.inbox, &heard.chat);
            for File { name, mime, bytes } in files {
                heard.enclose(inbox.take(link.name(), kind_of(&mime), &name, bytes).await);
            }
        }
        drop(incoming.attachments);
        drop(room);
        let answer = if webhook.callback.is_some() {
            match dialogue.hear(heard).await {
                Ok(()) => return accepted(&id, "accepted"),
                Err(refusal) => errors::of_refusal(&refusal),
            }
        } else {
            match answer(&link, heard).await {
                Ok(document) => return reply::json(StatusCode::OK, document.to_string()),
                Err(error) => error,
            }
        };
        // Whoever sends it again is to be heard.
        webhook.seen().forget(&id);
        reply::error(&answer)
    }
}

fn accepted(id: &str, status: &str) -> Response {
    reply::json(StatusCode::ACCEPTED, json!({ "id": id, "status": status }).to_string())
}

/// Waits for the answer. When the caller goes away the server drops this future, and the turn with it.
async fn answer(link: &Link, heard: Heard) -> Result<Value, ApiError> {
    let inbound = Inbound {
        channel: link.name(),
        conversation: Conversation::Chat(heard.chat),
        messages: vec![Message::from_person(heard.text, heard.images)],
        model: None,
        sampling: Sampling::default(),
        stream: false,
        tool_calls: false,
        steer: false,
        received: heard.received,
    };
    let turn = link.assistant().submit(inbound).await.map_err(|refusal| errors::of_refusal(&refusal))?;
    match turn.reply.await {
        Ok(Ok(reply)) => {
            // There is one answer to a request.
            let split = link.assistant().splits_answers();
            let content = if split { marker::together(&reply.content) } else { reply.content };
            Ok(json!({
                "type": "message", "chat_id": heard.address, "content": content, "model_name": reply.model_name,
            }))
        }
        Ok(Err(error)) => Err(errors::of_turn(&error)),
        Err(_) => Err(errors::lost_turn()),
    }
}
