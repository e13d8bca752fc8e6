//! Connections to Slack, one after another: Slack ends each of them from time to time.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::Slack;
use super::api::ApiError;
use super::event::Event;
use crate::channel::Broken;
use crate::dialogue::{Dialogue, Heard as Message};
use crate::lenient;
use crate::link::Link;
use crate::socket::{Heard, Socket};
use picoclaw::media::inbox::{LARGEST_FILE, MOST_FILES};

/// How often Slack is asked for a sign of life, and how long it may be silent.
const PING_PERIOD: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(25);

/// A connection that Slack ends sooner is a failure, so that there is a pause before the next.
const SHORTEST: Duration = Duration::from_secs(1);

/// Receives until the link says stop.
pub(super) async fn run(slack: &Slack, link: &Arc<Link>, dialogue: &Dialogue) -> Result<(), Broken> {
    let nothing = json!({});
    let me = slack.api.call("auth.test", &nothing).await.map_err(|error| broken(&error))?;
    let bot = me["user_id"].as_str().unwrap_or_default().to_owned();
    loop {
        let url = slack.api.open().await.map_err(|error| broken(&error))?;
        let socket = Socket::connect(&url, &slack.tls).await.map_err(Broken)?;
        let session = Session { slack, link, dialogue, bot: &bot };
        let began = Instant::now();
        if session.listen(socket).await? {
            return Ok(());
        }
        if began.elapsed() < SHORTEST {
            return Err(Broken("slack ended the connection at once".to_owned()));
        }
    }
}

struct Session<'a> {
    slack: &'a Slack,
    link: &'a Arc<Link>,
    dialogue: &'a Dialogue,
    bot: &'a str,
}

impl Session<'_> {
    /// Listens until Slack wants another connection (`false`) or the link says stop (`true`).
    async fn listen(&self, mut socket: Socket) -> Result<bool, Broken> {
        let mut ping = interval(PING_PERIOD);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                next = socket.next() => {
                    heard = Instant::now();
                    match next.map_err(Broken)? {
                        Heard::Life => {}
                        Heard::Closed(_) => return Ok(false),
                        Heard::Json(document) => match document["type"].as_str() {
                            Some("hello") => self.link.up(),
                            Some("disconnect") => return Ok(false),
                            _ => {
                                if !self.envelope(&mut socket, &document).await? {
                                    // What is not acknowledged comes again.
                                    self.link.stop.cancelled().await;
                                    return Ok(true);
                                }
                            }
                        },
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        let seconds = SILENCE.as_secs();
                        return Err(Broken(format!("slack has said nothing for {seconds} s, not even pong")));
                    }
                    socket.ping().await.map_err(Broken)?;
                }
                () = self.link.stop.cancelled() => {
                    socket.close(1000).await;
                    return Ok(true);
                }
            }
        }
    }

    /// Takes an envelope and acknowledges it. `false` when the gateway is stopping.
    async fn envelope(&self, socket: &mut Socket, document: &Value) -> Result<bool, Broken> {
        let payload = &document["payload"];
        if document["type"] == "events_api" {
            let id = payload["event_id"].as_str().unwrap_or_default();
            let recent = || self.slack.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let again = !id.is_empty() && recent().contains(id);
            if !again {
                if !self.event(payload).await {
                    return Ok(false);
                }
                recent().add(id);
            }
        }
        if let Some(id) = document["envelope_id"].as_str() {
            socket.send(&json!({ "envelope_id": id })).await.map_err(Broken)?;
        }
        Ok(true)
    }

    async fn event(&self, payload: &Value) -> bool {
        let Some(event) = lenient::read::<Event>(payload["event"].clone()) else {
            return true;
        };
        let Some(mut said) = event.said(self.bot) else {
            return true;
        };
        if let Some(team) = payload["team_id"].as_str() {
            said.chat.space = format!("workspace:{team}");
        }
        let has_words = |text: &String| !text.is_empty() || !event.files.is_empty();
        let heard = self.slack.manners.group.heard(&said.text, said.addressed);
        let Some(text) = heard.filter(has_words) else {
            return true;
        };
        if !self.slack.manners.allowed.any("slack", &[&event.user]) {
            self.link.not_allowed(&event.user);
            return true;
        }
        let mut message = Message::now(said.chat, text);
        let inbox = self.link.inbox(&self.slack.inbox, &message.chat);
        for file in event.files.iter().take(MOST_FILES) {
            let fetching = self.slack.api.download(file.url(), LARGEST_FILE);
            message.enclose(inbox.fetch(self.link.name(), &file.offered(), fetching).await);
        }
        self.dialogue.hear(message).await.is_ok()
    }
}

fn broken(error: &ApiError) -> Broken {
    let remedy = match error {
        ApiError::Refused(why) if why.contains("auth") || why.contains("token") => {
            ": set settings.bot_token and settings.app_token to tokens of an app with Socket Mode"
        }
        _ => "",
    };
    Broken(format!("{error}{remedy}"))
}
