//! A gateway stops in order: turns first, then telemetry, then the port.

use std::net::TcpStream;

use serde_json::json;

use crate::support::{Agent, Gateway, wait_for};

#[test]
fn a_turn_in_flight_is_finished_and_new_messages_are_refused() {
    let agent = Agent::start();
    let sinks = json!([
        { "type": "prometheus" },
        { "type": "newrelic" },
        { "type": "jsonlog" },
        { "type": "datadog", "options": { "address": agent.address, "flush_interval_seconds": 600 } },
    ]);
    let mut gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks } }));
    let mut caller = gateway.client();
    let body = json!({ "session_id": "s", "messages": [{ "role": "user", "content": "!slow 2s\ndone" }] })
        .to_string();
    caller.send("POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap();
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    gateway.signal("TERM");
    let draining =
        wait_for("draining", || Some(gateway.get("/health")).filter(|answer| answer.status == 503));
    assert_eq!(draining.json()["status"], "draining");
    assert_eq!(gateway.get("/ready").status, 503);
    assert_eq!(gateway.say("other", "x").status, 503);
    assert_eq!(caller.read(false).unwrap().status, 200);
    assert!(gateway.wait().success());
    TcpStream::connect(("127.0.0.1", gateway.port)).unwrap_err();
    let log = gateway.home.log();
    let kinds: Vec<&str> = log.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    let at =
        |kind: &str| kinds.iter().position(|k| *k == kind).unwrap_or_else(|| panic!("{kind} in {kinds:?}"));
    assert!(at("gateway.shutdown") < at("agent.turn.end"));
    assert!(at("agent.turn.end") < at("channel.lifecycle.stopped"));
    wait_for("the last flush", || (agent.heard().count("picoclaw.messages") == 1.0).then_some(()));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut gateway = Gateway::start(json!({}));
    let mut caller = gateway.client();
    let body = json!({ "messages": [{ "role": "user", "content": "!hang" }] }).to_string();
    caller.send("POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap();
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    gateway.signal("TERM");
    wait_for("draining", || (gateway.get("/health").status == 503).then_some(()));
    gateway.signal("TERM");
    assert!(!gateway.wait().success());
}
