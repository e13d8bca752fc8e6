use serde_json::{Value, json};

use crate::http::channel::request::{ChatRequest, Defect};

fn parse(extra: &Value) -> Result<ChatRequest, Defect> {
    parse_with(extra, None)
}

fn parse_with(extra: &Value, session_header: Option<&str>) -> Result<ChatRequest, Defect> {
    let mut body = json!({"messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    ChatRequest::parse(body.to_string().as_bytes(), session_header.map(str::as_bytes))
}

#[test]
fn a_bare_request_leaves_everything_to_the_gateway() {
    let request = parse(&json!({})).unwrap();
    assert_eq!(request.model, None);
    assert_eq!(request.session, None);
    assert!(!request.stream && !request.include_usage);
    assert_eq!(request.sampling, Default::default());
}

#[test]
fn known_parameters_are_taken_and_unknown_ones_passed_on() {
    let request = parse(&json!({
        "model": "m", "stream": true, "stream_options": {"include_usage": true}, "temperature": 1,
        "max_tokens": 5, "max_completion_tokens": 6, "top_p": 0.5, "stop": ["x"], "seed": 1, "user": "ada",
        "response_format": {"type": "json_object"}, "reasoning_effort": "low", "frequency_penalty": null,
        "n": 1, "tools": [], "logprobs": false, "store": true, "metadata": {"a": "b"}, "tool_choice": "none",
    }))
    .unwrap();
    assert_eq!(request.model.as_deref(), Some("m"));
    assert!(request.stream && request.include_usage);
    assert_eq!((request.sampling.temperature, request.sampling.max_tokens), (Some(1.0), Some(6)));
    let extra: Vec<_> = request.sampling.extra.keys().map(String::as_str).collect();
    assert_eq!(extra, ["reasoning_effort", "response_format", "seed", "stop", "top_p", "user"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (extra, param, code) in [
        (json!({"messages": null}), "messages", "invalid_request"),
        (json!({"model": 1}), "model", "invalid_request"),
        (json!({"stream": "yes"}), "stream", "invalid_request"),
        (json!({"stream_options": 1}), "stream_options", "invalid_request"),
        (json!({"stream_options": {"include_usage": 1}}), "stream_options.include_usage", "invalid_request"),
        (json!({"temperature": 2.1}), "temperature", "invalid_request"),
        (json!({"temperature": "hot"}), "temperature", "invalid_request"),
        (json!({"max_tokens": 0}), "max_tokens", "invalid_request"),
        (json!({"max_completion_tokens": 1.5}), "max_completion_tokens", "invalid_request"),
        (json!({"session_id": 5}), "session_id", "invalid_request"),
        (json!({"session_id": "x".repeat(257)}), "session_id", "invalid_request"),
        (json!({"session_id": "a\nb"}), "session_id", "invalid_request"),
        (json!({"metadata": {"session_id": []}}), "metadata.session_id", "invalid_request"),
        (json!({"n": 2}), "n", "unsupported"),
        (json!({"n": 0}), "n", "unsupported"),
        (json!({"tools": [{}]}), "tools", "unsupported"),
        (json!({"functions": [{}]}), "functions", "unsupported"),
        (json!({"logprobs": true}), "logprobs", "unsupported"),
        (json!({"modalities": ["text", "audio"]}), "modalities", "unsupported"),
    ] {
        let defect = parse(&extra).expect_err(&extra.to_string());
        assert_eq!((defect.param.as_deref(), defect.code), (Some(param), code), "{extra}");
        assert!(defect.message.starts_with(&format!("{param}: ")), "{}", defect.message);
        assert_eq!(defect.message.matches(&format!("{param}: ")).count(), 1, "{}", defect.message);
    }
}

#[test]
fn malformed_json_is_located() {
    let bodies: [&[u8]; 5] = [b"", b"{\"messages\":\n [}", b"[]", b"\"\xff\"", b"{} trailing"];
    for body in bodies {
        let defect = ChatRequest::parse(body, None).unwrap_err();
        assert_eq!((defect.code, defect.param), ("malformed_json", None), "{body:?}");
        assert!(defect.message.contains("line ") && defect.message.contains("column "), "{}", defect.message);
    }
    let nested = format!("{{\"messages\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ChatRequest::parse(nested.as_bytes(), None).unwrap_err().code, "malformed_json");
}

#[test]
fn the_session_is_named_in_three_ways() {
    let named = |extra: Value, header| parse_with(&extra, header).unwrap().session;
    assert_eq!(named(json!({"session_id": "a"}), Some("b")).as_deref(), Some("a"));
    assert_eq!(named(json!({"metadata": {"session_id": "c"}}), Some(" b ")).as_deref(), Some("b"));
    assert_eq!(named(json!({"metadata": {"session_id": "c"}}), None).as_deref(), Some("c"));
    assert_eq!(named(json!({"session_id": " a "}), None).as_deref(), Some("a"));
    for nameless in ["", " "] {
        assert_eq!(named(json!({"session_id": nameless}), None), None);
    }
}

#[test]
fn in_a_session_only_the_messages_after_the_last_answer_are_new() {
    let history = json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]);
    let texts = |extra: Value| -> Vec<String> {
        parse(&extra).unwrap().messages.into_iter().map(|message| message.content).collect()
    };
    assert_eq!(texts(json!({"messages": history})), ["s", "one", "two", "three"]);
    assert_eq!(texts(json!({"messages": history, "session_id": "x"})), ["three"]);
}

#[test]
fn a_session_takes_no_results_of_tools_that_others_ran() {
    let messages = json!([
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": "t", "tool_call_id": "1"},
        {"role": "user", "content": "x"},
    ]);
    assert_eq!(parse(&json!({"messages": messages})).unwrap().messages.len(), 3);
    let defect = parse(&json!({"messages": messages, "session_id": "s"})).unwrap_err();
    assert_eq!((defect.param.as_deref(), defect.code), (Some("messages"), "unsupported"));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let body = "\u{feff}{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    assert_eq!(ChatRequest::parse(body.as_bytes(), None).unwrap().messages[0].content, "hi");
}
