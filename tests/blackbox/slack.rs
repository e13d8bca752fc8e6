//! Slack by Socket Mode: every event is acknowledged when it is accepted, and answered once.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{Gateway, Network, Peer, wait_for};

fn answer(path: &str, body: &Value, url: &str) -> Value {
    match path {
        "/files/notes.txt" => json!({ "raw": "contents of the file" }),
        "/files.getUploadURLExternal?filename=a.txt&length=20" => {
            json!({ "ok": true, "upload_url": UPLOAD.get().unwrap(), "file_id": "F1" })
        }
        "/upload" => {
            assert_eq!(body["form"], "contents of the file");
            json!({ "raw": "OK - 20" })
        }
        "/auth.test" => json!({ "ok": true, "user_id": "UBOT" }),
        "/apps.connections.open" => json!({ "ok": true, "url": url }),
        _ => json!({ "ok": true, "ts": "9.9" }),
    }
}

/// Where files are sent.
static UPLOAD: OnceLock<String> = OnceLock::new();

fn start(network: &Network) -> (Gateway, Peer) {
    let gateway = Gateway::start(json!({ "channel_list": { "slack": { "enabled": true, "settings": {
        "bot_token": "xoxb-secret-of-the-test", "app_token": "xapp-secret-of-the-test", "base_url": network.url(),
    } } } }));
    let mut peer = network.accept();
    peer.send(json!({ "type": "hello" }));
    wait_for("the channel", || (up(&gateway) == 1.0).then_some(()));
    (gateway, peer)
}

fn up(gateway: &Gateway) -> f64 {
    gateway.scrape().get(r#"picoclaw_channel_up{channel="slack"}"#)
}

fn event(envelope: &str, id: &str, event: Value) -> Value {
    json!({ "type": "events_api", "envelope_id": envelope, "payload": { "event_id": id, "event": event } })
}

#[test]
fn messages_and_mentions_are_answered_once_and_where_they_were_said() {
    let network = Network::start(answer);
    let (gateway, mut peer) = start(&network);
    let direct = json!({ "type": "message", "user": "U1", "channel": "D1", "text": "**hi**", "ts": "1.1" });
    peer.send(event("e1", "E1", direct.clone()));
    assert_eq!(peer.next(), json!({ "envelope_id": "e1" }));
    assert_eq!(network.call("/chat.postMessage", 0), json!({ "channel": "D1", "text": "*hi*" }));
    // Sent again, as Slack does when an acknowledgement was late.
    peer.send(event("e2", "E1", direct));
    assert_eq!(peer.next(), json!({ "envelope_id": "e2" }));
    let mention =
        json!({ "type": "app_mention", "user": "U1", "channel": "C1", "text": "<@UBOT> you", "ts": "2.2" });
    peer.send(event("e3", "E2", mention));
    assert_eq!(peer.next(), json!({ "envelope_id": "e3" }));
    let answered = network.call("/chat.postMessage", 1);
    assert_eq!(answered, json!({ "channel": "C1", "text": "you", "thread_ts": "2.2" }));
    assert_eq!(gateway.scrape().get(r#"picoclaw_channel_messages_total{channel="slack"}"#), 2.0);
    let log = gateway.stop().log();
    assert!(!log.iter().any(|line| line.to_string().contains("secret-of-the-test")));
}

#[test]
fn a_connection_that_breaks_is_down_and_another_one_takes_over() {
    let network = Network::start(answer);
    let (gateway, peer) = start(&network);
    peer.cut();
    let mut peer = network.accept();
    wait_for("the break", || (up(&gateway) == 0.0).then_some(()));
    peer.send(json!({ "type": "hello" }));
    wait_for("the channel", || (up(&gateway) == 1.0).then_some(()));
    gateway.stop();
    peer.closed();
    assert_eq!(network.count("/apps.connections.open"), 2);
}

#[test]
fn files_go_in_both_directions() {
    let network = Network::start(answer);
    UPLOAD.set(format!("{}/upload", network.url())).unwrap();
    let (gateway, mut peer) = start(&network);
    let url = format!("{}/files/notes.txt", network.url());
    // Another host, although the same server would answer.
    let elsewhere = format!("http://localhost:{}/files/there.txt", network.port);
    let message = json!({
        "type": "message", "subtype": "file_share", "user": "U1", "channel": "D1", "text": "look", "ts": "1.1",
        "files": [
            { "name": "notes.txt", "mimetype": "text/plain", "size": 20, "url_private_download": url },
            // With somebody else, who is not to see the token.
            { "name": "there.txt", "mimetype": "text/plain", "url_private": elsewhere },
        ],
    });
    peer.send(event("e1", "E1", message));
    let heard = network.call("/chat.postMessage", 0)["text"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!((lines[0], lines[2]), ("look", "[file: there.txt, which could not be fetched]"));
    assert_eq!(network.count("/files/there.txt"), 0);
    let path = lines[1].strip_prefix("[file: ").unwrap().strip_suffix(']').unwrap();
    let kept = std::fs::read_to_string(gateway.home.join("workspace").join(path)).unwrap();
    assert_eq!(kept, "contents of the file");

    let tool =
        format!("!tool send_file {}", json!({ "path": path, "filename": "a.txt", "caption": "**here**" }));
    let message = json!({ "type": "message", "user": "U1", "channel": "D1", "text": tool, "ts": "1.2", "thread_ts": "1.0" });
    peer.send(event("e2", "E2", message));
    assert_eq!(
        network.call("/files.completeUploadExternal", 0),
        json!({ "channel_id": "D1", "thread_ts": "1.0", "initial_comment": "*here*",
                "files": [{ "id": "F1", "title": "a.txt" }] })
    );
    assert_eq!(network.count("/upload"), 1);
    let answer = network.call("/chat.postMessage", 1);
    assert!(answer["text"].as_str().unwrap().contains("sent to slack:D1/1.0"), "{answer}");
}

#[test]
fn what_people_write_is_read_as_they_wrote_it_and_surprises_stop_nothing() {
    let network = Network::start(answer);
    let (_gateway, mut peer) = start(&network);
    let said =
        |text: Value| json!({ "type": "message", "user": "U1", "channel": "D1", "ts": "1.1", "text": text });
    let mut nulls = said(json!("a &lt; b &amp;&amp; <https://x.test/?a=1&amp;b=2>"));
    nulls["files"] = json!([{ "name": null, "mimetype": null, "mode": "tombstone" }]);
    nulls["bot_id"] = Value::Null;
    peer.send(event("e0", "E0", json!({ "type": "message", "user": 7 })));
    peer.send(event("e1", "E1", nulls));
    let answered = network.call("/chat.postMessage", 0)["text"].as_str().unwrap().to_owned();
    assert!(answered.starts_with("a &lt; b &amp;&amp; https://x.test/?a=1&amp;b=2\n[file:"), "{answered}");
}

#[test]
fn an_answer_whose_placeholder_was_deleted_comes_as_a_new_message() {
    let network = Network::start(|path, body, url| match path {
        "/chat.update" => json!({ "ok": false, "error": "message_not_found" }),
        _ => answer(path, body, url),
    });
    let gateway = Gateway::start(json!({ "channel_list": { "slack": {
        "enabled": true, "placeholder": { "enabled": true, "text": "Thinking" },
        "settings": {
            "bot_token": "xoxb-secret-of-the-test", "app_token": "xapp-secret-of-the-test", "base_url": network.url(),
        },
    } } }));
    let mut peer = network.accept();
    peer.send(json!({ "type": "hello" }));
    let message = json!({ "type": "message", "user": "U1", "channel": "C1", "text": "hi", "ts": "1.2", "thread_ts": "1.0" });
    peer.send(event("e1", "E1", message));
    let expected = json!({ "channel": "C1", "text": "hi", "thread_ts": "1.0" });
    assert_eq!(network.call("/chat.postMessage", 1), expected);
    let sent = r#"picoclaw_outbound_messages_total{channel="slack",outcome="success"}"#;
    wait_for("the count", || (gateway.scrape().get(sent) == 1.0).then_some(()));
}
