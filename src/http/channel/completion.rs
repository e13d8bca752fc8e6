//! The answer in one piece, and what the pieces of a stream have in common with it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::unix_time;
use crate::agent::Reply;
use crate::chat::Usage;

/// Identity of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Unique among the answers of all gateways.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The configured name of the model that a stream announces; the whole answer names the one that wrote it.
    pub model: String,
}

impl Answer {
    /// A new answer of a model.
    pub fn new(model: String) -> Self {
        Self { id: id(), created: unix_time(), model }
    }

    /// The `chat.completion` document.
    pub fn to_json(&self, reply: &Reply) -> Vec<u8> {
        #[derive(Serialize)]
        struct Completion<'a> {
            id: &'a str,
            object: &'static str,
            created: u64,
            model: &'a str,
            choices: [Choice<'a>; 1],
            usage: Tokens,
            system_fingerprint: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Choice<'a> {
            index: u8,
            message: Said<'a>,
            logprobs: Option<()>,
            finish_reason: &'static str,
        }
        #[derive(Serialize)]
        struct Said<'a> {
            role: &'static str,
            content: &'a str,
            refusal: Option<()>,
        }
        let completion = Completion {
            id: &self.id,
            object: "chat.completion",
            created: self.created,
            model: &reply.model_name,
            choices: [Choice {
                index: 0,
                message: Said { role: "assistant", content: &reply.content, refusal: None },
                logprobs: None,
                finish_reason: reply.finish.as_str(),
            }],
            usage: reply.usage.into(),
            system_fingerprint: None,
        };
        let mut document = Vec::with_capacity(reply.content.len() + reply.content.len() / 8 + 512);
        serde_json::to_writer(&mut document, &completion).expect("texts and numbers always serialise");
        document
    }
}

/// Tokens under the names of the OpenAI API.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
        }
    }
}

/// A part that differs between processes and a number that differs within one.
fn id() -> String {
    static PROCESS: OnceLock<String> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| {
        // Without a source of randomness the ids are still unique within the process.
        format!("chatcmpl-{:016x}", getrandom::u64().unwrap_or_else(|_| unix_time()))
    });
    [process.as_str(), &NEXT.fetch_add(1, Relaxed).to_string()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FinishReason;

    #[test]
    fn the_document_is_what_openai_clients_expect() {
        let answer = Answer { id: "chatcmpl-1".to_owned(), created: 5, model: "asked".to_owned() };
        let reply = Reply {
            content: "a \"b\"\n".to_owned(),
            model_name: "answered".to_owned(),
            usage: Usage::new(3, 4),
            finish: FinishReason::Length,
            context: None,
            joined: false,
        };
        assert_eq!(
            String::from_utf8(answer.to_json(&reply)).unwrap(),
            concat!(
                r#"{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"answered","choices":[{"index":0,"#,
                r#""message":{"role":"assistant","content":"a \"b\"\n","refusal":null},"logprobs":null,"#,
                r#""finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},"#,
                r#""system_fingerprint":null}"#
            )
        );
    }

    #[test]
    fn ids_differ() {
        assert_ne!(Answer::new(String::new()).id, Answer::new(String::new()).id);
    }
}
