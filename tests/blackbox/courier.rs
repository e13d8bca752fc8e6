//! What the agent sends to chats beside its answers: by its tools, and by the heartbeat to the chat that was last active.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Behaviour, BotApi, Gateway, Home, Socket, Upstream, request, wait_for};

const BEARER: (&str, &str) = ("Authorization", "Bearer pico-token");

fn config(api: &BotApi) -> Value {
    json!({ "channel_list": {
        "telegram": api.channel(),
        "pico": { "enabled": true, "settings": { "token": "pico-token" } },
    } })
}

fn start(api: &BotApi, home: Home) -> Gateway {
    let gateway = Gateway::start_in(home);
    let up = r#"picoclaw_channel_up{channel="telegram"}"#;
    wait_for("the bot", || (gateway.scrape().get(up) == 1.0).then_some(()));
    let _ = api;
    gateway
}

fn state(home: &Home) -> Value {
    let text = fs::read(home.join("workspace/state/state.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[test]
fn a_model_writes_to_the_chat_that_asked_and_to_another_one() {
    let api = BotApi::start();
    let gateway = start(&api, Home::new(config(&api)));
    api.say(42, r#"!tool message {"content": "**beside** the answer"}"#);
    assert_eq!(
        api.call("sendMessage", 0),
        json!({ "chat_id": 42, "text": "<b>beside</b> the answer", "parse_mode": "HTML" })
    );
    let answer = api.call("sendMessage", 1);
    assert!(answer["text"].as_str().unwrap().contains("sent to telegram:42, message 1001"), "{answer}");

    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0;
    let tool = r#"!tool message {"content": "elsewhere", "channel": "telegram", "chat_id": "7"}"#;
    client.send(json!({ "type": "message.send", "payload": { "content": tool } }));
    let sent = api.call("sendMessage", 2);
    assert_eq!((&sent["chat_id"], &sent["text"]), (&json!(7), &json!("elsewhere")));
    wait_for("the counts", || {
        let scrape = gateway.scrape();
        let calls = scrape.get(r#"picoclaw_tool_calls_total{tool="message"}"#);
        let sent = scrape.get(r#"picoclaw_outbound_messages_total{channel="telegram",outcome="success"}"#);
        (calls == 2.0 && sent == 3.0).then_some(())
    });
}

#[test]
fn a_model_sends_files_of_the_workspace() {
    let api = BotApi::start();
    let home = Home::new(config(&api));
    fs::create_dir_all(home.join("workspace")).unwrap();
    fs::write(home.join("workspace/notes.txt"), "contents of the file").unwrap();
    let gateway = start(&api, home);
    let tool = r#"!tool send_file {"path": "notes.txt", "caption": "here"}"#;
    api.say(42, tool);
    let form = api.call("sendDocument", 0)["form"].as_str().unwrap().to_owned();
    for part in ["name=\"chat_id\"\r\n\r\n42", "filename=\"notes.txt\"", "contents of the file", "here"] {
        assert!(form.contains(part), "{part} in {form}");
    }

    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0;
    client.send(json!({ "type": "message.send", "payload": { "content": tool } }));
    let file = loop {
        let frame = client.next();
        if frame["payload"]["attachments"].is_array() {
            break frame;
        }
    };
    let (payload, attachment) = (&file["payload"], &file["payload"]["attachments"][0]);
    assert_eq!((&file["type"], &payload["content"]), (&json!("message.create"), &json!("here")));
    assert_eq!(
        (&attachment["filename"], &attachment["content_type"]),
        (&json!("notes.txt"), &json!("text/plain"))
    );
    let path = attachment["url"].as_str().unwrap();
    let fetched = request(gateway.port, "GET", path, &[BEARER], b"").unwrap();
    assert_eq!((fetched.status, fetched.text()), (200, "contents of the file".to_owned()));
    assert_eq!(request(gateway.port, "GET", path, &[], b"").unwrap().status, 401);
    let calls = r#"picoclaw_tool_calls_total{tool="send_file"}"#;
    wait_for("the count", || (gateway.scrape().get(calls) == 2.0).then_some(()));
}

#[test]
fn the_heartbeat_speaks_in_the_chat_that_was_last_active() {
    let api = BotApi::start();
    let home = Home::new(config(&api));
    fs::create_dir_all(home.join("workspace/state")).unwrap();
    fs::write(home.join("workspace/state/state.json"), r#"{"last_channel":"telegram:1","kept":5}"#).unwrap();
    let gateway = start(&api, home);
    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0;
    client.send(json!({ "type": "message.send", "payload": { "content": "hello" } }));
    let last = |home: &Home, chat: &str| {
        wait_for("the last chat", || (state(home)["last_channel"] == chat).then_some(()));
    };
    last(&gateway.home, "pico:pico:s1");
    api.say(42, "hello");
    last(&gateway.home, "telegram:42");
    assert_eq!(state(&gateway.home)["kept"], 5);
    // The answer is out, so that the next message of the bot is the heartbeat's.
    api.call("sendMessage", 0);
    drop(client);
    let home = gateway.kill();
    fs::write(home.join("workspace/HEARTBEAT.md"), "Is it dry?").unwrap();
    let upstream = Upstream::start(&[Behaviour::Answer("Water the flowers.")]);
    let mut later = config(&api);
    later["model_list"] = json!([upstream.model("m", "openai")]);
    home.configure(later);
    let gateway = start(&api, home);
    let delivered = r#"picoclaw_heartbeats_total{outcome="delivered"}"#;
    wait_for("the heartbeat", || (gateway.scrape().get(delivered) == 1.0).then_some(()));
    let told = api.call("sendMessage", 1);
    assert_eq!((&told["chat_id"], &told["text"]), (&json!(42), &json!("Water the flowers.")));
}
