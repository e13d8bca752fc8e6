//! A conversation can be held, and is remembered.

use std::io::Write;
use std::net::Shutdown;

use serde_json::json;

use crate::support::{Gateway, request, wait_for};

const CHAT: &str = "/v1/chat/completions";

#[test]
fn a_session_is_remembered_across_a_restart() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s1", "one");
    gateway.chat("s1", "two");
    let gateway = Gateway::start_in(gateway.stop());
    gateway.chat("s1", "three");
    let contents: Vec<_> = gateway.home.session_lines().iter().map(|line| line["content"].clone()).collect();
    assert_eq!(
        contents,
        [json!("one"), json!("one"), json!("two"), json!("two"), json!("three"), json!("three")]
    );
    // Active within the last half hour: the session of before the restart is the same one.
    assert_eq!(gateway.scrape().get("picoclaw_session_count"), 1.0);
}

#[test]
fn answers_stream_word_by_word() {
    let gateway = Gateway::start(json!({}));
    let body = json!({
        "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "one two three" }],
    });
    let answer = gateway.post(CHAT, &[], &body.to_string());
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let events = answer.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks: Vec<serde_json::Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "one two three");
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 3);
    assert!(gateway.home.session_lines().is_empty(), "a stateless conversation is not stored");
}

#[test]
fn tools_act_in_the_workspace_only() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s", r#"!tool write_file {"path":"note.txt","content":"remember"}"#);
    assert_eq!(std::fs::read_to_string(gateway.home.join("workspace/note.txt")).unwrap(), "remember");
    assert!(gateway.chat("s", r#"!tool read_file {"path":"note.txt"}"#).contains("remember"));
    gateway.chat("s", r#"!tool read_file {"path":"../config.json"}"#);
    for detour in ["sessions", "./sessions/.journal", "x/../sessions/.journal"] {
        let text = gateway.chat("s", &format!(r#"!tool write_file {{"path":"{detour}","content":"x"}}"#));
        assert!(text.contains("conversations"), "{text}");
    }
    gateway.chat("s", "!tool rm_rf {}");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_tool_results_total{tool="read_file",status="success"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_tool_results_total{tool="read_file",status="denied"}"#), 1.0);
    assert_eq!(scrape.get("picoclaw_tool_calls_unknown_total"), 1.0);
    assert!(!gateway.get("/metrics").text().contains("rm_rf"));
}

#[test]
fn unknown_models_and_malformed_requests_are_refused_clearly() {
    let gateway = Gateway::start(json!({}));
    let unknown = gateway.post(CHAT, &[], r#"{"model":"gpt-99","messages":[{"role":"user","content":"x"}]}"#);
    assert_eq!((unknown.status, unknown.json()["error"]["code"].clone()), (404, json!("model_not_found")));
    for (body, part) in [
        ("{", "line 1"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"messages":[{"role":"king","content":"x"}]}"#, "messages[0].role"),
    ] {
        let answer = gateway.post(CHAT, &[], body);
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(part), "{}", answer.text());
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_messages_rejected_total{channel="http",reason="invalid"}"#), 3.0);
    assert_eq!(scrape.get(r#"picoclaw_messages_rejected_total{channel="http",reason="unknown_model"}"#), 1.0);
    assert_eq!(scrape.get("picoclaw_messages_total"), 0.0);
}

#[test]
fn turns_of_one_session_follow_one_another_and_its_queue_is_bounded() {
    let gateway = Gateway::start(json!({}));
    let port = gateway.port;
    let body =
        json!({ "session_id": "s", "messages": [{ "role": "user", "content": "!slow 1s\nx" }] }).to_string();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let body = body.clone();
            std::thread::spawn(move || request(port, "POST", CHAT, &[], body.as_bytes()).unwrap().status)
        })
        .collect();
    wait_for("refusals", || {
        let refused =
            gateway.scrape().get(r#"picoclaw_messages_rejected_total{channel="http",reason="busy"}"#);
        (refused == 5.0).then_some(())
    });
    assert_eq!(gateway.scrape().get("picoclaw_messages_active"), 1.0);
    let mut codes: Vec<u16> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(
        (codes.iter().filter(|c| **c == 200).count(), codes.iter().filter(|c| **c == 429).count()),
        (11, 5)
    );
    let scrape = gateway.scrape();
    assert_eq!((scrape.get("picoclaw_queue_depth"), scrape.get("picoclaw_messages_active")), (0.0, 0.0));
    assert_eq!(gateway.home.session_lines().len(), 22);
}

#[test]
fn a_caller_who_goes_away_cancels_the_turn() {
    let gateway = Gateway::start(json!({}));
    let mut client = gateway.client();
    let body = json!({ "session_id": "s", "messages": [{ "role": "user", "content": "!hang" }] }).to_string();
    client.send("POST", CHAT, &[], body.as_bytes()).unwrap();
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    client.stream.get_mut().flush().unwrap();
    client.stream.get_ref().shutdown(Shutdown::Both).unwrap();
    let cancelled = r#"picoclaw_turns_total{origin="user",status="cancelled"}"#;
    wait_for("the cancellation", || (gateway.scrape().get(cancelled) == 1.0).then_some(()));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="echo"}"#), 0.0);
    assert_eq!(scrape.get("picoclaw_messages_active"), 0.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_active{provider="echo"}"#), 0.0);
    assert_eq!(scrape.get("picoclaw_response_time_seconds_count"), 0.0);
}

#[test]
fn a_model_that_never_stops_calling_tools_is_stopped() {
    let gateway = Gateway::start(json!({ "agents": { "defaults": { "max_tool_iterations": 3 } } }));
    let text = gateway.chat("s", "!again 100\n!tool list_dir {\"path\":\".\"}");
    assert!(text.contains("max_tool_iterations"), "{text}");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="tool_limit"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="echo"}"#), 3.0);
}

#[test]
fn a_key_is_asked_for_when_one_is_configured() {
    let gateway = Gateway::start(json!({ "gateway": { "api_key": "key-of-the-test" } }));
    let body = r#"{"messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(gateway.post(CHAT, &[], body).status, 401);
    assert_eq!(gateway.post(CHAT, &[("Authorization", "Bearer wrong")], body).status, 401);
    assert_eq!(gateway.post(CHAT, &[("Authorization", "Bearer key-of-the-test")], body).status, 200);
    assert_eq!(gateway.get("/health").status, 200);
    let log = gateway.stop().log();
    assert!(!log.is_empty() && !log.iter().any(|line| line.to_string().contains("key-of-the-test")));
}

#[test]
fn a_web_page_of_elsewhere_is_kept_out() {
    let gateway = Gateway::start(json!({}));
    let body = r#"{"messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(gateway.post(CHAT, &[("Origin", "https://evil.example")], body).status, 403);
    assert_eq!(gateway.post(CHAT, &[("Origin", "http://localhost:3000")], body).status, 200);
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_http_rejected_total{reason="forbidden_origin"}"#), 1.0);
}
