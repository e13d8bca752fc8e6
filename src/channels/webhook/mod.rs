//! Messages of any program, over signed HTTP requests in both directions.
//!
//! In: `POST /webhook/<name>` with `{"content", "chat_id"?, "sender"?}`, signed. Out: the answer, and whatever tools and
//! jobs send to the channel, as a signed POST to `callback_url`. Without `callback_url` the answer is that of the
//! request. Both directions follow [Standard Webhooks](https://www.standardwebhooks.com), for which there are libraries in
//! every language.
//!
//! A message that comes again with the same `webhook-id` is acknowledged and not answered again.

mod sign;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, StatusCode};
use picoclaw_telemetry::words::{HttpRejection, Rejection};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::reply::Response;

use self::sign::{Distrust, ID, Key, SIGNATURE, Seen, TIMESTAMP};
use super::allow::Allowed;
use super::channel::{Broken, Channel, Piece, SendError};
use super::dialogue::{Dialogue, Heard};
use super::ids::uuid;
use super::kinds::Surroundings;
use super::link::Link;
use super::settings::{self, SettingError};
use crate::agent::{Chat, Conversation, Inbound};
use crate::channels::http::errors;
use crate::chat::{Message, Role, Sampling};
use crate::config::{ChannelConfig, SecretString};
use crate::http::Observer;
use crate::http::body::{self, BodyLimits, Room};
use crate::http::inlets::{Call, Inlet};
use crate::http::reply::{self, ApiError};

/// The largest message.
const LARGEST: usize = 1 << 20;
/// What all messages that are being read may weigh together.
const ROOM: usize = 8 << 20;
/// How long the other side may take to accept a message.
const SEND_TIME: Duration = Duration::from_secs(15);
/// Where paths begin unless they are configured.
const PREFIX: &str = "/webhook/";

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    secret: SecretString,
    path: String,
    callback_url: String,
    tolerance_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let nothing = String::new;
        Self {
            secret: SecretString::default(),
            path: nothing(),
            callback_url: nothing(),
            tolerance_seconds: 300,
        }
    }
}

struct Webhook {
    key: Key,
    path: String,
    callback: Option<String>,
    tolerance: Duration,
    allowed: Allowed,
    client: reqwest::Client,
    room: Room,
    observer: Arc<dyn Observer>,
    seen: Mutex<Seen>,
    /// There while it runs.
    running: Mutex<Option<(Arc<Link>, Arc<Dialogue>)>>,
}

/// The channel.
pub struct WebhookChannel(Arc<Webhook>);

/// A message as it comes in.
#[derive(Deserialize)]
struct Incoming {
    content: String,
    #[serde(default)]
    chat_id: Option<String>,
    #[serde(default)]
    sender: Option<String>,
}

impl WebhookChannel {
    /// A webhook as configured under `name`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(name: &str, config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        let key = Key::new(settings.secret.expose().trim()).ok_or_else(|| {
            SettingError::new(
                "secret",
                "missing or too short: expected 16 bytes, such as `openssl rand -hex 32` prints",
            )
        })?;
        let path = if settings.path.is_empty() { format!("{PREFIX}{name}") } else { settings.path };
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(SettingError::new("path", format!("\"{path}\" is no path: begin it with /")));
        }
        let callback = Some(settings.callback_url.trim().to_owned()).filter(|url| !url.is_empty());
        if callback.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(SettingError::new("callback_url", "expected an address that begins with https://"));
        }
        if !(1..=86_400).contains(&settings.tolerance_seconds) {
            return Err(SettingError::new("tolerance_seconds", "expected 1 to 86400 seconds"));
        }
        let client = around.clients.client_for_chats(None);
        let client = client.map_err(|error| SettingError::new("callback_url", error.to_string()))?;
        Ok(Self(Arc::new(Webhook {
            key,
            path,
            callback,
            tolerance: Duration::from_secs(settings.tolerance_seconds),
            allowed: Allowed::new(&config.allow_from),
            client,
            room: Room::new(ROOM),
            observer: Arc::clone(&around.observer),
            seen: Mutex::default(),
            running: Mutex::new(None),
        })))
    }
}

#[async_trait]
impl Channel for WebhookChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let channel = Arc::new(Self(Arc::clone(&self.0)));
        let dialogue = Arc::new(Dialogue::new(channel, Arc::clone(link), false, None).one_answer_each());
        self.0.set_running(Some((Arc::clone(link), dialogue)));
        link.up();
        link.stop.cancelled().await;
        self.0.set_running(None);
        Ok(())
    }

    async fn send(&self, chat: &str, piece: &Piece, _: Option<&str>) -> Result<Option<String>, SendError> {
        let Some(url) = &self.0.callback else {
            return Err(SendError::Final("the channel has no settings.callback_url".to_owned()));
        };
        let id = uuid();
        let mut document = json!({ "type": "message", "id": id, "chat_id": chat });
        match piece {
            Piece::Text { text, reply_to } => {
                document["content"] = json!(text);
                document["reply_to"] = json!(reply_to);
            }
            Piece::File { file, caption } => {
                document["content"] = json!(caption);
                document["attachments"] = json!([{
                    "filename": file.name, "content_type": file.mime, "data": STANDARD.encode(&file.bytes),
                }]);
            }
        }
        self.0.post(url, &id, document.to_string()).await?;
        Ok(Some(id))
    }

    fn inlet(&self) -> Option<(String, Arc<dyn Inlet>)> {
        Some((self.0.path.clone(), Arc::new(Self(Arc::clone(&self.0)))))
    }
}

impl Webhook {
    fn set_running(&self, running: Option<(Arc<Link>, Arc<Dialogue>)>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    fn running(&self) -> Option<(Arc<Link>, Arc<Dialogue>)> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, url: &str, id: &str, body: String) -> Result<(), SendError> {
        let now = unix_time();
        let signature = self.key.sign(id, now, body.as_bytes());
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        let request = request.header(ID, id).header(TIMESTAMP, now).header(SIGNATURE, signature);
        let answer = request.timeout(SEND_TIME).body(body).send().await;
        let answer = answer.map_err(|error| SendError::passing(error.without_url().to_string()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let reason = format!("callback_url answered {status}");
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(SendError::Passing { reason, after: wish.map(Duration::from_secs) });
        }
        Err(SendError::Final(reason))
    }

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
        let heard = Heard {
            chat: Chat { kind: "direct", id: chat.clone() },
            address: chat,
            text: incoming.content,
            received,
        };
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
        steer: false,
        received: heard.received,
    };
    let turn = link.assistant().submit(inbound).await.map_err(|refusal| errors::of_refusal(&refusal))?;
    match turn.reply.await {
        Ok(Ok(reply)) => Ok(json!({
            "type": "message", "chat_id": heard.address, "content": reply.content, "model_name": reply.model_name,
        })),
        Ok(Err(error)) => Err(errors::of_turn(&error)),
        Err(_) => Err(errors::lost_turn()),
    }
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
