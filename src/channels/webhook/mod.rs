//! Messages of any program, over signed HTTP requests in both directions.
//!
//! In: `POST /webhook/<name>` with `{"content", "chat_id"?, "sender"?, "attachments"?}`, signed. Out: the
//! answer, and whatever tools and jobs send to the channel, as a signed POST to `callback_url`. Without `callback_url`
//! the answer is that of the request. Both directions follow [Standard Webhooks](https://www.standardwebhooks.com), for which there are libraries in
//! every language.
//!
//! A message that comes again with the same `webhook-id` is acknowledged and not answered again.
//!
//! `inlet` takes messages in, `sign` signs and checks, and this module sends.

mod inlet;
mod sign;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Deserialize;
use serde_json::json;

use self::sign::{ID, Key, SIGNATURE, Seen, TIMESTAMP};
use super::allow::Allowed;
use super::channel::{Broken, Channel, Piece, SendError};
use super::dialogue::Dialogue;
use super::kinds::Surroundings;
use super::link::Link;
use super::settings::{self, SettingError};
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::http::Observer;
use picoclaw::http::body::Room;
use picoclaw::http::inlets::Inlet;
use picoclaw::ids::uuid;
use picoclaw::media::Inbox;

/// What all messages that are being read may weigh together: one of the largest, whose size need not be known before.
const ROOM: usize = inlet::LARGEST;
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
    inbox: Inbox,
    observer: Arc<dyn Observer>,
    seen: Mutex<Seen>,
    /// There while it runs.
    running: Mutex<Option<(Arc<Link>, Arc<Dialogue>)>>,
}

/// The channel.
pub struct WebhookChannel(Arc<Webhook>);

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
        let client = around.clients.client(None);
        let client = client.map_err(|error| SettingError::new("callback_url", error.to_string()))?;
        Ok(Self(Arc::new(Webhook {
            key,
            path,
            callback,
            tolerance: Duration::from_secs(settings.tolerance_seconds),
            allowed: Allowed::new(&config.allow_from),
            client,
            room: Room::new(ROOM),
            inbox: around.inbox.clone(),
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

    async fn send(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
    ) -> Result<Option<String>, SendError> {
        self.send_once(chat, piece, replace, &uuid()).await
    }

    async fn send_once(
        &self,
        chat: &str,
        piece: &Piece,
        _: Option<&str>,
        id: &str,
    ) -> Result<Option<String>, SendError> {
        let Some(url) = &self.0.callback else {
            return Err(SendError::Final("the channel has no settings.callback_url".to_owned()));
        };
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
        self.0.post(url, id, document.to_string()).await?;
        Ok(Some(id.to_owned()))
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
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
