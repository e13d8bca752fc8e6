//! A reload changes what can change, and a bad configuration changes nothing.

use std::fs;

use serde_json::json;

use crate::support::{Agent, Gateway, request, wait_for};

#[test]
fn only_the_operator_may_reload() {
    let gateway = Gateway::start(json!({}));
    let get = gateway.get("/reload");
    assert_eq!((get.status, get.text().as_str()), (405, r#"{"error":"method not allowed, use POST"}"#));
    let anybody = gateway.post("/reload", &[], "");
    assert_eq!((anybody.status, anybody.text().as_str()), (401, r#"{"error":"unauthorized"}"#));
    let operator = gateway.reload();
    assert_eq!((operator.status, operator.text().as_str()), (200, r#"{"status":"reload triggered"}"#));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_config_reloads_total{outcome="success"}"#), 1.0);
}

#[test]
fn sinks_come_and_go_and_counters_go_on() {
    let agent = Agent::start();
    let gateway = Gateway::start(json!({}));
    (0..3).for_each(|_| drop(gateway.chat("s", "x")));
    let sinks = json!([
        { "type": "prometheus", "options": { "path": "/other" } },
        { "type": "newrelic" },
        { "type": "datadog", "options": { "address": agent.address, "flush_interval_seconds": 0.1 } },
    ]);
    gateway.home.configure(json!({ "telemetry": { "sinks": sinks } }));
    let answer = gateway.reload();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.get("/metrics").status, 404);
    let scrape = |path: &str| crate::support::Scrape::parse(&gateway.get(path).text());
    assert_eq!(scrape("/other").get("picoclaw_messages_total"), 3.0);
    gateway.chat("s", "x");
    assert_eq!(scrape("/other").get("picoclaw_messages_total"), 4.0);
    assert_eq!(gateway.health()["messages_total"], 4);
    gateway.stop();
    // The new sink tells of what came after it began: the Agent had nobody before.
    wait_for("the last flush", || (agent.heard().count("picoclaw.messages") == 1.0).then_some(()));
}

#[test]
fn a_bad_configuration_changes_nothing_and_shows() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s", "x");
    for bad in [
        "{",
        r#"{"gateway":{"port":-1}}"#,
        r#"{"telemetry":{"sinks":[{"type":"datadog","options":{"x":1}}]}}"#,
    ] {
        fs::write(gateway.home.join("config.json"), bad).unwrap();
        let answer = gateway.reload();
        assert_eq!(answer.status, 500);
        assert!(
            answer.json()["error"].as_str().unwrap().contains("config.json")
                || answer.text().contains("telemetry")
        );
        let scrape = gateway.scrape();
        assert_eq!(scrape.get("picoclaw_config_last_reload_successful"), 0.0);
        assert_eq!(scrape.get("picoclaw_messages_total"), 1.0);
    }
    assert_eq!(gateway.scrape().get(r#"picoclaw_config_reloads_total{outcome="failure"}"#), 3.0);
    gateway.home.configure(json!({}));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.scrape().get("picoclaw_config_last_reload_successful"), 1.0);
    let home = gateway.stop();
    let refused: Vec<_> = home.log().into_iter().filter(|l| l["kind"] == "gateway.reload.failed").collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|line| line["level"] == "error" && line["error"].is_string()));
}

#[test]
fn models_and_keys_are_taken_over_while_turns_go_on() {
    let gateway = Gateway::start(json!({}));
    let port = gateway.port;
    let slow = std::thread::spawn(move || {
        let body = json!({ "messages": [{ "role": "user", "content": "!slow 1s\nstill here" }] }).to_string();
        request(port, "POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap()
    });
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    gateway.home.configure(json!({ "gateway": { "api_key": "new-key-1234" } }));
    gateway.signal("HUP");
    let reloads = r#"picoclaw_config_reloads_total{outcome="success"}"#;
    wait_for("the reload", || (gateway.scrape().get(reloads) == 1.0).then_some(()));
    assert_eq!(gateway.say("s", "x").status, 401);
    assert!(slow.join().unwrap().text().contains("still here"));
}
