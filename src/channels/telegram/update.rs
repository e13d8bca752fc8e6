//! What the Bot API tells of messages, as far as it matters here.

use serde::Deserialize;
use serde_json::Value;

use crate::lenient;

/// Something that happened.
#[derive(Debug, Deserialize)]
pub(super) struct Update {
    pub(super) update_id: i64,
    /// Read by itself: one that is strange must not hide the others.
    message: Option<Value>,
}

/// The bot, or somebody who writes to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) is_bot: bool,
    pub(super) username: String,
    pub(super) first_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TelegramChat {
    pub(super) id: i64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) is_forum: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) message_id: i64,
    pub(super) message_thread_id: i64,
    pub(super) from: Option<User>,
    pub(super) chat: TelegramChat,
    pub(super) text: String,
    pub(super) caption: String,
    pub(super) entities: Vec<Entity>,
    pub(super) caption_entities: Vec<Entity>,
    pub(super) photo: Vec<FileRef>,
    pub(super) document: Option<FileRef>,
    pub(super) audio: Option<FileRef>,
    pub(super) video: Option<FileRef>,
    pub(super) voice: Option<FileRef>,
    pub(super) reply_to_message: Option<Box<Message>>,
}

/// A part of a text that means something.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// In UTF-16 units.
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) user: Option<User>,
}

/// A file that can be fetched.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileRef {
    pub(super) file_id: String,
    pub(super) file_name: String,
    pub(super) file_size: Option<usize>,
}

/// Where a file can be fetched.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilePath {
    pub(super) file_path: String,
}

/// The id of a message that was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    pub(super) message_id: i64,
}

impl Update {
    /// What somebody wrote, if it is that.
    pub(super) fn message(&mut self) -> Option<Message> {
        lenient::read(self.message.take()?)
    }
}

impl Message {
    /// The text, or what is said about the file.
    pub(super) fn words(&self) -> &str {
        if self.text.is_empty() { &self.caption } else { &self.text }
    }

    /// The chat's id, with the topic's in a forum: `-100/42`.
    pub(super) fn address(&self) -> String {
        match self.topic() {
            Some(topic) => format!("{}/{topic}", self.chat.id),
            None => self.chat.id.to_string(),
        }
    }

    /// The topic of a forum to which the message belongs.
    pub(super) fn topic(&self) -> Option<i64> {
        (self.chat.is_forum && self.message_thread_id != 0).then_some(self.message_thread_id)
    }

    /// Whether more people than the sender are there.
    pub(super) fn is_group(&self) -> bool {
        self.chat.kind != "private"
    }

    /// Whether the message speaks to the bot: by its name, by a command, or as an answer to a message of the bot.
    pub(super) fn mentions(&self, bot: &User) -> bool {
        let entities = if self.text.is_empty() { &self.caption_entities } else { &self.entities };
        let answers_bot = self
            .reply_to_message
            .as_ref()
            .is_some_and(|message| message.from.as_ref().is_some_and(|from| from.id == bot.id));
        answers_bot || entities.iter().any(|entity| self.means(entity, bot))
    }

    fn means(&self, entity: &Entity, bot: &User) -> bool {
        let text = part(self.words(), entity.offset, entity.length);
        match entity.kind.as_str() {
            "mention" => text.strip_prefix('@').is_some_and(|name| is_name(name, bot)),
            "text_mention" => entity.user.as_ref().is_some_and(|user| user.id == bot.id),
            "bot_command" => text.split_once('@').is_none_or(|(_, name)| is_name(name, bot)),
            _ => false,
        }
    }

    /// The files in it, each with the word for its kind and a name.
    pub(super) fn files(&self) -> Vec<(&'static str, FileRef)> {
        // The sizes of a photo come in order; the last is the largest.
        let photo = self.photo.last().map(|file| ("image", "photo.jpg", file));
        let others = [
            self.voice.as_ref().map(|file| ("voice", "voice.ogg", file)),
            self.audio.as_ref().map(|file| ("audio", "audio.mp3", file)),
            self.video.as_ref().map(|file| ("video", "video.mp4", file)),
            self.document.as_ref().map(|file| ("file", "document", file)),
        ];
        let named = |(kind, name, file): (_, &str, &FileRef)| {
            let mut file = file.clone();
            if file.file_name.is_empty() {
                file.file_name = name.to_owned();
            }
            (kind, file)
        };
        photo.into_iter().chain(others.into_iter().flatten()).map(named).collect()
    }
}

fn is_name(name: &str, bot: &User) -> bool {
    !bot.username.is_empty() && name.eq_ignore_ascii_case(&bot.username)
}

/// A part of a text whose place is given in UTF-16 units.
fn part(text: &str, offset: usize, length: usize) -> String {
    let units: Vec<u16> = text.encode_utf16().skip(offset).take(length).collect();
    String::from_utf16_lossy(&units)
}

/// The text without the bot's name.
pub(super) fn without_mention(text: &str, bot: &User) -> String {
    if bot.username.is_empty() {
        return text.to_owned();
    }
    let mention = format!("@{}", bot.username.to_ascii_lowercase());
    let mut rest = text.to_owned();
    // Lower-casing ASCII moves no byte.
    while let Some(at) = rest.to_ascii_lowercase().find(&mention) {
        rest.replace_range(at..at + mention.len(), "");
    }
    rest.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bot() -> User {
        User { id: 7, is_bot: true, username: "Pico_Bot".into(), first_name: "Pico".into() }
    }

    fn message(value: serde_json::Value) -> Message {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_bot_is_spoken_to_by_name_command_or_answer() {
        let said = |text: &str, entities: serde_json::Value| {
            message(json!({ "text": text, "entities": entities })).mentions(&bot())
        };
        assert!(said("🦀 @pico_bot hi", json!([{ "type": "mention", "offset": 3, "length": 9 }])));
        assert!(!said("@other hi", json!([{ "type": "mention", "offset": 0, "length": 6 }])));
        assert!(said("/help", json!([{ "type": "bot_command", "offset": 0, "length": 5 }])));
        assert!(said("/help@Pico_bot", json!([{ "type": "bot_command", "offset": 0, "length": 14 }])));
        assert!(!said("/help@other", json!([{ "type": "bot_command", "offset": 0, "length": 11 }])));
        assert!(said(
            "you",
            json!([{ "type": "text_mention", "offset": 0, "length": 3, "user": { "id": 7 } }])
        ));
        assert!(
            message(json!({ "text": "no", "reply_to_message": { "from": { "id": 7 } } })).mentions(&bot())
        );
        assert!(!said("@pico_bot", json!([{ "type": "mention", "offset": 900, "length": 9 }])));
        assert_eq!(without_mention("hey @PICO_BOT, what?", &bot()), "hey , what?");
    }

    #[test]
    fn topics_of_forums_have_addresses_of_their_own() {
        let chat = |forum| json!({ "chat": { "id": -5, "type": "supergroup", "is_forum": forum }, "message_thread_id": 42 });
        assert_eq!(message(chat(true)).address(), "-5/42");
        assert_eq!(message(chat(false)).address(), "-5");
        assert!(message(chat(false)).is_group());
    }

    #[test]
    fn the_largest_photo_and_names_of_files_are_found() {
        let message = message(json!({
            "caption": "look", "photo": [{ "file_id": "s" }, { "file_id": "l", "file_size": 9 }],
            "document": { "file_id": "d", "file_name": "a.pdf" },
        }));
        let files: Vec<_> =
            message.files().into_iter().map(|(kind, file)| (kind, file.file_id, file.file_name)).collect();
        let expected = [("image", "l", "photo.jpg"), ("file", "d", "a.pdf")];
        assert_eq!(files, expected.map(|(kind, id, name)| (kind, id.to_owned(), name.to_owned())));
        assert_eq!(message.words(), "look");
    }
}
