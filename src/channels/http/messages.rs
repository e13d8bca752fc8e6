//! The `messages` of a request.

use std::collections::BTreeSet;
use std::fmt::Arguments;

use serde_json::{Map, Value};

use super::request::Defect;
use crate::chat::{Message, Role, ToolCall};
use crate::quote::quote;

/// Reads the list; the last message must be the user's, and what tools gave must answer a call before it.
pub fn parse(value: Option<Value>) -> Result<Vec<Message>, Defect> {
    let list = match value {
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) => return Err(Defect::at("messages", "must not be empty")),
        None | Some(Value::Null) => return Err(Defect::at("messages", "is missing")),
        Some(_) => return Err(Defect::at("messages", "must be an array")),
    };
    let messages = list
        .into_iter()
        .enumerate()
        .map(|(index, value)| message(value, format_args!("messages[{index}]")))
        .collect::<Result<Vec<_>, _>>()?;
    answers_are_asked_for(&messages)?;
    let last = messages.len() - 1;
    if messages[last].role != Role::User {
        let what =
            format_args!("the last message must be the user's, not the {}'s", word(messages[last].role));
        return Err(Defect::at(format!("messages[{last}].role"), what));
    }
    if messages[last].content.trim().is_empty() {
        return Err(Defect::at(format!("messages[{last}].content"), "must not be empty"));
    }
    Ok(messages)
}

/// Providers refuse a history in which a tool answers nobody, and the caller could not see why.
fn answers_are_asked_for(messages: &[Message]) -> Result<(), Defect> {
    let mut calls = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        calls.extend(message.tool_calls.iter().map(|call| call.id.as_str()));
        if let Some(id) = message.tool_call_id.as_deref().filter(|id| !calls.contains(id)) {
            let what = format_args!("no message before it calls a tool with the id {}", quote(id));
            return Err(Defect::at(format!("messages[{index}].tool_call_id"), what));
        }
    }
    Ok(())
}

fn message(value: Value, at: Arguments<'_>) -> Result<Message, Defect> {
    let Value::Object(mut fields) = value else {
        return Err(Defect::at(at.to_string(), "must be an object"));
    };
    let role = role(fields.remove("role"), at)?;
    let tool_calls = match fields.remove("tool_calls") {
        Some(Value::Array(calls)) if role == Role::Assistant => tool_calls(calls, at)?,
        None | Some(Value::Null) => Vec::new(),
        Some(_) if role == Role::Assistant => {
            return Err(Defect::at(format!("{at}.tool_calls"), "must be an array"));
        }
        Some(_) => {
            return Err(Defect::at(format!("{at}.tool_calls"), "only an assistant's message calls tools"));
        }
    };
    // Where it is, is put into words only for an error.
    let at_content = || format!("{at}.content");
    let content = match fields.remove("content") {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => parts_text(parts, &at_content())?,
        // An assistant that only calls tools, or refuses, says nothing.
        None | Some(Value::Null) if role == Role::Assistant => String::new(),
        None | Some(Value::Null) => return Err(Defect::at(at_content(), "is missing")),
        Some(_) => return Err(Defect::at(at_content(), "must be a string or an array of parts")),
    };
    let mut text = |name: &str| match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Defect::at(format!("{at}.{name}"), "must be a string")),
    };
    let tool_call_id = text("tool_call_id")?.filter(|_| role == Role::Tool);
    if role == Role::Tool && tool_call_id.is_none() {
        return Err(Defect::at(format!("{at}.tool_call_id"), "is missing: which call is answered?"));
    }
    let reasoning_content = text("reasoning_content")?.filter(|_| role == Role::Assistant);
    Ok(Message { tool_calls, tool_call_id, reasoning_content, ..Message::new(role, content) })
}

fn role(value: Option<Value>, at: Arguments<'_>) -> Result<Role, Defect> {
    let at = || format!("{at}.role");
    match value {
        Some(Value::String(word)) => match word.as_str() {
            // "developer" is what newer models of OpenAI call the system.
            "system" | "developer" => Ok(Role::System),
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            "tool" => Ok(Role::Tool),
            _ => Err(Defect::at(
                at(),
                format_args!("{} is no role: use system, developer, user, assistant or tool", quote(&word)),
            )),
        },
        None | Some(Value::Null) => Err(Defect::at(at(), "is missing")),
        Some(_) => Err(Defect::at(at(), "must be a string")),
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// The texts of the parts, one below the other.
fn parts_text(parts: Vec<Value>, at: &str) -> Result<String, Defect> {
    let mut whole = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let Value::Object(mut part) = part else {
            return Err(Defect::at(at, "must be an object"));
        };
        let text = part_text(&mut part, &at)?;
        if index > 0 {
            whole.push('\n');
        }
        whole.push_str(&text);
    }
    Ok(whole)
}

fn part_text(part: &mut Map<String, Value>, at: &str) -> Result<String, Defect> {
    let kind = part.remove("type");
    let field = match kind.as_ref().and_then(Value::as_str) {
        Some("text" | "input_text" | "output_text") => "text",
        Some("refusal") => "refusal",
        Some(kind @ ("image_url" | "input_image" | "input_audio" | "audio" | "file" | "input_file")) => {
            let what = format_args!("{kind} parts are not supported: the gateway takes text only");
            return Err(Defect::unsupported(format!("{at}.type"), what));
        }
        Some(kind) => {
            return Err(Defect::at(
                format!("{at}.type"),
                format_args!("{} is no kind of part: use text", quote(kind)),
            ));
        }
        None => return Err(Defect::at(format!("{at}.type"), "is missing or not a string")),
    };
    match part.remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Defect::at(format!("{at}.{field}"), "is missing or not a string")),
    }
}

fn tool_calls(calls: Vec<Value>, at: Arguments<'_>) -> Result<Vec<ToolCall>, Defect> {
    calls
        .into_iter()
        .enumerate()
        .map(|(index, call)| {
            serde_path_to_error::deserialize::<_, ToolCall>(call).map_err(|error| {
                let path = error.path().to_string();
                let inner = if path == "." { String::new() } else { format!(".{path}") };
                Defect::at(format!("{at}.tool_calls[{index}]{inner}"), error.inner())
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defect(messages: Value) -> (String, String) {
        let defect = parse(Some(messages)).unwrap_err();
        (defect.param.unwrap(), defect.message)
    }

    #[test]
    fn every_role_is_read() {
        let messages = parse(Some(json!([
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            {"role": "user", "content": "u", "name": "Ada"},
            {"role": "assistant", "content": null, "reasoning_content": "r", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "content": "t", "tool_call_id": "1"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
        ])))
        .unwrap();
        let roles: Vec<_> = messages.iter().map(|message| word(message.role)).collect();
        assert_eq!(roles, ["system", "system", "user", "assistant", "tool", "assistant", "user"]);
        assert_eq!(messages[3].tool_calls[0].function.name, "f");
        assert_eq!(messages[3].reasoning_content.as_deref(), Some("r"));
        assert_eq!(messages[4].tool_call_id.as_deref(), Some("1"));
        assert_eq!(messages[6].content, "x\ny");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        for (messages, path) in [
            (json!([]), "messages"),
            (json!("hi"), "messages"),
            (json!(["hi"]), "messages[0]"),
            (json!([{"content": "x"}]), "messages[0].role"),
            (json!([{"role": 1, "content": "x"}]), "messages[0].role"),
            (
                json!([{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}]),
                "messages[1].role",
            ),
            (json!([{"role": "r".repeat(10_000), "content": "x"}]), "messages[0].role"),
            (json!([{"role": "user"}]), "messages[0].content"),
            (
                json!([{"role": "user", "content": [{"type": "t".repeat(10_000)}]}]),
                "messages[0].content[0].type",
            ),
            (json!([{"role": "user", "content": 5}]), "messages[0].content"),
            (json!([{"role": "user", "content": " \n"}]), "messages[0].content"),
            (json!([{"role": "user", "content": ["x"]}]), "messages[0].content[0]"),
            (json!([{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text"),
            (json!([{"role": "user", "content": [{"text": "x"}]}]), "messages[0].content[0].type"),
            (json!([{"role": "user", "content": [{"type": "image_url"}]}]), "messages[0].content[0].type"),
            (json!([{"role": "tool", "content": "x"}]), "messages[0].tool_call_id"),
            (
                json!([{"role": "tool", "content": "x", "tool_call_id": "1"}, {"role": "user", "content": "x"}]),
                "messages[0].tool_call_id",
            ),
            (json!([{"role": "user", "content": "x", "tool_calls": [1]}]), "messages[0].tool_calls"),
            (json!([{"role": "assistant", "tool_calls": [{"id": "1"}]}]), "messages[0].tool_calls[0]"),
            (
                json!([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": 1, "arguments": ""}}]}]),
                "messages[0].tool_calls[0].function.name",
            ),
            (
                json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]),
                "messages[1].role",
            ),
        ] {
            let (param, message) = defect(messages);
            assert_eq!(param, path, "{message}");
            assert!(message.starts_with(path), "{message}");
            assert!(message.len() < 300, "{message}");
        }
    }
}
