//! The webhooks of Slack and of Teams: what is sent there arrives, and what does not is known.

use serde_json::{Value, json};

use crate::support::{Gateway, Receiver, wait_for};

fn start(kind: &str, targets: &[(&str, &Receiver)]) -> Gateway {
    let target = |(name, receiver): &(&str, &Receiver)| {
        (
            (*name).to_owned(),
            json!({ "webhook_url": receiver.url(), "username": "Pico", "title": "Night watch" }),
        )
    };
    let webhooks: serde_json::Map<String, Value> = targets.iter().map(target).collect();
    Gateway::start(json!({ "channel_list": {
        "alerts": { "enabled": true, "type": kind, "settings": { "webhooks": webhooks } },
    } }))
}

fn send(gateway: &Gateway, to: &str, text: &str) -> String {
    let arguments = json!({ "channel": "alerts", "chat_id": to, "content": text });
    gateway.chat("s", &format!("!tool message {arguments}"))
}

fn received(receiver: &Receiver, n: usize) -> Value {
    let body = wait_for("a message", || receiver.received().get(n).map(|received| received.body.clone()));
    serde_json::from_str(&body).unwrap()
}

fn count(gateway: &Gateway, outcome: &str) -> f64 {
    let metric = format!(r#"picoclaw_outbound_messages_total{{channel="alerts",outcome="{outcome}"}}"#);
    gateway.scrape().get(&metric)
}

#[test]
fn slack_gets_blocks_at_the_target_that_is_named() {
    let (usual, ops) = (Receiver::start(&[200]), Receiver::start(&[500, 200]));
    let gateway = start("slack_webhook", &[("default", &usual), ("ops", &ops)]);
    send(&gateway, "ops", "**Disk full** on <db1>");
    // The first attempt failed.
    let document = received(&ops, 1);
    assert_eq!(document["blocks"][0]["text"]["text"], "*Disk full* on &lt;db1&gt;");
    assert_eq!(document["username"], "Pico");
    assert_eq!(ops.received()[1].header("content-type"), "application/json");
    send(&gateway, "nobody knows", "to whom it may concern");
    assert_eq!(received(&usual, 0)["blocks"][0]["text"]["text"], "to whom it may concern");
    assert_eq!(count(&gateway, "success"), 2.0);
    assert_eq!(gateway.scrape().get(r#"picoclaw_outbound_retries_total{channel="alerts"}"#), 1.0);
}

#[test]
fn teams_gets_a_card() {
    let usual = Receiver::start(&[202]);
    let gateway = start("teams_webhook", &[("default", &usual)]);
    send(&gateway, "default", "All well.\n\n| host | load |\n|---|---|\n| a | 1 |");
    let card = received(&usual, 0)["attachments"][0]["content"].clone();
    assert_eq!(card["body"][0]["text"], "Night watch");
    assert_eq!(card["body"][1]["text"], "All well.");
    assert_eq!(card["body"][2]["rows"][1]["cells"][1]["items"][0]["text"], "1");
}

#[test]
fn a_webhook_that_was_taken_away_is_a_channel_that_is_down_until_it_works_again() {
    let usual = Receiver::start(&[404, 200]);
    let gateway = start("slack_webhook", &[("default", &usual)]);
    let up = || gateway.scrape().get(r#"picoclaw_channel_up{channel="alerts"}"#);
    wait_for("the channel", || (up() == 1.0).then_some(()));
    let said = send(&gateway, "default", "x");
    assert!(said.contains("404") && said.contains("webhook_url"), "{said}");
    assert_eq!((up(), count(&gateway, "failure")), (0.0, 1.0));
    wait_for("health", || (gateway.health()["status"] == "degraded").then_some(()));
    send(&gateway, "default", "x");
    assert_eq!((up(), count(&gateway, "success")), (1.0, 1.0));
    // The address is the permission to write.
    let log = serde_json::to_string(&gateway.home.log()).unwrap();
    assert!(!log.contains("/callback"), "{log}");
}

#[test]
fn an_address_that_others_could_read_is_refused() {
    let gateway = Gateway::start(json!({ "channel_list": { "alerts": {
        "enabled": true, "type": "teams_webhook",
        "settings": { "webhooks": { "default": { "webhook_url": "http://example.com/hook" } } },
    } } }));
    let named = |line: &&Value| {
        line["message"].as_str().is_some_and(|text| text.contains("webhooks.default.webhook_url"))
    };
    wait_for("the warning", || gateway.home.log().iter().any(|line| named(&line)).then_some(()));
}
