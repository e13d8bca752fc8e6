//! What client and server say: JSON documents `{"type", "id"?, "session_id"?, "timestamp"?, "payload"?}`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::feedback::shortened;
use picoclaw::agent::Reply;
use picoclaw::chat::ToolCall;
use picoclaw::chat::courier::Attachment;
use picoclaw::media::inbox::kind_of;

/// A frame of a client.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ClientFrame {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) session_id: Option<String>,
    #[serde(default)]
    pub(super) payload: Option<Map<String, Value>>,
}

impl ClientFrame {
    /// Reads a frame; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // serde would take a list for a frame, too.
        let is_object = text.trim_start().starts_with('{');
        is_object.then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// The text of a message.
    pub(super) fn content(&self) -> &str {
        self.payload.as_ref().and_then(|payload| payload.get("content")?.as_str()).unwrap_or_default()
    }
}

fn frame(kind: &str, session: Option<&str>, payload: Option<Value>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut frame = json!({ "type": kind, "timestamp": u64::try_from(now).unwrap_or(u64::MAX) });
    if let Some(session) = session {
        frame["session_id"] = json!(session);
    }
    if let Some(payload) = payload {
        frame["payload"] = payload;
    }
    frame.to_string()
}

/// The answer to a ping.
pub(super) fn pong(id: Option<&str>) -> String {
    let frame = frame("pong", None, None);
    match id.filter(|id| !id.is_empty()) {
        Some(id) => format!("{{\"id\":{},{}", json!(id), &frame[1..]),
        None => frame,
    }
}

/// The agent has begun to work.
pub(super) fn typing_start(session: &str) -> String {
    frame("typing.start", Some(session), None)
}

/// The agent works no longer.
pub(super) fn typing_stop(session: &str) -> String {
    frame("typing.stop", Some(session), None)
}

/// A text that stands in until the answer is there.
pub(super) fn placeholder(session: &str, id: &str, text: &str) -> String {
    let payload = json!({ "content": text, "placeholder": true, "message_id": id });
    frame("message.create", Some(session), Some(payload))
}

/// A message.
pub(super) fn create(session: &str, id: &str, text: &str) -> String {
    frame("message.create", Some(session), Some(json!({ "content": text, "message_id": id })))
}

/// Another text for a message.
pub(super) fn update(session: &str, id: &str, text: &str) -> String {
    frame("message.update", Some(session), Some(json!({ "message_id": id, "content": text })))
}

/// A message that is no more.
pub(super) fn delete(session: &str, id: &str) -> String {
    frame("message.delete", Some(session), Some(json!({ "message_id": id })))
}

/// The answer, or the last part of it, in a message of its own or in place of the message that has grown or stood in so far.
pub(super) fn answer(session: &str, id: &str, reply: &Reply, text: &str, replaces: bool) -> String {
    let (input, output) = (reply.usage.input, reply.usage.output);
    let mut payload = json!({
        "content": text,
        "message_id": id,
        "model_name": reply.model_name,
    });
    if input + output > 0 {
        payload["usage"] =
            json!({ "input_tokens": input, "output_tokens": output, "total_tokens": input + output });
    }
    if let Some(context) = &reply.context {
        payload["context_usage"] = json!({
            "used_tokens": context.used,
            "total_tokens": context.total,
            "history_tokens": context.history,
            "compress_at_tokens": context.compress_at,
            "summarize_at_tokens": context.summarize_at,
            "used_percent": context.percent(),
        });
    }
    frame(if replaces { "message.update" } else { "message.create" }, Some(session), Some(payload))
}

/// The model's reasoning.
pub(super) fn thought(session: &str, id: &str, text: &str) -> String {
    let payload = json!({ "kind": "thought", "thought": true, "content": text, "message_id": id });
    frame("message.create", Some(session), Some(payload))
}

/// Tools that the model calls, with what it said about that, if anything. Of that and of arguments at most `longest`
/// characters are shown. What a vendor has added to the calls is between the vendor and the gateway.
pub(super) fn tool_calls(
    session: &str,
    id: &str,
    explanation: &str,
    calls: &[ToolCall],
    longest: Option<usize>,
) -> String {
    let cut = |text: &str| longest.map_or_else(|| text.to_owned(), |longest| shortened(text, longest));
    let show = |call: &ToolCall| {
        let ToolCall { id, kind, function, .. } = call;
        let arguments = cut(&function.arguments);
        let mut shown =
            json!({ "id": id, "type": kind, "function": { "name": function.name, "arguments": arguments } });
        if !explanation.trim().is_empty() {
            shown["extra_content"] = json!({ "tool_feedback_explanation": cut(explanation.trim()) });
        }
        shown
    };
    let calls: Vec<Value> = calls.iter().map(show).collect();
    let payload = json!({ "kind": "tool_calls", "content": "", "tool_calls": calls, "message_id": id });
    frame("message.create", Some(session), Some(payload))
}

/// Files, each under its path.
pub(super) fn files(session: &str, id: &str, caption: &str, files: &[(&Attachment, String)]) -> String {
    let files: Vec<Value> = files
        .iter()
        .map(|(file, path)| {
            json!({ "type": kind_of(&file.mime), "url": path, "filename": file.name, "content_type": file.mime })
        })
        .collect();
    let payload = json!({ "content": caption, "message_id": id, "attachments": files });
    frame("message.create", Some(session), Some(payload))
}

/// What is wrong with a frame of the client.
pub(super) fn error(code: &str, message: &str, request: Option<&str>) -> String {
    let mut payload = json!({ "code": code, "message": message });
    if let Some(request) = request.filter(|id| !id.is_empty()) {
        payload["request_id"] = json!(request);
    }
    frame("error", None, Some(payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw::agent::ContextUsage;
    use picoclaw::chat::{FinishReason, FunctionCall, Usage};

    fn parsed(frame: &str) -> Value {
        let mut frame: Value = serde_json::from_str(frame).unwrap();
        let stamp = frame.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(stamp.as_u64().unwrap() > 1_600_000_000_000, "milliseconds");
        frame
    }

    #[test]
    fn frames_have_the_keys_of_the_protocol() {
        assert_eq!(parsed(&pong(Some("p\"1"))), json!({"type": "pong", "id": "p\"1"}));
        assert_eq!(parsed(&pong(None)), json!({"type": "pong"}));
        assert_eq!(parsed(&typing_start("s")), json!({"type": "typing.start", "session_id": "s"}));
        assert_eq!(
            parsed(&placeholder("s", "m", "Thinking")),
            json!({"type": "message.create", "session_id": "s",
                   "payload": {"content": "Thinking", "placeholder": true, "message_id": "m"}})
        );
        let reply = Reply {
            content: "hi".into(),
            model_name: "gpt".into(),
            usage: Usage { input: 3, output: 4, ..Usage::default() },
            finish: FinishReason::Stop,
            context: Some(ContextUsage {
                used: 30,
                total: 200,
                history: 10,
                compress_at: 120,
                summarize_at: 150,
            }),
            joined: false,
        };
        assert_eq!(
            parsed(&answer("s", "m", &reply, "hi", true)),
            json!({"type": "message.update", "session_id": "s",
                   "payload": {"content": "hi", "message_id": "m", "model_name": "gpt",
                               "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
                               "context_usage": {"used_tokens": 30, "total_tokens": 200, "history_tokens": 10,
                                                 "compress_at_tokens": 120, "summarize_at_tokens": 150,
                                                 "used_percent": 25}}})
        );
        assert_eq!(
            parsed(&error("empty_content", "message content is empty", Some("m1"))),
            json!({"type": "error", "payload":
                   {"code": "empty_content", "message": "message content is empty", "request_id": "m1"}})
        );
    }

    #[test]
    fn tool_calls_are_shown_shortened_and_with_what_the_model_says() {
        let call = |arguments: &str| ToolCall {
            id: "c1".into(),
            kind: "function".into(),
            function: FunctionCall { name: "exec".into(), arguments: arguments.into() },
            other: json!({ "extra_content": { "google": {} } }).as_object().unwrap().clone(),
        };
        let shown = |explanation, longest| {
            let frame = parsed(&tool_calls("s", "m", explanation, &[call(r#"{"a":1}"#)], longest));
            frame["payload"]["tool_calls"][0].clone()
        };
        let function = |arguments: &str| json!({ "name": "exec", "arguments": arguments });
        assert_eq!(
            shown(" I look. ", Some(4)),
            json!({ "id": "c1", "type": "function", "function": function("{\"a\"…"),
                    "extra_content": { "tool_feedback_explanation": "I lo…" } })
        );
        let whole = json!({ "id": "c1", "type": "function", "function": function(r#"{"a":1}"#) });
        assert_eq!(shown("", None), whole);
    }

    #[test]
    fn a_frame_may_leave_everything_out() {
        let frame = ClientFrame::parse(r#" {"payload":null,"id":null}"#).unwrap();
        assert_eq!((frame.content(), &frame.id, &frame.kind), ("", &None, &None));
        for no_frame in ["[]", "", "5", "{", r#"{"type":5}"#] {
            assert!(ClientFrame::parse(no_frame).is_none(), "{no_frame}");
        }
    }
}
