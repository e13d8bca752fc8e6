//! The body of `POST /v1/chat/completions`, checked field by field.
//!
//! Fields that the gateway does not know go on to the model provider as they are, so that a new parameter of
//! a provider works at once. Fields that would change the shape of the answer are refused.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::messages;
use crate::chat::{Message, Role, Sampling};

/// What a caller wants.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The new messages of a session, or the whole history of a stateless conversation.
    pub messages: Vec<Message>,
    /// The model, as it was written.
    pub model: Option<String>,
    /// How to write.
    pub sampling: Sampling,
    /// Whether to send the answer as it is written.
    pub stream: bool,
    /// Whether to end the stream with the number of tokens.
    pub include_usage: bool,
    /// The session that the caller names.
    pub session: Option<String>,
    /// Whether the message may join a turn of its session that runs already: `metadata.steer`.
    pub steer: bool,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Where: the path of the field.
    pub param: Option<String>,
    /// For programs.
    pub code: &'static str,
    /// For a person.
    pub message: String,
}

impl Defect {
    /// A field that is wrong.
    pub fn at(param: impl Into<String>, what: impl std::fmt::Display) -> Self {
        let param = param.into();
        Self { message: format!("{param}: {what}"), param: Some(param), code: "invalid_request" }
    }

    /// A field that is right and asks for something that the gateway does not do.
    pub fn unsupported(param: impl Into<String>, what: impl std::fmt::Display) -> Self {
        Self { code: "unsupported", ..Self::at(param, what) }
    }
}

/// Longest name of a session in bytes.
const MAX_SESSION_NAME: usize = 256;

/// Fields that ask for another kind of answer than a text, with what can be done instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("tools", "the gateway runs its own tools and none of the caller's: leave it out"),
    ("functions", "the gateway runs its own tools and none of the caller's: leave it out"),
    ("logprobs", "log probabilities are not passed on: leave it out"),
    ("top_logprobs", "log probabilities are not passed on: leave it out"),
    ("audio", "the gateway answers with text only: leave it out"),
];

/// Fields that are for the OpenAI platform or belong to what was refused: providers would stumble over them.
const DROPPED: &[&str] =
    &["metadata", "store", "tool_choice", "function_call", "parallel_tool_calls", "n", "modalities"];

impl ChatRequest {
    /// Reads a body; `session_header` is the value of `X-Session-Id`.
    pub fn parse(body: &[u8], session_header: Option<&[u8]>) -> Result<Self, Defect> {
        // Some programs begin every text with a byte order mark.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| Defect {
            param: None,
            code: "malformed_json",
            message: format!("the body is not a JSON object: {error}"),
        })?;

        let session = session(&mut fields, session_header)?;
        let steer = steer(&fields)?;
        let mut messages = messages::parse(fields.remove("messages"))?;
        if session.is_some()
            && let Some(last) = messages.iter().rposition(|message| message.role == Role::Assistant)
        {
            messages.drain(..=last);
        }
        if session.is_some() && messages.iter().any(|message| message.role == Role::Tool) {
            let what = "in a session the gateway runs the tools and keeps what they give: leave messages of tools out";
            return Err(Defect::unsupported("messages", what));
        }
        let unsupported = |name: &str| UNSUPPORTED.iter().find(|(other, _)| *other == name);
        for (name, value) in &fields {
            if let Some((name, advice)) = unsupported(name)
                && asks_for_something(value)
            {
                return Err(Defect::unsupported(*name, advice));
            }
        }
        if fields.get("n").is_some_and(|n| !n.is_null() && n.as_u64() != Some(1)) {
            return Err(Defect::unsupported("n", "the gateway gives one answer: leave it out or set 1"));
        }
        if fields
            .get("modalities")
            .and_then(Value::as_array)
            .is_some_and(|kinds| kinds.iter().any(|kind| kind != "text"))
        {
            return Err(Defect::unsupported("modalities", "the gateway answers with text only"));
        }
        fields.retain(|name, _| !DROPPED.contains(&name.as_str()) && unsupported(name).is_none());

        let stream = flag(&mut fields, "stream")?;
        let include_usage = match fields.remove("stream_options") {
            None | Some(Value::Null) => false,
            Some(Value::Object(mut options)) => flag(&mut options, "include_usage")
                .map_err(|defect| Defect::at("stream_options.include_usage", defect.what()))?,
            Some(_) => return Err(Defect::at("stream_options", "must be an object")),
        };
        let model = text(fields.remove("model"), "model")?;
        let temperature = number(fields.remove("temperature"), "temperature", 0.0, 2.0)?;
        let max_tokens = tokens(fields.remove("max_tokens"), "max_tokens")?;
        let max_completion_tokens = tokens(fields.remove("max_completion_tokens"), "max_completion_tokens")?;
        fields.retain(|_, value| !value.is_null());
        Ok(Self {
            messages,
            model,
            sampling: Sampling {
                temperature,
                max_tokens: max_completion_tokens.or(max_tokens),
                extra: fields,
            },
            stream,
            include_usage,
            session,
            steer,
        })
    }
}

impl Defect {
    /// The message for the log. What a JSON parser says of a wrong value quotes the value, which may be what somebody
    /// said; so only the place is named there.
    pub fn for_operators(&self) -> Cow<'_, str> {
        match &self.param {
            None => Cow::Borrowed("the body is not a JSON object"),
            Some(param) if param.contains(".tool_calls[") => Cow::Owned(format!("{param}: is wrong")),
            Some(_) => Cow::Borrowed(&self.message),
        }
    }

    /// The message without the field's path.
    fn what(&self) -> &str {
        let prefix = self.param.as_ref().map_or(0, |param| param.len() + 2);
        self.message.get(prefix..).unwrap_or(&self.message)
    }
}

fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    }
}

/// The name of the session: the body's before the header's before that in the metadata.
fn session(fields: &mut Map<String, Value>, header: Option<&[u8]>) -> Result<Option<String>, Defect> {
    let own = text(fields.remove("session_id"), "session_id")?.map(|name| ("session_id", name));
    let header = || match header.map(str::from_utf8) {
        None => Ok(None),
        Some(Ok(name)) => Ok(Some(("X-Session-Id", name.to_owned()))),
        Some(Err(_)) => Err(Defect::at("X-Session-Id", "must be UTF-8")),
    };
    let mut metadata = || {
        let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
        let name = metadata.and_then(|metadata| metadata.remove("session_id"));
        Ok(text(name, "metadata.session_id")?.map(|name| ("metadata.session_id", name)))
    };
    let found = match own {
        Some(found) => Some(found),
        None => match header()? {
            Some(found) => Some(found),
            None => metadata()?,
        },
    };
    let Some((param, name)) = found.map(|(param, name)| (param, name.trim().to_owned())) else {
        return Ok(None);
    };
    if name.is_empty() {
        return Ok(None);
    }
    if name.len() > MAX_SESSION_NAME {
        return Err(Defect::at(param, format_args!("must have at most {MAX_SESSION_NAME} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Defect::at(param, "must not have control characters"));
    }
    Ok(Some(name))
}

/// In the metadata of the OpenAI API all values are texts.
fn steer(fields: &Map<String, Value>) -> Result<bool, Defect> {
    match fields.get("metadata").and_then(|metadata| metadata.get("steer")) {
        None | Some(Value::Null | Value::Bool(false)) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(Value::String(word)) if word == "true" => Ok(true),
        Some(Value::String(word)) if word == "false" => Ok(false),
        Some(_) => Err(Defect::at("metadata.steer", "must be true or false")),
    }
}

fn text(value: Option<Value>, param: &str) -> Result<Option<String>, Defect> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Defect::at(param, "must be a string")),
    }
}

fn flag(fields: &mut Map<String, Value>, param: &str) -> Result<bool, Defect> {
    match fields.remove(param) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(Defect::at(param, "must be true or false")),
    }
}

fn number(value: Option<Value>, param: &str, least: f64, most: f64) -> Result<Option<f64>, Defect> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Defect::at(param, format_args!("must be a number from {least} to {most}"))),
        },
    }
}

fn tokens(value: Option<Value>, param: &str) -> Result<Option<u64>, Defect> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count @ 1..) => Ok(Some(count)),
            _ => Err(Defect::at(param, "must be a whole number of at least 1")),
        },
    }
}
