//! People are told which tools are called, where that is wanted.

use serde_json::{Value, json};

use crate::support::{BotApi, Gateway, Socket, wait_for};

const TOOL: &str = r#"!tool list_dir {"path": "."}"#;
const BEARER: (&str, &str) = ("Authorization", "Bearer pico-token");

fn start(api: &BotApi, feedback: Value) -> Gateway {
    let gateway = Gateway::start(json!({
        "agents": { "defaults": { "tool_feedback": feedback } },
        "channel_list": {
            "telegram": api.channel(),
            "pico": { "enabled": true, "settings": { "token": "pico-token" } },
        },
    }));
    let up = r#"picoclaw_channel_up{channel="telegram"}"#;
    wait_for("the bot", || (gateway.scrape().get(up) == 1.0).then_some(()));
    gateway
}

/// The frames up to the answer.
fn frames(gateway: &Gateway) -> Vec<Value> {
    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0;
    client.send(json!({ "type": "message.send", "payload": { "content": TOOL } }));
    let mut frames = vec![client.next()];
    while frames.last().unwrap()["payload"]["model_name"].is_null() {
        frames.push(client.next());
    }
    frames
}

#[test]
fn one_message_tells_of_all_calls_and_becomes_the_answer() {
    let api = BotApi::start();
    let gateway = start(&api, json!({ "enabled": true, "max_args_length": 9 }));
    api.say(42, TOOL);
    let told = api.call("sendMessage", 0);
    assert_eq!(told["text"], "\u{1f527} <code>list_dir</code> <code>{\"path\":…</code>");
    let answer = api.call("editMessageText", 0);
    assert_eq!(answer["message_id"], 1001);
    assert_eq!(api.calls("sendMessage").len(), 1);
    let frames = frames(&gateway);
    let calls: Vec<&Value> = frames.iter().filter(|frame| frame["payload"]["kind"] == "tool_calls").collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let function = &calls[0]["payload"]["tool_calls"][0]["function"];
    assert_eq!(*function, json!({ "name": "list_dir", "arguments": "{\"path\":…" }));
}

#[test]
fn every_call_can_be_a_message_of_its_own() {
    let api = BotApi::start();
    let _gateway = start(&api, json!({ "enabled": true, "separate_messages": true }));
    api.say(42, &format!("{TOOL}\n{TOOL}"));
    for n in [0, 1] {
        assert!(api.call("sendMessage", n)["text"].as_str().unwrap().contains("list_dir"));
    }
    api.call("sendMessage", 2);
    assert!(api.calls("editMessageText").is_empty());
}

#[test]
fn without_the_setting_nobody_is_told() {
    let api = BotApi::start();
    let gateway = start(&api, json!({}));
    api.say(42, TOOL);
    assert!(!api.call("sendMessage", 0)["text"].as_str().unwrap().contains("list_dir"));
    assert!(frames(&gateway).iter().all(|frame| frame["payload"]["kind"].is_null()));
}
