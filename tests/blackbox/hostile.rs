//! Whoever misbehaves is turned away and counted; others are answered meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

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
