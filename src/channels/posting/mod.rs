//! Incoming webhooks of Slack and of Microsoft Teams: the gateway posts, and hears nothing.
//!
//! A channel has several targets, each an address; the chat says which, and an unknown one means `default`. `table`
//! finds the tables in a text, `slack` and `teams` bring it into the form of each.

mod slack;
mod table;
mod teams;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::channel::{self, Broken, Channel, Piece, SendError};
use super::kinds::Surroundings;
use super::link::Link;
use super::settings::{self, SettingError};
use super::split::split;
use picoclaw::chat::courier::Outgoing;
use picoclaw::config::{ChannelConfig, SecretString};

/// The target of messages for nobody else.
const DEFAULT: &str = "default";
/// How long the other side may take to accept a message.
const SEND_TIME: Duration = Duration::from_secs(30);
/// What is read of an answer that says why.
const LONGEST_REASON: usize = 64;

/// Whose webhooks they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Slack's incoming webhooks.
    Slack,
    /// Workflows of Microsoft Teams.
    Teams,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    webhooks: BTreeMap<String, Target>,
    proxy: SecretString,
}

/// One address, and how messages look there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    webhook_url: SecretString,
    /// Slack's: who seems to write.
    username: String,
    /// Slack's: the picture of who seems to write.
    icon_emoji: String,
    /// The heading of a card in Teams.
    title: String,
}

/// The channel.
pub struct PostingChannel {
    network: Network,
    targets: BTreeMap<String, Target>,
    client: reqwest::Client,
    /// There while it runs.
    link: Mutex<Option<Arc<Link>>>,
}

impl PostingChannel {
    /// Webhooks as configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(
        network: Network,
        config: &ChannelConfig,
        around: &Surroundings,
    ) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        if !settings.webhooks.contains_key(DEFAULT) {
            let problem =
                "missing: expected {\"webhook_url\": \"https://…\"}, for messages that name no target";
            return Err(SettingError::new("webhooks.default", problem));
        }
        for (name, target) in &settings.webhooks {
            let url = Url::parse(target.webhook_url.expose().trim());
            if !url.is_ok_and(|url| is_safe(&url)) {
                let problem = "missing or malformed: expected the address that begins with https://";
                return Err(SettingError::new(&format!("webhooks.{name}.webhook_url"), problem));
            }
        }
        let client = settings::client(around, &settings.proxy)?;
        Ok(Self { network, targets: settings.webhooks, client, link: Mutex::default() })
    }

    fn set_link(&self, link: Option<Arc<Link>>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// Whether messages get through, as far as the last one has shown.
    fn tell(&self, sent: &Result<(), Refused>) {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match (link.as_deref(), sent) {
            (Some(link), Ok(())) => link.up(),
            (Some(link), Err(Refused::Gone(reason))) if link.is_up() => link.down(reason),
            _ => {}
        }
    }

    async fn post(&self, target: &Target, document: &Value) -> Result<(), Refused> {
        let request = self.client.post(target.webhook_url.expose().trim());
        let request = request.header(CONTENT_TYPE, "application/json").timeout(SEND_TIME);
        let answer = request.body(document.to_string()).send().await;
        let mut answer = answer.map_err(|error| Refused::Later(error.without_url().to_string(), None))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let said = answer.chunk().await.ok().flatten().unwrap_or_default();
        let reason = format!("the webhook answered {status}{}", why(&said));
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => Refused::Later(reason, wish.map(Duration::from_secs)),
            _ if status.is_server_error() => Refused::Later(reason, wish.map(Duration::from_secs)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                Refused::Gone(format!("{reason}: make a new webhook and set webhook_url to its address"))
            }
            _ => Refused::Message(reason),
        })
    }
}

/// Why a message was not taken.
enum Refused {
    /// It may be later.
    Later(String, Option<Duration>),
    /// No message will be.
    Gone(String),
    /// This one will not be.
    Message(String),
}

impl From<Refused> for SendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Later(reason, after) => Self::Passing { reason, after },
            Refused::Gone(reason) | Refused::Message(reason) => Self::Final(reason),
        }
    }
}

/// The address is the permission, so nobody may read it on the way; on this machine nobody does.
fn is_safe(url: &Url) -> bool {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && local)
}

/// What a server says in a word, such as `no_service`.
fn why(said: &[u8]) -> String {
    let said = std::str::from_utf8(said).unwrap_or_default().trim();
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let fits = !said.is_empty() && said.len() <= LONGEST_REASON && said.chars().all(is_word);
    if fits { format!(" ({said})") } else { String::new() }
}

#[async_trait]
impl Channel for PostingChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        self.set_link(Some(Arc::clone(link)));
        link.up();
        link.stop.cancelled().await;
        self.set_link(None);
        Ok(())
    }

    async fn send(&self, chat: &str, piece: &Piece, _: Option<&str>) -> Result<Option<String>, SendError> {
        let Piece::Text { text, .. } = piece else {
            return Err(SendError::Final("a webhook takes text alone, and no files".to_owned()));
        };
        let Some(target) = self.targets.get(chat).or_else(|| self.targets.get(DEFAULT)) else {
            return Err(SendError::Final("there is no target \"default\"".to_owned()));
        };
        let document = match self.network {
            Network::Slack => slack::document(text, &target.username, &target.icon_emoji),
            Network::Teams => teams::document(text, &target.title),
        };
        let sent = self.post(target, &document).await;
        self.tell(&sent);
        sent.map(|()| None).map_err(SendError::from)
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        let longest = match self.network {
            Network::Slack => slack::LONGEST,
            Network::Teams => teams::LONGEST,
        };
        channel::pieces(message, |text| split(text, longest))
    }

    fn rate(&self) -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_safe_when_nobody_can_read_it_on_the_way() {
        let safe = |url: &str| Url::parse(url).is_ok_and(|url| is_safe(&url));
        for url in ["https://hooks.slack.com/services/a", "http://127.0.0.1:8080/x", "http://localhost/x"] {
            assert!(safe(url), "{url}");
        }
        for url in ["http://hooks.slack.com/services/a", "ftp://127.0.0.1/", "hooks.slack.com", ""] {
            assert!(!safe(url), "{url}");
        }
    }

    #[test]
    fn only_a_plain_word_is_repeated() {
        assert_eq!(why(b"no_service\n"), " (no_service)");
        for said in [b"".as_slice(), b"<html>", b"token abc", &[0xff], &[b'a'; 65]] {
            assert_eq!(why(said), "");
        }
    }
}
