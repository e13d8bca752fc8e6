//! The `messages` of a request.

use std::collections::BTreeSet;
use std::fmt::Arguments;

use serde_json::Value;

use super::content::Content;
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
    if messages[last].content.trim().is_empty() && messages[last].media().is_empty() {
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
        Some(Value::String(text)) => Content { text, ..Content::default() },
        Some(Value::Array(parts)) => Content::read(parts, role, &at_content())?,
        // An assistant that only calls tools, or refuses, says nothing.
        None | Some(Value::Null) if role == Role::Assistant => Content::default(),
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
    let message = match role {
        Role::User => Message::from_person(content.text, content.images),
        _ => Message::new(role, content.text),
    };
    Ok(Message { tool_calls, tool_call_id, reasoning_content, ..message })
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

    /// `GIF89a and pixels`.
    const GIF: &str = "data:image/gif;base64,R0lGODlhIGFuZCBwaXhlbHM=";

    #[test]
    fn images_are_read_in_every_form() {
        let messages = parse(Some(json!([
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": GIF, "detail": "low"}},
                {"type": "text", "text": "look"},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
                {"type": "text", "text": "both"},
            ]},
            {"role": "assistant", "content": "seen"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": GIF}}]},
        ])))
        .unwrap();
        assert_eq!(messages[0].content, "look\nboth");
        assert_eq!(messages[0].media(), [GIF, "https://example.com/a.png"]);
        assert_eq!((messages[2].content.as_str(), messages[2].media().len()), ("", 1));
    }

    #[test]
    fn an_image_that_nobody_could_show_is_refused() {
        let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        for (role, part, path) in [
            ("user", image("ftp://x/y.png"), "messages[0].content[0].image_url.url"),
            ("user", image("data:image/png;base64,%%"), "messages[0].content[0].image_url.url"),
            ("user", image("data:image/png;base64,QUJD"), "messages[0].content[0].image_url.url"),
            ("user", image("data:text/html;base64,QUJD"), "messages[0].content[0].image_url.url"),
            (
                "user",
                image(&format!("https://x/{}", "y".repeat(9000))),
                "messages[0].content[0].image_url.url",
            ),
            ("user", json!({"type": "image_url"}), "messages[0].content[0].image_url"),
            ("system", image(GIF), "messages[0].content[0].type"),
            ("user", json!({"type": "input_audio", "input_audio": {}}), "messages[0].content[0].type"),
        ] {
            let (param, message) = defect(json!([{"role": role, "content": [part]}]));
            assert_eq!(param, path, "{message}");
            assert!(message.len() < 300, "{message}");
        }
        let (param, _) = defect(json!([{"role": "user", "content": vec![image(GIF); 17]}]));
        assert_eq!(param, "messages[0].content");
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
            (json!([{"role": "user", "content": [{"type": "file"}]}]), "messages[0].content[0].type"),
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
