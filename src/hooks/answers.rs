//! What hooks are told and what they answer, in the shapes of the existing PicoClaw.

use std::time::Duration;

use picoclaw_telemetry::words::ToolStatus;
use serde_json::{Map, Value, json};

use picoclaw::agent::hooks::{At, LlmAsk};
use picoclaw::chat::{FunctionCall, Message, ToolCall, ToolSpec};
use picoclaw::providers::Completion;
use picoclaw::tools::ToolOutput;

/// What a hook decided.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    Continue,
    Modify,
    Respond,
    Deny(String),
    Abort(String),
}

/// The decision in an answer.
///
/// # Errors
/// When there is none that is known.
pub(super) fn decision(answer: &Value) -> Result<Decision, String> {
    let reason = || answer["reason"].as_str().unwrap_or_default().to_owned();
    match answer["action"].as_str().unwrap_or_default() {
        "" | "continue" => Ok(Decision::Continue),
        "modify" => Ok(Decision::Modify),
        "respond" => Ok(Decision::Respond),
        "deny_tool" => Ok(Decision::Deny(reason())),
        "abort_turn" | "hard_abort" => Ok(Decision::Abort(reason())),
        other => Err(format!("the action \"{other}\" is not known")),
    }
}

fn meta(at: At<'_>) -> Value {
    json!({ "agent_id": at.agent, "turn_id": format!("turn-{}", at.turn), "session_key": at.session })
}

pub(super) fn ask(at: At<'_>, ask: &LlmAsk) -> Value {
    let tools: Vec<Value> =
        ask.tools.iter().map(|tool| json!({ "type": "function", "function": tool })).collect();
    json!({
        "meta": meta(at), "model": ask.model, "messages": ask.messages, "tools": tools, "options": {},
        "channel": at.caller.channel, "chat_id": at.caller.chat,
    })
}

/// The request that a hook wants instead.
pub(super) fn changed_ask(answer: &Value, ask: LlmAsk) -> Result<LlmAsk, String> {
    let request = &answer["request"];
    let messages = match &request["messages"] {
        Value::Null => ask.messages,
        messages => serde_json::from_value::<Vec<Message>>(messages.clone())
            .map_err(|error| format!("request.messages: {error}"))?,
    };
    let tools = match &request["tools"] {
        Value::Null => ask.tools,
        Value::Array(tools) => tools.iter().map(tool_spec).collect::<Result<_, _>>()?,
        _ => return Err("request.tools is no list".to_owned()),
    };
    Ok(LlmAsk { messages, tools, ..ask })
}

fn tool_spec(tool: &Value) -> Result<ToolSpec, String> {
    let function = &tool["function"];
    let name = function["name"].as_str().ok_or("a tool in request.tools has no function.name")?;
    let parameters = match &function["parameters"] {
        Value::Null => json!({ "type": "object", "properties": {} }),
        parameters => parameters.clone(),
    };
    let description = function["description"].as_str().unwrap_or_default().to_owned();
    Ok(ToolSpec { name: name.to_owned(), description, parameters })
}

pub(super) fn completion(at: At<'_>, model: &str, completion: &Completion) -> Value {
    let usage = completion.usage.map(|usage| {
        let total = usage.input + usage.output;
        json!({ "prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": total })
    });
    json!({
        "meta": meta(at),
        "model": model,
        "response": {
            "content": completion.content,
            "reasoning_content": completion.reasoning,
            "tool_calls": completion.tool_calls,
            "finish_reason": completion.finish.as_str(),
            "usage": usage,
        },
    })
}

/// The answer that a hook wants instead: `response.response`, or `response` itself.
pub(super) fn changed_completion(answer: &Value, completion: Completion) -> Result<Completion, String> {
    let outer = &answer["response"];
    let response = if outer["response"].is_object() { &outer["response"] } else { outer };
    let content = match &response["content"] {
        Value::String(text) => text.clone(),
        Value::Null => completion.content.clone(),
        _ => return Err("response.content is no text".to_owned()),
    };
    let tool_calls = match &response["tool_calls"] {
        Value::Null => completion.tool_calls.clone(),
        calls => serde_json::from_value::<Vec<ToolCall>>(calls.clone())
            .map_err(|error| format!("response.tool_calls: {error}"))?,
    };
    Ok(Completion { content, tool_calls, ..completion })
}

pub(super) fn tool_call(at: At<'_>, call: &ToolCall) -> Value {
    json!({
        "meta": meta(at),
        "tool": call.function.name,
        "arguments": arguments(call),
        "channel": at.caller.channel,
        "chat_id": at.caller.chat,
    })
}

/// What a model wrote may be no JSON; then the hook sees the text.
fn arguments(call: &ToolCall) -> Value {
    let text = call.function.arguments.trim();
    if text.is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The call that a hook wants instead.
pub(super) fn changed_call(answer: &Value, call: ToolCall) -> Result<ToolCall, String> {
    let changed = &answer["call"];
    let name = match &changed["tool"] {
        Value::Null => call.function.name.clone(),
        Value::String(name) => name.clone(),
        _ => return Err("call.tool is no text".to_owned()),
    };
    let arguments = match &changed["arguments"] {
        Value::Null => call.function.arguments.clone(),
        arguments @ Value::Object(_) => arguments.to_string(),
        _ => return Err("call.arguments is no object".to_owned()),
    };
    Ok(ToolCall { function: FunctionCall { name, arguments }, ..call })
}

pub(super) fn outcome(at: At<'_>, call: &ToolCall, output: &ToolOutput, took: Duration) -> Value {
    let mut params = tool_call(at, call);
    params["result"] = json!({
        "for_llm": output.text, "for_user": "", "silent": false,
        "is_error": output.status != ToolStatus::Success, "async": false,
    });
    params["duration"] = json!(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    params
}

/// An outcome that a hook gives: `result.result`, or `result` itself.
pub(super) fn output(answer: &Value) -> Result<ToolOutput, String> {
    let outer = &answer["result"];
    let result = if outer["result"].is_object() { &outer["result"] } else { outer };
    let text = result["for_llm"].as_str().ok_or("result.for_llm is missing or no text")?;
    Ok(if result["is_error"] == Value::Bool(true) {
        ToolOutput::error(text)
    } else {
        ToolOutput::success(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> ToolCall {
        ToolCall {
            id: "c1".into(),
            kind: "function".into(),
            function: FunctionCall { name: "read_file".into(), arguments: r#"{"path":"a"}"#.into() },
            other: Map::new(),
        }
    }

    #[test]
    fn decisions_are_words() {
        assert_eq!(decision(&json!({})), Ok(Decision::Continue));
        assert_eq!(
            decision(&json!({ "action": "deny_tool", "reason": "no" })),
            Ok(Decision::Deny("no".into()))
        );
        assert_eq!(decision(&json!({ "action": "hard_abort" })), Ok(Decision::Abort(String::new())));
        assert!(decision(&json!({ "action": "explode" })).unwrap_err().contains("explode"));
    }

    #[test]
    fn a_call_can_be_changed_in_part() {
        let changed = changed_call(&json!({ "call": { "arguments": { "path": "b" } } }), call()).unwrap();
        assert_eq!(
            (changed.function.name.as_str(), changed.function.arguments.as_str()),
            ("read_file", r#"{"path":"b"}"#)
        );
        assert_eq!(changed.id, "c1");
        assert!(changed_call(&json!({ "call": { "arguments": 5 } }), call()).is_err());
        assert_eq!(changed_call(&json!({}), call()).unwrap(), call());
    }

    #[test]
    fn outcomes_are_found_in_both_places() {
        for answer in
            [json!({ "result": { "for_llm": "x" } }), json!({ "result": { "result": { "for_llm": "x" } } })]
        {
            assert_eq!(output(&answer).unwrap(), ToolOutput::success("x"));
        }
        let failed = json!({ "result": { "for_llm": "x", "is_error": true } });
        assert_eq!(output(&failed).unwrap().status, ToolStatus::Error);
        assert!(output(&json!({})).is_err());
    }

    #[test]
    fn a_request_can_be_changed_in_part() {
        let before = LlmAsk { model: "m".into(), messages: Vec::new(), tools: Vec::new() };
        let answer = json!({ "request": { "messages": [{ "role": "user", "content": "hi" }],
                                          "tools": [{ "type": "function", "function": { "name": "x" } }] } });
        let after = changed_ask(&answer, before.clone()).unwrap();
        assert_eq!((after.messages[0].content.as_str(), after.tools[0].name.as_str()), ("hi", "x"));
        assert!(changed_ask(&json!({ "request": { "messages": "x" } }), before).is_err());
    }
}
