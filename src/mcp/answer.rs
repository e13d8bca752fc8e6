//! What a server's tool says.

use crate::protocol::model::{CallToolResult, ContentBlock, ResourceContents};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a tool says: text, and things that are no text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) things: Vec<Thing>,
    pub(super) failed: bool,
}

/// An image, a sound, a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) kind: String,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    /// What a result says. Structured content is for programs; it speaks when nothing else does.
    pub(super) fn of(result: CallToolResult) -> Self {
        let mut answer = Self { failed: result.is_error == Some(true), ..Self::default() };
        for block in result.content {
            match block {
                ContentBlock::Text(text) => answer.say(&text.text),
                ContentBlock::Image(image) => answer.show(&image.mime_type, &image.data),
                ContentBlock::Audio(audio) => answer.show(&audio.mime_type, &audio.data),
                ContentBlock::Resource(embedded) => match embedded.resource {
                    ResourceContents::TextResourceContents { uri, text, .. } => {
                        answer.say(&format!("[{uri}]\n{text}"));
                    }
                    ResourceContents::BlobResourceContents { mime_type, blob, .. } => {
                        answer.show(mime_type.as_deref().unwrap_or_default(), &blob);
                    }
                    _ => answer.say("[something of a kind that is not known here]"),
                },
                ContentBlock::ResourceLink(link) => {
                    answer.say(&format!("[link to {} ({})]", link.uri, link.name));
                }
                _ => answer.say("[something of a kind that is not known here]"),
            }
        }
        if answer.text.is_empty()
            && answer.things.is_empty()
            && let Some(structured) = result.structured_content
        {
            answer.text = structured.to_string();
        }
        answer
    }

    fn say(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    fn show(&mut self, kind: &str, data: &str) {
        match STANDARD.decode(data) {
            Ok(bytes) => self.things.push(Thing { kind: kind.to_owned(), bytes }),
            Err(_) => self.say("[something that is no base64]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(result: serde_json::Value) -> Answer {
        Answer::of(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn every_kind_of_content_is_told() {
        let all = answer(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "two"}},
            {"type": "resource_link", "uri": "file:///b", "name": "b"},
            {"type": "audio", "data": "?", "mimeType": "audio/wav"},
        ]}));
        assert_eq!(all.text, "one\n[file:///a]\ntwo\n[link to file:///b (b)]\n[something that is no base64]");
        assert_eq!(all.things, [Thing { kind: "image/png".to_owned(), bytes: b"hi".to_vec() }]);
        assert!(!all.failed && answer(json!({"content": [], "isError": true})).failed);
    }

    #[test]
    fn structure_speaks_when_nothing_else_does() {
        assert_eq!(answer(json!({"content": [], "structuredContent": {"a": 1}})).text, r#"{"a":1}"#);
        let both = json!({"content": [{"type": "text", "text": "x"}], "structuredContent": {"a": 1}});
        assert_eq!(answer(both).text, "x");
    }
}
