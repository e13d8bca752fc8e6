//! Against exchanges as the public description of the protocol shows them.

use std::time::Duration;

use picoclaw_telemetry::words::FailureReason;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::chat::{
    FinishReason, FunctionCall, Message, Role, Sampling, ToolCall, ToolSpec, ToolSpecs, Usage,
};
use crate::providers::exchange::server::Server;
use crate::providers::spec::Thinking;
use crate::providers::{self, Delta};

const WHOLE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[
    {"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,
    "usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":6}}"#;

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],
    "stop_reason":null,"usage":{"input_tokens":25,"cache_read_input_tokens":100,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn spec(server: &Server) -> ModelSpec {
    let mut spec = ModelSpec::new("fast", "anthropic-messages", "claude-sonnet-4.6");
    spec.api_base = Some(format!("http://{}", server.address()));
    spec.api_key = Some("sk-secret".into());
    spec
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

fn events(events: &[&str]) -> Vec<u8> {
    let body: String = events
        .iter()
        .map(|event| {
            let kind = serde_json::from_str::<Value>(event).map(|event| event["type"].clone());
            format!("event: {}\ndata: {}\n\n", kind.unwrap_or_default(), event.replace('\n', " "))
        })
        .collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

struct Outcome {
    result: Result<Completion, ProviderError>,
    pieces: Vec<Delta>,
}

async fn ask(spec: &ModelSpec, messages: &[Message], tools: &[ToolSpec], stream: bool) -> Outcome {
    let provider = providers::build(spec, &HttpClients::new()).expect("a valid entry");
    let messages: Vec<&Message> = messages.iter().collect();
    let sampling = Sampling { temperature: Some(1.7), max_tokens: Some(20_000), ..Sampling::default() };
    let tools = ToolSpecs::from(tools.to_vec());
    let request = ChatRequest {
        model: &spec.model,
        messages: &messages,
        tools: &tools,
        sampling: &sampling,
        stream,
        attempt: 0,
    };
    let (mut sender, mut receiver) = mpsc::channel::<Delta>(100);
    let result = provider.complete(&request, &mut sender).await;
    drop(sender);
    let mut pieces = Vec::new();
    while let Some(piece) = receiver.recv().await {
        pieces.push(piece);
    }
    Outcome { result, pieces }
}

async fn ask_once(answer: Vec<u8>, stream: bool) -> Outcome {
    let server = Server::saying([answer]).await;
    ask(&spec(&server), &[Message::new(Role::User, "Hi")], &[], stream).await
}

#[tokio::test]
async fn asks_as_the_protocol_says() {
    let server = Server::saying([http("200 OK", "", WHOLE)]).await;
    let mut image = Message::new(Role::User, "what is this?");
    image.other.insert("media".into(), json!(["data:image/png;base64,AAAA"]));
    let mut seen = Message::tool_result("a.1", "one");
    seen.other.insert("media".into(), json!(["data:image/gif;base64,BBBB"]));
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.into(),
        kind: "function".into(),
        function: FunctionCall { name: "look".into(), arguments: arguments.into() },
        other: Map::new(),
    };
    let messages = [
        Message::new(Role::System, "Be brief."),
        image,
        Message {
            tool_calls: vec![call("a.1", r#"{"x":1}"#), call("b", "{bad")],
            ..Message::new(Role::Assistant, "")
        },
        seen,
        Message::tool_result("b", "two"),
        Message::new(Role::System, "Summary."),
        Message::new(Role::User, "and now?"),
    ];
    let tools = [ToolSpec {
        name: "look".into(),
        description: "Looks.".into(),
        parameters: json!({"type": "object"}),
    }];
    let answer = ask(&spec(&server), &messages, &tools, false).await.result.expect("an answer");
    assert_eq!((answer.content.as_str(), answer.finish), ("Hello", FinishReason::Stop));
    assert_eq!(answer.usage, Some(Usage { input: 20, output: 6, cached: 5, cache_writes: 3 }));

    let head = server.requests()[0].clone();
    assert!(head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-api-key: sk-secret\r\n") && !head.contains("authorization"), "{head}");
    assert!(head.contains("\r\nanthropic-version: 2023-06-01\r\n"), "{head}");
    let body = json!({
        "model": "claude-sonnet-4-6", "max_tokens": 20_000, "temperature": 1.0,
        "system": "Be brief.\n\nSummary.",
        "tools": [{ "name": "look", "description": "Looks.", "input_schema": { "type": "object" } }],
        "messages": [
            { "role": "user", "content": [
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                { "type": "text", "text": "what is this?" },
            ] },
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "a_1", "name": "look", "input": { "x": 1 } },
                { "type": "tool_use", "id": "b", "name": "look", "input": { "arguments": "{bad" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "a_1", "content": [
                    { "type": "image", "source": { "type": "base64", "media_type": "image/gif", "data": "BBBB" } },
                    { "type": "text", "text": "one" },
                ] },
                { "type": "tool_result", "tool_use_id": "b", "content": "two" },
                { "type": "text", "text": "and now?" },
            ] },
        ],
    });
    assert_eq!(server.body(0), body);
}

#[tokio::test]
async fn streams_text_thoughts_and_calls_and_takes_the_thoughts_back() {
    let stream = events(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Let me "}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"look."}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
        r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"list","input":{}}}"#,
        r#"{"type":"something_new","index":9}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}"#,
        STOP,
    ]);
    let server = Server::saying([stream, http("200 OK", "", WHOLE)]).await;
    let mut spec = spec(&server);
    spec.thinking = Some(Thinking::Medium);
    let question = Message::new(Role::User, "Hi");
    let outcome = ask(&spec, std::slice::from_ref(&question), &[], true).await;
    let answer = outcome.result.expect("an answer");
    let text = |text: &str| Delta::Text(text.to_owned());
    assert_eq!(outcome.pieces, [Delta::Reasoning("hm".into()), text("Let me "), text("look.")]);
    assert_eq!((answer.content.as_str(), answer.reasoning.as_deref()), ("Let me look.", Some("hm")));
    assert_eq!(answer.finish, FinishReason::ToolCalls);
    assert_eq!(answer.usage, Some(Usage { input: 125, output: 89, cached: 100, cache_writes: 0 }));
    assert!(answer.time_to_first_token.is_some());
    let calls: Vec<_> = answer.tool_calls.iter().map(|call| (&*call.id, &*call.function.arguments)).collect();
    assert_eq!(calls, [("toolu_1", r#"{"x":1}"#), ("toolu_2", "{}")]);
    let asked = server.body(0);
    assert_eq!(asked["thinking"], json!({ "type": "enabled", "budget_tokens": 15_000 }));
    assert_eq!((&asked["temperature"], &asked["stream"]), (&Value::Null, &json!(true)));

    let called = Message { tool_calls: answer.tool_calls, ..Message::new(Role::Assistant, answer.content) };
    let messages =
        [question, called, Message::tool_result("toolu_1", "1"), Message::tool_result("toolu_2", "2")];
    ask(&spec, &messages, &[], false).await.result.expect("an answer");
    assert_eq!(
        server.body(1)["messages"][1]["content"].as_array().map(|blocks| blocks[..2].to_vec()),
        Some(vec![
            json!({ "type": "thinking", "thinking": "hm", "signature": "sig" }),
            json!({ "type": "redacted_thinking", "data": "xyz" }),
        ])
    );
    // Calls of another model come without thoughts, and then the model must not think.
    let mut foreign = messages.to_vec();
    foreign[1].tool_calls.iter_mut().for_each(|call| call.other.clear());
    ask(&spec, &foreign, &[], false).await.result.expect("an answer");
    assert_eq!(server.body(2)["thinking"], Value::Null);
}

#[tokio::test]
async fn learns_how_a_model_wants_to_be_asked() {
    let refuse = |message: &str| {
        let body =
            json!({ "type": "error", "error": { "type": "invalid_request_error", "message": message } });
        http("400 Bad Request", "", &body.to_string())
    };
    let budget =
        refuse("\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\".");
    let temperature = refuse("`temperature` is deprecated for this model.");
    let server = Server::saying([budget, http("200 OK", "", WHOLE)]).await;
    let mut thinking = spec(&server);
    thinking.thinking = Some(Thinking::XHigh);
    ask(&thinking, &[Message::new(Role::User, "Hi")], &[], false).await.result.expect("an answer");
    let body = server.body(1);
    assert_eq!(body["thinking"], json!({ "type": "adaptive" }));
    assert_eq!(body["output_config"], json!({ "effort": "xhigh" }));

    let server = Server::saying([temperature, http("200 OK", "", WHOLE)]).await;
    ask(&spec(&server), &[Message::new(Role::User, "Hi")], &[], false).await.result.expect("an answer");
    assert_eq!(server.body(1)["temperature"], Value::Null);
}

#[tokio::test]
async fn errors_are_judged_by_status_and_type() {
    let error = |kind: &str, message: &str| {
        json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" })
            .to_string()
    };
    for (status, headers, kind, message, reason) in [
        ("400 Bad Request", "", "invalid_request_error", "messages.0: wrong", "bad_request"),
        (
            "400 Bad Request",
            "",
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "context_overflow",
        ),
        (
            "400 Bad Request",
            "",
            "invalid_request_error",
            "Your credit balance is too low to access the API.",
            "billing",
        ),
        ("401 Unauthorized", "", "authentication_error", "invalid x-api-key sk-secret", "auth"),
        ("402 Payment Required", "", "billing_error", "pay", "billing"),
        ("403 Forbidden", "", "permission_error", "no", "auth"),
        ("404 Not Found", "", "not_found_error", "model: claude-9", "bad_request"),
        ("413 Payload Too Large", "", "request_too_large", "large", "context_overflow"),
        ("429 Too Many Requests", "retry-after: 7\r\n", "rate_limit_error", "slowly", "rate_limit"),
        ("500 Internal Server Error", "", "api_error", "oops", "server"),
        ("504 Gateway Timeout", "", "timeout_error", "slow", "timeout"),
        ("529 Overloaded", "", "overloaded_error", "Overloaded", "overloaded"),
    ] {
        let failed =
            ask_once(http(status, headers, &error(kind, message)), true).await.result.expect_err(kind);
        assert_eq!(failed.reason.as_str(), reason, "{status} {message}");
        assert_eq!(failed.status, status[..3].parse().ok());
        assert_eq!(failed.retry_after, (!headers.is_empty()).then_some(Duration::from_secs(7)));
        assert!(failed.message.contains(kind) && !failed.message.contains("sk-secret"), "{}", failed.message);
    }
    let overloaded = error("overloaded_error", "Overloaded");
    let failed = ask_once(events(&[START, &overloaded]), true).await.result.expect_err("a failure");
    assert_eq!(
        (failed.reason, failed.partial, failed.is_transient()),
        (FailureReason::Overloaded, false, true)
    );
    let failed = ask_once(http("200 OK", "", &overloaded), false).await.result.expect_err("a failure");
    assert_eq!(failed.reason, FailureReason::Overloaded);
}

#[tokio::test]
async fn cut_and_foreign_answers_are_told_apart() {
    let begin = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let word = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#;
    let failed = ask_once(events(&[START, begin, word]), true).await.result.expect_err("a failure");
    assert_eq!((failed.reason, failed.partial), (FailureReason::CutStream, true), "{}", failed.message);
    // What is missing after the reason for the end is of no use to anybody.
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":3}}"#;
    let answer = ask_once(events(&[START, begin, word, end]), true).await.result.expect("an answer");
    assert_eq!((answer.content.as_str(), answer.finish), ("Hel", FinishReason::Length));
    for body in ["{}", "[]", "<html>", r#"{"choices":[{"message":{"content":"x"}}]}"#] {
        let failed = ask_once(http("200 OK", "", body), false).await.result.expect_err(body);
        assert_eq!(failed.reason, FailureReason::BadResponse, "{body}");
        assert!(failed.message.contains("Anthropic Messages protocol"), "{}", failed.message);
    }
    for event in
        [r#"{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"x"}}"#, STOP]
    {
        let failed = ask_once(events(&[event]), true).await.result.expect_err(event);
        assert_eq!(failed.reason, FailureReason::BadResponse, "{event}");
    }
    let refusal = WHOLE.replace("end_turn", "refusal");
    let answer = ask_once(http("200 OK", "", &refusal), false).await.result.expect("an answer");
    assert_eq!(answer.finish, FinishReason::ContentFilter);
}

#[test]
fn anthropic_itself_is_asked_in_its_own_words_and_a_proxy_in_openai_s() {
    let protocol = |provider: &str, api_base: Option<&str>| {
        let mut spec = ModelSpec::new("m", provider, "claude");
        spec.api_base = api_base.map(str::to_owned);
        let clients = HttpClients::new();
        let base = super::super::catalog::anthropic_base(&spec)?;
        Some(Anthropic::new(&spec, base, &clients).expect("built").uri.to_string())
    };
    let own = Some("https://api.anthropic.com/v1/messages".to_owned());
    assert_eq!(protocol("anthropic", None), own);
    assert_eq!(protocol("anthropic", Some("https://api.anthropic.com/v1/")), own);
    assert_eq!(protocol("anthropic-messages", Some("https://api.anthropic.com")), own);
    assert_eq!(protocol("anthropic", Some("http://localhost:4000/v1")), None);
    let other = Some("https://proxy/v1/x/v1/messages".to_owned());
    assert_eq!(protocol("anthropic-messages", Some("https://proxy/v1/x")), other);
}
