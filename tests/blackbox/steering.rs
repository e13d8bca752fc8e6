//! A message for a busy session joins the turn that runs, where its caller wants that.

use serde_json::json;

use crate::support::{Gateway, wait_for};

fn say(gateway: &Gateway, text: &str, steer: bool) -> String {
    let body = json!({
        "metadata": { "session_id": "s", "steer": steer.to_string() },
        "messages": [{ "role": "user", "content": text }],
    });
    let answer = gateway.post("/v1/chat/completions", &[], &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// Says something while a slow turn runs; the answers to both.
fn while_busy(gateway: &Gateway, first: &str, steer: bool) -> (String, String) {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| say(gateway, first, steer));
        wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
        let second = say(gateway, "second", steer);
        (running.join().unwrap(), second)
    })
}

#[test]
fn a_message_joins_the_turn_that_runs_and_counts_once() {
    let gateway = Gateway::start(json!({}));
    let both = "first\n\nsecond".to_owned();
    assert_eq!(while_busy(&gateway, "!slow 1s\nfirst", true), (both.clone(), both));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get("picoclaw_messages_total"), 2.0);
    assert_eq!(scrape.get("picoclaw_messages_joined_total"), 1.0);
    assert_eq!(scrape.get("picoclaw_response_time_seconds_count"), 2.0);
    assert_eq!(scrape.sum("picoclaw_turns_total"), 1.0);
    assert_eq!((scrape.get("picoclaw_queue_depth"), scrape.get("picoclaw_messages_active")), (0.0, 0.0));
    let said: Vec<_> = gateway.home.session_lines().iter().map(|line| line["content"].clone()).collect();
    assert_eq!(said, [json!("!slow 1s\nfirst"), json!("first"), json!("second"), json!("second")]);
}

#[test]
fn it_joins_between_tool_calls_too() {
    let gateway = Gateway::start(json!({}));
    let (first, second) = while_busy(&gateway, "!slow 1s\n!tool list_dir {\"path\":\".\"}\nfirst", true);
    // The model sees the second message before it answers the first one.
    assert_eq!((first.as_str(), second.as_str()), ("second", "second"));
    assert_eq!(gateway.scrape().get("picoclaw_messages_joined_total"), 1.0);
}

#[test]
fn others_wait_for_a_turn_of_their_own() {
    let gateway = Gateway::start(json!({}));
    assert_eq!(while_busy(&gateway, "!slow 1s\nfirst", false), ("first".to_owned(), "second".to_owned()));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get("picoclaw_messages_joined_total"), 0.0);
    assert_eq!(scrape.sum("picoclaw_turns_total"), 2.0);
}
