//! What HTTP allows is answered as HTTP says, and every refusal is a JSON document that names the place.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::{Gateway, request};

const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;

/// Sends a request that is the last one, and reads whatever comes back.
fn raw(gateway: &Gateway, request: &str) -> String {
    let mut client = gateway.client();
    let stream = client.stream.get_mut();
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(version: &str, target: &str, headers: &str) -> String {
    format!("POST {target} HTTP/{version}\r\n{headers}Content-Length: {}\r\n\r\n{HELLO}", HELLO.len())
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

#[test]
fn every_path_says_which_methods_it_takes() {
    let gateway = Gateway::start(json!({}));
    let read = "GET, HEAD";
    let paths = [
        ("/health", read, read),
        ("/ready", read, read),
        ("/live", read, read),
        ("/metrics", read, read),
        ("/v1/models", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
        ("/v1/models/echo", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
        (CHAT, "POST, OPTIONS", "POST, OPTIONS"),
        ("/reload", "POST", "POST"),
    ];
    let mut unauthorized = 0;
    for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        for (path, allow, listed) in paths {
            let answer = request(gateway.port, method, path, &[], b"").unwrap();
            if !allow.split(", ").any(|allowed| allowed == method) {
                assert_eq!((answer.status, answer.header("allow")), (405, listed), "{method} {path}");
                if method != "HEAD" {
                    assert!(answer.json()["error"].is_object() || path == "/reload", "{method} {path}");
                }
                continue;
            }
            let expected = match (method, path) {
                ("POST", "/reload") => 401,
                ("POST", _) => 400,
                ("OPTIONS", _) => 204,
                _ => 200,
            };
            unauthorized += usize::from(expected == 401);
            assert_eq!(answer.status, expected, "{method} {path}");
        }
        for path in ["/", "/nothing", "/v1", "/v1/nothing", "/metrics/", "/%00", "/health//"] {
            let answer = request(gateway.port, method, path, &[], b"").unwrap();
            assert_eq!(answer.status, 404, "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/json");
            if method != "HEAD" {
                let error = &answer.json()["error"];
                assert_eq!(error["code"], "unknown_path");
                assert!(error["message"].as_str().unwrap().contains(path), "{error}");
            }
        }
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_http_rejected_total{reason="unauthorized"}"#), unauthorized as f64);
    // The empty message was one.
    assert_eq!(scrape.get(r#"picoclaw_messages_rejected_total{channel="http",reason="invalid"}"#), 1.0);
    assert_eq!(scrape.get("picoclaw_messages_total"), 0.0);
}

#[test]
fn what_is_wrong_with_a_refused_message_is_in_the_log() {
    let gateway = Gateway::start(json!({ "gateway": { "api_key": "the-key-of-the-test" } }));
    let bearer = "Bearer the-key-of-the-test";
    let told = gateway.post(CHAT, &[("Authorization", "Bearer wrong")], "{}");
    assert_eq!((told.status, told.header("www-authenticate")), (401, "Bearer realm=\"picoclaw\""));
    for body in [
        json!({ "messages": [{ "role": "user", "content": "" }] }),
        json!({ "model": "gpt", "messages": [{ "role": "user", "content": "x" }] }),
        // What somebody said is not in the log, also where a parser would quote it.
        json!("a secret wish"),
        json!({ "messages": [{ "role": "assistant", "tool_calls": ["a secret wish"] }] }),
    ] {
        assert!(
            (400..=404).contains(&gateway.post(CHAT, &[("Authorization", bearer)], &body.to_string()).status)
        );
    }
    let home = gateway.stop();
    let lines = home.log();
    let refused: Vec<_> = lines.iter().filter(|line| line["kind"] == "channel.message.rejected").collect();
    let errors: Vec<_> = refused.iter().map(|line| line["error"].as_str().unwrap()).collect();
    assert_eq!(
        errors,
        [
            "the API key is missing or wrong: send `Authorization: Bearer <gateway.api_key>`",
            "messages[0].content: must not be empty",
            "the model \"gpt\" is not configured: use a name of model_list, or leave it out",
            "the body is not a JSON object",
            "messages[0].tool_calls[0]: is wrong",
        ]
    );
}

#[test]
fn a_head_is_what_get_would_have_begun_with() {
    let gateway = Gateway::start(json!({}));
    for path in ["/health", "/ready", "/live", "/metrics", "/v1/models", "/nothing"] {
        let (head, get) = (request(gateway.port, "HEAD", path, &[], b"").unwrap(), gateway.get(path));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_ne!(head.header("content-length"), "0", "{path}");
    }
}

#[test]
fn targets_without_a_path_are_answered_and_nothing_fails_inside() {
    let gateway = Gateway::start(json!({}));
    let answer = raw(&gateway, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    assert!(status(&answer) == 405 && answer.contains("no proxy"), "{answer}");
    let answer = raw(&gateway, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(status(&answer) == 204 && answer.contains("allow: GET, HEAD, POST, OPTIONS"), "{answer}");
    assert_eq!(status(&raw(&gateway, "GET * HTTP/1.1\r\nHost: x\r\n\r\n")), 404);
    let answer = raw(&gateway, "GET live HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(status(&answer) == 400 && answer.contains("begin it with /"), "{answer}");
    let answer = raw(&gateway, "GET http://localhost/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.ends_with(r#"{"alive":true}"#), "{answer}");
    let home = gateway.stop();
    assert!(home.log().iter().all(|line| line["level"] != "error"));
}

#[test]
fn the_name_by_which_the_gateway_was_reached_is_said_once() {
    let gateway = Gateway::start(json!({}));
    for (request, expected) in [
        (post("1.1", CHAT, "Host: localhost\r\n"), 200),
        (post("1.0", CHAT, ""), 200),
        (post("1.1", CHAT, ""), 400),
        (post("1.1", CHAT, "Host: localhost\r\nHost: localhost\r\n"), 400),
        (post("1.1", CHAT, "Host: evil.example\r\n"), 403),
        (post("1.1", &format!("http://localhost{CHAT}"), "Host: evil.example\r\n"), 200),
        (post("1.1", &format!("http://evil.example{CHAT}"), "Host: localhost\r\n"), 403),
        (post("1.1", &format!("http://localhost@evil.example{CHAT}"), "Host: localhost\r\n"), 403),
    ] {
        let answer = raw(&gateway, &request);
        assert_eq!(status(&answer), expected, "{request}\n{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let document: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!(document["error"]["message"].is_string(), expected != 200, "{document}");
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.get("picoclaw_messages_total"), 3.0);
    assert_eq!(scrape.get(r#"picoclaw_http_rejected_total{reason="malformed"}"#), 2.0);
    assert_eq!(scrape.get(r#"picoclaw_http_rejected_total{reason="forbidden_origin"}"#), 3.0);
}

#[test]
fn who_asks_before_sending_is_told_to_go_on() {
    let gateway = Gateway::start(json!({ "gateway": { "max_body_bytes": 2048 } }));
    let mut client = gateway.client();
    let head = |length: usize| {
        format!(
            "POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    client.stream.get_mut().write_all(head(HELLO.len()).as_bytes()).unwrap();
    assert_eq!(client.read(true).unwrap().status, 100);
    client.stream.get_mut().write_all(HELLO.as_bytes()).unwrap();
    assert_eq!(client.read(false).unwrap().status, 200);
    // Too large: the answer comes before the body.
    client.stream.get_mut().write_all(head(1 << 30).as_bytes()).unwrap();
    assert_eq!(client.read(false).unwrap().json()["error"]["code"], "body_too_large");
}

#[test]
fn pipelined_requests_are_answered_in_their_order_and_counted_once() {
    let gateway = Gateway::start(json!({}));
    let mut client = gateway.client();
    let requests: String = (0..20)
        .map(|n| {
            let body = HELLO.replace("hello", &format!("message {n}"));
            format!("POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        })
        .collect();
    client.stream.get_mut().write_all(requests.as_bytes()).unwrap();
    for n in 0..20 {
        let answer = client.read(false).unwrap().json();
        assert_eq!(answer["choices"][0]["message"]["content"], format!("message {n}"));
    }
    assert_eq!(gateway.scrape().get("picoclaw_messages_total"), 20.0);
}

#[test]
fn bodies_are_read_as_they_are() {
    let gateway = Gateway::start(json!({}));
    let marked = format!("\u{feff}{HELLO}");
    assert_eq!(gateway.post(CHAT, &[("Content-Encoding", "identity")], &marked).status, 200);
    let answer = gateway.post(CHAT, &[("Content-Encoding", "gzip")], HELLO);
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (415, Some("unsupported_encoding")));
    assert!(answer.text().contains("gzip"), "{}", answer.text());
}
