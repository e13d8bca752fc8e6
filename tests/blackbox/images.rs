//! Images of people reach the model that is for them, and a turn does not fail for one that is gone.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Behaviour, BotApi, Gateway, Socket, Upstream};

/// `GIF89a and pixels`, as base64.
const PIXELS: &str = "R0lGODlhIGFuZCBwaXhlbHM=";
const BEARER: (&str, &str) = ("Authorization", "Bearer pico-token");

fn url() -> String {
    format!("data:image/gif;base64,{PIXELS}")
}

fn config(models: Value, telegram: Value) -> Value {
    let pico = json!({ "enabled": true, "settings": { "token": "pico-token" } });
    json!({ "model_list": models, "channel_list": { "pico": pico, "telegram": telegram } })
}

fn connect(gateway: &Gateway) -> Socket {
    Socket::connect(gateway.port, "/pico/ws?session_id=s1", &[BEARER]).unwrap().0
}

/// Says something, and returns the answer.
fn ask(client: &mut Socket, text: &str, media: &[String]) -> String {
    client.send(json!({ "type": "message.send", "payload": { "content": text, "media": media } }));
    loop {
        let frame = client.next();
        if let Some(content) = frame["payload"]["content"].as_str() {
            return content.to_owned();
        }
    }
}

fn images(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_images_total{{outcome="{outcome}"}}"#))
}

#[test]
fn each_protocol_gets_images_in_its_own_form() {
    for (provider, expected) in [
        ("openai", json!({ "type": "image_url", "image_url": { "url": url() } })),
        (
            "anthropic-messages",
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/gif", "data": PIXELS } }),
        ),
        ("gemini-native", json!({ "inlineData": { "mimeType": "image/gif", "data": PIXELS } })),
    ] {
        // What it answers does not matter.
        let upstream = Upstream::start(&[Behaviour::Status(400, "", "{}")]);
        let gateway = Gateway::start(config(json!([upstream.model("m", provider)]), json!({})));
        // It says of itself that it is another format, which a provider would refuse.
        ask(&mut connect(&gateway), "look", &[url().replace("gif", "png")]);
        let sent = upstream.last().to_string();
        assert!(sent.contains(&expected.to_string()), "{provider}: {sent}");
        assert_eq!(images(&gateway, "sent"), 1.0);
    }
}

#[test]
fn an_image_stays_with_its_conversation_until_it_is_gone() {
    let api = BotApi::start();
    api.offer("photo-1", b"GIF89a and pixels");
    let upstream = Upstream::start(&[Behaviour::Answer("seen")]);
    let gateway = Gateway::start(config(json!([upstream.model("m", "openai")]), api.channel()));
    api.message(json!({
        "from": { "id": 5 }, "chat": { "id": 5, "type": "private" }, "caption": "look",
        "photo": [{ "file_id": "photo-1", "file_size": 17 }],
    }));
    assert_eq!(api.call("sendMessage", 0)["text"], "seen");
    let image = || {
        let messages = upstream.last()["messages"].as_array().unwrap().clone();
        messages.into_iter().find(|message| message["content"].to_string().contains("look")).unwrap()["content"].clone()
    };
    assert_eq!(image()[1], json!({ "type": "image_url", "image_url": { "url": url() } }));
    let lines = gateway.home.session_lines();
    let path = lines[0]["media"][0].as_str().unwrap().to_owned();
    assert!(path.starts_with("media/inbound/telegram-"), "{path}");

    api.say(5, "what was it?");
    api.call("sendMessage", 1);
    assert_eq!(image()[1]["type"], "image_url");
    fs::remove_file(gateway.home.join("workspace").join(&path)).unwrap();
    api.say(5, "and now?");
    assert_eq!(api.call("sendMessage", 2)["text"], "seen");
    let text = image().as_str().unwrap().to_owned();
    assert!(text.ends_with(&format!("[{path}: no longer there]")), "{text}");
    assert_eq!((images(&gateway, "sent"), images(&gateway, "missing")), (2.0, 1.0));
}

#[test]
fn a_model_for_images_answers_messages_with_some_and_only_those() {
    let main = Upstream::start(&[Behaviour::Answer("main")]);
    let broken = Upstream::start(&[Behaviour::Status(400, "", "{}"), Behaviour::Status(503, "", "{}")]);
    let spare = Upstream::start(&[Behaviour::Answer("spare")]);
    let models =
        json!([main.model("m", "openai"), broken.model("eyes", "openai"), spare.model("spare", "openai")]);
    let mut config = config(models, json!({}));
    config["agents"]["defaults"] = json!({
        "image_model": "eyes", "image_model_fallbacks": ["spare"], "max_llm_retries": 0, "max_media_size": 100,
    });
    let gateway = Gateway::start(config);
    let mut client = connect(&gateway);
    assert!(ask(&mut client, "look", &[url()]).starts_with("Error processing message"), "400 is final");
    assert_eq!(ask(&mut client, "look again", &[url()]), "spare");
    assert_eq!(ask(&mut client, "thanks", &[]), "main");
    let told = main.last()["messages"].to_string();
    assert!(told.contains("[image: not shown to this model]") && !told.contains("image_url"), "{told}");
    let large = format!("data:image/gif;base64,{}{}", &PIXELS[..20], "AAAA".repeat(40));
    assert_eq!(ask(&mut client, "large", &[large]), "spare");
    assert!(spare.last()["messages"].to_string().contains("larger than agents.defaults.max_media_size"));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_turns_routed_total{route="image"}"#), 3.0);
    for (outcome, count) in [("withheld", 1.0), ("too_large", 1.0)] {
        assert_eq!(images(&gateway, outcome), count, "{outcome}");
    }
}

fn complete(gateway: &Gateway, body: &Value) -> (u16, Value) {
    let answer = gateway.post("/v1/chat/completions", &[], &body.to_string());
    (answer.status, answer.json())
}

fn part(url: &str) -> Value {
    json!({ "type": "image_url", "image_url": { "url": url, "detail": "low" } })
}

#[test]
fn images_come_over_the_openai_api_too() {
    let upstream = Upstream::start(&[Behaviour::Answer("seen")]);
    let gateway = Gateway::start(config(json!([upstream.model("m", "openai")]), json!({})));
    let sent = || upstream.last()["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    let shown = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let away = "https://example.com/cat.png";
    // A caller who keeps its history itself leaves nothing behind.
    let content = json!([{ "type": "text", "text": "look" }, part(&url()), part(away)]);
    let (status, answer) =
        complete(&gateway, &json!({ "messages": [{ "role": "user", "content": content }] }));
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("seen")));
    assert_eq!(sent(), json!([{ "type": "text", "text": "look" }, shown(&url()), shown(away)]));
    assert!(!gateway.home.join("workspace/media").exists());
    // In a session they are kept as in a chat.
    let body =
        json!({ "session_id": "s", "messages": [{ "role": "user", "content": [part(&url()), part(away)] }] });
    assert_eq!(complete(&gateway, &body).0, 200);
    assert_eq!((&sent()[1], &sent()[2]), (&shown(&url()), &shown(away)));
    let line = gateway.home.session_lines()[0].clone();
    assert_eq!(line["media"], json!([url(), away]));
    let text = line["content"].as_str().unwrap();
    let path = text.strip_prefix("[image: ").unwrap().strip_suffix(']').unwrap();
    assert!(path.starts_with("media/inbound/http-"), "{path}");
    assert_eq!(fs::read(gateway.home.join("workspace").join(path)).unwrap(), b"GIF89a and pixels");
    let body = json!({ "session_id": "s", "messages": [{ "role": "user", "content": "and again?" }] });
    assert_eq!(complete(&gateway, &body).0, 200);
    assert!(upstream.last()["messages"].to_string().contains(PIXELS));
    assert_eq!(images(&gateway, "sent"), 6.0);
    // What cannot be shown is refused, and so is sound.
    for (part, param) in [
        (part("data:image/png;base64,QUJD"), "messages[0].content[0].image_url.url"),
        (
            json!({ "type": "input_audio", "input_audio": { "data": "", "format": "wav" } }),
            "messages[0].content[0].type",
        ),
    ] {
        let (status, answer) =
            complete(&gateway, &json!({ "messages": [{ "role": "user", "content": [part] }] }));
        assert_eq!((status, answer["error"]["param"].as_str()), (400, Some(param)), "{answer}");
    }
}

#[test]
fn a_caller_who_keeps_its_history_and_names_no_model_has_the_model_for_images() {
    let main = Upstream::start(&[Behaviour::Answer("main")]);
    let eyes = Upstream::start(&[Behaviour::Answer("eyes")]);
    let models = json!([main.model("m", "openai"), eyes.model("eyes", "openai")]);
    let mut config = config(models, json!({}));
    config["agents"]["defaults"] = json!({ "image_model": "eyes" });
    let gateway = Gateway::start(config);
    let said = |model: Value, messages: Value| {
        let (_, answer) = complete(&gateway, &json!({ "model": model, "messages": messages }));
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let image = json!({ "role": "user", "content": [part(&url())] });
    assert_eq!(said(json!("default"), json!([image])), "eyes");
    assert_eq!(said(json!("m"), json!([image])), "main", "who names a model means it");
    let later =
        json!([image, { "role": "assistant", "content": "a cat" }, { "role": "user", "content": "thanks" }]);
    assert_eq!(said(Value::Null, later), "main");
    assert!(main.last()["messages"].to_string().contains("[image: not shown to this model]"));
}

#[test]
fn what_comes_for_an_agent_lies_in_its_own_workspace() {
    let api = BotApi::start();
    api.offer("file-1", b"GIF89a and pixels");
    let mut config = config(json!([{ "model_name": "echo", "model": "echo/echo" }]), api.channel());
    config["agents"] = json!({
        "list": [{ "id": "main", "default": true }, { "id": "support" }],
        "dispatch": { "rules": [{ "agent": "support", "when": { "sender": "5" } }, {
            "agent": "support", "when": { "channel": "pico", "sender": "pico-user" },
        }] },
    });
    let gateway = Gateway::start(config);
    let send = |from: u64| {
        api.message(json!({
            "from": { "id": from }, "chat": { "id": from, "type": "private" }, "caption": "look",
            "photo": [{ "file_id": "file-1", "file_size": 17 }],
        }));
    };
    let path = |answer: &str| {
        answer.lines().find_map(|line| line.strip_prefix("[image: ")?.strip_suffix(']')).unwrap().to_owned()
    };
    for (n, (from, workspace)) in [(5, "workspace-support"), (6, "workspace")].into_iter().enumerate() {
        send(from);
        let answer = api.call("sendMessage", n)["text"].as_str().unwrap().to_owned();
        let kept = gateway.home.join(workspace).join(path(&answer));
        assert_eq!(fs::read(&kept).unwrap(), b"GIF89a and pixels", "{}", kept.display());
    }
    let answer = ask(&mut connect(&gateway), "look", &[url()]);
    assert!(gateway.home.join("workspace-support").join(path(&answer)).exists(), "{answer}");
    // Its tools find them.
    let tool = format!("!tool load_image {}", json!({ "path": path(&answer) }));
    assert!(ask(&mut connect(&gateway), &tool, &[]).contains("image/gif"));
}
