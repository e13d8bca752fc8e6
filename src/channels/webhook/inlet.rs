//! Messages that come in: checked, handed to the agent once, and acknowledged or answered.

use std::time::Instant;

use async_trait::async_trait;
use hyper::{Method, StatusCode};
use picoclaw_telemetry::words::{HttpRejection, Rejection};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::reply::Response;

use super::sign::Distrust;
use super::{Webhook, WebhookChannel, unix_time};
use crate::agent::{Chat, Conversation, Inbound};
use crate::channels::dialogue::Heard;
use crate::channels::http::errors;
use crate::channels::link::Link;
use crate::channels::marker;
use crate::chat::{Message, Role, Sampling};
use crate::http::body::{self, BodyLimits};
use crate::http::inlets::{Call, Inlet};
use crate::http::reply::{self, ApiError};

/// The largest message.
const LARGEST: usize = 1 << 20;

/// A message as it comes in.
#[derive(Deserialize)]
struct Incoming {
    content: String,
    #[serde(default)]
    chat_id: Option<String>,
    #[serde(default)]
    sender: Option<String>,
}

impl Webhook {
    /// A trusted message, or the answer to whoever sent something else.
    async fn read(&self, call: Call, link: &Link) -> Result<(String, Incoming), Response> {
        let limits = BodyLimits { size: LARGEST, ..BodyLimits::default() };
        let (body, _room) = match body::read(call.body, &call.headers, limits, &self.room).await {
            Ok(read) => read,
            Err(error) => {
                link.refused(Rejection::Invalid);
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(reply::error(&ApiError::new(status, "unreadable_body", error.to_string())));
            }
        };
        let id = match self.key.verify(&call.headers, &body, unix_time(), self.tolerance) {
            Ok(id) => id.to_owned(),
            Err(distrust) => {
                self.observer.rejected(HttpRejection::Unauthorized);
                link.refused(Rejection::Unauthorized);
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
        let invalid = |message: String| {
            link.refused(Rejection::Invalid);
            reply::error(&ApiError::invalid("content", message))
        };
        match serde_json::from_slice::<Incoming>(&body) {
            Ok(incoming) if incoming.content.trim().is_empty() => {
                Err(invalid("message content is empty".to_owned()))
            }
            Ok(incoming) if incoming.chat_id.as_ref().is_some_and(|id| id.len() > 256) => {
                Err(invalid("chat_id is longer than 256 bytes".to_owned()))
            }
            Ok(incoming) => Ok((id, incoming)),
            Err(error) => Err(invalid(format!("the body is no message: {error}"))),
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
        let (id, incoming) = match webhook.read(call, &link).await {
            Ok(read) => read,
            Err(answer) => return answer,
        };
        let sender = incoming.sender.as_deref().unwrap_or_default();
        if !webhook.allowed.any("webhook", &[sender]) {
            link.refused(Rejection::NotAllowed);
            let message = "the sender is not in allow_from of this channel";
            return reply::error(&ApiError::new(StatusCode::FORBIDDEN, "not_allowed", message));
        }
        if !webhook.seen().is_new(&id, unix_time(), webhook.tolerance) {
            return accepted(&id, "duplicate");
        }
        let chat = incoming.chat_id.filter(|chat| !chat.is_empty()).unwrap_or_else(|| "default".to_owned());
        let chat = Chat { kind: "direct", id: chat, sender: sender.to_owned(), ..Chat::default() };
        let heard = Heard { received, ..Heard::now(chat, incoming.content) };
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
        messages: vec![Message::new(Role::User, heard.text)],
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
