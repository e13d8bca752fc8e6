//! `/metrics` serves every kind of client, from the first moment on.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::json;

use crate::support::{Behaviour, Gateway, Scrape, Upstream, request, wait_for};

#[test]
fn every_configured_name_has_its_series_before_anything_happens() {
    let upstream = Upstream::start(&[Behaviour::Answer("x")]);
    let gateway = Gateway::start(json!({
        "model_list": [upstream.model("gpt", "openai"), upstream.model("other", "groq")],
    }));
    let scrape = gateway.scrape();
    for series in [
        "picoclaw_messages_total",
        "picoclaw_messages_active",
        "picoclaw_session_count",
        "picoclaw_response_time_seconds_count",
        r#"picoclaw_response_time_seconds_bucket{le="30"}"#,
        r#"picoclaw_response_time_seconds_bucket{le="300"}"#,
        r#"picoclaw_provider_requests_total{provider="openai"}"#,
        r#"picoclaw_provider_errors_total{provider="openai"}"#,
        r#"picoclaw_provider_errors_total{provider="groq"}"#,
        r#"picoclaw_provider_errors_total{provider="echo"}"#,
        r#"picoclaw_provider_failures_total{provider="groq",model="other",reason="rate_limit"}"#,
        r#"picoclaw_tool_calls_total{tool="web_fetch"}"#,
        r#"picoclaw_tool_results_total{tool="read_file",status="error"}"#,
        r#"picoclaw_sink_events_dropped_total{sink="jsonlog",reason="buffer_full"}"#,
    ] {
        assert_eq!(scrape.get(series), 0.0, "{series}");
    }
    assert_eq!(scrape.get(r#"picoclaw_channel_up{channel="http"}"#), 1.0);
    assert!(scrape.get("process_resident_memory_bytes") > 1e6);
    assert!(scrape.get("process_cpu_seconds_total") >= 0.0);
}

/// How many series there are once the log and the console have written something.
fn settled(gateway: &Gateway) -> usize {
    gateway.chat("s", "!tool invented {}");
    wait_for("both to have written", || {
        let scrape = gateway.scrape();
        (scrape.family("picoclaw_sink_flush_seconds_count").count() == 2).then(|| scrape.0.len())
    })
}

#[test]
fn a_gateway_in_use_has_few_series_whatever_it_is_asked_for() {
    let gateway = Gateway::start(json!({}));
    let begun = gateway.scrape().0.len();
    assert!(begun < 460, "{begun} series");
    let tools = ["list_dir {\"path\":\".\"}", "read_file {\"path\":\"x\"}", "exec {\"command\":\"true\"}"];
    tools.iter().for_each(|tool| drop(gateway.chat("s", &format!("!tool {tool}"))));
    let used = settled(&gateway);
    assert!(used <= 500, "{used} series");
    for n in 0..50 {
        gateway.say(&format!("s{n}"), &format!("!tool invented_{n} {{}}"));
        let body = json!({ "model": format!("m{n}"), "messages": [{ "role": "user", "content": "x" }] });
        gateway.post("/v1/chat/completions", &[], &body.to_string());
        gateway.get(&format!("/nothing/{n}"));
        gateway.post(&format!("/{n}"), &[("Host", &format!("h{n}"))], "");
    }
    assert_eq!(gateway.scrape().0.len(), used);
}

#[test]
fn clients_get_the_form_that_they_ask_for() {
    let gateway = Gateway::start(json!({}));
    let plain = gateway.get("/metrics");
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let ask = |headers: &[(&str, &str)], method: &str| {
        request(gateway.port, method, "/metrics", headers, b"").unwrap()
    };
    let open = ask(&[("Accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1")], "GET");
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text().ends_with("# EOF\n"));
    let packed = ask(&[("Accept-Encoding", "gzip")], "GET");
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(Scrape::parse(&text).get("picoclaw_messages_total") == 0.0);
    let head = ask(&[], "HEAD");
    assert_eq!((head.status, head.header("content-type")), (200, plain.header("content-type")));
    assert_eq!(ask(&[], "DELETE").status, 405);
    assert_eq!(gateway.get("/metrics/extra").status, 404);
    assert_eq!(gateway.get("/metrics?x=y").status, 200);
}

#[test]
fn path_and_existence_are_configured() {
    let gateway =
        Gateway::start(json!({ "gateway": { "metrics": { "enabled": true, "path": "/internal/m" } } }));
    assert_eq!((gateway.get("/internal/m").status, gateway.get("/metrics").status), (200, 404));
    let gateway = Gateway::start(json!({ "gateway": { "metrics": { "enabled": false } } }));
    assert_eq!((gateway.get("/metrics").status, gateway.get("/health").status), (404, 200));
    let sinks = json!([
        { "type": "prometheus" },
        { "type": "prometheus", "name": "second", "options": { "path": "/metrics2" } },
    ]);
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks } }));
    gateway.chat("s", "x");
    for path in ["/metrics", "/metrics2"] {
        assert_eq!(Scrape::parse(&gateway.get(path).text()).get("picoclaw_messages_total"), 1.0);
    }
}

#[test]
fn names_that_nobody_configured_make_no_series() {
    let gateway = Gateway::start(json!({}));
    let before = settled(&gateway);
    for n in 0..50 {
        gateway.chat(&format!("session-{n}"), &format!("!tool invented_{n} {{}}"));
        let body = format!(r#"{{"model":"made-up-{n}","messages":[{{"role":"user","content":"x"}}]}}"#);
        assert_eq!(gateway.post("/v1/chat/completions", &[], &body).status, 404);
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.0.len(), before);
    assert_eq!(scrape.get("picoclaw_tool_calls_unknown_total"), 51.0);
    assert_eq!(scrape.get("picoclaw_session_count"), 51.0);
}

#[test]
fn what_happened_before_a_scrape_is_in_it() {
    let gateway = Gateway::start(json!({}));
    for n in 1..=200 {
        gateway.chat("s", "x");
        assert_eq!(gateway.scrape().get("picoclaw_response_time_seconds_count"), f64::from(n));
    }
}
