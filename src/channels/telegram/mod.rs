//! Telegram, by long polling of the Bot API.
//!
//! | Module | What it does |
//! |---|---|
//! | `api` | calls of methods, files included |
//! | `poll` | waits for messages, and notices a connection that is dead |
//! | `offset` | up to where messages have been accepted, across restarts |
//! | `update` | what the Bot API tells |
//! | [`format`] | Markdown as the HTML that Telegram shows |
//!
//! A message is acknowledged when the agent has accepted it, not before: one that comes while the gateway stops is there
//! after the next start.

mod api;
mod format;
mod offset;
mod poll;
mod update;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use self::api::{Api, ApiError};
pub(super) use self::format::html;
use self::offset::Offset;
use self::update::Sent;
use super::channel::{self, Broken, Channel, Piece, SendError};
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use super::split::split;
use picoclaw::chat::courier::{Attachment, Outgoing};
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::media::Inbox;

const API: &str = "https://api.telegram.org";
/// The longest text of a message in UTF-16 units, a little below Telegram's limit of 4096.
const LONGEST_TEXT: usize = 4000;
/// The longest caption of a file.
const LONGEST_CAPTION: usize = 1000;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    token: SecretString,
    base_url: String,
    proxy: SecretString,
    poll_timeout: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: SecretString::default(),
            base_url: String::new(),
            proxy: SecretString::default(),
            poll_timeout: 20.0,
        }
    }
}

/// A bot.
struct Telegram {
    api: Api,
    manners: Manners,
    poll_timeout: Duration,
    inbox: Inbox,
    offset: Offset,
}

/// The channel.
pub struct TelegramChannel(Arc<Telegram>);

impl TelegramChannel {
    /// A bot as configured under `name`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(name: &str, config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        let token = settings.token.expose().trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || ":_-".contains(c);
        if token.is_empty() || !token.chars().all(plain) {
            let problem = "missing or malformed: expected the token of a bot, as @BotFather gives it";
            return Err(SettingError::new("token", problem));
        }
        let base = match settings.base_url.trim() {
            "" => API,
            url if url.starts_with("http://") || url.starts_with("https://") => url,
            _ => return Err(SettingError::new("base_url", "expected an address that begins with https://")),
        };
        if !(1.0..=50.0).contains(&settings.poll_timeout) {
            return Err(SettingError::new("poll_timeout", "expected 1 to 50 seconds"));
        }
        let client = settings::client(around, &settings.proxy)?;
        Ok(Self(Arc::new(Telegram {
            api: Api::new(client, base, SecretString::new(token)),
            manners: Manners::new(config)?,
            poll_timeout: Duration::from_secs_f64(settings.poll_timeout),
            inbox: around.inbox.clone(),
            offset: Offset::new(around.inbox.workspace(), name),
        })))
    }
}

#[async_trait]
impl Channel for TelegramChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let telegram = &self.0;
        let channel = Arc::new(Self(Arc::clone(telegram)));
        let dialogue = telegram.manners.dialogue(channel, link);
        poll::run(telegram, link, &dialogue).await
    }

    async fn send(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
    ) -> Result<Option<String>, SendError> {
        let place = Place::parse(chat)?;
        let sent = match piece {
            Piece::Text { text, reply_to } => {
                if let Some(id) = replace.and_then(|id| id.parse::<i64>().ok())
                    && self.edit(&place, id, text).await?
                {
                    return Ok(Some(id.to_string()));
                }
                self.text(&place, text, reply_to.as_deref()).await?
            }
            Piece::File { file, caption } => self.file(&place, file, caption).await?,
        };
        Ok(Some(sent.message_id.to_string()))
    }

    fn replaces(&self) -> bool {
        true
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        channel::captioned(channel::pieces(message, |text| split(text, LONGEST_TEXT)), LONGEST_CAPTION)
    }

    fn rate(&self) -> f64 {
        20.0
    }

    async fn typing(&self, chat: &str) {
        if let Ok(place) = Place::parse(chat) {
            let mut arguments = place.arguments();
            arguments["action"] = json!("typing");
            // It is only a courtesy.
            let _ = self.0.api.call::<bool>("sendChatAction", &arguments).await;
        }
    }
}

impl TelegramChannel {
    async fn text(&self, place: &Place, text: &str, reply_to: Option<&str>) -> Result<Sent, ApiError> {
        let mut arguments = place.arguments();
        if let Some(id) = reply_to.and_then(|id| id.parse::<i64>().ok()) {
            arguments["reply_parameters"] = json!({ "message_id": id, "allow_sending_without_reply": true });
        }
        self.formatted("sendMessage", arguments, text).await
    }

    /// Whether the message could be replaced. One that is gone cannot.
    async fn edit(&self, place: &Place, id: i64, text: &str) -> Result<bool, ApiError> {
        let arguments = json!({ "chat_id": place.chat, "message_id": id });
        match self.formatted::<Value>("editMessageText", arguments, text).await {
            Ok(_) => Ok(true),
            Err(error) if error.says("message is not modified") => Ok(true),
            Err(error) if error.code() == Some(400) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends HTML, and the text as it is written where Telegram does not take that.
    async fn formatted<T: serde::de::DeserializeOwned>(
        &self,
        method: &str,
        mut arguments: Value,
        text: &str,
    ) -> Result<T, ApiError> {
        arguments["text"] = json!(format::html(text));
        arguments["parse_mode"] = json!("HTML");
        match self.0.api.call(method, &arguments).await {
            Err(error) if error.code() == Some(400) && error.says("parse") => {
                arguments["text"] = json!(text);
                arguments.as_object_mut().map(|arguments| arguments.remove("parse_mode"));
                self.0.api.call(method, &arguments).await
            }
            result => result,
        }
    }

    async fn file(&self, place: &Place, file: &Attachment, caption: &str) -> Result<Sent, ApiError> {
        let mut fields = vec![("chat_id", place.chat.to_string())];
        if let Some(thread) = place.thread {
            fields.push(("message_thread_id", thread.to_string()));
        }
        if !caption.is_empty() {
            fields.push(("caption", caption.to_owned()));
        }
        let (method, field) = match file.mime.split('/').next() {
            // Animations are no photos.
            Some("image") if file.mime != "image/gif" => ("sendPhoto", "photo"),
            Some("audio") => ("sendAudio", "audio"),
            Some("video") => ("sendVideo", "video"),
            _ => ("sendDocument", "document"),
        };
        match self.0.api.upload(method, &fields, field, file).await {
            // Too large, too long, or not what its name says: as a file it goes.
            Err(error) if error.code() == Some(400) && field != "document" => {
                self.0.api.upload("sendDocument", &fields, "document", file).await
            }
            result => result,
        }
    }
}

/// Where a message goes: a chat, and in a forum a topic.
struct Place {
    chat: i64,
    thread: Option<i64>,
}

impl Place {
    fn parse(address: &str) -> Result<Self, SendError> {
        let (chat, thread) = match address.split_once('/') {
            Some((chat, thread)) => (chat, Some(thread)),
            None => (address, None),
        };
        let number = |text: &str| text.trim().parse::<i64>();
        match (number(chat), thread.map(number).transpose()) {
            (Ok(chat), Ok(thread)) => Ok(Self { chat, thread }),
            _ => Err(SendError::Final(format!(
                "{} is no chat of Telegram: expected a number, or number/topic",
                picoclaw::quote::quote(address)
            ))),
        }
    }

    fn arguments(&self) -> Value {
        let mut arguments = json!({ "chat_id": self.chat });
        if let Some(thread) = self.thread {
            arguments["message_thread_id"] = json!(thread);
        }
        arguments
    }
}

#[cfg(test)]
mod tests;
