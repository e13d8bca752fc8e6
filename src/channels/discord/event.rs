//! What Discord tells of messages.

use serde::Deserialize;

use picoclaw::agent::Chat;
use picoclaw::media::inbox::{Offered, kind_of};

/// Somebody.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: String,
    bot: bool,
}

/// A message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    channel_id: String,
    guild_id: Option<String>,
    pub(super) author: User,
    content: String,
    mentions: Vec<User>,
    pub(super) attachments: Vec<File>,
    referenced_message: Option<Box<Message>>,
}

/// A file in a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    filename: String,
    content_type: String,
    size: Option<usize>,
    pub(super) url: String,
}

impl File {
    /// The same as every network's files.
    pub(super) fn offered(&self) -> Offered<'_> {
        Offered { kind: kind_of(&self.content_type), name: &self.filename, size: self.size }
    }
}

/// A message that may be for the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) chat: Chat,
    /// Without the bot's name.
    pub(super) text: String,
    /// Whether it was said to the bot for sure.
    pub(super) addressed: bool,
}

impl Message {
    /// What was said, if it was said by a person.
    pub(super) fn said(&self, me: &str) -> Option<Said> {
        if self.author.bot || self.author.id.is_empty() || self.author.id == me {
            return None;
        }
        let is_direct = self.guild_id.is_none();
        let answers_bot = self.referenced_message.as_ref().is_some_and(|message| message.author.id == me);
        let mentioned = self.mentions.iter().any(|user| user.id == me);
        let without = self.content.replace(&format!("<@{me}>"), "").replace(&format!("<@!{me}>"), "");
        Some(Said {
            chat: Chat {
                kind: if is_direct { "direct" } else { "channel" },
                id: self.channel_id.clone(),
                space: self.guild_id.as_ref().map(|guild| format!("guild:{guild}")).unwrap_or_default(),
                sender: self.author.id.clone(),
                mentioned,
                ..Chat::default()
            },
            text: without.trim().to_owned(),
            addressed: is_direct || answers_bot || mentioned,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(message: Value) -> Option<(String, String, bool)> {
        let message: Message = serde_json::from_value(message).unwrap();
        message
            .said("9")
            .map(|said| (format!("{}:{}", said.chat.kind, said.chat.id), said.text, said.addressed))
    }

    #[test]
    fn people_are_heard_and_bots_are_not() {
        let direct = json!({ "channel_id": "5", "author": { "id": "1" }, "content": "hi" });
        assert_eq!(said(direct.clone()), Some(("direct:5".into(), "hi".into(), true)));
        let mut group = direct.clone();
        group["guild_id"] = json!("7");
        assert_eq!(said(group.clone()), Some(("channel:5".into(), "hi".into(), false)));
        group["content"] = json!("<@9> hi");
        group["mentions"] = json!([{ "id": "9" }]);
        assert_eq!(said(group.clone()), Some(("channel:5".into(), "hi".into(), true)));
        group["mentions"] = json!([]);
        group["referenced_message"] = json!({ "author": { "id": "9" } });
        assert!(said(group).unwrap().2);
        for author in [json!({ "id": "9" }), json!({ "id": "2", "bot": true })] {
            let mut other = direct.clone();
            other["author"] = author;
            assert_eq!(said(other), None);
        }
    }
}
