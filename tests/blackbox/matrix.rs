//! Matrix: what was said since the last start is answered, once, where the agent is meant.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Gateway, Network, wait_for};

const ROOM: &str = "/_matrix/client/v3/rooms/!room:x/send/m.room.message/";
const ALONE: &str = "/_matrix/client/v3/rooms/!alone:x/send/m.room.message/";

fn message(sender: &str, body: &str) -> Value {
    json!({ "type": "m.room.message", "sender": sender, "content": { "msgtype": "m.text", "body": body } })
}

/// What the homeserver tells, in three steps: where it is now, an invitation and what people say, and nothing more.
fn sync(path: &str) -> Value {
    let since = path.split("since=").nth(1).unwrap_or_default();
    match since.split('&').next().unwrap_or_default() {
        "" => json!({ "next_batch": "one", "rooms": { "join": { "!alone:x": { "timeline": { "events": [
            message("@ann:x", "said long ago"),
        ] } } } } }),
        "one" => json!({ "next_batch": "two", "rooms": {
            "invite": { "!room:x": {} },
            "join": {
                "!alone:x": { "summary": { "m.joined_member_count": 2 }, "timeline": { "events": [
                    message("@pico:x", "my own words"),
                    message("@ann:x", "**hello**\nthere"),
                ] } },
                "!room:x": { "summary": { "m.joined_member_count": 3 }, "timeline": { "events": [
                    message("@ann:x", "pico: before it came"),
                    { "type": "m.room.member", "state_key": "@pico:x", "sender": "@pico:x", "content": { "membership": "join" } },
                    message("@ann:x", "among ourselves"),
                    message("@ann:x", "pico: and you?"),
                    message("@eve:x", "pico: and me?"),
                ] } },
            },
        } }),
        _ => {
            std::thread::sleep(std::time::Duration::from_millis(300));
            json!({ "next_batch": "two" })
        }
    }
}

fn answer(path: &str, _: &Value, _: &str) -> Value {
    match path.split('?').next().unwrap_or_default() {
        "/_matrix/client/v3/account/whoami" => json!({ "user_id": "@pico:x" }),
        "/_matrix/client/v3/sync" => sync(path),
        path if path.contains("/send/") => json!({ "event_id": "$1" }),
        _ => json!({}),
    }
}

#[test]
fn rooms_and_people_are_answered_once() {
    let network = Network::start(answer);
    let config = json!({ "channel_list": { "matrix": {
        "enabled": true, "allow_from": ["@ann:x"], "group_trigger": { "mention_only": true }, "typing": { "enabled": false },
        "settings": { "homeserver": network.url(), "access_token": "matrix-secret-token" },
    } } });
    let gateway = Gateway::start(config);
    let said = network.call_below(ALONE, 0);
    assert_eq!((&said["msgtype"], &said["body"]), (&json!("m.text"), &json!("**hello**\nthere")));
    assert_eq!(said["formatted_body"], "<b>hello</b><br>there");
    assert_eq!(network.call_below(ROOM, 0)["body"], "and you?");
    network.call("/_matrix/client/v3/join/!room:x", 0);
    let count = |gateway: &Gateway, series: &str| gateway.scrape().get(series);
    let sent = r#"picoclaw_outbound_messages_total{channel="matrix",outcome="success"}"#;
    wait_for("the counts", || (count(&gateway, sent) == 2.0).then_some(()));
    assert_eq!(count(&gateway, "picoclaw_messages_total"), 2.0);
    assert_eq!(
        count(&gateway, r#"picoclaw_messages_rejected_total{channel="matrix",reason="not_allowed"}"#),
        1.0
    );
    let named = |line: &Value| line["error"].as_str().is_some_and(|text| text.contains("@eve:x"));
    wait_for("who was refused", || gateway.home.log().iter().any(named).then_some(()));
    assert_eq!(count(&gateway, r#"picoclaw_channel_up{channel="matrix"}"#), 1.0);

    // A restart goes on where it was.
    let state = gateway.home.join("workspace/state/matrix-matrix.json");
    wait_for("the place", || std::fs::read_to_string(&state).ok().filter(|text| text.contains("two")));
    let gateway = Gateway::start_in(gateway.stop());
    wait_for("the channel", || {
        (count(&gateway, r#"picoclaw_channel_up{channel="matrix"}"#) == 1.0).then_some(())
    });
    assert_eq!(count(&gateway, "picoclaw_messages_total"), 0.0);
    assert!(!serde_json::to_string(&gateway.home.log()).unwrap().contains("matrix-secret-token"));
}

/// Whether the homeserver may say how many people are in a room.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Two messages come at once, and the second one waits until the gateway stops.
fn answer_slowly(path: &str, body: &Value, url: &str) -> Value {
    let event = |id: &str, text: &str| {
        let mut event = message("@ann:x", text);
        event["event_id"] = json!(id);
        json!({ "timeline": { "events": [event] } })
    };
    if path.ends_with("/joined_members") {
        wait_for("the stop", || STOPPING.load(Ordering::SeqCst).then_some(()));
        return json!({ "joined": { "@ann:x": {}, "@pico:x": {} } });
    }
    if path.contains("since=one") {
        let mut first = event("$first", "first");
        first["summary"] = json!({ "m.joined_member_count": 2 });
        let rooms = json!({ "!alone:x": first, "!room:x": event("$second", "second") });
        return json!({ "next_batch": "two", "rooms": { "join": rooms } });
    }
    answer(path, body, url)
}

#[test]
fn a_stop_in_the_midst_of_messages_answers_none_twice() {
    let network = Network::start(answer_slowly);
    let gateway = Gateway::start(json!({ "channel_list": { "matrix": {
        "enabled": true, "typing": { "enabled": false },
        "settings": { "homeserver": network.url(), "access_token": "t" },
    } } }));
    assert_eq!(network.call_below(ALONE, 0)["body"], "first");
    gateway.signal("TERM");
    let stops = |line: &Value| line["kind"] == "gateway.shutdown";
    wait_for("the stop", || gateway.home.log().iter().any(stops).then_some(()));
    STOPPING.store(true, Ordering::SeqCst);
    let gateway = Gateway::start_in(gateway.ended());
    assert_eq!(network.call_below(ROOM, 0)["body"], "second");
    assert_eq!(gateway.scrape().get("picoclaw_messages_total"), 1.0);
}
