//! A Telegram bot loses nothing, and tells when it is cut off.

use serde_json::{Value, json};

use crate::support::{BOT_TOKEN, BotApi, Fault, Gateway, wait_for};

fn start(api: &BotApi, channel: Value) -> Gateway {
    let gateway = Gateway::start(config(channel));
    wait_for("the bot", || (up(&gateway) == 1.0).then_some(()));
    let _ = api;
    gateway
}

fn config(channel: Value) -> Value {
    json!({ "channel_list": { "telegram": channel } })
}

fn value(gateway: &Gateway, series: &str) -> f64 {
    gateway.scrape().get(series)
}

fn up(gateway: &Gateway) -> f64 {
    value(gateway, r#"picoclaw_channel_up{channel="telegram"}"#)
}

fn outbound(gateway: &Gateway, outcome: &str) -> f64 {
    value(gateway, &format!(r#"picoclaw_outbound_messages_total{{channel="telegram",outcome="{outcome}"}}"#))
}

#[test]
fn a_message_is_answered_formatted_and_in_place_of_what_stood_in() {
    let api = BotApi::start();
    let mut channel = api.channel();
    channel["typing"] = json!({ "enabled": true });
    channel["placeholder"] = json!({ "enabled": true, "text": ["Thinking"] });
    let gateway = start(&api, channel);
    api.say(42, "**hi** <you>");
    assert_eq!(api.call("sendChatAction", 0), json!({ "chat_id": 42, "action": "typing" }));
    assert_eq!(api.call("sendMessage", 0)["text"], "Thinking");
    assert_eq!(
        api.call("editMessageText", 0),
        json!({ "chat_id": 42, "message_id": 1001, "text": "<b>hi</b> &lt;you&gt;", "parse_mode": "HTML" })
    );
    wait_for("the count", || (outbound(&gateway, "success") == 1.0).then_some(()));
    // printf 'v=1|agent=main|channel=telegram|account=default|chat=direct:42' | sha256sum
    let file = format!(
        "workspace/sessions/{}.jsonl",
        "sk_v1_86319e35ca45b729f361caadefd3b7d1a8558260a95ebb0516e52e26c9b32231"
    );
    assert!(gateway.home.join(&file).exists(), "{file}");
    let log = gateway.stop().log();
    assert!(!log.iter().any(|line| line.to_string().contains(BOT_TOKEN)));
}

#[test]
fn formatting_that_telegram_refuses_is_sent_as_plain_text() {
    let api = BotApi::start();
    let fault =
        Fault::Refuse { code: 400, description: "Bad Request: can't parse entities", retry_after: None };
    api.fail("sendMessage", &[fault]);
    let gateway = start(&api, api.channel());
    api.say(42, "**hi**");
    assert_eq!(api.call("sendMessage", 1), json!({ "chat_id": 42, "text": "**hi**" }));
    wait_for("the count", || (outbound(&gateway, "success") == 1.0).then_some(()));
}

#[test]
fn long_answers_are_cut_where_a_reader_would() {
    let api = BotApi::start();
    let gateway = start(&api, api.channel());
    api.say(42, &"word ".repeat(1000));
    let (first, second) = (api.call("sendMessage", 0), api.call("sendMessage", 1));
    for piece in [first, second] {
        let text = piece["text"].as_str().unwrap();
        assert!(text.len() <= 4096 && text.ends_with("word"), "{text}");
    }
    wait_for("the count", || (outbound(&gateway, "success") == 1.0).then_some(()));
}

#[test]
fn a_network_that_is_busy_is_given_the_time_it_asks_for() {
    let api = BotApi::start();
    let busy = Fault::Refuse { code: 429, description: "Too Many Requests", retry_after: Some(2) };
    let broken = Fault::Refuse { code: 502, description: "Bad Gateway", retry_after: None };
    api.fail("sendMessage", &[busy, broken]);
    let gateway = start(&api, api.channel());
    api.say(42, "x");
    let pending = r#"picoclaw_outbound_pending{channel="telegram"}"#;
    wait_for("the wait", || (value(&gateway, pending) == 1.0).then_some(()));
    wait_for("the delivery", || (outbound(&gateway, "success") == 1.0).then_some(()));
    let calls = api.calls("sendMessage");
    assert_eq!(calls.len(), 3);
    assert!((calls[1].at - calls[0].at).as_millis() >= 2000);
    assert_eq!(value(&gateway, r#"picoclaw_outbound_retries_total{channel="telegram"}"#), 2.0);
    let log = gateway.stop().log();
    let sent = log.iter().find(|line| line["kind"] == "channel.outbound.sent").unwrap();
    assert_eq!(sent["tries"], 3);
}

#[test]
fn a_message_that_cannot_be_delivered_is_counted_with_the_real_number_of_tries() {
    let api = BotApi::start();
    let blocked =
        Fault::Refuse { code: 403, description: "Forbidden: bot was blocked by the user", retry_after: None };
    api.fail("sendMessage", &[blocked]);
    let gateway = start(&api, api.channel());
    api.say(42, "x");
    wait_for("the failure", || (outbound(&gateway, "failure") == 1.0).then_some(()));
    let log = gateway.stop().log();
    let failed = log.iter().find(|line| line["kind"] == "channel.outbound.failed").unwrap();
    assert_eq!((&failed["tries"], &failed["chat_id"]), (&json!(1), &json!("42")));
    assert!(failed["error"].as_str().unwrap().contains("blocked"), "{failed}");
}

#[test]
fn a_connection_that_is_dead_is_noticed_within_seconds_and_comes_back() {
    let api = BotApi::start();
    let gateway = start(&api, api.channel());
    // Two questions stay without answer and without error: no socket would notice.
    api.fail("getUpdates", &[Fault::Silence, Fault::Silence]);
    wait_for("the watchdog", || (up(&gateway) == 0.0).then_some(()));
    assert_eq!(gateway.health()["status"], "degraded");
    assert!(gateway.health().to_string().contains("channel_telegram_down"));
    wait_for("the bot to be back", || (up(&gateway) == 1.0).then_some(()));
    assert_eq!(gateway.health()["status"], "healthy");
    assert_eq!(value(&gateway, r#"picoclaw_channel_failures_total{channel="telegram"}"#), 1.0);
    api.say(42, "still there?");
    assert_eq!(api.call("sendMessage", 0)["text"], "still there?");
}

#[test]
fn a_channel_that_only_connects_is_no_issue_and_one_that_failed_is() {
    let api = BotApi::start();
    // It is asked who the bot is, and says nothing.
    api.fail("getMe", &[Fault::Silence]);
    let gateway = Gateway::start(config(api.channel()));
    wait_for("the question", || (!api.calls("getMe").is_empty()).then_some(()));
    let health = gateway.health();
    assert_eq!((up(&gateway), &health["status"], &health["issues"]), (0.0, &json!("healthy"), &json!("")));
    assert_eq!(health["channels_down"], 1);
    gateway.stop();
    api.fail("getMe", &[Fault::Close]);
    let gateway = Gateway::start(config(api.channel()));
    wait_for("the issue", || (gateway.health()["issues"] == "channel_telegram_down").then_some(()));
    wait_for("the bot", || (gateway.health()["status"] == "healthy").then_some(()));
}

#[test]
fn one_broken_connection_is_no_failure() {
    let api = BotApi::start();
    let gateway = start(&api, api.channel());
    api.fail("getUpdates", &[Fault::Close]);
    let asked = api.calls("getUpdates").len();
    wait_for("the next question", || (api.calls("getUpdates").len() > asked + 1).then_some(()));
    api.say(42, "x");
    assert_eq!(api.call("sendMessage", 0)["text"], "x");
    assert_eq!(value(&gateway, r#"picoclaw_channel_failures_total{channel="telegram"}"#), 0.0);
}

#[test]
fn a_bot_that_somebody_else_receives_for_says_so() {
    let api = BotApi::start();
    let conflict = Fault::Refuse {
        code: 409,
        description: "Conflict: terminated by other getUpdates request",
        retry_after: None,
    };
    api.fail("getUpdates", &[conflict]);
    let gateway = Gateway::start(config(api.channel()));
    let failures = r#"picoclaw_channel_failures_total{channel="telegram"}"#;
    wait_for("the failure", || (value(&gateway, failures) == 1.0).then_some(()));
    wait_for("the bot", || (up(&gateway) == 1.0).then_some(()));
    let log = gateway.stop().log();
    let failed = log.iter().find(|line| line["kind"] == "channel.lifecycle.start_failed").unwrap();
    assert!(failed["error"].as_str().unwrap().contains("another program receives"), "{failed}");
}

#[test]
fn a_wrong_token_is_down_and_named() {
    let api = BotApi::start();
    let mut channel = api.channel();
    channel["settings"]["token"] = json!("8:wrong");
    let gateway = Gateway::start(config(channel));
    wait_for("the judgement", || (gateway.health()["status"] == "degraded").then_some(()));
    assert_eq!(up(&gateway), 0.0);
    gateway.home.configure(config(api.channel()));
    assert_eq!(gateway.reload().status, 200);
    wait_for("the bot", || (up(&gateway) == 1.0).then_some(()));
    let log = gateway.stop().log();
    assert!(log.iter().any(|line| line.to_string().contains("settings.token")));
    assert!(!log.iter().any(|line| line.to_string().contains("8:wrong")));
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_over_restarts() {
    let api = BotApi::start();
    let gateway = start(&api, api.channel());
    api.say(42, "one");
    api.call("sendMessage", 0);
    // Killed: nobody could acknowledge.
    let home = gateway.kill();
    api.say(42, "two");
    let gateway = Gateway::start_in(home);
    assert_eq!(api.call("sendMessage", 1)["text"], "two");
    // What comes while the gateway stops is for the next one.
    api.say(42, "!slow 1s\nthree");
    wait_for("the turn", || (value(&gateway, "picoclaw_messages_active") == 1.0).then_some(()));
    gateway.signal("TERM");
    wait_for("draining", || (gateway.get("/health").status == 503).then_some(()));
    api.say(42, "four");
    let home = gateway.ended();
    assert_eq!(api.call("sendMessage", 2)["text"], "three");
    let gateway = Gateway::start_in(home);
    assert_eq!(api.call("sendMessage", 3)["text"], "four");
    api.say(42, "five");
    assert_eq!(api.call("sendMessage", 4)["text"], "five");
    assert_eq!(value(&gateway, r#"picoclaw_channel_messages_total{channel="telegram"}"#), 2.0);
    assert_eq!(api.calls("sendMessage").len(), 5);
}

#[test]
fn groups_are_answered_when_they_ask_and_strangers_never() {
    let api = BotApi::start();
    let mut channel = api.channel();
    channel["allow_from"] = json!(["ann"]);
    channel["group_trigger"] = json!({ "mention_only": true, "prefixes": ["/ask"] });
    let gateway = start(&api, channel);
    let group = |text: &str, user: &str, entities: Value| {
        api.message(json!({
            "from": { "id": 5, "username": user }, "text": text, "entities": entities,
            "chat": { "id": -9, "type": "supergroup", "is_forum": true }, "message_thread_id": 3,
        }));
    };
    group("nothing for you", "ann", json!([]));
    group("/ask as a stranger", "bob", json!([]));
    group("@pico_bot by name", "ann", json!([{ "type": "mention", "offset": 0, "length": 9 }]));
    let sent = |n| api.call("sendMessage", n);
    assert_eq!(
        sent(0),
        json!({ "chat_id": -9, "message_thread_id": 3, "text": "by name", "parse_mode": "HTML" })
    );
    group("/ask by prefix", "ann", json!([]));
    assert_eq!(sent(1)["text"], "by prefix");
    assert_eq!(value(&gateway, r#"picoclaw_channel_messages_total{channel="telegram"}"#), 2.0);
    assert_eq!(
        value(&gateway, r#"picoclaw_messages_rejected_total{channel="telegram",reason="not_allowed"}"#),
        1.0
    );
}

#[test]
fn files_that_people_send_are_where_tools_find_them() {
    let api = BotApi::start();
    api.offer("file-1", b"contents of the file");
    let gateway = start(&api, api.channel());
    api.message(json!({
        "from": { "id": 5 }, "chat": { "id": 5, "type": "private" }, "caption": "look",
        "document": { "file_id": "file-1", "file_name": "notes.txt", "file_size": 20 },
    }));
    let answer = api.call("sendMessage", 0)["text"].as_str().unwrap().to_owned();
    let path = answer.strip_prefix("look\n[file: ").unwrap().strip_suffix(']').unwrap();
    let kept = gateway.home.join("workspace").join(path);
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "contents of the file");
}

#[test]
fn a_message_with_a_surprise_in_it_hides_no_others() {
    let api = BotApi::start();
    let gateway = start(&api, api.channel());
    // Nobody knows what networks will write one day.
    api.message(json!({ "from": "somebody", "chat": { "id": 42, "type": "private" }, "text": "strange" }));
    let chat = json!({ "id": 42, "type": "private", "is_forum": null });
    api.message(
        json!({ "from": { "id": 42, "username": null }, "chat": chat, "text": "hello", "photo": null }),
    );
    assert_eq!(api.call("sendMessage", 0)["text"], "hello");
    assert_eq!(value(&gateway, r#"picoclaw_channel_failures_total{channel="telegram"}"#), 0.0);
}

#[test]
fn a_bot_that_has_to_wait_for_long_is_down_meanwhile_and_still_stops() {
    let api = BotApi::start();
    let gateway = start(&api, api.channel());
    let fault = Fault::Refuse { code: 429, description: "Too Many Requests", retry_after: Some(600) };
    api.fail("getUpdates", &[fault]);
    wait_for("the channel to be down", || (up(&gateway) == 0.0).then_some(()));
    let log = gateway.stop().log();
    let told = log.iter().any(|line| line["error"].as_str().is_some_and(|error| error.contains("in 600 s")));
    assert!(told, "why is in the log");
}
