//! A conversation can be held, and is remembered.

use std::io::Write;
use std::net::Shutdown;

use serde_json::json;

use crate::support::{Gateway, Home, request, wait_for};

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
fn a_workspace_around_the_home_opens_nothing_of_the_gateway() {
    let home = Home::new(json!({}));
    let around = |home: &Home| json!({ "agents": { "defaults": { "workspace": home.path() } } });
    let gateway = Gateway::start_in(home);
    gateway.chat("someone", "between the two of us");
    std::fs::write(gateway.home.join("workspace/note.txt"), format!("seen: {}", gateway.token)).unwrap();
    gateway.home.configure(around(&gateway.home));
    assert_eq!(gateway.reload().status, 200);

    let conversation = |gateway: &Gateway| {
        let files = std::fs::read_dir(gateway.home.join("workspace/sessions")).unwrap().flatten();
        let file = files.map(|file| file.file_name()).find(|name| name.to_string_lossy().ends_with(".jsonl"));
        format!("workspace/sessions/{}", file.unwrap().to_string_lossy())
    };
    let is_closed = |gateway: &Gateway| {
        let config = std::fs::read(gateway.home.join("config.json")).unwrap();
        for path in
            [&conversation(gateway), "config.json", ".picoclaw.pid", "logs/picoclaw.log", "telemetry.json"]
        {
            for call in [
                format!(r#"!tool read_file {{"path":"{path}"}}"#),
                format!(r#"!tool write_file {{"path":"{path}","content":"{{}}","overwrite":true}}"#),
            ] {
                let text = gateway.chat("other", &call);
                assert!(text.contains("may not touch") && !text.contains("between"), "{path}: {text}");
            }
        }
        assert_eq!(std::fs::read(gateway.home.join("config.json")).unwrap(), config);
        let note = gateway.chat("other", r#"!tool read_file {"path":"workspace/note.txt"}"#);
        assert!(note.contains("seen: ***") && !note.contains(&gateway.token), "{note}");
    };
    is_closed(&gateway);
    let home = gateway.stop();
    let gateway = Gateway::start_in(home);
    std::fs::write(gateway.home.join("workspace/note.txt"), format!("seen: {}", gateway.token)).unwrap();
    is_closed(&gateway);
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

#[test]
fn sessions_talk_at_the_same_time_and_do_not_mix() {
    let gateway = Gateway::start(json!({}));
    let port = gateway.port;
    std::thread::scope(|scope| {
        for caller in 0..32 {
            scope.spawn(move || {
                let say = |text: &str| {
                    let body = json!({
                        "session_id": format!("caller-{caller}"),
                        "messages": [{ "role": "user", "content": text }],
                    });
                    request(port, "POST", CHAT, &[], body.to_string().as_bytes()).unwrap().json()
                };
                // Were they to wait for one another, this alone would take 32 seconds.
                say("!slow 1s\nx");
                for n in 0..5 {
                    let text = format!("{caller} says {n}");
                    assert_eq!(say(&text)["choices"][0]["message"]["content"], text);
                }
            });
        }
        wait_for("all of them", || (gateway.scrape().get("picoclaw_messages_active") > 16.0).then_some(()));
    });
    assert_eq!(gateway.scrape().get("picoclaw_session_count"), 32.0);
    assert_eq!(gateway.home.session_lines().len(), 32 * 6 * 2);
}

#[test]
fn messages_that_wait_are_answered_in_the_order_in_which_they_came() {
    let gateway = Gateway::start(json!({}));
    let port = gateway.port;
    let waiting =
        |n: f64| wait_for("a place", || (gateway.scrape().get("picoclaw_queue_depth") == n).then_some(()));
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                let text = if n == 0 { "!slow 2s\n0".to_owned() } else { n.to_string() };
                let body = json!({ "session_id": "s", "messages": [{ "role": "user", "content": text }] })
                    .to_string();
                assert_eq!(request(port, "POST", CHAT, &[], body.as_bytes()).unwrap().status, 200);
            });
            if n == 0 {
                let active = || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(());
                wait_for("the first turn", active);
            }
            waiting(f64::from(n));
        }
    });
    let answers: Vec<String> = gateway
        .home
        .session_lines()
        .iter()
        .filter(|line| line["role"] == "assistant")
        .map(|line| line["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(answers, (0..8).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_answer_may_be_limited() {
    let gateway = Gateway::start(json!({}));
    let body =
        json!({ "max_tokens": 3, "messages": [{ "role": "user", "content": "one two three four five" }] });
    let answer = gateway.post(CHAT, &[], &body.to_string()).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "one two three ");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[test]
fn tools_that_fail_tell_the_model_and_the_operator() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s", r#"!tool read_file {"path":"missing.txt"}"#);
    gateway.chat("s", "!tool list_dir {not json");
    gateway.chat("s", r#"!tool web_fetch {"url":"http://127.0.0.1/private"}"#);
    let scrape = gateway.scrape();
    let of = |tool: &str, status: &str| {
        scrape.get(&format!(r#"picoclaw_tool_results_total{{tool="{tool}",status="{status}"}}"#))
    };
    assert_eq!(
        (of("read_file", "error"), of("list_dir", "error"), of("web_fetch", "denied")),
        (1.0, 1.0, 1.0)
    );
    assert_eq!(scrape.sum("picoclaw_tool_calls_total"), 3.0);
}

#[test]
fn a_stream_that_fails_says_so_in_the_stream() {
    let gateway = Gateway::start(json!({}));
    let body = json!({
        "stream": true,
        "messages": [{ "role": "user", "content": "!cut 2\none two three four" }],
    });
    let answer = gateway.post(CHAT, &[], &body.to_string());
    assert_eq!(answer.status, 200);
    let events = answer.events();
    let error =
        events.iter().find(|event| event.contains("\"error\"")).unwrap_or_else(|| panic!("{events:?}"));
    assert!(error.contains("cut_stream"), "{error}");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="failed"}"#), 1.0);
    let failed = r#"picoclaw_provider_failures_total{provider="echo",model="echo",reason="cut_stream"}"#;
    assert_eq!(scrape.get(failed), 1.0, "what a person has already seen is not asked for again");
}
