//! Discord's gateway: heartbeats, and sessions that go on over another connection.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Gateway, Network, Peer, wait_for};

/// Whether the file that lasts may be there.
static ARRIVED: AtomicBool = AtomicBool::new(false);

fn answer(path: &str, _: &Value, url: &str) -> Value {
    match path {
        "/cdn/lasting.txt" => {
            wait_for("the test", || ARRIVED.load(Ordering::Acquire).then_some(()));
            json!({ "raw": "at last" })
        }
        "/channels/5/messages/404" => json!({ "status": 404, "message": "Unknown Message" }),
        "/gateway/bot" => json!({ "url": url }),
        "/cdn/notes.txt" => json!({ "raw": "contents of the file" }),
        _ => json!({ "id": "77" }),
    }
}

fn config(network: &Network) -> Value {
    json!({ "channel_list": { "discord": {
        "enabled": true, "typing": { "enabled": false },
        "settings": { "token": "secret.of.the.test", "base_url": network.url() },
    } } })
}

/// Says hello and returns what the gateway introduces itself with.
fn hello(peer: &mut Peer, period: u64) -> Value {
    peer.send(json!({ "op": 10, "d": { "heartbeat_interval": period } }));
    peer.next()
}

fn ready(peer: &mut Peer, url: &str) {
    let data = json!({ "session_id": "s1", "resume_gateway_url": url, "user": { "id": "9" } });
    peer.send(json!({ "op": 0, "t": "READY", "s": 1, "d": data }));
}

fn say(peer: &mut Peer, sequence: u64, text: &str) {
    let message =
        json!({ "id": "1", "channel_id": "5", "author": { "id": "1", "username": "ann" }, "content": text });
    peer.send(json!({ "op": 0, "t": "MESSAGE_CREATE", "s": sequence, "d": message }));
}

fn up(gateway: &Gateway) -> f64 {
    gateway.scrape().get(r#"picoclaw_channel_up{channel="discord"}"#)
}

#[test]
fn a_session_goes_on_over_another_connection() {
    let network = Network::start(answer);
    let gateway = Gateway::start(config(&network));
    let mut peer = network.accept();
    let introduced = hello(&mut peer, 60_000);
    assert_eq!((&introduced["op"], &introduced["d"]["token"]), (&json!(2), &json!("secret.of.the.test")));
    ready(&mut peer, &network.socket_url());
    wait_for("the bot", || (up(&gateway) == 1.0).then_some(()));
    say(&mut peer, 2, "hello");
    let sent = network.call("/channels/5/messages", 0);
    assert_eq!(sent, json!({ "content": "hello", "allowed_mentions": { "parse": [] } }));
    peer.cut();
    let mut peer = network.accept();
    let resumed = hello(&mut peer, 60_000);
    assert_eq!(
        (&resumed["op"], &resumed["d"]["session_id"], &resumed["d"]["seq"]),
        (&json!(6), &json!("s1"), &json!(2))
    );
    // What came meanwhile comes now.
    say(&mut peer, 3, "missed");
    peer.send(json!({ "op": 0, "t": "RESUMED", "s": 4, "d": {} }));
    assert_eq!(network.call("/channels/5/messages", 1)["content"], "missed");
    wait_for("the bot", || (up(&gateway) == 1.0).then_some(()));
    let log = gateway.stop().log();
    assert!(!log.iter().any(|line| line.to_string().contains("secret.of.the.test")));
}

#[test]
fn a_connection_without_heartbeats_is_dead() {
    let network = Network::start(answer);
    let gateway = Gateway::start(config(&network));
    let mut peer = network.accept();
    hello(&mut peer, 1000);
    ready(&mut peer, &network.socket_url());
    assert_eq!(peer.next(), json!({ "op": 1, "d": 1 }));
    wait_for("the bot", || (up(&gateway) == 1.0).then_some(()));
    // Nobody answers.
    wait_for("the end", || (up(&gateway) == 0.0).then_some(()));
    let mut peer = network.accept();
    assert_eq!(hello(&mut peer, 60_000)["op"], 6);
}

#[test]
fn files_go_in_both_directions() {
    let network = Network::start(answer);
    let gateway = Gateway::start(config(&network));
    let mut peer = network.accept();
    hello(&mut peer, 60_000);
    ready(&mut peer, &network.socket_url());
    let file = |name: &str, size: usize| {
        let url = format!("{}/cdn/{name}", network.url());
        json!({ "filename": name, "content_type": "text/plain", "size": size, "url": url })
    };
    let message = json!({
        "id": "1", "channel_id": "5", "author": { "id": "1" }, "content": "",
        "attachments": [file("notes.txt", 20), file("large.txt", 30 << 20)],
    });
    peer.send(json!({ "op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": message }));
    let heard = network.call("/channels/5/messages", 0)["content"].as_str().unwrap().to_owned();
    let (kept, large) = heard.split_once('\n').unwrap();
    assert_eq!(large, "[file: large.txt, larger than the 20 MB that are fetched]");
    let path = kept.strip_prefix("[file: ").unwrap().strip_suffix(']').unwrap().to_owned();
    let text = std::fs::read_to_string(gateway.home.join("workspace").join(&path)).unwrap();
    assert_eq!(text, "contents of the file");

    say(
        &mut peer,
        3,
        &format!("!tool send_file {}", json!({ "path": path, "filename": "a.txt", "caption": "here" })),
    );
    let form = network.call("/channels/5/messages", 1)["form"].as_str().unwrap().to_owned();
    for part in
        ["name=\"payload_json\"", "\"content\":\"here\"", "name=\"files[0]\"; filename=\"a.txt\"", &text]
    {
        assert!(form.contains(part), "{part} in {form}");
    }
    let sent = network.call("/channels/5/messages", 2);
    assert!(sent["content"].as_str().unwrap().contains("sent to discord:5, message 77"), "{sent}");
}

#[test]
fn heartbeats_go_on_while_a_file_is_fetched() {
    let network = Network::start(answer);
    let gateway = Gateway::start(config(&network));
    let mut peer = network.accept();
    hello(&mut peer, 200);
    ready(&mut peer, &network.socket_url());
    let url = format!("{}/cdn/lasting.txt", network.url());
    let message = json!({
        "id": "1", "channel_id": "5", "author": { "id": "1" }, "content": "look",
        "attachments": [{ "filename": "lasting.txt", "content_type": null, "size": 7, "url": url }],
    });
    peer.send(json!({ "op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": message }));
    // The sequence stays where it was until the message is taken.
    for _ in 0..3 {
        assert_eq!(peer.next(), json!({ "op": 1, "d": 1 }));
        peer.send(json!({ "op": 11 }));
    }
    ARRIVED.store(true, Ordering::Release);
    let heard = network.call("/channels/5/messages", 0)["content"].as_str().unwrap().to_owned();
    assert!(heard.starts_with("look\n[file: media/inbound/"), "{heard}");
    assert_eq!(up(&gateway), 1.0);
}

#[test]
fn an_answer_whose_placeholder_was_deleted_comes_as_a_new_message() {
    let network = Network::start(|path, body, url| match path {
        // The placeholder has an id that is gone when it is to be changed.
        "/channels/5/messages" if body["content"] == "Thinking" => json!({ "id": "404" }),
        _ => answer(path, body, url),
    });
    let mut config = config(&network);
    config["channel_list"]["discord"]["placeholder"] = json!({ "enabled": true, "text": "Thinking" });
    let gateway = Gateway::start(config);
    let mut peer = network.accept();
    hello(&mut peer, 60_000);
    ready(&mut peer, &network.socket_url());
    say(&mut peer, 2, "hello");
    assert_eq!(network.call("/channels/5/messages/404", 0)["content"], "hello");
    assert_eq!(network.call("/channels/5/messages", 1)["content"], "hello");
    let sent = r#"picoclaw_outbound_messages_total{channel="discord",outcome="success"}"#;
    wait_for("the count", || (gateway.scrape().get(sent) == 1.0).then_some(()));
}
