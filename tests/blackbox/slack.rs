//! Slack by Socket Mode: every event is acknowledged when it is accepted, and answered once.

use serde_json::{Value, json};

use crate::support::{Gateway, Network, Peer, wait_for};

fn answer(path: &str, _: &Value, url: &str) -> Value {
    match path {
        "/auth.test" => json!({ "ok": true, "user_id": "UBOT" }),
        "/apps.connections.open" => json!({ "ok": true, "url": url }),
        _ => json!({ "ok": true, "ts": "9.9" }),
    }
}

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
