//! An answer with marks in it goes to chats as several messages, where that is wanted.

use serde_json::{Value, json};

use crate::support::{Behaviour, BotApi, Gateway, Socket, Upstream, wait_for};

const BEARER: (&str, &str) = ("Authorization", "Bearer pico-token");
const TEXT: &str = "one<|[SPLIT]|>two <| [SPLIT] |> three<|[SPLIT]|>";

fn start(api: &BotApi, model: Option<Value>, split: bool, streams: bool) -> Gateway {
    let mut config = json!({
        "agents": { "defaults": { "split_on_marker": split } },
        "channel_list": {
            "telegram": api.channel(),
            "pico": { "enabled": true, "settings": { "token": "pico-token", "streaming": {
                "enabled": streams, "throttle_seconds": 0, "min_growth_chars": 1 } } },
        },
    });
    if let Some(mut model) = model {
        model["streaming"] = json!({ "enabled": streams });
        config["model_list"] = json!([model]);
    }
    let gateway = Gateway::start(config);
    let up = r#"picoclaw_channel_up{channel="telegram"}"#;
    wait_for("the bot", || (gateway.scrape().get(up) == 1.0).then_some(()));
    gateway
}

/// The text of each message, as it is in the end, up to the one with the name of the model.
fn messages(gateway: &Gateway, text: &str) -> Vec<String> {
    let mut client = Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0;
    client.send(json!({ "type": "message.send", "payload": { "content": text } }));
    let mut shown: Vec<(Value, String)> = Vec::new();
    loop {
        let frame = client.next();
        let Some(text) = frame["payload"]["content"].as_str() else { continue };
        assert!(!text.contains("<|"), "no mark is shown, and no half of one: {text}");
        let id = &frame["payload"]["message_id"];
        match shown.iter_mut().find(|(known, _)| known == id) {
            Some((_, shown)) => *shown = text.to_owned(),
            None => shown.push((id.clone(), text.to_owned())),
        }
        if frame["payload"]["model_name"].is_string() {
            return shown.into_iter().map(|(_, text)| text).collect();
        }
    }
}

#[test]
fn chats_get_several_messages_that_count_as_one() {
    let api = BotApi::start();
    let gateway = start(&api, None, true, false);
    api.say(42, TEXT);
    let sent: Vec<Value> = (0..3).map(|n| api.call("sendMessage", n)["text"].clone()).collect();
    assert_eq!(sent, ["one", "two", "three"]);
    assert_eq!(messages(&gateway, TEXT), ["one", "two", "three"]);
    let delivered = |channel| {
        gateway
            .scrape()
            .get(&format!(r#"picoclaw_outbound_messages_total{{channel="{channel}",outcome="success"}}"#))
    };
    wait_for("the counts", || (delivered("telegram") == 1.0 && delivered("pico") == 1.0).then_some(()));
    // Programs get what the model wrote.
    assert_eq!(gateway.chat("http", TEXT), TEXT);
}

#[test]
fn a_stream_shows_one_message_after_the_other() {
    let api = BotApi::start();
    let answer = "The first. <|[SPLIT]|> And <| [SPLIT] |> a last one <|[SPLIT]|>";
    let upstream = Upstream::start(&[Behaviour::Answer(answer)]);
    let gateway = start(&api, Some(upstream.model("m", "openai")), true, true);
    assert_eq!(messages(&gateway, "x"), ["The first.", "And", "a last one"]);
}

#[test]
fn models_know_of_it_in_chats_alone_and_only_where_it_is_wanted() {
    let api = BotApi::start();
    let upstream = Upstream::start(&[Behaviour::Answer("a<|[SPLIT]|>b")]);
    let told = || upstream.last()["messages"][0]["content"].as_str().unwrap().contains("<|[SPLIT]|>");
    let gateway = start(&api, Some(upstream.model("m", "openai")), true, false);
    assert_eq!(messages(&gateway, "x"), ["a", "b"]);
    assert!(told());
    gateway.say("s", "x");
    assert!(!told());
    drop(gateway);
    let _gateway = start(&api, Some(upstream.model("m", "openai")), false, false);
    api.say(42, "x");
    assert_eq!(api.call("sendMessage", 0)["text"], "a&lt;|[SPLIT]|&gt;b");
    assert!(!told());
}
