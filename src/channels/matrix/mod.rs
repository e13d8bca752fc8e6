//! Matrix: rooms and people of a homeserver, over its client-server API.
//!
//! `api` calls the server, `sync` receives, `event` is what it tells. Rooms with encryption cannot be read: what is said
//! there is left alone, and the log says so.

mod api;
mod event;
mod position;
mod sync;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use self::api::Api;
use self::position::Position;
use super::channel::{self, Broken, Channel, Piece, SendError};
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use super::split::split;
use super::telegram::html;
use picoclaw::chat::courier::Outgoing;
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::ids::uuid;

/// The longest text, in UTF-16 units: an event may have 64 KiB, and the text is in it twice.
const LONGEST_TEXT: usize = 8000;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    homeserver: String,
    access_token: SecretString,
    join_on_invite: bool,
    message_format: String,
    proxy: SecretString,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            homeserver: String::new(),
            access_token: SecretString::default(),
            join_on_invite: true,
            message_format: String::new(),
            proxy: SecretString::default(),
        }
    }
}

struct Matrix {
    api: Api,
    manners: Manners,
    position: Position,
    join_on_invite: bool,
    plain: bool,
}

/// The channel.
pub struct MatrixChannel(Arc<Matrix>);

impl MatrixChannel {
    /// An account as configured under `name`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(name: &str, config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        let server = settings.homeserver.trim().trim_end_matches('/');
        if !server.starts_with("https://") && !server.starts_with("http://") {
            let problem = "missing or malformed: expected an address such as https://matrix.org";
            return Err(SettingError::new("homeserver", problem));
        }
        let token = settings.access_token.expose().trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(SettingError::new(
                "access_token",
                "missing or malformed: expected that of the bot's account",
            ));
        }
        let client = settings::client(around, &settings.proxy)?;
        let workspace: &Path = around.inbox.workspace();
        Ok(Self(Arc::new(Matrix {
            api: Api::new(client, server, token),
            manners: Manners::new(config)?,
            position: Position::new(workspace, name),
            join_on_invite: settings.join_on_invite,
            plain: settings.message_format.eq_ignore_ascii_case("plain"),
        })))
    }
}

#[async_trait]
impl Channel for MatrixChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let matrix = &self.0;
        let channel = Arc::new(Self(Arc::clone(matrix)));
        let dialogue = matrix.manners.dialogue(channel, link);
        sync::run(matrix, link, &dialogue).await
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
        replace: Option<&str>,
        id: &str,
    ) -> Result<Option<String>, SendError> {
        let Piece::Text { text, reply_to } = piece else {
            return Err(SendError::Final("this version sends no files to Matrix".to_owned()));
        };
        let mut content = self.0.content(text);
        if let Some(event) = replace {
            let new = content.clone();
            content["m.new_content"] = new;
            content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": event });
        } else if let Some(event) = reply_to {
            content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": event } });
        }
        let sent = self.0.api.send(chat, id, &content).await?;
        // Whoever changes a message changes the first one.
        let id = replace.map(str::to_owned).or_else(|| sent["event_id"].as_str().map(str::to_owned));
        Ok(id)
    }

    fn replaces(&self) -> bool {
        true
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        channel::pieces(message, |text| split(text, LONGEST_TEXT))
    }

    async fn typing(&self, chat: &str) {
        self.0.api.typing(chat).await;
    }

    fn rate(&self) -> f64 {
        2.0
    }
}

impl Matrix {
    /// A text with what it looks like.
    fn content(&self, text: &str) -> Value {
        if self.plain {
            return json!({ "msgtype": "m.text", "body": text });
        }
        let formatted = with_breaks(&html(text));
        json!({ "msgtype": "m.text", "body": text, "format": "org.matrix.custom.html", "formatted_body": formatted })
    }
}

/// Ends of lines as HTML knows them; within code they stay.
fn with_breaks(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("<pre>") {
        let end = rest[at..].find("</pre>").map_or(rest.len(), |end| at + end + "</pre>".len());
        out.push_str(&rest[..at].replace('\n', "<br>"));
        out.push_str(&rest[at..end]);
        rest = &rest[end..];
    }
    out.push_str(&rest.replace('\n', "<br>"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_html_knows_it_but_not_in_code() {
        assert_eq!(with_breaks("a\nb<pre>c\nd</pre>e\n"), "a<br>b<pre>c\nd</pre>e<br>");
        assert_eq!(with_breaks("<pre>open\nend"), "<pre>open\nend");
    }
}
