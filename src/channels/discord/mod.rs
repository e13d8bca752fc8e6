//! Discord: messages come over its gateway, a WebSocket, and go out by HTTP.
//!
//! `api` calls methods, `session` is the connection with heartbeats and resumption, `event` what Discord tells.
//!
//! Missing: files in both directions, voice, slash commands.

mod api;
mod event;
mod session;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::json;

use self::api::Api;
use self::session::Resumable;
use super::channel::{self, Broken, Channel, Piece, SendError};
use super::courier::Outgoing;
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use super::split::split;
use crate::config::{ChannelConfig, SecretString};

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
        })))
    }
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
        let Piece::Text { text, reply_to } = piece else {
            return Err(SendError::Final("files cannot be sent to Discord by this version".to_owned()));
        };
        for id in [Some(chat), replace].into_iter().flatten() {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                let id = crate::quote::quote(id);
                return Err(SendError::Final(format!("{id} is no id of Discord: expected digits")));
            }
        }
        // A model's text pings nobody.
        let mut message = json!({ "content": text, "allowed_mentions": { "parse": [] } });
        let sent = if let Some(id) = replace {
            self.0.api.call("PATCH", &format!("channels/{chat}/messages/{id}"), Some(&message)).await?
        } else {
            if let Some(id) = reply_to {
                message["message_reference"] = json!({ "message_id": id, "fail_if_not_exists": false });
            }
            self.0.api.call("POST", &format!("channels/{chat}/messages"), Some(&message)).await?
        };
        Ok(sent["id"].as_str().map(str::to_owned))
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        channel::pieces(message, |text| split(text, LONGEST_TEXT))
    }

    fn rate(&self) -> f64 {
        1.0
    }

    async fn typing(&self, chat: &str) {
        // It is only a courtesy.
        let _ = self.0.api.call("POST", &format!("channels/{chat}/typing"), None).await;
    }
}
