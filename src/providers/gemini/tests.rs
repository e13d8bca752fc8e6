//! Against exchanges as the public description of the protocol shows them.

use std::time::Duration;

use picoclaw_telemetry::words::FailureReason;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::chat::{
    FinishReason, FunctionCall, Message, Role, Sampling, ToolCall, ToolSpec, ToolSpecs, Usage,
};
use crate::providers::Delta;
use crate::providers::catalog::gemini_base;
use crate::providers::exchange::server::Server;
use crate::providers::spec::Thinking;

const WHOLE: &str = r#"{"candidates":[{"content":{"parts":[{"text":"think","thought":true},{"text":"Hello"}],"role":"model"},
    "finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":20,"cachedContentTokenCount":8,
    "candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":32},"modelVersion":"gemini-3-pro"}"#;

fn spec(model: &str) -> ModelSpec {
    let mut spec = ModelSpec::new("fast", "gemini", model);
    spec.api_key = Some("sk-secret".into());
    spec
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

fn events(events: &[&str]) -> Vec<u8> {
    let body: String =
        events.iter().map(|event| format!("data: {}\r\n\r\n", event.replace('\n', " "))).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

struct Outcome {
    result: Result<Completion, ProviderError>,
    pieces: Vec<Delta>,
}

async fn ask(
    server: &Server,
    spec: &ModelSpec,
    messages: &[Message],
    tools: &[ToolSpec],
    stream: bool,
) -> Outcome {
    let base = format!("http://{}/v1beta", server.address());
    let provider = Gemini::new(spec, &base, &HttpClients::new()).expect("a valid entry");
    let messages: Vec<&Message> = messages.iter().collect();
    let mut sampling = Sampling { temperature: Some(0.5), max_tokens: Some(100), ..Sampling::default() };
    sampling.extra =
        Map::from_iter([("stop".to_owned(), json!("END")), ("response_format".to_owned(), json!({}))]);
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
    ask(&server, &spec("gemini-3-pro"), &[Message::new(Role::User, "Hi")], &[], stream).await
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        kind: "function".into(),
        function: FunctionCall { name: name.into(), arguments: arguments.into() },
        other: Map::new(),
    }
}

#[tokio::test]
async fn asks_as_the_protocol_says() {
    let server = Server::saying([http("200 OK", "", WHOLE)]).await;
    let mut image = Message::new(Role::User, "what is this?");
    image.other.insert("media".into(), json!(["data:image/png;base64,AAAA"]));
    let mut seen = Message::tool_result("a", "one");
    seen.other.insert("media".into(), json!(["data:image/gif;base64,BBBB"]));
    let calls = vec![call("a", "look", r#"{"x":1}"#), call("b", "list", "")];
    let messages = [
        Message::new(Role::System, "Be brief."),
        image,
        Message { tool_calls: calls, ..Message::new(Role::Assistant, "") },
        Message::tool_result("b", "two"),
        seen,
    ];
    let tool =
        |name: &str, parameters: Value| ToolSpec { name: name.into(), description: "d".into(), parameters };
    let parameters = json!({"type": "object", "properties": {"x": {"type": "integer"}}});
    let tools = [tool("look", parameters.clone()), tool("list", json!({"type": "object", "properties": {}}))];
    let mut spec = spec("gemini-3-pro");
    spec.thinking = Some(Thinking::Low);
    let answer = ask(&server, &spec, &messages, &tools, false).await.result.expect("an answer");
    assert_eq!((answer.content.as_str(), answer.reasoning.as_deref()), ("Hello", Some("think")));
    assert_eq!(answer.usage, Some(Usage { input: 20, output: 12, cached: 8, cache_writes: 0 }));

    let head = server.requests()[0].clone();
    assert!(head.starts_with("POST /v1beta/models/gemini-3-pro:generateContent HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-goog-api-key: sk-secret\r\n") && !head.contains("key=sk"), "{head}");
    let body = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [
            { "role": "user", "parts": [
                { "inlineData": { "mimeType": "image/png", "data": "AAAA" } }, { "text": "what is this?" },
            ] },
            { "role": "model", "parts": [
                { "functionCall": { "name": "look", "args": { "x": 1 } },
                  "thoughtSignature": "skip_thought_signature_validator" },
                { "functionCall": { "name": "list", "args": {} } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "list", "response": { "result": "two" } } },
                { "functionResponse": { "name": "look", "response": { "result": "one" } } },
                { "inlineData": { "mimeType": "image/gif", "data": "BBBB" } },
            ] },
        ],
        "tools": [{ "functionDeclarations": [
            { "name": "look", "description": "d", "parametersJsonSchema": parameters },
            { "name": "list", "description": "d" },
        ] }],
        "generationConfig": {
            "temperature": 0.5, "maxOutputTokens": 100, "stopSequences": ["END"],
            "thinkingConfig": { "thinkingLevel": "low", "includeThoughts": true },
        },
    });
    assert_eq!(server.body(0), body);
}

#[tokio::test]
async fn streams_and_gives_signatures_back() {
    let stream = events(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"}}],"usageMetadata":{"promptTokenCount":9}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Let "}],"role":"model"}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"me."},{"functionCall":{"name":"look","args":{"x":1}},"thoughtSignature":"c2ln"},
            {"functionCall":{"name":"look","args":{"x":2}}}],"role":"model"},"finishReason":"STOP"}],
            "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"thoughtsTokenCount":2}}"#,
    ]);
    let server = Server::saying([stream, http("200 OK", "", WHOLE)]).await;
    let mut spec = spec("models/gemini-2.5-flash");
    spec.thinking = Some(Thinking::Adaptive);
    let question = Message::new(Role::User, "Hi");
    let outcome = ask(&server, &spec, std::slice::from_ref(&question), &[], true).await;
    let answer = outcome.result.expect("an answer");
    let text = |text: &str| Delta::Text(text.to_owned());
    assert_eq!(outcome.pieces, [Delta::Reasoning("hm".into()), text("Let "), text("me.")]);
    assert_eq!((answer.finish, answer.usage), (FinishReason::ToolCalls, Some(Usage::new(9, 6))));
    assert_eq!(answer.tool_calls[0].function.arguments, r#"{"x":1}"#);
    assert_ne!(answer.tool_calls[0].id, answer.tool_calls[1].id);
    let head = server.requests()[0].clone();
    assert!(
        head.starts_with("POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse "),
        "{head}"
    );
    let thinking = json!({ "thinkingBudget": -1, "includeThoughts": true });
    assert_eq!(server.body(0)["generationConfig"]["thinkingConfig"], thinking);

    let id = answer.tool_calls[0].id.clone();
    let called = Message { tool_calls: answer.tool_calls, ..Message::new(Role::Assistant, answer.content) };
    ask(&server, &spec, &[question, called, Message::tool_result(id, "1")], &[], false)
        .await
        .result
        .expect("an answer");
    let parts = server.body(1)["contents"][1]["parts"].clone();
    assert_eq!(
        (&parts[1]["thoughtSignature"], &parts[2]["thoughtSignature"]),
        (&json!("c2ln"), &Value::Null)
    );
    assert_eq!(server.body(1)["contents"][2]["parts"][0]["functionResponse"]["name"], "look");
}

#[tokio::test]
async fn errors_are_judged_by_status_and_details() {
    let error = |code: u16, status: &str, message: &str, details: Value| {
        json!({ "error": { "code": code, "message": message, "status": status, "details": details } })
            .to_string()
    };
    let invalid_key =
        json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
    let retry = json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s" }]);
    for (code, status, message, details, reason) in [
        (400, "INVALID_ARGUMENT", "API key not valid.", invalid_key, "auth"),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (2) exceeds the maximum number of tokens allowed (1).",
            json!([]),
            "context_overflow",
        ),
        (400, "INVALID_ARGUMENT", "wrong", json!([]), "bad_request"),
        (400, "FAILED_PRECONDITION", "enable billing", json!([]), "billing"),
        (403, "PERMISSION_DENIED", "no", json!([]), "auth"),
        (404, "NOT_FOUND", "models/x is not found", json!([]), "bad_request"),
        (429, "RESOURCE_EXHAUSTED", "quota", retry, "rate_limit"),
        (500, "INTERNAL", "oops", json!([]), "server"),
        (503, "UNAVAILABLE", "The model is overloaded.", json!([]), "overloaded"),
        (504, "DEADLINE_EXCEEDED", "slow", json!([]), "timeout"),
    ] {
        for stream in [false, true] {
            let body = error(code, status, message, details.clone());
            let failed =
                ask_once(http(&format!("{code} X"), "", &body), stream).await.result.expect_err(status);
            assert_eq!((failed.reason.as_str(), failed.status), (reason, Some(code)), "{message}");
            assert_eq!(failed.retry_after, (code == 429).then_some(Duration::from_secs(38)));
        }
    }
    let body = error(503, "UNAVAILABLE", "later", json!([]));
    let failed = ask_once(events(&[&body]), true).await.result.expect_err("a failure");
    assert_eq!((failed.reason, failed.partial), (FailureReason::Overloaded, false));
}

#[tokio::test]
async fn endings_have_their_reasons() {
    let ending = |reason: &str| WHOLE.replace("STOP", reason);
    for (reason, finish) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("SOMETHING_NEW", FinishReason::Stop),
    ] {
        let answer = ask_once(http("200 OK", "", &ending(reason)), false).await.result.expect(reason);
        assert_eq!(answer.finish, finish, "{reason}");
    }
    let malformed = ask_once(http("200 OK", "", &ending("MALFORMED_FUNCTION_CALL")), false).await;
    assert!(malformed.result.expect_err("a failure").is_transient());
    let blocked = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#;
    let answer = ask_once(http("200 OK", "", blocked), false).await.result.expect("an answer");
    assert_eq!((answer.finish, answer.content.as_str()), (FinishReason::ContentFilter, ""));
    let cut = events(&[r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}"#]);
    let failed = ask_once(cut, true).await.result.expect_err("a failure");
    assert_eq!((failed.reason, failed.partial), (FailureReason::CutStream, true));
    for body in ["{}", "[]", "<html>", r#"{"choices":[]}"#] {
        let failed = ask_once(http("200 OK", "", body), false).await.result.expect_err(body);
        assert_eq!(failed.reason, FailureReason::BadResponse, "{body}");
    }
}

#[test]
fn gemini_itself_is_asked_in_its_own_words_unless_told_otherwise() {
    let base = |api_base: Option<&str>| {
        let mut spec = spec("gemini-3-pro");
        spec.api_base = api_base.map(str::to_owned);
        gemini_base(&spec).map(str::to_owned)
    };
    assert_eq!(base(None).as_deref(), Some(API_BASE));
    assert_eq!(
        base(Some("https://generativelanguage.googleapis.com/v1/")).as_deref().map(str::len),
        Some(44)
    );
    assert_eq!(base(Some("https://generativelanguage.googleapis.com/v1beta/openai/")), None);
    assert_eq!(base(Some("http://localhost:4000/v1")), None);
}
