//! Receives what happens, and hands to the agent what is for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::Matrix;
use super::api::ApiError;
use super::event::{Said, is_encrypted, said};
use crate::channel::Broken;
use crate::dialogue::{Dialogue, Heard};
use crate::link::Link;
use picoclaw::agent::Chat;

/// The longest pause that a server is granted before it is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Rooms of which is remembered how many people they have.
const MOST_ROOMS: usize = 4096;

/// Receives until the link says stop.
pub(super) async fn run(matrix: &Matrix, link: &Arc<Link>, dialogue: &Dialogue) -> Result<(), Broken> {
    let me = matrix.api.who_am_i().await.map_err(|error| broken(&error))?;
    let (mut since, accepted) = matrix.position.read(&me).await.unzip();
    let accepted = accepted.unwrap_or_default().into_iter().collect();
    let mut rooms =
        Rooms { matrix, link, dialogue, me: &me, accepted, sizes: HashMap::new(), closed: HashSet::new() };
    loop {
        let synced = tokio::select! {
            synced = matrix.api.sync(since.as_deref()) => synced,
            () = link.stop.cancelled() => return Ok(()),
        };
        let document = match synced {
            Ok(document) => document,
            Err(ApiError::Limited(pause)) => {
                tokio::select! {
                    () = sleep(pause.unwrap_or(Duration::from_secs(5)).min(LONGEST_PAUSE)) => continue,
                    () = link.stop.cancelled() => return Ok(()),
                }
            }
            Err(error) => return Err(broken(&error)),
        };
        link.up();
        let Some(next) = document["next_batch"].as_str() else {
            return Err(Broken("the homeserver does not say how to go on".to_owned()));
        };
        // What was said before the first start is not for the agent.
        let fresh = since.is_some();
        if !rooms.take(&document, fresh).await {
            if let Some(since) = &since {
                matrix.position.write(&me, since, rooms.accepted.into_iter().collect()).await;
            }
            link.stop.cancelled().await;
            return Ok(());
        }
        rooms.accepted.clear();
        if since.as_deref() != Some(next) {
            matrix.position.write(&me, next, Vec::new()).await;
            since = Some(next.to_owned());
        }
    }
}

struct Rooms<'a> {
    matrix: &'a Matrix,
    link: &'a Arc<Link>,
    dialogue: &'a Dialogue,
    me: &'a str,
    /// The events of what has come last that were handed to the agent.
    accepted: HashSet<String>,
    /// How many people are in each.
    sizes: HashMap<String, usize>,
    /// Those that cannot be read, as far as it has been said.
    closed: HashSet<String>,
}

impl Rooms<'_> {
    /// Takes what has happened. `false` when the gateway is stopping.
    async fn take(&mut self, document: &Value, fresh: bool) -> bool {
        for room in document["rooms"]["invite"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            self.invited(room).await;
        }
        for (room, news) in document["rooms"]["join"].as_object().into_iter().flatten() {
            if let Some(size) = news["summary"]["m.joined_member_count"].as_u64() {
                self.remember(room, usize::try_from(size).unwrap_or(usize::MAX));
            }
            let events = news["timeline"]["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            let new = since_entering(events, self.me);
            if fresh && news["timeline"]["limited"] == true && new.len() == events.len() {
                let channel = self.link.name();
                tracing::warn!(
                    channel,
                    room,
                    "More was said in a room of Matrix than the homeserver tells at once: the first of it is not answered."
                );
            }
            for event in new.iter().filter(|_| fresh) {
                let id = event["event_id"].as_str().unwrap_or_default();
                if self.accepted.contains(id) {
                    continue;
                }
                if is_encrypted(event) && self.closed.len() < MOST_ROOMS && self.closed.insert(room.clone()) {
                    let channel = self.link.name();
                    tracing::warn!(
                        channel,
                        room,
                        "A room of Matrix is encrypted: nothing in it can be read."
                    );
                }
                if let Some(said) = said(event, self.me) {
                    if !self.hear(room, said).await {
                        return false;
                    }
                    if !id.is_empty() {
                        self.accepted.insert(id.to_owned());
                    }
                }
            }
        }
        true
    }

    async fn invited(&self, room: &str) {
        if !self.matrix.join_on_invite {
            return;
        }
        if let Err(error) = self.matrix.api.join(room).await {
            let channel = self.link.name();
            tracing::warn!(channel, room, %error, "A room of Matrix could not be entered.");
        }
    }

    fn remember(&mut self, room: &str, size: usize) {
        if self.sizes.len() >= MOST_ROOMS {
            self.sizes.clear();
        }
        self.sizes.insert(room.to_owned(), size);
    }

    /// Whether there are others in the room than one person and the agent.
    async fn is_group(&mut self, room: &str) -> bool {
        if let Some(size) = self.sizes.get(room) {
            return *size > 2;
        }
        match self.matrix.api.members(room).await {
            Ok(size) => {
                self.remember(room, size);
                size > 2
            }
            // It is better not to speak up than to interrupt many.
            Err(_) => true,
        }
    }

    /// `false` when the gateway is stopping.
    async fn hear(&mut self, room: &str, said: Said) -> bool {
        let in_group = self.is_group(room).await;
        let manners = &self.matrix.manners;
        let heard =
            if in_group { manners.group.heard(&said.text, said.mentioned) } else { Some(said.text.clone()) };
        let Some(text) = heard.filter(|text| !text.is_empty()) else { return true };
        if !manners.allowed.any("matrix", &[&said.sender, said.sender.trim_start_matches('@')]) {
            self.link.not_allowed(&said.sender);
            return true;
        }
        let chat = Chat {
            kind: if in_group { "group" } else { "direct" },
            id: room.to_owned(),
            sender: said.sender,
            mentioned: said.mentioned,
            ..Chat::default()
        };
        self.dialogue.hear(Heard::now(chat, text)).await.is_ok()
    }
}

/// What was said before the agent came into the room is not for it.
fn since_entering<'a>(events: &'a [Value], me: &str) -> &'a [Value] {
    let enters = |event: &Value| {
        event["type"] == "m.room.member"
            && event["state_key"] == me
            && event["content"]["membership"] == "join"
    };
    events.iter().rposition(enters).map_or(events, |at| &events[at + 1..])
}

fn broken(error: &ApiError) -> Broken {
    let remedy = match error {
        ApiError::Refused { code, .. } if code.contains("TOKEN") || code == "M_FORBIDDEN" => {
            ": set settings.access_token to one of the bot's account"
        }
        _ => "",
    };
    Broken(format!("{error}{remedy}"))
}
