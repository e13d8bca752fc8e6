//! A gateway stops in order: turns first, then telemetry, then the port.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Agent, Gateway, Home, wait_for};

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
    assert_eq!(agent.stop().count("picoclaw.messages"), 1.0, "the last flush");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut gateway = Gateway::start(json!({}));
    let _caller = gateway.begin("!hang");
    gateway.signal("TERM");
    wait_for("draining", || (gateway.get("/health").status == 503).then_some(()));
    gateway.signal("TERM");
    assert!(!gateway.wait().success());
}

#[test]
fn a_turn_that_is_cut_is_told_so() {
    let mut gateway = Gateway::start(json!({}));
    let mut caller = gateway.begin("!hang");
    gateway.signal("TERM");
    let answer = caller.read(false).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (503, &json!("cancelled")),
        "{}",
        answer.text()
    );
    assert!(gateway.wait().success());
    let log = gateway.home.log();
    let of = |kind: &str| log.iter().filter(|line| line["kind"] == kind).map(ToString::to_string).collect();
    let (failed, ends): (Vec<String>, Vec<String>) =
        (of("channel.message.outbound_failed"), of("agent.turn.end"));
    assert!(failed.len() == 1 && failed[0].contains("stopping"), "{failed:?}");
    assert!(ends.len() == 1 && ends[0].contains("\"cancelled\""), "{ends:?}");
}

#[test]
fn output_that_nobody_reads_holds_up_nothing() {
    // A pipe that is full already: whoever writes to it waits for ever.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'.'; 64 << 10]).unwrap();
    for stops in [1, 2] {
        let mut gateway = Gateway::start_unheard(Home::new(json!({})), &writer);
        let mut caller = gateway.client();
        if stops == 2 {
            let body = json!({ "messages": [{ "role": "user", "content": "!hang" }] }).to_string();
            caller.send("POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap();
            wait_for("the turn", || (gateway.health()["messages_active"] == 1).then_some(()));
        } else {
            assert_eq!(gateway.chat("s", "x"), "x");
        }
        let began = Instant::now();
        gateway.signal("TERM");
        if stops == 2 {
            wait_for("draining", || (gateway.get("/health").status == 503).then_some(()));
            gateway.signal("TERM");
        }
        assert_eq!(gateway.wait().success(), stops == 1);
        // The console cannot get rid of its lines in 5 s.
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    }
}

#[test]
fn an_idle_gateway_stops_quickly_whatever_is_connected() {
    for signal in ["TERM", "INT"] {
        let mut gateway = Gateway::start(json!({}));
        // Kept connections, one of them in the middle of a head, hold up nothing.
        let mut clients: Vec<_> = (0..5).map(|_| gateway.client()).collect();
        for client in &mut clients {
            client.send("GET", "/health", &[], b"").unwrap();
            assert_eq!(client.read(false).unwrap().status, 200);
        }
        clients[0].stream.get_mut().write_all(b"GET /hea").unwrap();
        let began = Instant::now();
        gateway.signal(signal);
        assert!(gateway.wait().success());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert!(!gateway.home.join(".picoclaw.pid").exists());
        let log = gateway.home.log();
        let shutdown = log.iter().find(|line| line["kind"] == "gateway.shutdown").unwrap();
        assert!(shutdown.to_string().contains(&format!("SIG{signal}")), "{shutdown}");
    }
}

#[test]
fn a_stream_in_flight_is_finished() {
    let mut gateway = Gateway::start(json!({}));
    let mut caller = gateway.client();
    let body = json!({
        "stream": true,
        "messages": [{ "role": "user", "content": "!pace 300ms\none two three four five" }],
    });
    caller.send("POST", "/v1/chat/completions", &[], body.to_string().as_bytes()).unwrap();
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    gateway.signal("TERM");
    let events = caller.read(false).unwrap().events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    assert!(gateway.wait().success());
}
