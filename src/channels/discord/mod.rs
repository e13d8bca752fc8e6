//! Discord: messages come over its gateway, a WebSocket, and go out by HTTP.
//!
//! `api` calls methods, `session` is the connection with heartbeats and resumption, `event` what Discord tells.
//!
//! Missing: voice, slash commands.

mod api;
mod event;
mod session;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use self::api::{Api, ApiError};
use self::session::Resumable;
use super::channel::{self, Broken, Channel, Piece, SendError};
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use super::split::split;
use picoclaw::chat::courier::Outgoing;
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::media::Inbox;

const API: &str = "https://discord.com/api/v10";
/// The longest message in characters.
const LONGEST_TEXT: usize = 2000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    token: SecretString,
    base_url: String,
    proxy: SecretString,
}

struct Discord {
    api: Api,
    token: SecretString,
    tls: ClientConfig,
    manners: Manners,
    /// The session that a new connection may take up.
    resumable: Mutex<Option<Resumable>>,
    inbox: Inbox,
}

/// The channel.
pub struct DiscordChannel(Arc<Discord>);

impl DiscordChannel {
    /// A bot as configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        let token = settings.token.expose().trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(SettingError::new("token", "missing or malformed: expected the token of a bot"));
        }
        let base = Some(settings.base_url.trim()).filter(|url| !url.is_empty()).unwrap_or(API);
        let client = settings::client(around, &settings.proxy)?;
        let token = SecretString::new(token);
        Ok(Self(Arc::new(Discord {
            api: Api::new(client, base, token.clone()),
            token,
            tls: around.clients.tls(),
            manners: Manners::new(config)?,
            resumable: Mutex::new(None),
            inbox: around.inbox.clone(),
        })))
    }
}

/// A message of a model, which pings nobody.
fn said(text: &str) -> Value {
    json!({ "content": text, "allowed_mentions": { "parse": [] } })
}

#[async_trait]
impl Channel for DiscordChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let discord = &self.0;
        let channel = Arc::new(Self(Arc::clone(discord)));
        let dialogue = discord.manners.dialogue(channel, link);
        session::run(discord, link, &dialogue).await
    }

    async fn send(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
    ) -> Result<Option<String>, SendError> {
        for id in [Some(chat), replace].into_iter().flatten() {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                let id = picoclaw::quote::quote(id);
                return Err(SendError::Final(format!("{id} is no id of Discord: expected digits")));
            }
        }
        let api = &self.0.api;
        let messages = format!("channels/{chat}/messages");
        let sent = match piece {
            Piece::Text { text, reply_to } => {
                let mut message = said(text);
                if let Some(id) = replace {
                    match api.call("PATCH", &format!("{messages}/{id}"), Some(&message)).await {
                        // Somebody has deleted it: the text is to come all the same.
                        Err(ApiError::Refused { code: 404, .. }) => {}
                        sent => return Ok(sent?["id"].as_str().map(str::to_owned)),
                    }
                }
                if let Some(id) = reply_to {
                    message["message_reference"] = json!({ "message_id": id, "fail_if_not_exists": false });
                }
                api.call("POST", &messages, Some(&message)).await?
            }
            Piece::File { file, caption } => api.upload(&messages, &said(caption), file).await?,
        };
        Ok(sent["id"].as_str().map(str::to_owned))
    }

    fn replaces(&self) -> bool {
        true
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        channel::captioned(channel::pieces(message, |text| split(text, LONGEST_TEXT)), LONGEST_TEXT)
    }

    fn rate(&self) -> f64 {
        1.0
    }

    async fn typing(&self, chat: &str) {
        // It is only a courtesy.
        let _ = self.0.api.call("POST", &format!("channels/{chat}/typing"), None).await;
    }
}
