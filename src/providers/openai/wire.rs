//! What servers answer, as liberally as the servers in use demand. Unknown fields are ignored.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::chat::{FinishReason, Usage};

/// A whole completion, a chunk of a streamed one, or an error: the shapes differ in their choices only.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(default)]
    pub(super) error: Option<Box<Value>>,
    /// Some servers put the error's fields at the top.
    #[serde(default)]
    pub(super) message: Option<Box<Value>>,
    #[serde(default)]
    pub(super) code: Option<Box<Value>>,
}

impl Answer {
    /// The error that came instead of an answer.
    pub(super) fn error(&self) -> Option<Value> {
        match (&self.error, &self.choices, &self.message) {
            (Some(error), _, _) => Some((**error).clone()),
            (None, None, Some(message)) => Some(serde_json::json!({ "message": message, "code": self.code })),
            _ => None,
        }
    }
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Choice {
    /// Only the first choice is asked for; others are ignored.
    #[serde(default)]
    pub(super) index: Option<u64>,
    /// In a chunk. Boxed, because a choice is moved several times while it is read.
    #[serde(default)]
    pub(super) delta: Option<Box<Part>>,
    /// In a whole completion.
    #[serde(default)]
    pub(super) message: Option<Box<Part>>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) content: Text,
    /// What the model says instead when it refuses.
    #[serde(default)]
    pub(super) refusal: Text,
    #[serde(default)]
    pub(super) reasoning_content: Text,
    #[serde(default)]
    pub(super) reasoning: Text,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<CallPart>>,
}

/// A tool call, or a fragment of one.
#[derive(Debug, serde::Deserialize)]
pub(super) struct CallPart {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<FunctionPart>,
    /// The model's signature of the call, which some vendors want back.
    #[serde(default)]
    pub(super) extra_content: Option<Value>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct FunctionPart {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) arguments: Option<Arguments>,
}

/// A JSON document as text, or, from some servers, the document itself.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Arguments {
    Text(String),
    Document(Value),
}

impl Arguments {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Document(document) => document.to_string(),
        }
    }
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<Number>,
    #[serde(default)]
    completion_tokens: Option<Number>,
    #[serde(default)]
    prompt_tokens_details: Option<InputDetails>,
    /// DeepSeek's word for it.
    #[serde(default)]
    prompt_cache_hit_tokens: Option<Number>,
}

#[derive(Debug, serde::Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<Number>,
}

impl WireUsage {
    /// Nothing when the server fills in neither number.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() {
            return None;
        }
        let details = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens.as_ref());
        let input = count(self.prompt_tokens.as_ref());
        Some(Usage {
            cached: count(details.or(self.prompt_cache_hit_tokens.as_ref())).min(input),
            ..Usage::new(input, count(self.completion_tokens.as_ref()))
        })
    }
}

/// Some servers count in floats; a negative or absent count is none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
pub(in crate::providers) fn count(number: Option<&Number>) -> u64 {
    number.and_then(|n| n.as_u64().or_else(|| n.as_f64().map(|f| f as u64))).unwrap_or(0)
}

/// Why the answer ended; `None` for the word by which servers report a failure of their own.
pub(super) fn finish_reason(word: &str) -> Option<FinishReason> {
    match word {
        "length" | "max_tokens" => Some(FinishReason::Length),
        "tool_calls" | "function_call" => Some(FinishReason::ToolCalls),
        "content_filter" => Some(FinishReason::ContentFilter),
        "error" => None,
        _ => Some(FinishReason::Stop),
    }
}

/// A text: a string, nothing, or a list of parts of which those with a `text` count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl Text {
    /// The text, if there is any.
    pub(super) fn some(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, null or a list of parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(text))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
        let mut text = String::new();
        while let Some(Text(part)) = parts.next_element()? {
            text.push_str(&part);
        }
        Ok(Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<Text, A::Error> {
        let mut text = Text::default();
        while let Some(name) = part.next_key::<String>()? {
            if name == "text" {
                text = part.next_value()?;
            } else {
                part.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }
}
