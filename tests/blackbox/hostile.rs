//! Whoever misbehaves is turned away and counted; others are answered meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Gateway, Scrape, request, wait_for};

/// Sends bytes and reads whatever comes back.
fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn malformed_and_huge_requests_are_refused() {
    let gateway = Gateway::start(json!({ "gateway": { "max_body_bytes": 4096 } }));
    let port = gateway.port;
    assert!(raw(port, b"not http at all\r\n\r\n").starts_with("HTTP/1.1 400"));
    let huge = "x".repeat(5000);
    assert_eq!(request(port, "POST", "/v1/chat/completions", &[], huge.as_bytes()).unwrap().status, 413);
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1400\r\n{}\r\n0\r\n\r\n",
        "x".repeat(0x1400)
    );
    assert!(raw(port, chunked.as_bytes()).starts_with("HTTP/1.1 413"));
    let body = r#"{"messages":[{"role":"user","content":"chunks are fine"}]}"#;
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert!(raw(port, chunked.as_bytes()).contains("chunks are fine"));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_http_rejected_total{reason="body_too_large"}"#), 2.0);
    assert_eq!(scrape.get(r#"picoclaw_http_rejected_total{reason="malformed"}"#), 1.0);
    assert_eq!(gateway.health()["status"], "healthy");
}

#[test]
fn old_clients_are_served() {
    let gateway = Gateway::start(json!({}));
    let answer = raw(gateway.port, b"GET /health HTTP/1.0\r\n\r\n");
    assert!(answer.contains(" 200 ") && answer.contains(r#""status":"healthy""#), "{answer}");
}

#[test]
fn connections_are_bounded_and_slow_ones_hold_up_nobody() {
    let gateway = Gateway::start(json!({ "gateway": { "max_connections": 20 } }));
    let mut slow: Vec<TcpStream> =
        (0..10).map(|_| TcpStream::connect(("127.0.0.1", gateway.port)).unwrap()).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(b"GET /health HT").unwrap());
    assert_eq!(gateway.health()["status"], "healthy");
    // One connection that is in already sees how the others are turned away.
    let mut inside = gateway.client();
    let mut rejected = move || {
        inside.send("GET", "/metrics", &[], b"").unwrap();
        Scrape::parse(&inside.read(false).unwrap().text())
            .get(r#"picoclaw_http_rejected_total{reason="connection_limit"}"#)
    };
    assert_eq!(rejected(), 0.0);
    let more: Vec<TcpStream> =
        (0..30).filter_map(|_| TcpStream::connect(("127.0.0.1", gateway.port)).ok()).collect();
    wait_for("refusals", || (rejected() > 0.0).then_some(()));
    drop((more, rejected));
    wait_for("room", || {
        request(gateway.port, "GET", "/live", &[], b"").ok().filter(|answer| answer.status == 200)
    });
    drop(slow);
    wait_for("the connections to end", || {
        (gateway.scrape().get("picoclaw_http_connections") == 1.0).then_some(())
    });
}

#[test]
fn a_head_that_does_not_end_is_given_up_and_others_are_answered_meanwhile() {
    let gateway = Gateway::start(json!({}));
    let mut slow = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    slow.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc").unwrap();
    let mut answer = String::new();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| slow.read_to_string(&mut answer));
        let mut answered = 0;
        while !reader.is_finished() {
            assert_eq!(gateway.chat("s", "x"), "x");
            answered += 1;
        }
        assert!(answered > 0);
    });
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(gateway.scrape().get(r#"picoclaw_http_rejected_total{reason="header_timeout"}"#), 1.0);
}

#[test]
fn a_body_that_breaks_off_harms_nobody() {
    let gateway = Gateway::start(json!({}));
    for _ in 0..10 {
        let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
        stream
            .write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"mess")
            .unwrap();
    }
    wait_for("the connections to end", || {
        (gateway.scrape().get("picoclaw_http_connections") == 1.0).then_some(())
    });
    assert_eq!(gateway.chat("s", "x"), "x");
    assert_eq!(gateway.scrape().get("picoclaw_messages_total"), 1.0);
}

#[test]
fn what_is_ambiguous_or_oversized_is_refused() {
    let gateway = Gateway::start(json!({}));
    let many = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(500));
    let long = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "z".repeat(1 << 17));
    let chunks = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                  Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n";
    for request in [many.as_str(), &long, &path, chunks] {
        let answer = raw(gateway.port, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // Two lengths: whoever stands in between may have read the other one.
    let smuggled = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(!raw(gateway.port, smuggled.as_bytes()).contains("alive"));
    assert_eq!(gateway.chat("s", "x"), "x");
    assert_eq!(gateway.health()["status"], "healthy");
}

#[test]
fn bodies_that_are_json_and_nonsense_are_refused_one_by_one() {
    let gateway = Gateway::start(json!({}));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_field = format!("{{{}1{}}}", "\"a\":{".repeat(50_000), "}".repeat(50_000));
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    let name = |key: &str, value: &str| json!({ key: value, "messages": user(json!("x")) }).to_string();
    let say = |content: Value| json!({ "messages": user(content) }).to_string();
    let tool =
        |fields: Value| json!({ "messages": [fields, { "role": "user", "content": "x" }] }).to_string();
    let requests = [
        ("", "line 1"),
        ("null", "JSON object"),
        ("[]", "JSON object"),
        ("\"text\"", "JSON object"),
        ("{", "line 1"),
        (&deep, "JSON object"),
        (&deep_field, "recursion limit"),
        ("{}", "messages: is missing"),
        (r#"{"messages":[]}"#, "messages: must not be empty"),
        (r#"{"messages":"x"}"#, "messages: must be an array"),
        (r#"{"messages":[{"role":"user","content":"\ud800"}]}"#, "hex escape"),
        (&say(json!(5)), "messages[0].content"),
        (&say(json!([])), "messages[0].content"),
        (&say(json!(["x"])), "messages[0].content[0]"),
        (&say(json!([{ "type": "image_url", "image_url": {} }])), "messages[0].content[0].image_url.url"),
        (&tool(json!({ "role": "tool", "content": "x" })), "messages[0].tool_call_id"),
        (&tool(json!({ "role": "tool", "content": "x", "tool_call_id": "?" })), "messages[0].tool_call_id"),
        (&tool(json!({ "role": "r".repeat(1 << 20), "content": "x" })), "use system"),
        (r#"{"messages":[{"role":"user","content":"x"}],"n":3}"#, "n: "),
        (r#"{"messages":[{"role":"user","content":"x"}],"stream":"yes"}"#, "stream: must be true or false"),
        (r#"{"messages":[{"role":"user","content":"x"}],"temperature":1e999}"#, "number out of range"),
        (&name("session_id", &"s".repeat(300)), "at most 256 bytes"),
        (&name("session_id", "a\0b"), "control characters"),
    ];
    for (body, expected) in requests {
        let answer = gateway.post("/v1/chat/completions", &[], body);
        let error = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && error.contains(expected) && error.len() < 300, "{expected}: {error}");
    }
    let answer = gateway.post("/v1/chat/completions", &[], &name("model", &"m".repeat(1 << 20)));
    assert!(answer.status == 404 && answer.body.len() < 500, "{}", answer.text());
    let answer = gateway.post("/v1/chat/completions", &[("X-Session-Id", "a\x7fb")], &say(json!("x")));
    assert_eq!(answer.status, 400);
    let rejected =
        |reason: &str| format!(r#"picoclaw_messages_rejected_total{{channel="http",reason="{reason}"}}"#);
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(&rejected("invalid")), requests.len() as f64);
    assert_eq!(scrape.get(&rejected("unknown_model")), 1.0);
    assert_eq!(scrape.get("picoclaw_messages_total"), 0.0);
    // A session's name is no path.
    for name in ["../../escape", "/etc/passwd", "a/b", "..", "\u{202e}x"] {
        assert_eq!(gateway.chat(name, "x"), "x");
    }
    let outside = gateway.home.join("workspace/escape.jsonl");
    assert!(!outside.exists() && !gateway.home.join("escape.jsonl").exists());
    assert_eq!(gateway.home.session_lines().len(), 10);
}

#[test]
fn large_requests_wait_for_room_and_are_all_answered() {
    let settings = json!({ "gateway": { "max_bodies_bytes": 1_000_000 } });
    let gateway = Gateway::start(settings);
    let body = json!({ "messages": [{ "role": "user", "content": format!("!slow 100ms\n{}", "x".repeat(400_000)) }] });
    let body = body.to_string();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| gateway.post("/v1/chat/completions", &[], &body).status)).collect();
        // Small ones pass.
        assert_eq!(gateway.chat("s", "small"), "small");
        let busiest = wait_for("the turns", || {
            let most = gateway.scrape().get("picoclaw_messages_active");
            (most > 0.0).then_some(most)
        });
        assert!(busiest <= 2.0, "{busiest} turns of 400 kB have room for two");
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 8]);
}

#[test]
fn memory_of_large_messages_is_given_back() {
    let gateway = Gateway::start(json!({ "gateway": { "max_body_bytes": 16_000_000 } }));
    let held = || {
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
        let line =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix(" kB")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let before = held();
    let large = "x".repeat(6_000_000);
    let body = json!({ "messages": [{ "role": "user", "content": large }] }).to_string();
    std::thread::scope(|scope| {
        let ask = || assert_eq!(gateway.post("/v1/chat/completions", &[], &body).status, 200);
        for caller in [(); 4].map(|()| scope.spawn(ask)) {
            caller.join().unwrap();
        }
    });
    // Of the 24 MB of bodies, and what was made of them.
    wait_for("the memory", || (held() < before + 8 * 1024).then_some(()));
}
