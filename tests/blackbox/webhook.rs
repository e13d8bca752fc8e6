//! The signed webhook trusts nobody without the secret, and answers everything once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Behaviour, Gateway, Receiver, Upstream, wait_for};

const SECRET: &str = "webhook-secret-of-the-test";

fn config(callback: Option<&Receiver>) -> Value {
    let url = callback.map(Receiver::url).unwrap_or_default();
    json!({ "channel_list": { "hook": {
        "enabled": true, "type": "webhook", "settings": { "secret": SECRET, "callback_url": url },
    } } })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signature(id: &str, at: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn post(gateway: &Gateway, id: &str, at: u64, signed: &str, body: &str) -> (u16, Value) {
    let (signature, at) = (signature(id, at, signed), at.to_string());
    let headers = [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
    let answer = gateway.post("/webhook/hook", &headers, body);
    (answer.status, answer.json())
}

#[test]
fn without_a_callback_the_answer_is_that_of_the_request() {
    let gateway = Gateway::start(config(None));
    let body = json!({ "content": "hello", "chat_id": "c1" }).to_string();
    let (status, answer) = post(&gateway, "m1", now(), &body, &body);
    assert_eq!(status, 200);
    let expected = json!({ "type": "message", "chat_id": "c1", "content": "hello", "model_name": "echo" });
    assert_eq!(answer, expected);
    let (status, answer) = post(&gateway, "m1", now(), &body, &body);
    assert_eq!((status, &answer["status"]), (202, &json!("duplicate")));
    let code = |id: &str, at: u64, signed: &str, body: &str| {
        let (status, answer) = post(&gateway, id, at, signed, body);
        (status, answer["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(code("m2", now() - 1000, &body, &body), (401, "stale".into()));
    assert_eq!(code("m2", now(), "other", &body), (401, "wrong_signature".into()));
    assert_eq!(code("m2", now(), "{}", "{}"), (400, "invalid_request".into()));
    let unsigned = gateway.post("/webhook/hook", &[], &body);
    assert_eq!((unsigned.status, unsigned.json()["error"]["code"].clone()), (401, json!("unsigned")));
    assert_eq!(gateway.get("/webhook/hook").status, 405);
    // What failed may come again.
    let failing = json!({ "content": "!fail 500" }).to_string();
    for _ in 0..2 {
        assert_eq!(post(&gateway, "m3", now(), &failing, &failing).0, 502);
    }
    let scrape = gateway.scrape();
    let rejected = |reason: &str| {
        scrape.get(&format!(r#"picoclaw_messages_rejected_total{{channel="hook",reason="{reason}"}}"#))
    };
    assert_eq!((rejected("unauthorized"), rejected("invalid")), (3.0, 1.0));
    assert_eq!(scrape.get(r#"picoclaw_channel_messages_total{channel="hook"}"#), 3.0);
    let log = gateway.stop().log();
    assert!(log.iter().any(|line| line["error"] == "message content is empty"), "an operator is told, too");
    assert!(!log.iter().any(|line| line.to_string().contains(SECRET)));
}

#[test]
fn with_a_callback_the_answer_comes_signed_and_is_repeated_until_it_is_taken() {
    let receiver = Receiver::start(&[503, 200]);
    let gateway = Gateway::start(config(Some(&receiver)));
    let body = json!({ "content": "hello", "chat_id": "c1" }).to_string();
    let (status, answer) = post(&gateway, "m1", now(), &body, &body);
    assert_eq!((status, answer), (202, json!({ "id": "m1", "status": "accepted" })));
    let sent = r#"picoclaw_outbound_messages_total{channel="hook",outcome="success"}"#;
    wait_for("the answer", || (gateway.scrape().get(sent) == 1.0).then_some(()));
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    let ids: Vec<&str> = received.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids[0], ids[1], "who has it already knows it by its id");
    for request in received {
        let header = |name: &str| request.header(name).to_owned();
        let at = header("webhook-timestamp").parse().unwrap();
        assert_eq!(header("webhook-signature"), signature(&header("webhook-id"), at, &request.body));
        let document: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!((&document["content"], &document["chat_id"]), (&json!("hello"), &json!("c1")));
    }
    assert_eq!(gateway.scrape().get(r#"picoclaw_outbound_retries_total{channel="hook"}"#), 1.0);
}

#[test]
fn files_come_with_a_message_and_images_are_shown() {
    let upstream = Upstream::start(&[Behaviour::Answer("seen")]);
    let mut config = config(None);
    config["model_list"] = json!([upstream.model("m", "openai")]);
    let gateway = Gateway::start(config);
    let gif = STANDARD.encode("GIF89a and pixels");
    let send = |id: &str, attachments: Value| {
        let body = json!({ "content": "look", "attachments": attachments }).to_string();
        post(&gateway, id, now(), &body, &body)
    };
    let (status, answer) = send(
        "m1",
        json!([
            { "filename": "a.gif", "content_type": "image/gif", "data": gif },
            { "filename": "../notes.txt", "url": format!("data:text/plain;base64,{}", STANDARD.encode("notes")) },
        ]),
    );
    assert_eq!((status, &answer["content"]), (200, &json!("seen")));
    let content = upstream.last()["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    let url = format!("data:image/gif;base64,{gif}");
    assert_eq!(content[1], json!({ "type": "image_url", "image_url": { "url": url } }));
    let text = content[0]["text"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "look");
    for (line, kind, file) in [(lines[1], "image", "GIF89a and pixels"), (lines[2], "file", "notes")] {
        let path = line.strip_prefix(&format!("[{kind}: ")).unwrap().strip_suffix(']').unwrap();
        assert!(path.starts_with("media/inbound/hook-"), "{path}");
        assert_eq!(std::fs::read_to_string(gateway.home.join("workspace").join(path)).unwrap(), file);
    }
    for (id, attachments) in [
        ("m2", json!([{ "filename": "a", "data": "%" }])),
        ("m3", json!([{ "filename": "a", "url": "https://example.com/a.png" }])),
        ("m4", json!(vec![json!({ "data": "QQ==" }); 11])),
        ("m5", json!([{ "filename": "a" }])),
    ] {
        let (status, answer) = send(id, attachments);
        assert_eq!(status, 400, "{answer}");
    }
    assert_eq!(upstream.requests(), 1);
    // Without words.
    let body = json!({ "attachments": [{ "content_type": "image/gif", "data": gif }] }).to_string();
    assert_eq!(post(&gateway, "m6", now(), &body, &body).0, 200);
}

#[test]
fn a_large_message_need_not_say_its_length_first() {
    let gateway = Gateway::start(config(None));
    let file = json!({ "filename": "a.bin", "data": STANDARD.encode(vec![7; 9 << 20]) });
    let body = json!({ "content": "keep it", "attachments": [file] }).to_string();
    let (at, id) = (now(), "m1");
    let head = format!(
        "POST /webhook/hook HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: {}\r\n\r\n",
        signature(id, at, &body)
    );
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    for chunk in body.as_bytes().chunks(1 << 20) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
        stream.write_all(chunk).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
