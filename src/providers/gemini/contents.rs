//! A conversation in the words of the protocol: turns of parts, and the instructions apart from them.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::chat::{Message, Role, ToolCall};
use crate::providers::images::{self, Image};

/// Under this key of a tool call's extra content its signature is kept, as the vendor's OpenAI protocol has it too.
const VENDOR: &str = "google";
const EXTRA: &str = "extra_content";
const SIGNATURE: &str = "thought_signature";
/// What the vendor documents for calls that another model made, which have none.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// A turn needs a part.
const NO_TEXT: &str = "(no text)";

/// A part of a turn.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Content<'a> {
    Text(&'a str),
    InlineData {
        #[serde(rename = "mimeType")]
        mime_type: &'a str,
        data: &'a str,
    },
    FileData {
        #[serde(rename = "fileUri")]
        file_uri: &'a str,
    },
    FunctionCall {
        name: &'a str,
        args: Value,
    },
    FunctionResponse {
        name: &'a str,
        response: Value,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Part<'a> {
    #[serde(flatten)]
    content: Content<'a>,
    #[serde(rename = "thoughtSignature", skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
}

impl<'a> Part<'a> {
    pub(super) const fn new(content: Content<'a>) -> Self {
        Self { content, signature: None }
    }
}

/// What one side says until the other one does.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
}

/// The instructions, if there are any.
pub(super) fn system<'a>(messages: &[&'a Message]) -> Vec<Part<'a>> {
    let system = messages.iter().filter(|message| message.role == Role::System);
    system.filter_map(|message| text(&message.content)).collect()
}

/// The turns. `signed` says whether the model refuses calls without a signature.
pub(super) fn turns<'a>(messages: &[&'a Message], signed: bool) -> Vec<Turn<'a>> {
    let question = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    // A result names its tool, which only the call knows.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let (role, parts) = match message.role {
            Role::System => continue,
            Role::User => ("user", said(message)),
            Role::Tool => {
                ("user", std::iter::once(result(message, &names)).chain(pictures(message)).collect())
            }
            Role::Assistant => {
                names.extend(message.tool_calls.iter().map(|call| (&*call.id, &*call.function.name)));
                ("model", answered(message, signed && place > question))
            }
        };
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(parts),
            _ => turns.push(Turn { role, parts }),
        }
    }
    for turn in turns.iter_mut().filter(|turn| turn.parts.is_empty()) {
        turn.parts.push(Part::new(Content::Text(NO_TEXT)));
    }
    turns
}

fn said(message: &Message) -> Vec<Part<'_>> {
    pictures(message).chain(text(&message.content)).collect()
}

fn pictures(message: &Message) -> impl Iterator<Item = Part<'_>> {
    let images = images::of(message).map(|image| match image {
        Image::Data { media_type, base64 } => Content::InlineData { mime_type: media_type, data: base64 },
        Image::Url(url) => Content::FileData { file_uri: url },
    });
    images.map(Part::new)
}

fn result<'a>(message: &'a Message, names: &HashMap<&str, &'a str>) -> Part<'a> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let response = json!({ "result": message.content });
    Part::new(Content::FunctionResponse { name: names.get(id).copied().unwrap_or("tool"), response })
}

/// `signed` says whether the message belongs to the turn that is going on, in which signatures are checked: the first
/// call of each answer has one.
fn answered(message: &Message, signed: bool) -> Vec<Part<'_>> {
    let calls = message.tool_calls.iter().enumerate().map(|(place, call)| {
        let needed = (signed && place == 0).then_some(NO_SIGNATURE);
        Part {
            content: Content::FunctionCall { name: &call.function.name, args: arguments(call) },
            signature: signature(call).or(needed),
        }
    });
    text(&message.content).into_iter().chain(calls).collect()
}

fn text(text: &str) -> Option<Part<'_>> {
    (!text.trim().is_empty()).then_some(Part::new(Content::Text(text)))
}

fn signature(call: &ToolCall) -> Option<&str> {
    call.other.get(EXTRA)?.get(VENDOR)?.get(SIGNATURE)?.as_str()
}

/// What a tool call must carry so that its signature can go back.
pub(super) fn keep_signature(call: &mut ToolCall, signature: &str) {
    call.other.insert(EXTRA.to_owned(), json!({ VENDOR: { SIGNATURE: signature } }));
}

/// The protocol takes objects only; what the model wrote otherwise stays visible to it.
fn arguments(call: &ToolCall) -> Value {
    let arguments = call.function.arguments.trim();
    match serde_json::from_str(arguments) {
        Ok(arguments @ Value::Object(_)) => arguments,
        _ if arguments.is_empty() => Value::Object(Map::new()),
        _ => json!({ "arguments": arguments }),
    }
}
