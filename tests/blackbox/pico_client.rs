//! A hub that speaks the protocol of the web page: the agent answers what the hub says, and comes back when it is gone.

use serde_json::{Value, json};

use crate::support::{Gateway, Network, wait_for};

fn start(network: &Network) -> Gateway {
    Gateway::start(
        json!({ "agents": { "defaults": { "tool_feedback": { "enabled": true } } }, "channel_list": { "hub": { "enabled": true, "type": "pico_client", "settings": {
        "url": network.socket_url(), "token": "hub-secret-token", "session_id": "room", "ping_interval": 1,
    } } } }),
    )
}

fn create(session: Option<&str>, payload: Value) -> Value {
    let mut frame = json!({ "type": "message.create", "payload": payload });
    if let Some(session) = session {
        frame["session_id"] = json!(session);
    }
    frame
}

#[test]
fn what_the_hub_says_is_answered_in_its_session() {
    let network = Network::start(|_, _, _| Value::Null);
    let gateway = start(&network);
    let mut hub = network.accept();
    hub.send(create(Some("s7"), json!({ "content": "hm", "thought": true, "kind": "thought" })));
    hub.send(create(Some("s7"), json!({ "content": "Thinking…", "placeholder": true })));
    hub.send(create(Some("s7"), json!({ "content": "hello" })));
    let answer = hub.next();
    assert_eq!((&answer["type"], &answer["session_id"]), (&json!("message.send"), &json!("s7")));
    assert_eq!(answer["payload"]["content"], "hello");
    hub.send(create(None, json!({ "content": "and here" })));
    assert_eq!(hub.next()["session_id"], "room");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get("picoclaw_messages_total"), 2.0);
    wait_for("the counts", || {
        let sent = r#"picoclaw_outbound_messages_total{channel="hub",outcome="success"}"#;
        (gateway.scrape().get(sent) == 2.0).then_some(())
    });
}

#[test]
fn a_hub_that_goes_away_is_found_again() {
    let network = Network::start(|_, _, _| Value::Null);
    let gateway = start(&network);
    let up = || gateway.scrape().get(r#"picoclaw_channel_up{channel="hub"}"#);
    let hub = network.accept();
    wait_for("the connection", || (up() == 1.0).then_some(()));
    hub.cut();
    wait_for("the loss", || (up() == 0.0).then_some(()));
    let mut hub = network.accept();
    wait_for("the connection", || (up() == 1.0).then_some(()));
    hub.send(create(Some("s"), json!({ "content": "again" })));
    assert_eq!(hub.next()["payload"]["content"], "again");
    assert_eq!(gateway.scrape().get(r#"picoclaw_channel_failures_total{channel="hub"}"#), 1.0);
    let log = serde_json::to_string(&gateway.home.log()).unwrap();
    assert!(!log.contains("hub-secret-token"));
}

#[test]
fn tool_calls_are_told_once_each_where_no_message_can_be_replaced() {
    let network = Network::start(|_, _, _| Value::Null);
    let _gateway = start(&network);
    let mut hub = network.accept();
    hub.send(create(Some("s"), json!({ "content": "!tool list_dir {\"path\": \".\"}\n!again 2" })));
    for _ in 0..3 {
        let told = hub.next()["payload"]["content"].as_str().unwrap().to_owned();
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("`list_dir`"), "{told}");
    }
    assert!(!hub.next()["payload"]["content"].as_str().unwrap().contains("\u{1f527}"));
}
