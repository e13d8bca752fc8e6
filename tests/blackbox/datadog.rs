//! The Datadog Agent is told the same numbers, once.

use std::fs;
use std::net::UdpSocket;

use serde_json::json;

use crate::support::{Agent, Gateway, Home, wait_for};

fn sinks(address: &str) -> serde_json::Value {
    json!([
        { "type": "prometheus" },
        { "type": "newrelic" },
        { "type": "datadog", "options": { "address": address, "tags": ["env:test"], "flush_interval_seconds": 0.2 } },
    ])
}

#[test]
fn the_agent_hears_what_metrics_say() {
    let agent = Agent::start();
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks(&agent.address) } }));
    (0..7).for_each(|_| drop(gateway.chat("s", "x")));
    gateway.say("s", "!fail 500");
    let scrape = gateway.scrape();
    gateway.stop();
    let heard = agent.stop();
    assert_eq!((scrape.get("picoclaw_messages_total"), heard.count("picoclaw.messages")), (8.0, 8.0));
    assert_eq!(heard.observations["picoclaw.response_time"], 8);
    assert_eq!(heard.count("picoclaw.provider.errors"), 3.0);
    assert_eq!(heard.tags["picoclaw.provider.errors#provider:echo,env:test"], 3.0);
    assert_eq!(heard.gauges["picoclaw.session_count"], 1.0);
    assert!(heard.largest <= 1432);
    assert!(heard.counts.keys().chain(heard.gauges.keys()).all(|name| !name.ends_with("_total")));
}

#[test]
fn an_agent_that_comes_later_is_told_everything() {
    let reserved = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks(&address.to_string()) } }));
    (0..5).for_each(|_| drop(gateway.chat("s", "x")));
    wait_for("the sink to be down", || (gateway.health()["issues"] == "sink_datadog_down").then_some(()));
    assert_eq!(gateway.get("/health").status, 200);
    let agent = Agent::listen(UdpSocket::bind(address).unwrap());
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));
    (0..2).for_each(|_| drop(gateway.chat("s", "x")));
    gateway.stop();
    let heard = agent.stop();
    assert_eq!(heard.count("picoclaw.messages"), 7.0);
    assert_eq!(heard.observations["picoclaw.response_time"], 7);
}

#[test]
fn every_count_and_every_observation_is_the_growth_of_metrics() {
    let agent = Agent::start();
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks(&agent.address) } }));
    let before = gateway.scrape();
    for text in [
        "x",
        "!fail 500",
        "!fail 503 1\nx",
        "!tool list_dir {\"path\":\".\"}",
        "!tool invented {}",
        "!fail auth",
        "!tool read_file {\"path\":\"/etc/passwd\"}",
    ] {
        (0..5).for_each(|n| drop(gateway.say(&format!("session-{n}"), text)));
    }
    let streamed = json!({ "stream": true, "messages": [{ "role": "user", "content": "one two" }] });
    assert_eq!(gateway.post("/v1/chat/completions", &[], &streamed.to_string()).status, 200);
    assert_eq!(gateway.post("/v1/chat/completions", &[], "{").status, 400);
    assert_eq!(gateway.post("/reload", &[], "").status, 401);
    assert_eq!(gateway.reload().status, 200);
    let after = gateway.scrape();
    gateway.stop();
    let heard = agent.stop();
    let compared = heard.assert_growth(&before, &after);
    assert!(compared >= 17, "only {compared} metrics moved");
    // Several lines travel in one datagram.
    assert!(heard.lines > 3 * heard.datagrams, "{} lines in {} datagrams", heard.lines, heard.datagrams);
    for tags in &heard.tag_sets {
        assert!(tags.split(',').any(|tag| tag == "env:test"), "{tags}");
        for tag in tags.split(',') {
            let key = tag.split(':').next().unwrap();
            assert!(!["host", "cluster", "session", "session_id", "user", "chat"].contains(&key), "{tag}");
        }
    }
}

#[test]
fn an_agent_that_restarts_loses_no_count() {
    let agent = Agent::start();
    let address = agent.address.clone();
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks(&address) } }));
    (0..3).for_each(|_| drop(gateway.chat("s", "x")));
    wait_for("the first messages", || (agent.heard().count("picoclaw.messages") == 3.0).then_some(()));
    let first = agent.stop();
    (0..4).for_each(|_| drop(gateway.chat("s", "x")));
    wait_for("the sink to be down", || (gateway.health()["issues"] == "sink_datadog_down").then_some(()));
    let agent = Agent::listen(UdpSocket::bind(&address).unwrap());
    (0..2).for_each(|_| drop(gateway.chat("s", "x")));
    gateway.stop();
    let expected = 9.0 - first.count("picoclaw.messages");
    assert_eq!(agent.stop().count("picoclaw.messages"), expected);
}

#[test]
fn a_unix_socket_is_served_and_may_come_back_as_another() {
    let home = Home::new(json!({}));
    let path = home.join("dsd.socket");
    let datadog = json!({ "type": "datadog", "options": { "socket": path, "flush_interval_seconds": 0.1 } });
    home.configure(json!({ "telemetry": { "sinks": [{ "type": "newrelic" }, datadog] } }));
    let agent = Agent::listen_unix(&path);
    let gateway = Gateway::start_in(home);
    (0..3).for_each(|_| drop(gateway.chat("s", "x")));
    wait_for("the first messages", || (agent.heard().count("picoclaw.messages") == 3.0).then_some(()));
    let first = agent.stop();
    assert!(first.largest > 1432 && first.largest <= 8192, "{}", first.largest);
    (0..4).for_each(|_| drop(gateway.chat("s", "x")));
    wait_for("the sink to be down", || (gateway.health()["issues"] == "sink_datadog_down").then_some(()));
    fs::remove_file(&path).unwrap();
    let agent = Agent::listen_unix(&path);
    (0..2).for_each(|_| drop(gateway.chat("s", "x")));
    let home = gateway.stop();
    assert_eq!(agent.stop().count("picoclaw.messages"), 6.0);
    drop(home);
}

#[test]
fn the_agent_is_found_by_the_variables_of_datadogs_own_clients() {
    let agent = Agent::start();
    let (host, port) = agent.address.rsplit_once(':').unwrap();
    let sinks = json!([{ "type": "datadog", "options": { "tags": ["team:a"] } }]);
    let home = Home::new(json!({ "telemetry": { "sinks": sinks } }));
    let variables =
        [("DD_AGENT_HOST", host), ("DD_DOGSTATSD_PORT", port), ("DD_ENV", "prod"), ("DD_SERVICE", "claw")];
    let gateway = Gateway::start_with(home, &[], &variables);
    gateway.chat("s", "x");
    gateway.stop();
    let heard = agent.stop();
    assert_eq!(heard.count("picoclaw.messages"), 1.0);
    for tags in heard.tag_sets {
        let tags: Vec<&str> = tags.split(',').collect();
        assert!(["team:a", "env:prod", "service:claw"].iter().all(|tag| tags.contains(tag)), "{tags:?}");
    }
}
