//! The Datadog Agent is told the same numbers, once.

use std::net::UdpSocket;

use serde_json::json;

use crate::support::{Agent, Gateway, wait_for};

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
    let heard = wait_for("the last flush", || {
        Some(agent.heard()).filter(|heard| {
            heard.observations.get("picoclaw.response_time") == Some(&8)
                && heard.count("picoclaw.provider.errors") == 3.0
        })
    });
    assert_eq!(scrape.get("picoclaw_messages_total"), 8.0);
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
    wait_for("all messages", || (agent.heard().count("picoclaw.messages") == 7.0).then_some(()));
    assert_eq!(agent.heard().observations["picoclaw.response_time"], 7);
}
