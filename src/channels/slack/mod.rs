//! Slack, by Socket Mode: the gateway connects to Slack, so that it needs no public address.
//!
//! `api` calls methods, `session` is one connection, `event` what Slack tells, [`format`] Markdown as Slack shows
//! it. An event is acknowledged when the agent has accepted it; Slack sends again what is not acknowledged.

mod api;
mod event;
mod format;
mod session;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::json;

use self::api::Api;
use self::event::Recent;
pub(super) use self::format::mrkdwn;
use super::channel::{self, Broken, Channel, Piece, SendError};
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use super::split::split;
use picoclaw::chat::courier::Outgoing;
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::media::Inbox;

const API: &str = "https://slack.com/api";
/// The longest text that Slack recommends is 4000 characters; it cuts beyond 40,000.
const LONGEST_TEXT: usize = 4000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    bot_token: SecretString,
    app_token: SecretString,
    base_url: String,
    proxy: SecretString,
}

struct Slack {
    api: Api,
    tls: ClientConfig,
    manners: Manners,
    /// Events that came already, also over an earlier connection.
    recent: Mutex<Recent>,
    inbox: Inbox,
}

/// The channel.
pub struct SlackChannel(Arc<Slack>);

impl SlackChannel {
    /// A bot as configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        for (key, token, mark) in
            [("bot_token", &settings.bot_token, "xoxb-"), ("app_token", &settings.app_token, "xapp-")]
        {
            let token = token.expose().trim();
            if !token.starts_with(mark) || !token.chars().all(|c| c.is_ascii_graphic()) {
                let problem = format!("missing or malformed: expected a token that begins with {mark}");
                return Err(SettingError::new(key, problem));
            }
        }
        let base = Some(settings.base_url.trim()).filter(|url| !url.is_empty()).unwrap_or(API);
        let client = settings::client(around, &settings.proxy)?;
        Ok(Self(Arc::new(Slack {
            api: Api::new(client, base, &settings.bot_token, &settings.app_token),
            tls: around.clients.tls(),
            manners: Manners::new(config)?,
            recent: Mutex::default(),
            inbox: around.inbox.clone(),
        })))
    }
}

#[async_trait]
impl Channel for SlackChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let slack = &self.0;
        let channel = Arc::new(Self(Arc::clone(slack)));
        // Slack has no way to show that a bot is typing.
        let dialogue = slack.manners.dialogue(channel, link);
        session::run(slack, link, &dialogue).await
    }

    async fn send(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
    ) -> Result<Option<String>, SendError> {
        let (channel, thread) = match chat.split_once('/') {
            Some((channel, thread)) => (channel, Some(thread)),
            None => (chat, None),
        };
        let api = &self.0.api;
        let mut arguments = json!({});
        let (text, reply_to) = match piece {
            Piece::Text { text, reply_to } => (text, reply_to.as_deref()),
            Piece::File { caption, .. } => (caption, None),
        };
        if let Some(thread) = thread.or(reply_to) {
            arguments["thread_ts"] = json!(thread);
        }
        match piece {
            Piece::File { file, .. } => {
                arguments["channel_id"] = json!(channel);
                if !text.is_empty() {
                    arguments["initial_comment"] = json!(format::mrkdwn(text));
                }
                api.upload(arguments, file).await?;
                // Slack shares the file a little later, as a message whose id it does not say.
                Ok(None)
            }
            Piece::Text { .. } => {
                arguments["channel"] = json!(channel);
                arguments["text"] = json!(format::mrkdwn(text));
                if let Some(ts) = replace {
                    let other = json!({ "channel": channel, "ts": ts, "text": arguments["text"] });
                    match api.call("chat.update", &other).await {
                        // Somebody has deleted it, or it is too old: the text is to come all the same.
                        Err(error) if error.is_of_message() => {}
                        sent => return Ok(sent?["ts"].as_str().map(str::to_owned)),
                    }
                }
                let sent = api.call("chat.postMessage", &arguments).await?;
                Ok(sent["ts"].as_str().map(str::to_owned))
            }
        }
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
}
