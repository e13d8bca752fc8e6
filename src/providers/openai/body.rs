//! The request's body, written straight from the conversation into bytes.

use std::borrow::Cow;

use picoclaw_telemetry::json_text;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::chat::{Message, Protocol, Role, ToolCall, ToolSpec};
use crate::providers::exchange::{Fields, write};
use crate::providers::images::{self, Image};
use crate::providers::provider::ChatRequest;

/// What a server wants to be asked like.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialect {
    /// The field that bounds the answer's length, if the configuration says.
    pub(super) max_tokens_field: Option<String>,
    /// Fields that win over the gateway's own.
    pub(super) extra_body: Map<String, Value>,
    /// Whether the reasoning of a turn's earlier tool calls goes back.
    pub(super) replays_reasoning: bool,
    /// Whether the extra fields of tool calls go back.
    pub(super) signs_tool_calls: bool,
}

/// Fields that turned out to be refused by the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// `stream_options`.
    pub(super) stream_options: bool,
    /// `temperature`, by models that reason.
    pub(super) temperature: bool,
}

/// The body of one request.
pub(super) struct Body<'a> {
    pub(super) request: &'a ChatRequest<'a>,
    pub(super) dialect: &'a Dialect,
    pub(super) stream: bool,
    pub(super) refused: Refused,
}

/// Fields that the gateway writes itself: wishes about the sampling cannot replace them.
const OWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "tools",
    "stream",
    "stream_options",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
];

impl Body<'_> {
    /// The bytes to send.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { request, dialect, stream, refused } = self;
        // Texts are most of it; escapes and names get a share on top.
        let text: usize = request.messages.iter().map(|message| message.content.len() + 64).sum();
        let bytes = text + text / 16 + 256 + 512 * request.tools.len();
        let mut fields = Fields::new(bytes, &dialect.extra_body);
        fields.put("model", request.model);
        let messages = Messages { messages: request.messages, dialect };
        fields.put_with("messages", |out| messages.write(out));
        if !request.tools.is_empty() {
            fields.put("tools", request.tools.written(Protocol::OpenAi, Tools));
        }
        if *stream {
            fields.put("stream", &true);
            if !refused.stream_options {
                fields.put("stream_options", &StreamOptions);
            }
        }
        let sampling = request.sampling;
        if let (Some(temperature), false) = (sampling.temperature, refused.temperature) {
            fields.put("temperature", &temperature);
        }
        let length_field = self.max_tokens_field();
        if let Some(max_tokens) = sampling.max_tokens {
            fields.put(length_field, &max_tokens);
        }
        for (name, value) in &sampling.extra {
            if !OWN_FIELDS.contains(&name.as_str()) && name != length_field {
                fields.put(name, value);
            }
        }
        fields.end()
    }

    fn max_tokens_field(&self) -> &str {
        if let Some(field) = &self.dialect.max_tokens_field {
            return field;
        }
        let model = self.request.model.to_ascii_lowercase();
        if ["glm", "o1", "gpt-5"].iter().any(|word| model.contains(word)) {
            "max_completion_tokens"
        } else {
            "max_tokens"
        }
    }
}

struct StreamOptions;

impl Serialize for StreamOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("include_usage", &true)?;
        map.end()
    }
}

struct Tools<'a>(&'a [ToolSpec]);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Tool))
    }
}

struct Tool<'a>(&'a ToolSpec);

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("function", self.0)?;
        map.end()
    }
}

struct Messages<'a> {
    messages: &'a [&'a Message],
    dialect: &'a Dialect,
}

impl Messages<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        // Reasoning goes back only within the turn that it belongs to: after the last message of the person.
        let turn = self.messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
        out.push(b'[');
        for (place, message) in self.messages.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let reasoning = self.dialect.replays_reasoning && place > turn;
            let message = WireMessage { message, dialect: self.dialect, reasoning };
            if message.is_plain() {
                message.write_plain(out);
            } else {
                write(out, &message);
            }
            if let Some(pictures) = self.pictures(place) {
                out.push(b',');
                write(out, &pictures);
            }
        }
        out.push(b']');
    }

    /// The images of the tool results that end at this place: only a message of the person may hold any.
    fn pictures(&self, place: usize) -> Option<Pictures<'_>> {
        let is_result = |message: &&&Message| message.role == Role::Tool;
        if self.messages.get(place + 1).as_ref().is_some_and(is_result) {
            return None;
        }
        let results = self.messages[..=place].iter().rev().take_while(is_result);
        let mut shown: Vec<&Message> =
            results.filter(|result| images::of(result).next().is_some()).copied().collect();
        shown.reverse();
        (!shown.is_empty()).then_some(Pictures { role: Role::User, content: ResultImages(shown) })
    }
}

/// What follows tool results with images.
#[derive(serde::Serialize)]
struct Pictures<'a> {
    role: Role,
    content: ResultImages<'a>,
}

/// The images of tool results.
struct ResultImages<'a>(Vec<&'a Message>);

impl Serialize for ResultImages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Part::Text { text: "[The images of the tool results above:]" };
        let images = self.0.iter().flat_map(|message| pictures(message));
        serializer.collect_seq(std::iter::once(text).chain(images))
    }
}

/// A message without what only the session needs: strict servers refuse fields that they do not know.
struct WireMessage<'a> {
    message: &'a Message,
    dialect: &'a Dialect,
    reasoning: bool,
}

impl WireMessage<'_> {
    /// Whether it has nothing but a text.
    fn is_plain(&self) -> bool {
        let message = self.message;
        message.tool_calls.is_empty()
            && message.tool_call_id.is_none()
            && !(self.reasoning && message.reasoning_content.is_some())
            && !(message.role == Role::User && images::of(message).next().is_some())
    }

    /// As it is serialised. Most of a long conversation is plain messages, in every request again.
    fn write_plain(&self, out: &mut Vec<u8>) {
        for part in ["{\"role\":\"", self.message.role.as_str(), "\",\"content\":\""] {
            out.extend_from_slice(part.as_bytes());
        }
        json_text::push(&self.message.content, out);
        out.extend_from_slice(b"\"}");
    }
}

impl Serialize for WireMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", &message.role)?;
        if message.content.is_empty() && !message.tool_calls.is_empty() {
            // Some servers refuse an empty text, some a missing one.
            map.serialize_entry("content", &None::<&str>)?;
        } else if message.role == Role::User && images::of(message).next().is_some() {
            map.serialize_entry("content", &WithImages(message))?;
        } else {
            map.serialize_entry("content", &message.content)?;
        }
        if let (true, Some(reasoning)) = (self.reasoning, &message.reasoning_content) {
            map.serialize_entry("reasoning_content", reasoning)?;
        }
        if !message.tool_calls.is_empty() {
            map.serialize_entry("tool_calls", &Calls(&message.tool_calls, self.dialect.signs_tool_calls))?;
        }
        if let Some(id) = &message.tool_call_id {
            map.serialize_entry("tool_call_id", id)?;
        }
        map.end()
    }
}

/// A text with images: parts instead of a string.
struct WithImages<'a>(&'a Message);

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(serde::Serialize)]
struct ImageUrl<'a> {
    url: Cow<'a, str>,
}

impl Serialize for WithImages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Some(self.0.content.as_str()).filter(|text| !text.is_empty());
        serializer.collect_seq(text.map(|text| Part::Text { text }).into_iter().chain(pictures(self.0)))
    }
}

fn pictures(message: &Message) -> impl Iterator<Item = Part<'_>> {
    let images = images::of(message).map(|image| match image {
        Image::Data { media_type, base64 } => Cow::Owned(format!("data:{media_type};base64,{base64}")),
        Image::Url(url) => Cow::Borrowed(url),
    });
    images.map(|url| Part::ImageUrl { image_url: ImageUrl { url } })
}

struct Calls<'a>(&'a [ToolCall], bool);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|call| Call(call, self.1)))
    }
}

struct Call<'a>(&'a ToolCall, bool);

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(call, signed) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &call.id)?;
        map.serialize_entry("type", &call.kind)?;
        map.serialize_entry("function", &call.function)?;
        if *signed {
            for (name, value) in &call.other {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
