//! A conversation in the words of the protocol: turns of blocks, and the instructions apart from them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::chat::{Message, Role, ToolCall};
use crate::providers::images::{self, Image};

/// Under this key of a tool call's extra content the thinking before it is kept, with its signature.
pub(super) const VENDOR: &str = "anthropic";
pub(super) const EXTRA: &str = "extra_content";
pub(super) const THINKING: &str = "thinking";
/// The protocol refuses a turn without any content.
const NO_TEXT: &str = "(no text)";

/// A part of a turn.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Value,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: ResultContent<'a>,
    },
    /// As the server gave it.
    #[serde(untagged)]
    Given(&'a Value),
}

/// What a tool brought back: a text, or several things.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ResultContent<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

/// What one side says until the other one does.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// The instructions, if there are any.
pub(super) fn system(messages: &[&Message]) -> Option<String> {
    let texts = messages.iter().filter(|message| message.role == Role::System && !message.content.is_empty());
    let texts: Vec<&str> = texts.map(|message| message.content.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// The turns. `thinking` says whether what the model thought before its latest tool calls goes back, as it must while
/// the model thinks.
pub(super) fn turns<'a>(messages: &[&'a Message], thinking: bool) -> Vec<Turn<'a>> {
    let question = last_question(messages);
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let (role, content) = match message.role {
            Role::System => continue,
            Role::User => ("user", said(message)),
            Role::Tool => ("user", result(message)),
            Role::Assistant => ("assistant", answered(message, thinking && place > question)),
        };
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.extend(content),
            _ => turns.push(Turn { role, content }),
        }
    }
    turns.retain(|turn| !(turn.content.is_empty() && turn.role == "assistant"));
    for turn in turns.iter_mut().filter(|turn| turn.content.is_empty()) {
        turn.content.push(Block::Text { text: NO_TEXT });
    }
    turns
}

/// Whether the model may think: not if it called tools without, for example because another model did, and the answers
/// to those calls are what it is asked now.
pub(super) fn may_think(messages: &[&Message]) -> bool {
    let since = &messages[last_question(messages)..];
    since.iter().filter(|message| !message.tool_calls.is_empty()).all(|message| !thoughts(message).is_empty())
}

fn last_question(messages: &[&Message]) -> usize {
    messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0)
}

fn said(message: &Message) -> Vec<Block<'_>> {
    let images = images::of(message).map(|image| Block::Image {
        source: match image {
            Image::Data { media_type, base64 } => Source::Base64 { media_type, data: base64 },
            Image::Url(url) => Source::Url { url },
        },
    });
    images.chain(text(&message.content)).collect()
}

fn result(message: &Message) -> Vec<Block<'_>> {
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let content = match images::of(message).next() {
        Some(_) => ResultContent::Blocks(said(message)),
        None => ResultContent::Text(&message.content),
    };
    vec![Block::ToolResult { tool_use_id: clean(id), content }]
}

fn answered(message: &Message, thinking: bool) -> Vec<Block<'_>> {
    let thoughts = if thinking { thoughts(message) } else { &[] };
    let calls = message.tool_calls.iter().map(|call| Block::ToolUse {
        id: clean(&call.id),
        name: &call.function.name,
        input: input(call),
    });
    thoughts.iter().map(Block::Given).chain(text(&message.content)).chain(calls).collect()
}

/// Empty texts are refused.
fn text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text { text })
}

fn thoughts(message: &Message) -> &[Value] {
    let kept = message.tool_calls.iter().find_map(|call| call.other.get(EXTRA)?.get(VENDOR)?.get(THINKING));
    kept.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a tool call must carry so that the thinking before it can go back.
pub(super) fn keep_thoughts(call: &mut ToolCall, thoughts: &[Value]) {
    call.other.insert(EXTRA.to_owned(), json!({ VENDOR: { THINKING: thoughts } }));
}

/// The protocol takes objects only; what the model wrote otherwise stays visible to it.
fn input(call: &ToolCall) -> Value {
    let arguments = call.function.arguments.trim();
    match serde_json::from_str(arguments) {
        Ok(input @ Value::Object(_)) => input,
        _ if arguments.is_empty() => Value::Object(Map::new()),
        _ => json!({ "arguments": arguments }),
    }
}

/// Ids of other vendors may hold what this protocol refuses.
fn clean(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.is_empty() && id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    let clean: String = id.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    Cow::Owned(if clean.is_empty() { "call".to_owned() } else { clean })
}
