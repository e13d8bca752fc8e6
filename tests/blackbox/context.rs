//! A conversation that has become long is shortened, and goes on.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Behaviour, Gateway, Home, Upstream, wait_for};

fn compactions(gateway: &Gateway, trigger: &str, outcome: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_compactions_total{{trigger="{trigger}",outcome="{outcome}"}}"#))
}

/// The metadata of the only session.
fn meta(home: &Home) -> Value {
    let files = fs::read_dir(home.join("workspace/sessions")).unwrap().flatten();
    let mut found = files.filter(|file| file.file_name().to_string_lossy().ends_with(".meta.json"));
    serde_json::from_slice(&fs::read(found.next().expect("a session").path()).unwrap()).unwrap()
}

/// The texts of the last request but for the system prompt.
fn asked(upstream: &Upstream) -> Vec<String> {
    let last = upstream.last();
    let messages = last["messages"].as_array().unwrap().iter();
    messages.skip(1).map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

fn start(upstream: &Upstream, defaults: Value) -> Gateway {
    let mut config = json!({
        "model_list": [upstream.model("m", "mock")],
        "agents": { "defaults": { "llm_retry_backoff_secs": 0, "max_llm_retries": 0 } },
    });
    for (key, value) in defaults.as_object().unwrap() {
        config["agents"]["defaults"][key] = value.clone();
    }
    Gateway::start(config)
}

#[test]
fn a_long_conversation_is_summed_up_beside_it() {
    let upstream = Upstream::start(&[Behaviour::Answer("fine")]);
    let gateway = start(&upstream, json!({ "summarize_message_threshold": 6 }));
    for text in ["one", "two", "three"] {
        gateway.chat("s", text);
    }
    assert_eq!(compactions(&gateway, "summary", "success"), 0.0);
    gateway.chat("s", "four");
    wait_for("the summary", || (compactions(&gateway, "summary", "success") == 1.0).then_some(()));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="subturn",status="completed"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="completed"}"#), 4.0);
    assert_eq!(scrape.get("picoclaw_messages_total"), 4.0);
    assert_eq!(scrape.get("picoclaw_messages_active"), 0.0);
    let request = upstream.last()["messages"].to_string();
    assert!(request.contains("> two") && !request.contains("> three"), "{request}");

    gateway.chat("s", "five");
    assert_eq!(
        asked(&upstream),
        ["Summary of the earlier conversation:\nfine", "three", "fine", "four", "fine", "five"]
    );
    let home = gateway.stop();
    assert_eq!(home.session_lines().len(), 10, "the file keeps every line");
    let meta = meta(&home);
    assert_eq!((&meta["skip"], &meta["summary"]), (&json!(4), &json!("fine")), "{meta}");
    assert!(home.log().iter().any(|line| line["kind"] == "agent.context.compress"));
    let gateway = Gateway::start_in(home);
    let context = gateway.chat("s", "/context");
    assert!(context.contains("6 messages, and a summary"), "{context}");
}

#[test]
fn a_summary_that_fails_changes_nothing_and_is_counted() {
    let upstream = Upstream::start(&[
        Behaviour::Answer("fine"),
        Behaviour::Answer("fine"),
        Behaviour::Answer("fine"),
        Behaviour::Status(500, "", "{}"),
        Behaviour::Answer("fine"),
    ]);
    let gateway = start(&upstream, json!({ "summarize_message_threshold": 4 }));
    for text in ["one", "two", "three"] {
        gateway.chat("s", text);
    }
    wait_for("the failure", || (compactions(&gateway, "summary", "failure") == 1.0).then_some(()));
    assert_eq!(gateway.scrape().get(r#"picoclaw_turns_total{origin="subturn",status="failed"}"#), 1.0);
    let home = gateway.stop();
    assert_eq!(meta(&home)["skip"], 0);
}

#[test]
fn what_does_not_fit_is_left_out_of_the_request() {
    let upstream = Upstream::start(&[Behaviour::Answer("fine")]);
    let limits = json!({ "max_tokens": 100, "context_window": 2900, "summarize_message_threshold": 1000,
                "summarize_token_percent": 100 });
    let gateway = start(&upstream, limits);
    let text = |n: usize| format!("{n} {}", "word ".repeat(200));
    let mut left_out = 0;
    for n in 0..20 {
        gateway.chat("s", &text(n));
        let asked = asked(&upstream);
        assert!(asked.concat().len() < 11_600, "{}", asked.concat().len());
        assert_eq!(asked.last(), Some(&text(n)));
        left_out += usize::from(asked[0].contains("earlier messages were left out"));
    }
    assert!(left_out > 10, "{left_out}");
    let cuts = compactions(&gateway, "budget", "success");
    assert!((2.0..12.0).contains(&cuts), "{cuts}");
    let home = gateway.stop();
    assert_eq!(home.session_lines().len(), 40);
    let skip = meta(&home)["skip"].as_u64().unwrap();
    assert!(skip > 20 && skip.is_multiple_of(2), "{skip}");
}

#[test]
fn a_request_that_the_provider_finds_too_long_is_sent_again_shorter() {
    let too_long = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
    let upstream = Upstream::start(&[
        Behaviour::Answer("fine"),
        Behaviour::Answer("fine"),
        Behaviour::Status(400, "", too_long),
        Behaviour::Answer("fine"),
        Behaviour::Status(400, "", too_long),
    ]);
    let gateway = start(&upstream, json!({}));
    gateway.chat("s", "one");
    gateway.chat("s", "two");
    gateway.chat("s", "three");
    let asked = asked(&upstream);
    assert!(asked[0].contains("earlier messages were left out"), "{asked:?}");
    assert_eq!(asked.last().unwrap(), "three");
    assert!(asked.len() < 6, "{asked:?}");
    assert_eq!(compactions(&gateway, "overflow", "success"), 1.0);
    let failures = r#"picoclaw_provider_failures_total{provider="mock",model="m",reason="context_overflow"}"#;
    assert_eq!(gateway.scrape().get(failures), 1.0);
    assert_eq!(gateway.scrape().get(r#"picoclaw_turns_total{origin="user",status="completed"}"#), 3.0);

    // Once per turn, and a message that is too long by itself is an error.
    assert_eq!(gateway.say("new", "x").status, 400);
    assert_eq!(gateway.scrape().get(r#"picoclaw_turns_total{origin="user",status="failed"}"#), 1.0);
}
