//! Whatever a provider does wrong is charged to it, with the right reason.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Behaviour, Gateway, Upstream};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({ "model_list": [upstream.model("gpt", "openai")] }))
}

#[test]
fn an_answer_is_counted_with_its_tokens() {
    let upstream = Upstream::start(&[Behaviour::Answer("good day")]);
    let gateway = gateway(&upstream);
    assert_eq!(gateway.chat("s", "hello"), "good day");
    assert_eq!(upstream.last()["messages"].as_array().unwrap().last().unwrap()["content"], "hello");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="openai"}"#), 1.0);
    let tokens = |d: &str| {
        format!(r#"picoclaw_provider_tokens_total{{provider="openai",model="gpt",direction="{d}"}}"#)
    };
    assert_eq!((scrape.get(&tokens("input")), scrape.get(&tokens("output"))), (11.0, 7.0));
}

#[test]
fn each_failure_has_its_reason() {
    let overflow = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
    for (behaviour, code, attempts, reason) in [
        (Behaviour::Status(500, "", "{}"), 502, 3, "server"),
        (Behaviour::Status(503, "", "{}"), 503, 3, "overloaded"),
        (Behaviour::Status(429, "Retry-After: 0\r\n", "{}"), 429, 3, "rate_limit"),
        (Behaviour::Status(401, "", "{}"), 502, 1, "auth"),
        (Behaviour::Status(402, "", "{}"), 502, 1, "billing"),
        (Behaviour::Status(400, "", overflow), 400, 1, "context_overflow"),
        (Behaviour::Garbage, 502, 1, "bad_response"),
        (Behaviour::Cut, 502, 3, "cut_stream"),
    ] {
        let upstream = Upstream::start(&[behaviour]);
        let gateway = gateway(&upstream);
        let answer = gateway.say("s", "hello");
        assert_eq!(answer.status, code, "{reason}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], reason);
        assert_eq!(upstream.requests(), attempts, "{reason}");
        let scrape = gateway.scrape();
        let failures =
            format!(r#"picoclaw_provider_failures_total{{provider="openai",model="gpt",reason="{reason}"}}"#);
        assert_eq!(scrape.get(&failures), attempts as f64, "{reason}");
        assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="openai"}"#), attempts as f64);
        assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="openai"}"#), attempts as f64);
        assert_eq!(
            scrape.get(r#"picoclaw_provider_retries_total{provider="openai"}"#),
            attempts as f64 - 1.0
        );
        assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="failed"}"#), 1.0);
        assert!(gateway.home.session_lines().is_empty(), "a failed turn leaves nothing to be repeated");
    }
}

#[test]
fn a_provider_that_hangs_or_is_gone_is_a_timeout_or_a_network_failure() {
    let upstream = Upstream::start(&[Behaviour::Hang]);
    let mut model = upstream.model("gpt", "openai");
    let start = |model: &serde_json::Value| {
        Gateway::start(json!({ "model_list": [model], "agents": { "defaults": { "max_llm_retries": 0 } } }))
    };
    let gateway = start(&model);
    assert_eq!(gateway.say("s", "hello").status, 504);
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="timeout"}"#), 1.0);
    assert_eq!(
        scrape.get(r#"picoclaw_provider_failures_total{provider="openai",model="gpt",reason="timeout"}"#),
        1.0
    );
    model["api_base"] = json!("http://127.0.0.1:9/v1");
    let gateway = start(&model);
    assert_eq!(gateway.say("s", "hello").status, 502);
    let network = r#"picoclaw_provider_failures_total{provider="openai",model="gpt",reason="network"}"#;
    assert_eq!(gateway.scrape().get(network), 1.0);
}

#[test]
fn a_retry_can_succeed_and_a_fallback_can_answer() {
    let flaky = Upstream::start(&[Behaviour::Status(500, "", "{}"), Behaviour::Answer("second try")]);
    let dead = Upstream::start(&[Behaviour::Status(401, "", "{}")]);
    let mut first = dead.model("first", "openai");
    first["fallbacks"] = json!(["second"]);
    let gateway = Gateway::start(json!({
        "model_list": [first, flaky.model("second", "groq")],
        "agents": { "defaults": { "model_name": "first" } },
    }));
    assert_eq!(gateway.chat("s", "hello"), "second try");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="openai"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="groq"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="groq"}"#), 2.0);
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="completed"}"#), 1.0);
}

#[test]
fn a_fallback_may_be_named_by_its_id() {
    let dead = Upstream::start(&[Behaviour::Status(401, "", "{}")]);
    let good = Upstream::start(&[Behaviour::Answer("by its id")]);
    let mut second = good.model("second", "groq");
    second["model"] = json!("vendor/good");
    let of_model = {
        let mut first = dead.model("first", "openai");
        first["fallbacks"] = json!(["vendor/good"]);
        json!({ "model_list": [first, second], "agents": { "defaults": { "model_name": "first" } } })
    };
    let of_agent = json!({
        "model_list": [dead.model("first", "openai"), second],
        "agents": { "defaults": { "model_name": "first", "model_fallbacks": ["vendor/good"] } },
    });
    for config in [of_model, of_agent] {
        let gateway = Gateway::start(config);
        assert_eq!(gateway.chat("s", "hello"), "by its id");
        let requests = gateway.scrape().get(r#"picoclaw_provider_requests_total{provider="groq"}"#);
        assert_eq!(requests, 1.0);
    }
}

#[test]
fn a_provider_that_asks_for_patience_gets_it() {
    let upstream =
        Upstream::start(&[Behaviour::Status(429, "Retry-After: 1\r\n", "{}"), Behaviour::Answer("thanks")]);
    let gateway = gateway(&upstream);
    let began = Instant::now();
    assert_eq!(gateway.chat("s", "hello"), "thanks");
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let scrape = gateway.scrape();
    let limited = r#"picoclaw_provider_failures_total{provider="openai",model="gpt",reason="rate_limit"}"#;
    assert_eq!(scrape.get(limited), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="completed"}"#), 1.0);
    assert!(scrape.get("picoclaw_response_time_seconds_sum") >= 1.0);
}

#[test]
fn a_provider_that_stops_in_the_middle_is_noticed() {
    let upstream = Upstream::start(&[Behaviour::Stall]);
    let gateway = Gateway::start(json!({
        "model_list": [upstream.model("gpt", "openai")],
        "agents": { "defaults": { "max_llm_retries": 0 } },
    }));
    let answer = gateway.say("s", "hello");
    assert_eq!(answer.status, 504, "{}", answer.text());
    let timeout = r#"picoclaw_provider_failures_total{provider="openai",model="gpt",reason="timeout"}"#;
    assert_eq!(gateway.scrape().get(timeout), 1.0);
}

#[test]
fn a_turn_that_takes_too_long_is_charged_to_the_provider_once() {
    let gateway =
        Gateway::start(json!({ "agents": { "defaults": { "turn_timeout_secs": 1, "max_llm_retries": 5 } } }));
    let answer = gateway.say("s", "!hang");
    assert_eq!(answer.status, 504, "{}", answer.text());
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="timeout"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="echo"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_active{provider="echo"}"#), 0.0);
    let timeout = r#"picoclaw_provider_failures_total{provider="echo",model="echo",reason="timeout"}"#;
    assert_eq!(scrape.get(timeout), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="echo"}"#), 1.0);
    assert_eq!(scrape.sum("picoclaw_provider_retries_total"), 0.0, "no time was left for one");
    assert_eq!(gateway.chat("s", "next"), "next");
}

#[test]
fn a_fallback_that_answers_can_be_shown_without_a_provider() {
    let model = |name: &str, fallbacks: &[&str]| json!({ "model_name": name, "model": "echo/echo", "fallbacks": fallbacks });
    let gateway = Gateway::start(json!({
        "model_list": [model("first", &["second"]), model("second", &[])],
        "agents": { "defaults": { "max_llm_retries": 1 } },
    }));
    // Both attempts at the first model fail, and the second answers at once.
    let answer = gateway.say("s", "!fail 500 2\nhello");
    assert_eq!((answer.status, answer.json()["model"].clone()), (200, json!("second")), "{}", answer.text());
    let failures = |model: &str| {
        format!(r#"picoclaw_provider_failures_total{{provider="echo",model="{model}",reason="server"}}"#)
    };
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(&failures("first")), 2.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="echo"}"#), 3.0);
}

#[test]
fn an_answer_that_is_empty_says_why() {
    const FILTERED: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n";
    const CUT: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    let upstream = Upstream::start(&[Behaviour::Events(FILTERED), Behaviour::Events(CUT)]);
    let gateway = Gateway::start(json!({ "model_list": [upstream.model("m", "openai")] }));
    assert!(gateway.chat("s", "hi").contains("content filter"));
    assert!(gateway.chat("s", "hi").contains("max_tokens"));
}
