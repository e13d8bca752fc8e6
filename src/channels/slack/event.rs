//! What Slack tells of messages.

use std::collections::{HashSet, VecDeque};

use serde::Deserialize;

use super::format;
use picoclaw::agent::Chat;
use picoclaw::media::inbox::{Offered, kind_of};

/// Events that are remembered, to know those that come again.
const REMEMBERED: usize = 1000;

/// A message, or a mention of the bot in one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    pub(super) user: String,
    bot_id: Option<String>,
    pub(super) text: String,
    channel: String,
    ts: String,
    thread_ts: Option<String>,
    pub(super) files: Vec<File>,
}

/// A file in a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    name: String,
    mimetype: String,
    size: Option<usize>,
    url_private: String,
    url_private_download: String,
}

impl File {
    /// The same as every network's files.
    pub(super) fn offered(&self) -> Offered<'_> {
        Offered { kind: kind_of(&self.mimetype), name: &self.name, size: self.size }
    }

    /// Where the file is.
    pub(super) fn url(&self) -> &str {
        if self.url_private_download.is_empty() { &self.url_private } else { &self.url_private_download }
    }
}

/// A message that may be for the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The chat.
    pub(super) chat: Chat,
    /// What was said, without the bot's name.
    pub(super) text: String,
    /// Whether it was said to the bot for sure.
    pub(super) addressed: bool,
}

impl Event {
    /// What was said, if it was said by a person. A message that mentions the bot in a channel comes once more, as a
    /// mention, which is the one that counts.
    pub(super) fn said(&self, bot: &str) -> Option<Said> {
        let mention = format!("<@{bot}>");
        let is_mention = self.kind == "app_mention";
        let is_direct = self.channel.starts_with('D');
        let by_person = !self.user.is_empty() && self.user != bot && self.bot_id.is_none();
        let is_message = self.kind == "message"
            && self.subtype.as_deref().is_none_or(|s| matches!(s, "file_share" | "thread_broadcast"));
        let counts = if is_mention { !is_direct } else { is_direct || !self.text.contains(&mention) };
        if !by_person || !(is_message || is_mention) || !counts {
            return None;
        }
        // A mention is answered in a thread of its own.
        let thread = self.thread_ts.as_deref().or(is_mention.then_some(self.ts.as_str()));
        let id = match thread {
            Some(thread) => format!("{}/{thread}", self.channel),
            None => self.channel.clone(),
        };
        Some(Said {
            chat: Chat {
                kind: if is_direct { "direct" } else { "channel" },
                id,
                topic: thread.unwrap_or_default().to_owned(),
                sender: self.user.clone(),
                mentioned: is_mention,
                ..Chat::default()
            },
            text: format::plain(self.text.replace(&mention, "").trim()),
            addressed: is_direct || is_mention,
        })
    }
}

/// Ids of events that came.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn add(&mut self, id: &str) {
        if self.ids.insert(id.to_owned()) {
            self.order.push_back(id.to_owned());
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(event: Value) -> Option<(String, String, bool)> {
        let event: Event = serde_json::from_value(event).unwrap();
        event
            .said("UBOT")
            .map(|said| (format!("{}:{}", said.chat.kind, said.chat.id), said.text, said.addressed))
    }

    #[test]
    fn people_are_heard_once_where_they_speak() {
        let some = |chat: &str, text: &str, addressed| Some((chat.to_owned(), text.to_owned(), addressed));
        let direct = json!({ "type": "message", "user": "U1", "channel": "D1", "text": "hi", "ts": "1.2" });
        assert_eq!(said(direct.clone()), some("direct:D1", "hi", true));
        let mention = json!({ "type": "app_mention", "user": "U1", "channel": "C1", "text": "<@UBOT> hi", "ts": "1.2" });
        assert_eq!(said(mention.clone()), some("channel:C1/1.2", "hi", true));
        let mut same = mention;
        same["type"] = json!("message");
        assert_eq!(said(same), None, "it comes as a mention, too");
        let threaded = json!({ "type": "message", "user": "U1", "channel": "C1", "text": "x", "ts": "2", "thread_ts": "1" });
        assert_eq!(said(threaded), some("channel:C1/1", "x", false));
        for (key, value) in [("user", "UBOT"), ("bot_id", "B1"), ("subtype", "message_changed"), ("user", "")]
        {
            let mut other = direct.clone();
            other[key] = json!(value);
            assert_eq!(said(other), None, "{key}");
        }
    }

    #[test]
    fn a_bounded_number_of_events_is_remembered() {
        let mut recent = Recent::default();
        (0..REMEMBERED + 1).for_each(|n| recent.add(&n.to_string()));
        assert!(!recent.contains("0") && recent.contains("1"));
        assert_eq!((recent.ids.len(), recent.order.len()), (REMEMBERED, REMEMBERED));
    }
}
