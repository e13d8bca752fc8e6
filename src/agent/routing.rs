//! A lighter model for easy messages.
//!
//! | What makes a message hard | Points |
//! |---|---|
//! | a picture or another attachment | 100 |
//! | more than about 50 tokens, more than about 200 | 15, 35 |
//! | a block of code | 40 |
//! | tool calls among the last messages, more than three of them | 10, 25 |
//! | a conversation of more than ten messages | 10 |
//!
//! With fewer points than the threshold, in hundredths, the light model is asked. Nothing is measured and no model is
//! asked for that; whoever names a model gets it.

use super::budget;
use super::transcript::Transcript;
use crate::chat::Message;

/// How many of the last messages are looked at for tool calls.
const RECENT: usize = 10;

/// When which model is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The configured name of the light model.
    pub light_model: String,
    /// From how many points on a message is not for it, 1 being a hundred.
    pub threshold: f64,
}

impl Routing {
    /// Whether the light model should answer.
    pub(super) fn is_easy(&self, transcript: &Transcript) -> bool {
        f64::from(points(&transcript.messages())) < self.threshold * 100.0
    }
}

fn points(messages: &[&Message]) -> u32 {
    let Some(last) = messages.last() else { return 0 };
    if last.other.contains_key("media") || last.other.contains_key("attachments") {
        return 100;
    }
    let length = match budget::weigh(last) / 4 {
        0..=50 => 0,
        51..=200 => 15,
        _ => 35,
    };
    let code = if last.content.contains("```") { 40 } else { 0 };
    let recent = &messages[messages.len().saturating_sub(RECENT)..];
    let calls = match recent.iter().map(|message| message.tool_calls.len()).sum() {
        0 => 0,
        1..=3 => 10,
        _ => 25,
    };
    let depth = if messages.len() > 10 { 10 } else { 0 };
    (length + code + calls + depth).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;
    use crate::sessions::History;

    fn is_easy(text: &str, threshold: f64) -> bool {
        let routing = Routing { light_model: "small".to_owned(), threshold };
        let message = Message::new(Role::User, text);
        routing.is_easy(&Transcript::new(None, History::default(), vec![message]))
    }

    #[test]
    fn short_talk_is_easy_and_code_is_not() {
        assert!(is_easy("hi", 0.35));
        assert!(is_easy(&"word ".repeat(60), 0.35));
        assert!(!is_easy(&"word ".repeat(300), 0.35));
        assert!(!is_easy("why?\n```\nx\n```", 0.35));
        assert!(!is_easy("hi", 0.0), "a threshold of 0 leaves nothing to the light model");
    }

    #[test]
    fn pictures_and_tools_make_it_hard() {
        let mut message = Message::new(Role::User, "what is this?");
        message.other.insert("media".into(), serde_json::json!(["x"]));
        assert_eq!(points(&[&message]), 100);
        let short = Message::new(Role::User, "hi");
        let many = vec![&short; 11];
        assert_eq!(points(&many), 10);
    }
}
