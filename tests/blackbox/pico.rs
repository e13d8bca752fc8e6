//! The WebSocket of the web page speaks the protocol that its clients know.

use serde_json::{Value, json};

use crate::support::{Behaviour, Gateway, Socket, Upstream, request, wait_for};

const TOKEN: &str = "pico-token-of-the-test";
const WS: &str = "/pico/ws?session_id=s1";

fn config(channel: Value) -> Value {
    let mut channel = channel;
    channel["enabled"] = json!(true);
    channel["settings"]["token"] = json!(TOKEN);
    json!({ "channel_list": { "pico": channel } })
}

fn connect(gateway: &Gateway) -> Socket {
    let bearer = format!("Bearer {TOKEN}");
    Socket::connect(gateway.port, WS, &[("Authorization", &bearer)]).unwrap().0
}

fn send(id: &str, text: &str) -> Value {
    json!({ "type": "message.send", "id": id, "payload": { "content": text } })
}

fn value(gateway: &Gateway, series: &str) -> f64 {
    gateway.scrape().get(series)
}

#[test]
fn a_message_is_answered_in_frames() {
    let gateway = Gateway::start(config(json!({ "placeholder": { "enabled": true, "text": "Thinking" } })));
    let mut client = connect(&gateway);
    client.send(send("m1", "hello"));
    assert_eq!(client.next(), json!({ "type": "typing.start", "session_id": "s1" }));
    let placeholder = client.next();
    let id = placeholder["payload"]["message_id"].clone();
    assert_eq!(id.as_str().unwrap().len(), 36);
    assert_eq!(
        placeholder,
        json!({ "type": "message.create", "session_id": "s1",
                "payload": { "content": "Thinking", "placeholder": true, "message_id": id } })
    );
    assert_eq!(client.next(), json!({ "type": "typing.stop", "session_id": "s1" }));
    let answer = client.next();
    let payload = &answer["payload"];
    assert_eq!((&answer["type"], &answer["session_id"]), (&json!("message.update"), &json!("s1")));
    assert_eq!((&payload["content"], &payload["message_id"]), (&json!("hello"), &id));
    assert_eq!(payload["model_name"], "echo");
    assert!(payload["usage"]["total_tokens"].as_u64().unwrap() > 0);
    let context =
        |key: &str| payload["context_usage"][key].as_u64().unwrap_or_else(|| panic!("{key} in {payload}"));
    assert!(context("history_tokens") > 0 && context("used_tokens") > context("history_tokens"), "{payload}");
    // Four times agents.defaults.max_tokens, less an answer of that length; summed up at three quarters.
    assert_eq!(
        ["total_tokens", "compress_at_tokens", "summarize_at_tokens"].map(context),
        [131_072, 98_304, 98_304]
    );
    assert_eq!(context("used_percent"), context("used_tokens") * 100 / 98_304);

    let scrape = gateway.scrape();
    for (series, expected) in [
        (r#"picoclaw_channel_messages_total{channel="pico"}"#, 1.0),
        (r#"picoclaw_outbound_messages_total{channel="pico",outcome="success"}"#, 1.0),
        (r#"picoclaw_outbound_messages_total{channel="pico",outcome="failure"}"#, 0.0),
        (r#"picoclaw_outbound_pending{channel="pico"}"#, 0.0),
        (r#"picoclaw_channel_clients{channel="pico"}"#, 1.0),
        (r#"picoclaw_channel_up{channel="pico"}"#, 1.0),
    ] {
        assert_eq!(scrape.get(series), expected, "{series}");
    }
    // printf 'v=1|agent=main|channel=pico|account=default|chat=direct:pico:s1' | sha256sum
    let key = "sk_v1_47f259f1e799beebf77168b1fe09c2d7fa5b64383956678e9cc110b723436e15";
    let files = std::fs::read_dir(gateway.home.join("workspace/sessions")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.contains(&format!("{key}.jsonl")), "{names:?}");
    drop(client);
    let clients = r#"picoclaw_channel_clients{channel="pico"}"#;
    wait_for("the client to be gone", || (value(&gateway, clients) == 0.0).then_some(()));
    let log = gateway.stop().log();
    assert!(!log.iter().any(|line| line.to_string().contains(TOKEN)));
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_protocol() {
    let gateway = Gateway::start(config(json!({})));
    let mut client = connect(&gateway);
    client.send(json!({ "type": "ping", "id": "p1" }));
    assert_eq!(client.next(), json!({ "type": "pong", "id": "p1" }));
    let error = |code: &str, message: &str| json!({ "type": "error", "payload": { "code": code, "message": message } });
    client.send("{");
    assert_eq!(client.next(), error("invalid_message", "failed to parse message"));
    client.send(json!({ "type": "X" }));
    assert_eq!(client.next(), error("unknown_type", "unknown message type: X"));
    client.send(send("m1", " \n"));
    let mut empty = error("empty_content", "message content is empty");
    empty["payload"]["request_id"] = json!("m1");
    assert_eq!(client.next(), empty);
    client.send(json!({ "type": "media.send", "id": "m2", "payload": { "media": "http://x" } }));
    let invalid = client.next();
    assert_eq!(
        (&invalid["payload"]["code"], &invalid["payload"]["request_id"]),
        (&json!("invalid_media"), &json!("m2"))
    );
    let rejected = r#"picoclaw_messages_rejected_total{channel="pico",reason="invalid"}"#;
    assert_eq!(value(&gateway, rejected), 3.0);

    client.send(send("m3", "!fail 400"));
    assert_eq!(client.next()["type"], "typing.start");
    assert_eq!(client.next()["type"], "typing.stop");
    let failed = client.next()["payload"]["content"].as_str().unwrap().to_owned();
    assert!(failed.starts_with("Error processing message: "), "{failed}");
}

#[test]
fn only_who_shows_the_token_is_let_in() {
    let gateway = Gateway::start(config(
        json!({ "settings": { "max_connections": 1, "allow_origins": ["https://a.example"] } }),
    ));
    let refused = |path: &str, headers: &[(&str, &str)]| match Socket::connect(gateway.port, path, headers) {
        Ok(_) => panic!("let in"),
        Err(refusal) => refusal,
    };
    let unauthorized = (401, "unauthorized".to_owned());
    let in_query = format!("{WS}&token={TOKEN}");
    for (path, headers) in [
        (WS, vec![]),
        (WS, vec![("Authorization", "Bearer wrong")]),
        (WS, vec![("Sec-WebSocket-Protocol", "token.wrong")]),
        (in_query.as_str(), vec![]),
    ] {
        assert_eq!(refused(path, &headers), unauthorized, "{path}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let elsewhere = [("Authorization", bearer.as_str()), ("Origin", "https://b.example")];
    assert_eq!(refused(WS, &elsewhere).0, 403);
    let protocol = format!("token.{TOKEN}");
    let headers = [("Sec-WebSocket-Protocol", protocol.as_str()), ("Origin", "https://a.example")];
    let (_client, response) = Socket::connect(gateway.port, WS, &headers).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], protocol.as_str());
    assert_eq!(refused(WS, &headers), (503, "too many connections".to_owned()));
    assert_eq!(request(gateway.port, "GET", "/pico/media/x", &[], b"").unwrap().status, 401);
    let found = request(gateway.port, "GET", "/pico/media/x", &[("Authorization", &bearer)], b"").unwrap();
    assert_eq!(found.status, 404);
    let count =
        |reason: &str| value(&gateway, &format!(r#"picoclaw_http_rejected_total{{reason="{reason}"}}"#));
    assert_eq!(
        (count("unauthorized"), count("forbidden_origin"), count("connection_limit")),
        (5.0, 1.0, 1.0)
    );
}

#[test]
fn an_answer_grows_while_it_is_written() {
    let streaming = json!({ "enabled": true, "throttle_seconds": 0, "min_growth_chars": 1 });
    let gateway = Gateway::start(config(json!({ "settings": { "streaming": streaming } })));
    let mut client = connect(&gateway);
    let text = "one two three four five six seven";
    client.send(send("m1", text));
    assert_eq!(client.next()["type"], "typing.start");
    let first = client.next();
    assert_eq!(first["type"], "message.create");
    let id = &first["payload"]["message_id"];
    let mut shown = first["payload"]["content"].as_str().unwrap().to_owned();
    let mut updates = 0;
    loop {
        let frame = client.next();
        if frame["type"] == "typing.stop" {
            continue;
        }
        assert_eq!((&frame["type"], &frame["payload"]["message_id"]), (&json!("message.update"), id));
        let now = frame["payload"]["content"].as_str().unwrap().to_owned();
        assert!(now.starts_with(&shown), "{shown:?} {now:?}");
        shown = now;
        updates += 1;
        if frame["payload"]["model_name"] == "echo" {
            break;
        }
    }
    assert!(shown == text && updates > 2, "{shown} {updates}");
}

#[test]
fn tools_and_thoughts_are_shown_as_they_come() {
    let streaming = json!({ "enabled": true });
    let gateway = Gateway::start(config(json!({ "settings": { "streaming": streaming } })));
    let mut client = connect(&gateway);
    client.send(send("m1", r#"!tool list_dir {"path":"."}"#));
    assert_eq!(client.next()["type"], "typing.start");
    let payload = client.next()["payload"].clone();
    assert_eq!(payload["kind"], "tool_calls");
    let call = &payload["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("list_dir")));
    assert_eq!(call["function"]["arguments"], r#"{"path":"."}"#);
    let mut last = client.next();
    while last["payload"]["model_name"].is_null() {
        last = client.next();
    }
}

#[test]
fn what_a_model_says_about_its_calls_is_with_them_unless_it_was_streamed() {
    const CALL: &str = concat!(
        r#"data: {"choices":[{"index":0,"delta":{"content":"I look around."}}]}"#,
        "\n\n",
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"list_dir","#,
        r#""arguments":"{\"path\":\".\"}"},"extra_content":{"google":{"thought_signature":"x"}}}]},"#,
        r#""finish_reason":"tool_calls"}]}"#,
        "\n\ndata: [DONE]\n\n"
    );
    for (streaming, explanation) in [(false, json!("I look around.")), (true, Value::Null)] {
        let upstream = Upstream::start(&[Behaviour::Events(CALL), Behaviour::Answer("done")]);
        let mut model = upstream.model("m", "openai");
        model["streaming"] = json!({ "enabled": true });
        let mut config = config(json!({ "settings": { "streaming": { "enabled": streaming } } }));
        config["model_list"] = json!([model]);
        config["agents"] = json!({ "defaults": { "tool_feedback": { "enabled": true } } });
        let gateway = Gateway::start(config);
        let mut client = connect(&gateway);
        client.send(send("m1", "where are you?"));
        let payload = loop {
            let payload = client.next()["payload"].clone();
            if payload["kind"] == "tool_calls" {
                break payload;
            }
        };
        let call = &payload["tool_calls"][0];
        assert_eq!(call["extra_content"]["tool_feedback_explanation"], explanation, "{call}");
        assert!(call["extra_content"]["google"].is_null(), "what is the vendor's stays here: {call}");
    }
}

#[test]
fn every_connection_of_a_session_hears_the_answer_and_nobody_else() {
    let gateway = Gateway::start(config(json!({ "settings": { "allow_token_query": true } })));
    let path = |session: &str| format!("/pico/ws?session_id={session}&token={TOKEN}");
    let open = |session: &str| Socket::connect(gateway.port, &path(session), &[]).unwrap().0;
    let (mut asks, mut hears, mut other) = (open("a"), open("a"), open("b"));
    asks.send(send("m1", "x"));
    for client in [&mut asks, &mut hears] {
        let frames: Vec<Value> = (0..3).map(|_| client.next()["type"].clone()).collect();
        assert_eq!(frames, ["typing.start", "typing.stop", "message.create"]);
    }
    // A frame may name another session.
    let mut elsewhere = send("m2", "y");
    elsewhere["session_id"] = json!("b");
    asks.send(elsewhere);
    for client in [&mut asks, &mut other] {
        let frames: Vec<Value> = (0..3).map(|_| client.next()["session_id"].clone()).collect();
        assert_eq!(frames, ["b", "b", "b"]);
    }
}

#[test]
fn what_is_added_meanwhile_is_answered_together() {
    let gateway = Gateway::start(config(json!({ "placeholder": { "enabled": true } })));
    let mut client = connect(&gateway);
    client.send(send("m1", "!slow 1s\none"));
    let stands_in = |client: &mut Socket| {
        assert_eq!(client.next()["type"], "typing.start");
        client.next()["payload"]["message_id"].clone()
    };
    let first = stands_in(&mut client);
    wait_for("the turn", || (value(&gateway, "picoclaw_messages_active") == 1.0).then_some(()));
    client.send(send("m2", "two"));
    let second = stands_in(&mut client);
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let frame = client.next();
        if frame["type"] != "typing.stop" {
            ends.push((frame["type"].clone(), frame["payload"]["message_id"].clone()));
        }
    }
    ends.sort_by_key(|(kind, _)| kind.to_string());
    assert_eq!(ends, [(json!("message.delete"), second), (json!("message.update"), first)]);
    let sent = r#"picoclaw_outbound_messages_total{channel="pico",outcome="success"}"#;
    wait_for("the answer", || (value(&gateway, sent) == 1.0).then_some(()));
    assert_eq!(value(&gateway, r#"picoclaw_channel_messages_total{channel="pico"}"#), 2.0);
}

#[test]
fn an_answer_that_nobody_hears_is_counted_as_not_delivered() {
    let gateway = Gateway::start(config(json!({})));
    let mut client = connect(&gateway);
    client.send(send("m1", "!slow 1s\nx"));
    assert_eq!(client.next()["type"], "typing.start");
    drop(client);
    let failed = r#"picoclaw_outbound_messages_total{channel="pico",outcome="failure"}"#;
    wait_for("the failure", || (value(&gateway, failed) == 1.0).then_some(()));
    // The turn is in the history all the same.
    assert_eq!(gateway.home.session_lines().len(), 2);
    assert_eq!(value(&gateway, r#"picoclaw_turns_total{origin="user",status="completed"}"#), 1.0);
}

#[test]
fn a_client_that_says_nothing_is_pinged_and_then_left() {
    let gateway = Gateway::start(config(json!({ "settings": { "ping_interval": 0.1, "read_timeout": 1 } })));
    let mut client = connect(&gateway);
    client.pinged();
    client.pinged();
    // Pongs keep it alive: the library sends them while somebody reads.
    client.send(json!({ "type": "ping" }));
    assert_eq!(client.next()["type"], "pong");
    let clients = r#"picoclaw_channel_clients{channel="pico"}"#;
    wait_for("the silent client to be left", || (value(&gateway, clients) == 0.0).then_some(()));
    assert_eq!(client.closed(), 1006);
}

#[test]
fn channels_come_and_go_with_a_reload() {
    let gateway = Gateway::start(json!({}));
    assert_eq!(request(gateway.port, "GET", WS, &[], b"").unwrap().status, 404);
    gateway.home.configure(config(json!({})));
    assert_eq!(gateway.reload().status, 200);
    let up = r#"picoclaw_channel_up{channel="pico"}"#;
    wait_for("the channel", || (value(&gateway, up) == 1.0).then_some(()));
    let mut client = connect(&gateway);
    // What does not concern the channel leaves it alone.
    let mut other = config(json!({}));
    other["agents"] = json!({ "defaults": { "turn_timeout_secs": 5 } });
    gateway.home.configure(other);
    assert_eq!(gateway.reload().json()["changed"], json!(["agents.defaults.turn_timeout_secs"]));
    client.send(json!({ "type": "ping" }));
    assert_eq!(client.next()["type"], "pong");
    gateway.home.configure(json!({}));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(client.closed(), 1001);
    assert!(value(&gateway, up).is_nan());
    assert_eq!(gateway.health()["status"], "healthy", "what was taken out is not down");
    assert_eq!(request(gateway.port, "GET", WS, &[], b"").unwrap().status, 404);
}

#[test]
fn a_gateway_that_stops_answers_and_says_goodbye() {
    let mut gateway = Gateway::start(config(json!({})));
    let mut client = connect(&gateway);
    client.send(send("m1", "!slow 1s\nlast words"));
    assert_eq!(client.next()["type"], "typing.start");
    gateway.signal("TERM");
    assert_eq!(client.next()["type"], "typing.stop");
    assert_eq!(client.next()["payload"]["content"], "last words");
    assert_eq!(client.closed(), 1001);
    assert!(gateway.wait().success());
}

#[test]
fn a_channel_that_cannot_run_is_down_and_the_others_go_on() {
    let mut config = config(json!({}));
    config["channel_list"]["telegram"] = json!({ "enabled": true });
    let gateway = Gateway::start(config);
    assert_eq!(value(&gateway, r#"picoclaw_channel_up{channel="telegram"}"#), 0.0);
    assert!(gateway.health().to_string().contains("channel_telegram_down"));
    let mut client = connect(&gateway);
    client.send(json!({ "type": "ping" }));
    assert_eq!(client.next()["type"], "pong");
    let log = gateway.stop().log();
    assert!(log.iter().any(|line| line.to_string().contains("channel_list.telegram.settings.token")));
}

#[test]
fn a_type_that_does_not_run_is_named_once_and_harms_nobody() {
    let gateway =
        Gateway::start(json!({ "channel_list": { "line": { "enabled": true, "settings": { "x": 1 } } } }));
    assert_eq!(gateway.health()["status"], "healthy");
    let log = gateway.stop().log();
    assert_eq!(log.iter().filter(|line| line.to_string().contains("channel_list.line")).count(), 1);
}
