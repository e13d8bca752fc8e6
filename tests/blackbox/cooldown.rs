//! A provider that failed is left alone for a while, and whatever is decided here is told and is no request.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Behaviour, Gateway, Scrape, Upstream, picoclaw, wait_for};

const REFUSED: Behaviour = Behaviour::Status(401, "", "{}");

fn requests(scrape: &Scrape, provider: &str) -> f64 {
    scrape.get(&format!(r#"picoclaw_provider_requests_total{{provider="{provider}"}}"#))
}

fn skips(scrape: &Scrape, provider: &str, reason: &str) -> f64 {
    scrape.get(&format!(r#"picoclaw_provider_skips_total{{provider="{provider}",reason="{reason}"}}"#))
}

fn active(scrape: &Scrape, provider: &str) -> f64 {
    scrape.get(&format!(r#"picoclaw_provider_cooldown_active{{provider="{provider}"}}"#))
}

#[test]
fn a_single_model_that_failed_is_not_asked_again_at_once() {
    let upstream = Upstream::start(&[REFUSED]);
    let gateway = Gateway::start(json!({ "model_list": [upstream.model("gpt", "openai")] }));
    assert_eq!(gateway.say("s", "hello").status, 502);
    let scrape = gateway.scrape();
    assert_eq!((requests(&scrape, "openai"), active(&scrape, "openai")), (1.0, 1.0));
    let answer = gateway.say("s", "hello?");
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (502, json!("auth")));
    let text = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("not asked again for") && text.contains("openai answered 401"), "{text}");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let scrape = gateway.scrape();
    assert_eq!((requests(&scrape, "openai"), upstream.requests()), (1.0, 1), "nothing was sent");
    assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="openai"}"#), 1.0);
    assert_eq!(skips(&scrape, "openai", "cooldown"), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_cooldowns_total{provider="openai",reason="auth"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="failed"}"#), 2.0);
    let health = gateway.health();
    assert_eq!(
        (health["status"].clone(), health["issues"].clone()),
        (json!("degraded"), json!("provider_openai_cooldown"))
    );
    let check = gateway.get("/ready").json()["checks"]["provider_openai"].clone();
    assert!(check["message"].as_str().unwrap().starts_with("gpt is not asked for "), "{check}");
    let status = picoclaw(gateway.home.path()).arg("status").output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("! provider_openai: gpt is not asked for "), "{status}");
}

#[test]
fn a_fallback_answers_alone_while_the_first_rests() {
    let dead = Upstream::start(&[Behaviour::Status(500, "", "{}")]);
    let good = Upstream::start(&[Behaviour::Answer("from the fallback")]);
    let mut first = dead.model("first", "openai");
    first["fallbacks"] = json!(["second"]);
    let gateway = Gateway::start(json!({ "model_list": [first, good.model("second", "groq")] }));
    for _ in 0..3 {
        assert_eq!(gateway.chat("s", "hello"), "from the fallback");
    }
    let scrape = gateway.scrape();
    assert_eq!((requests(&scrape, "openai"), requests(&scrape, "groq")), (3.0, 3.0), "three, all at first");
    assert_eq!(skips(&scrape, "openai", "cooldown"), 2.0);
    assert_eq!((active(&scrape, "openai"), active(&scrape, "groq")), (1.0, 0.0));
}

#[test]
fn when_all_fail_the_first_is_named_too() {
    let (dead, other) = (Upstream::start(&[REFUSED]), Upstream::start(&[REFUSED]));
    let mut first = dead.model("first", "openai");
    first["fallbacks"] = json!(["second"]);
    let gateway = Gateway::start(json!({ "model_list": [first, other.model("second", "groq")] }));
    let answer = gateway.say("s", "hello").json();
    let message = answer["error"]["message"].as_str().unwrap();
    let (last, before) = message.split_once("; before it first (openai) had failed with: ").expect(message);
    assert!(last.starts_with("groq answered 401") && before.starts_with("openai answered 401"), "{message}");
}

#[test]
fn a_fallback_that_rests_is_named_when_it_could_not_help() {
    let (dead, other) = (Upstream::start(&[REFUSED]), Upstream::start(&[REFUSED]));
    let mut first = dead.model("first", "openai");
    first["fallbacks"] = json!(["second"]);
    let gateway = Gateway::start(json!({ "model_list": [first, other.model("second", "groq")] }));
    let ask = |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
        gateway.post("/v1/chat/completions", &[], &body.to_string())
    };
    assert_eq!(ask("second").status, 502);
    let answer = ask("first").json();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("openai answered 401"), "{message}");
    assert!(message.contains("; second failed before and is not asked for "), "{message}");
    let answer = ask("first").json();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("second (groq) failed") || message.contains("; second failed before"),
        "{message}"
    );
    assert!(message.contains("first"), "both rest: {message}");
}

#[test]
fn both_keys_of_a_model_rest_in_one_sentence() {
    let upstream = Upstream::start(&[REFUSED]);
    let mut model = upstream.model("gpt", "openai");
    model["api_keys"] = json!(["sk-the-first-key", "sk-the-second-key"]);
    let gateway = Gateway::start(json!({ "model_list": [model] }));
    assert_eq!(gateway.say("s", "hello").status, 502);
    let check = gateway.get("/ready").json()["checks"]["provider_openai"].clone();
    let why = check["message"].as_str().unwrap();
    assert_eq!(why.matches("gpt is not asked for").count(), 1, "{check}");
}

#[test]
fn each_key_rests_by_itself_and_the_others_take_turns() {
    let upstream = Upstream::start(&[REFUSED, Behaviour::Answer("yes")]);
    let mut model = upstream.model("gpt", "openai");
    model["api_keys"] = json!(["sk-the-first-key", "sk-the-second-key", "sk-the-third-key"]);
    let gateway = Gateway::start(json!({ "model_list": [model] }));
    for _ in 0..4 {
        assert_eq!(gateway.chat("s", "hello"), "yes");
    }
    let scrape = gateway.scrape();
    assert_eq!((requests(&scrape, "openai"), active(&scrape, "openai")), (5.0, 1.0));
    assert!(skips(&scrape, "openai", "cooldown") >= 1.0, "the first key's turn came again");
    let check = gateway.get("/ready").json()["checks"]["provider_openai"].clone();
    let why = check["message"].as_str().unwrap();
    assert!(why.starts_with("one of 3 keys and entries of gpt is not asked for "), "the model is: {check}");
}

#[test]
fn a_provider_says_itself_how_long_and_is_asked_again_then() {
    let upstream =
        Upstream::start(&[Behaviour::Status(429, "Retry-After: 2\r\n", "{}"), Behaviour::Answer("again")]);
    let gateway = Gateway::start(json!({
        "model_list": [upstream.model("gpt", "openai")],
        "agents": { "defaults": { "max_llm_retries": 0 } },
    }));
    assert_eq!(gateway.say("s", "hello").status, 429);
    assert_eq!(active(&gateway.scrape(), "openai"), 1.0);
    wait_for("the end of the cooldown", || (active(&gateway.scrape(), "openai") == 0.0).then_some(()));
    assert_eq!(gateway.chat("s", "hello"), "again");
    assert_eq!(gateway.health()["status"], "healthy");
    let cause = wait_for("the end in the log", || {
        let log = gateway.home.log();
        log.iter().find(|line| line["kind"] == "agent.llm.cooldown_ended").map(|line| line["cause"].clone())
    });
    assert_eq!(cause, "elapsed");
}

#[test]
fn a_reload_keeps_the_rest_of_what_did_not_change_and_no_other() {
    let upstream = Upstream::start(&[REFUSED]);
    let config = |key: &str, temperature: f64| -> Value {
        let mut model = upstream.model("gpt", "openai");
        model["api_keys"] = json!([key]);
        json!({ "model_list": [model], "agents": { "defaults": { "temperature": temperature } } })
    };
    let gateway = Gateway::start(config("sk-the-first-key", 0.1));
    assert_eq!(gateway.say("s", "hello").status, 502);
    gateway.home.configure(config("sk-the-first-key", 0.2));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(active(&gateway.scrape(), "openai"), 1.0);
    assert_eq!(gateway.say("s", "hello").status, 502);
    assert_eq!(upstream.requests(), 1);
    gateway.home.configure(config("sk-another-key", 0.2));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(active(&gateway.scrape(), "openai"), 0.0);
    assert_eq!(gateway.say("s", "hello").status, 502);
    assert_eq!(upstream.requests(), 2, "the corrected entry is asked at once");
}

#[test]
fn requests_beyond_rpm_go_elsewhere_or_wait() {
    let echo = |name: &str, rpm: u32| json!({ "model_name": name, "model": "echo/echo", "rpm": rpm });
    let mut first = echo("first", 1);
    first["fallbacks"] = json!(["second"]);
    let gateway = Gateway::start(json!({ "model_list": [first, echo("second", 0), echo("third", 30)] }));
    let model = |text: &str| gateway.say("s", text).json()["model"].clone();
    assert_eq!(
        [model("one"), model("two"), model("three")],
        [json!("first"), json!("second"), json!("second")]
    );
    assert_eq!(skips(&gateway.scrape(), "echo", "rate_limit"), 2.0);
    assert_eq!(active(&gateway.scrape(), "echo"), 0.0);

    // A minute's worth at once, and then one every two seconds.
    let say = |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] });
        gateway.post("/v1/chat/completions", &[], &body.to_string())
    };
    for _ in 0..30 {
        assert_eq!(say("third").status, 200);
    }
    let before = std::time::Instant::now();
    assert_eq!(say("third").status, 200);
    assert!(before.elapsed() > Duration::from_millis(500), "{:?}", before.elapsed());
    let scrape = gateway.scrape();
    assert!(scrape.get(r#"picoclaw_provider_throttled_total{provider="echo"}"#) >= 1.0);
    assert_eq!(skips(&scrape, "echo", "rate_limit"), 2.0);
}

#[test]
fn a_wait_that_is_too_long_is_told_at_once() {
    let gateway = Gateway::start(json!({
        "model_list": [{ "model_name": "slow", "model": "echo/echo", "rpm": 1 }],
        "agents": { "defaults": { "turn_timeout_secs": 5 } },
    }));
    assert_eq!(gateway.chat("s", "one"), "one");
    let answer = gateway.say("s", "two");
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.text().contains("rpm"), "{}", answer.text());
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 50);
    let scrape = gateway.scrape();
    assert_eq!((requests(&scrape, "echo"), skips(&scrape, "echo", "rate_limit")), (1.0, 1.0));
}

#[test]
fn the_built_in_model_never_rests() {
    let gateway = Gateway::start(json!({}));
    for _ in 0..3 {
        assert_eq!(gateway.say("s", "!fail 500").status, 502);
    }
    let scrape = gateway.scrape();
    assert_eq!((requests(&scrape, "echo"), active(&scrape, "echo")), (9.0, 0.0));
}
