//! What people can tell the agent beside talking to the model.

use serde_json::{Value, json};

use crate::support::{Behaviour, Gateway, Upstream, wait_for};

const CHAT: &str = "/v1/chat/completions";

#[test]
fn a_command_is_a_message_and_no_turn() {
    let gateway = Gateway::start(json!({}));
    let help = gateway.chat("s", "/help");
    for command in ["/clear", "/stop", "/model [name | default]"] {
        assert!(help.contains(command), "{help}");
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.get("picoclaw_messages_total"), 1.0);
    assert_eq!(scrape.get("picoclaw_response_time_seconds_count"), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_commands_total{command="help"}"#), 1.0);
    assert_eq!(scrape.get(r#"picoclaw_commands_total{command="clear"}"#), 0.0);
    assert_eq!(scrape.sum("picoclaw_turns_total"), 0.0);
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="echo"}"#), 0.0);

    // What is no command, or comes from callers who keep the history themselves, is for the model.
    assert_eq!(gateway.chat("s", "/etc/hosts"), "/etc/hosts");
    let body = json!({ "messages": [{ "role": "user", "content": "/help" }] }).to_string();
    let answer = gateway.post(CHAT, &[], &body).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "/help");
    assert_eq!(gateway.scrape().get(r#"picoclaw_turns_total{origin="user",status="completed"}"#), 2.0);

    let body =
        json!({ "session_id": "s", "stream": true, "messages": [{ "role": "user", "content": "/start" }] });
    assert!(gateway.post(CHAT, &[], &body.to_string()).text().contains("I am PicoClaw"));
    for (asked, told) in [
        ("/status", "Working for you: no"),
        ("/context", "messages; it is summed up beyond 20 messages"),
        ("/show channel", "Channel: http"),
        ("/list models", "Models: echo"),
        ("/list tools", "read_file"),
        ("/list skills", "Skills: none"),
        ("/check channel http", "is there"),
        ("/check channel fax", "There is no channel \"fax\""),
        ("/use weather", "Send /use <skill> <message>"),
        ("/use weather Will it rain?", "There is no skill \"weather\". Skills: none"),
        ("/stop", "Nothing to stop"),
        ("/reload", "nothing has changed"),
    ] {
        let text = gateway.chat("s", asked);
        assert!(text.contains(told), "{asked}: {text}");
    }
}

#[test]
fn stop_ends_what_runs_and_what_waits() {
    let gateway = Gateway::start(json!({}));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| gateway.say("s", "!hang"));
        wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
        let waiting = scope.spawn(|| gateway.say("s", "x"));
        wait_for("the queue", || (gateway.scrape().get("picoclaw_queue_depth") == 1.0).then_some(()));
        assert_eq!(gateway.chat("other", "/stop"), "Nothing to stop: I am not working on anything for you.");
        assert_eq!(gateway.chat("s", "/stop"), "Stopped, and 1 more that waited or worked for you.");
        for stopped in [running.join().unwrap(), waiting.join().unwrap()] {
            assert_eq!(stopped.status, 503);
            assert!(stopped.text().contains("/stop"), "{}", stopped.text());
        }
    });
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_total{origin="user",status="cancelled"}"#), 2.0);
    assert_eq!((scrape.get("picoclaw_messages_total"), scrape.get("picoclaw_queue_depth")), (4.0, 0.0));
    assert_eq!(gateway.chat("s", "later"), "later");
    let lines = gateway.home.session_lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
}

/// The texts of the last request but for the system prompt.
fn asked(upstream: &Upstream) -> Vec<String> {
    let last: Value = upstream.last();
    let messages = last["messages"].as_array().unwrap().iter();
    messages.skip(1).map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn clear_begins_anew_and_keeps_the_file() {
    let upstream = Upstream::start(&[Behaviour::Answer("fine")]);
    let gateway = Gateway::start(json!({ "model_list": [upstream.model("m", "mock")] }));
    gateway.chat("s", "one");
    gateway.chat("s", "/btw beside it");
    assert_eq!(asked(&upstream), ["one", "fine", "beside it"]);
    gateway.chat("s", "two");
    assert_eq!(asked(&upstream), ["one", "fine", "two"], "what was asked beside it is not remembered");
    assert!(gateway.chat("s", "/clear").starts_with("Cleared"));
    gateway.chat("s", "three");
    assert_eq!(asked(&upstream), ["three"]);
    let gateway = Gateway::start_in(gateway.stop());
    gateway.chat("s", "four");
    assert_eq!(asked(&upstream), ["three", "fine", "four"]);
    assert_eq!(gateway.home.session_lines().len(), 8);
}

#[test]
fn a_conversation_can_have_a_model_of_its_own() {
    let gateway = Gateway::start(json!({ "model_list": [
        { "model_name": "first", "model": "echo/echo" }, { "model_name": "second", "model": "echo/echo" },
    ] }));
    let model = |session: &str| gateway.say(session, "x").json()["model"].as_str().unwrap().to_owned();
    assert!(gateway.chat("s", "/model nobody").contains("There are: first, second"));
    assert!(gateway.chat("s", "/model second").starts_with("Model: second"));
    assert_eq!((model("s"), model("other")), ("second".to_owned(), "first".to_owned()));
    assert!(gateway.chat("s", "/show model").contains("second"));
    assert!(gateway.chat("s", "/switch model to default").starts_with("Model: first"));
    assert_eq!(model("s"), "first");
}
